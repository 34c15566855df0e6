/** The operations of GET that are answered with one small JSON: a table, one entry an operation. */
import { QuorateError, isQuorateError } from "../../../runtime/errors.ts";
import { parseAction } from "../../../wire/webhdfs/acl-text.ts";
import type { Operation, OperationName } from "../../../wire/webhdfs/operations.ts";
import type { OperationAnswers } from "../../../wire/webhdfs/shapes.ts";
import type { FileSystem } from "../../files/file-system.ts";
import type { Caller, FileStatus, Listing } from "../../files/namespace/model.ts";
import { blockLocationsJson, locatedBlocksJson } from "./block-locations.ts";
import {
  DEFAULT_STORAGE_POLICY_ID,
  ERASURE_CODING_CODECS,
  ERASURE_CODING_POLICIES,
  erasureCodingPolicy,
  STORAGE_POLICIES,
  storagePolicy,
} from "./policies.ts";
import { differenceJson, differenceListing, snapshotList, snapshottableJson } from "./snapshots.ts";
import {
  aclStatusJson,
  contentSummaryJson,
  encodeAttribute,
  fileStatusJson,
  nameOf,
  quotaUsageJson,
} from "./statuses.ts";

/** For whom and of what: an `Exchange`, or less. */
export interface Asked {
  readonly files: FileSystem;
  readonly path: string;
  readonly caller: Caller;
  readonly signal: AbortSignal;
}

/** What an answer of an operation is: of a known shape, any JSON, or nothing (undefined). */
export type AnswerOf<Name extends OperationName> = Name extends keyof OperationAnswers
  ? OperationAnswers[Name]
  : object | null | undefined;

export type QuestionName = Exclude<
  OperationName & (`GET${string}` | "CHECKACCESS" | "LISTXATTRS" | "LISTSTATUS_BATCH"),
  "GETFILECHECKSUM"
>;

type Questions = {
  readonly [Name in QuestionName]: (asked: Asked, operation: Operation<Name>) => Promise<AnswerOf<Name>>;
};

const BYTES_PER_CHECKSUM = 512;
const PACKET_BYTES = 65_536;
/** What a client is told to use as its copy buffer. */
const BUFFER_BYTES = 4096;
const CRC32C = 2;
/** The permission, as `checkAccess` takes it. */
const READ = 4;

export const QUESTIONS: Questions = {
  // Nothing waits longer for a client that has gone than for the round that all requests of the turn share: no signal.
  GETFILESTATUS: async ({ files, path, caller }) => ({
    FileStatus: fileStatusJson(await files.status(path, caller), ""),
  }),
  GETFILELINKSTATUS: async ({ files, path, caller }) => ({
    FileStatus: fileStatusJson(await files.status(path, caller, { followLast: false }), ""),
  }),
  async LISTSTATUS_BATCH(asked, { startAfter = "" }) {
    const { entries, remaining } = await page(asked, startAfter);
    const FileStatus = entries.map(([name, status]) => fileStatusJson(status, name));
    return {
      DirectoryListing: { partialListing: { FileStatuses: { FileStatus } }, remainingEntries: remaining },
    };
  },
  GETCONTENTSUMMARY: async ({ files, path, caller, signal }) => ({
    ContentSummary: contentSummaryJson(await files.contentSummary(path, caller, { signal })),
  }),
  GETQUOTAUSAGE: async ({ files, path, caller, signal }) => ({
    QuotaUsage: quotaUsageJson(await files.contentSummary(path, caller, { signal })),
  }),
  GETHOMEDIRECTORY: async ({ caller }) => ({ Path: homeOf(caller) }),
  GETTRASHROOT: async ({ caller }) => ({ Path: `${homeOf(caller)}/.Trash` }),
  GETTRASHROOTS: async (asked, { allusers }) => ({ Paths: await trashRoots(asked, allusers) }),
  GETLINKTARGET: async ({ files, path, caller, signal }) => ({
    Path: await files.linkTarget(path, caller, { signal }),
  }),
  // Who asks is believed, so there is nothing that a token would prove.
  GETDELEGATIONTOKEN: async () => ({ Token: null }),
  GETACLSTATUS: async ({ files, path, caller, signal }) => ({
    AclStatus: aclStatusJson(await files.acl(path, caller, { signal })),
  }),
  async GETXATTRS({ files, path, caller, signal }, { "xattr.name": names, encoding }) {
    const found = await files.attributes(path, caller, names.length === 0 ? undefined : names, { signal });
    return { XAttrs: [...found].map(([name, value]) => ({ name, value: encodeAttribute(value, encoding) })) };
  },
  LISTXATTRS: async ({ files, path, caller, signal }) => ({
    XAttrNames: JSON.stringify([...(await files.attributes(path, caller, undefined, { signal })).keys()]),
  }),
  async CHECKACCESS({ files, path, caller, signal }, { fsaction }) {
    await files.checkAccess(path, caller, parseAction(fsaction), { signal });
    return undefined;
  },
  async GETSERVERDEFAULTS({ files }) {
    const { blockSize, replication, trashIntervalMs } = files.settings();
    return {
      FsServerDefaults: {
        blockSize,
        bytesPerChecksum: BYTES_PER_CHECKSUM,
        writePacketSize: PACKET_BYTES,
        replication,
        fileBufferSize: BUFFER_BYTES,
        encryptDataTransfer: false,
        trashInterval: Math.ceil(trashIntervalMs / 60_000),
        checksumType: CRC32C,
        keyProviderUri: "",
        defaultStoragePolicyId: DEFAULT_STORAGE_POLICY_ID,
      },
    };
  },
  async GETSTATUS({ files }) {
    const live = files.nodes().filter((node) => node.live);
    const sum = (of: (node: (typeof live)[number]) => number): number =>
      live.reduce((total, node) => total + of(node), 0);
    return {
      FsStatus: {
        used: sum((node) => node.usedBytes),
        remaining: sum((node) => node.freeBytes),
        capacity: sum((node) => node.capacityBytes),
      },
    };
  },
  async GETFILEBLOCKLOCATIONS(asked, range) {
    const { status, blocks } = await locate(asked, range);
    return { BlockLocations: { BlockLocation: blockLocationsJson(status, blocks, asked.files.nodes()) } };
  },
  async GET_BLOCK_LOCATIONS(asked, range) {
    const { status, blocks } = await locate(asked, range);
    return { LocatedBlocks: locatedBlocksJson(status, blocks, asked.files.nodes()) };
  },
  GETALLSTORAGEPOLICY: async () => ({ BlockStoragePolicies: { BlockStoragePolicy: STORAGE_POLICIES } }),
  async GETSTORAGEPOLICY({ files, path, caller, signal }) {
    await files.checkAccess(path, caller, READ, { signal });
    const status = await files.status(path, caller, { signal });
    return { BlockStoragePolicy: storagePolicy(status.storagePolicy) };
  },
  async GETECPOLICY({ files, path, caller, signal }) {
    await files.checkAccess(path, caller, READ, { signal });
    const status = await files.status(path, caller, { signal });
    return erasureCodingPolicy(status.erasureCoding);
  },
  GETECPOLICIES: async () => ({
    ErasureCodingPolicies: { ErasureCodingPolicyInfo: ERASURE_CODING_POLICIES },
  }),
  GETECCODECS: async () => ({ ErasureCodingCodecs: ERASURE_CODING_CODECS }),
  async GETSNAPSHOTDIFF({ files, path, caller, signal }, { oldsnapshotname = "", snapshotname = "" }) {
    const found = await files.snapshotDifference(path, caller, oldsnapshotname, snapshotname, { signal });
    return {
      SnapshotDiffReport: {
        diffList: found.map(differenceJson),
        fromSnapshot: oldsnapshotname,
        snapshotRoot: path,
        toSnapshot: snapshotname,
      },
    };
  },
  GETSNAPSHOTDIFFLISTING: async (asked, { oldsnapshotname = "", snapshotname = "" }) =>
    differenceListing(asked, oldsnapshotname, snapshotname),
  GETSNAPSHOTTABLEDIRECTORYLIST: async ({ files, caller, signal }) => ({
    SnapshottableDirectoryList: (await files.snapshottable(caller, { signal })).map(snapshottableJson),
  }),
  GETSNAPSHOTLIST: async (asked) => ({ SnapshotList: await snapshotList(asked) }),
};

