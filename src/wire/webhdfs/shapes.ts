/**
 * The JSON of WebHDFS's answers. A member that Hadoop's client casts without looking (JsonUtilClient) is not optional here:
 * without it the client says "Response decoding failure". Numbers are JSON numbers, permissions octal texts.
 */

export interface FileStatusJson {
  readonly accessTime: number;
  readonly blockSize: number;
  readonly childrenNum?: number;
  readonly fileId?: number;
  readonly group: string;
  /** 0 for a directory, as replication and blockSize. */
  readonly length: number;
  readonly modificationTime: number;
  readonly owner: string;
  /** The name below the path that was asked for; "" for itself. */
  readonly pathSuffix: string;
  readonly permission: string;
  readonly replication: number;
  readonly storagePolicy?: number;
  readonly symlink?: string;
  readonly type: "FILE" | "DIRECTORY" | "SYMLINK";
  readonly aclBit?: boolean;
  readonly ecBit?: boolean;
  readonly ecPolicy?: string;
  readonly snapshotEnabled?: boolean;
}

export interface FileStatusesJson {
  readonly FileStatuses: { readonly FileStatus: readonly FileStatusJson[] };
}

export interface ContentSummaryJson {
  readonly directoryCount: number;
  readonly fileCount: number;
  readonly length: number;
  readonly quota: number;
  readonly spaceConsumed: number;
  readonly spaceQuota: number;
  readonly typeQuota: Readonly<Record<string, { readonly consumed: number; readonly quota: number }>>;
  /** HDFS before 3.0 has none. Of a file "Replicated" when it is not coded, of a directory "". */
  readonly ecPolicy?: string;
  /** What of the counts above only snapshots hold. HDFS before 3.4 does not tell. */
  readonly snapshotLength?: number;
  readonly snapshotFileCount?: number;
  readonly snapshotDirectoryCount?: number;
  readonly snapshotSpaceConsumed?: number;
}

export interface QuotaUsageJson {
  readonly fileAndDirectoryCount: number;
  readonly quota: number;
  readonly spaceConsumed: number;
  readonly spaceQuota: number;
  readonly typeQuota: Readonly<Record<string, { readonly consumed: number; readonly quota: number }>>;
}

export interface FileChecksumJson {
  readonly algorithm: string;
  /** Hexadecimal: chunk size, chunks per block, MD5. */
  readonly bytes: string;
  readonly length: number;
}

export interface BlockLocationJson {
  readonly cachedHosts: readonly string[];
  readonly corrupt: boolean;
  readonly hosts: readonly string[];
  readonly length: number;
  /** "host:port". */
  readonly names: readonly string[];
  readonly offset: number;
  readonly storageTypes: readonly string[];
  /** "/rack/host:port". */
  readonly topologyPaths: readonly string[];
}

export interface DatanodeInfoJson {
  readonly ipAddr: string;
  readonly hostName: string;
  readonly storageID: string;
  readonly xferPort: number;
  readonly infoPort: number;
  readonly infoSecurePort: number;
  readonly ipcPort: number;
  readonly capacity: number;
  readonly dfsUsed: number;
  readonly remaining: number;
  readonly blockPoolUsed: number;
  readonly lastUpdate: number;
  readonly xceiverCount: number;
  readonly networkLocation: string;
  readonly adminState: string;
}

export interface LocatedBlockJson {
  readonly block: {
    readonly blockPoolId: string;
    readonly blockId: number;
    readonly numBytes: number;
    readonly generationStamp: number;
  };
  readonly blockToken: { readonly urlString: string };
  readonly isCorrupt: boolean;
  readonly startOffset: number;
  readonly locations: readonly DatanodeInfoJson[];
  readonly cachedLocations: readonly DatanodeInfoJson[];
  readonly storageTypes?: readonly string[];
}

export interface LocatedBlocksJson {
  readonly fileLength: number;
  readonly isUnderConstruction: boolean;
  readonly isLastBlockComplete: boolean;
  readonly locatedBlocks: readonly LocatedBlockJson[];
  readonly lastLocatedBlock: LocatedBlockJson | null;
}

export interface ServerDefaultsJson {
  readonly blockSize: number;
  readonly bytesPerChecksum: number;
  readonly writePacketSize: number;
  readonly replication: number;
  readonly fileBufferSize: number;
  readonly encryptDataTransfer: boolean;
  /** Minutes; 0: clients do not use the trash. */
  readonly trashInterval: number;
  /** 2: CRC-32C. */
  readonly checksumType: number;
  readonly keyProviderUri: string;
  readonly defaultStoragePolicyId: number;
}

export interface AclStatusJson {
  readonly entries: readonly string[];
  readonly group: string;
  readonly owner: string;
  readonly permission: string;
  readonly stickyBit: boolean;
}

/** Bare in GETECPOLICY's answer, with its state in that of GETECPOLICIES. */
export interface ErasureCodingPolicyJson {
  readonly name: string;
  readonly schema: {
    readonly codecName: string;
    readonly numDataUnits: number;
    readonly numParityUnits: number;
    readonly extraOptions: object;
  };
  readonly cellSize: number;
  readonly id: number;
  readonly codecName: string;
  readonly numDataUnits: number;
  readonly numParityUnits: number;
  readonly replicationPolicy: boolean;
  readonly systemPolicy: boolean;
}

export interface StoragePolicyJson {
  readonly id: number;
  readonly name: string;
  readonly storageTypes: readonly string[];
  readonly creationFallbacks: readonly string[];
  readonly replicationFallbacks: readonly string[];
  readonly copyOnCreateFile: boolean;
}

export interface SnapshotDiffEntryJson {
  readonly sourcePath: string;
  /** Only of RENAME. */
  readonly targetPath?: string;
  readonly type: "CREATE" | "DELETE" | "MODIFY" | "RENAME";
}

export interface SnapshottableDirectoryJson {
  readonly dirStatus: FileStatusJson;
  readonly parentFullPath: string;
  readonly snapshotNumber: number;
  readonly snapshotQuota: number;
}

export interface SnapshotStatusJson {
  readonly dirStatus: FileStatusJson;
  readonly parentFullPath: string;
  readonly snapshotID: number;
  readonly deletionStatus: "ACTIVE" | "DELETED";
}

/** What each operation with a JSON body answers. The others answer nothing, or bytes. */
export interface OperationAnswers {
  readonly GETFILESTATUS: { readonly FileStatus: FileStatusJson };
  readonly GETFILELINKSTATUS: { readonly FileStatus: FileStatusJson };
  readonly LISTSTATUS: FileStatusesJson;
  readonly LISTSTATUS_BATCH: {
    readonly DirectoryListing: {
      readonly partialListing: FileStatusesJson;
      readonly remainingEntries: number;
    };
  };
  readonly GETCONTENTSUMMARY: { readonly ContentSummary: ContentSummaryJson };
  readonly GETQUOTAUSAGE: { readonly QuotaUsage: QuotaUsageJson };
  readonly GETFILECHECKSUM: { readonly FileChecksum: FileChecksumJson };
  readonly GETHOMEDIRECTORY: { readonly Path: string };
  readonly GETTRASHROOT: { readonly Path: string };
  readonly GETTRASHROOTS: { readonly Paths: readonly FileStatusJson[] };
  readonly GETLINKTARGET: { readonly Path: string };
  readonly GETDELEGATIONTOKEN: { readonly Token: { readonly urlString: string } | null };
  readonly GETACLSTATUS: { readonly AclStatus: AclStatusJson };
  /** HDFS writes null for an empty value. */
  readonly GETXATTRS: {
    readonly XAttrs: readonly { readonly name: string; readonly value: string | null }[];
  };
  /** A JSON text inside the JSON. */
  readonly LISTXATTRS: { readonly XAttrNames: string };
  readonly GETSERVERDEFAULTS: { readonly FsServerDefaults: ServerDefaultsJson };
  readonly GETSTATUS: {
    readonly FsStatus: { readonly used: number; readonly remaining: number; readonly capacity: number };
  };
  readonly GETFILEBLOCKLOCATIONS: {
    readonly BlockLocations: { readonly BlockLocation: readonly BlockLocationJson[] };
  };
  readonly GET_BLOCK_LOCATIONS: { readonly LocatedBlocks: LocatedBlocksJson };
  readonly GETALLSTORAGEPOLICY: {
    readonly BlockStoragePolicies: { readonly BlockStoragePolicy: readonly StoragePolicyJson[] };
  };
  readonly GETSTORAGEPOLICY: { readonly BlockStoragePolicy: StoragePolicyJson };
  readonly GETECPOLICIES: {
    readonly ErasureCodingPolicies: {
      readonly ErasureCodingPolicyInfo: readonly {
        readonly state: string;
        readonly policy: ErasureCodingPolicyJson;
      }[];
    };
  };
  readonly GETSNAPSHOTDIFF: {
    readonly SnapshotDiffReport: {
      readonly diffList: readonly SnapshotDiffEntryJson[];
      readonly fromSnapshot: string;
      readonly snapshotRoot: string;
      readonly toSnapshot: string;
    };
  };
  readonly GETSNAPSHOTTABLEDIRECTORYLIST: {
    /** HDFS writes null for none. */
    readonly SnapshottableDirectoryList: readonly SnapshottableDirectoryJson[] | null;
  };
  readonly GETSNAPSHOTLIST: { readonly SnapshotList: readonly SnapshotStatusJson[] };
  readonly MKDIRS: { readonly boolean: boolean };
  readonly RENAME: { readonly boolean: boolean };
  readonly SETREPLICATION: { readonly boolean: boolean };
  readonly TRUNCATE: { readonly boolean: boolean };
  readonly DELETE: { readonly boolean: boolean };
  readonly CREATESNAPSHOT: { readonly Path: string };
  readonly RENEWDELEGATIONTOKEN: { readonly long: number };
}