export interface Page {
  /** With the name below the path that was asked for: "" when that is a file. */
  readonly entries: readonly (readonly [name: string, status: FileStatus])[];
  readonly remaining: number;
}

export async function page({ files, path, caller, signal }: Asked, startAfter: string): Promise<Page> {
  const { entries, remaining } = await files.list(path, caller, startAfter, { signal });
  const [only, ...more] = entries;
  // One entry that is no directory may be the file itself, and then has no name of its own.
  const isAlone = only !== undefined && only.type !== "directory" && more.length === 0 && startAfter === "";
  if (isAlone && (await files.status(path, caller, { signal })).type !== "directory") {
    return { entries: [["", only]], remaining };
  }
  return { entries: entries.map((status) => [nameOf(status.path), status]), remaining };
}

function homeOf({ user }: Caller): string {
  return `/user/${user}`;
}

async function trashRoots(asked: Asked, ofAll: boolean): Promise<OperationAnswers["GETTRASHROOTS"]["Paths"]> {
  const { files, caller, signal } = asked;
  const homes: string[] = [];
  if (ofAll) {
    for (let startAfter: string | undefined = ""; startAfter !== undefined;) {
      const { entries, remaining }: Listing = await orNothing(
        files.list("/user", caller, startAfter, { signal }),
        {
          entries: [],
          remaining: 0,
        },
      );
      homes.push(...entries.map((entry) => entry.path));
      startAfter = remaining > 0 ? nameOf(homes.at(-1) ?? "") : undefined;
    }
  } else homes.push(homeOf(caller));
  const found: FileStatus[] = [];
  for (const home of homes) {
    const status = await orNothing(files.status(`${home}/.Trash`, caller, { signal }), undefined);
    if (status !== undefined) found.push(status);
  }
  return found.map((status) => fileStatusJson(status, status.path));
}

async function orNothing<T, N>(wait: Promise<T>, nothing: N): Promise<T | N> {
  try {
    return await wait;
  } catch (error) {
    const isAway =
      isQuorateError(error) && (error.code === "PATH_NOT_FOUND" || error.code === "ACCESS_DENIED");
    if (!isAway) throw error;
    return nothing;
  }
}

async function locate(
  { files, path, caller, signal }: Asked,
  { offset, length }: { readonly offset: number; readonly length: number | undefined },
): ReturnType<FileSystem["locations"]> {
  const found = await files.locations(path, caller, offset, length ?? Number.MAX_SAFE_INTEGER - offset, {
    signal,
  });
  if (found.status.type !== "file") throw new QuorateError("PATH_NOT_FOUND", `File does not exist: ${path}`);
  return found;
}
