/**
 * webhdfs: the protocol of Hadoop's HTTP file system, typed and without a socket.
 *
 * This file is the table of operations (WebHDFS.md of Hadoop 3.4): method, parameters, defaults. `request.ts` turns a request
 * line into an operation and back, `shapes.ts` holds the JSON of the answers, `remote-exception.ts` the errors, `acl-text.ts`
 * the texts of permissions. Server and client are made of the same table.
 */
import type { Parameter } from "./parameters.ts";
import {
  bool,
  byteCount,
  choice,
  choices,
  commas,
  long,
  needed,
  permission,
  quota,
  repeated,
  text,
} from "./parameters.ts";

export type Method = "GET" | "PUT" | "POST" | "DELETE";

type Nothing = Readonly<Record<never, never>>;
interface Redirected {
  /** Answer 200 with `{"Location": …}`, in place of 307. */
  readonly noredirect: boolean;
  /** "host:port" of nodes that failed the client. */
  readonly excludedatanodes: readonly string[];
  /** HttpFS: the bytes are in this request, not in the one after the redirect. */
  readonly data: boolean;
  readonly buffersize: number | undefined;
}
/** Bytes; beyond Number.MAX_SAFE_INTEGER, which no file has, all are that. */
interface Range {
  readonly offset: number;
  readonly length: number | undefined;
}
interface NewEntry {
  readonly permission: number | undefined;
  /** As it was before the client's umask: only a directory with a default ACL uses it. */
  readonly unmaskedpermission: number | undefined;
}
interface Snapshots {
  readonly oldsnapshotname: string | undefined;
  readonly snapshotname: string | undefined;
}
interface Acl {
  readonly aclspec: string;
}

/** The parameters of each operation, besides its path and who asks. */
export interface OperationParameters {
  readonly OPEN: Range & Redirected;
  readonly GETFILESTATUS: Nothing;
  readonly GETFILELINKSTATUS: Nothing;
  readonly LISTSTATUS: Nothing;
  readonly LISTSTATUS_BATCH: { readonly startAfter: string | undefined };
  readonly GETCONTENTSUMMARY: Nothing;
  readonly GETQUOTAUSAGE: Nothing;
  readonly GETFILECHECKSUM: Pick<Redirected, "noredirect" | "excludedatanodes">;
  readonly GETHOMEDIRECTORY: Nothing;
  readonly GETTRASHROOT: Nothing;
  readonly GETTRASHROOTS: { readonly allusers: boolean };
  readonly GETLINKTARGET: Nothing;
  readonly GETDELEGATIONTOKEN: {
    readonly renewer: string | undefined;
    readonly service: string | undefined;
    readonly kind: string | undefined;
  };
  readonly GETACLSTATUS: Nothing;
  readonly GETXATTRS: {
    readonly "xattr.name": readonly string[];
    readonly encoding: "text" | "hex" | "base64" | undefined;
  };
  readonly LISTXATTRS: Nothing;
  readonly CHECKACCESS: { readonly fsaction: string };
  readonly GETSERVERDEFAULTS: Nothing;
  readonly GETSTATUS: Nothing;
  readonly GETFILEBLOCKLOCATIONS: Range;
  /** What clients before Hadoop 3.4 and MapReduce ask in place of the one above. */
  readonly GET_BLOCK_LOCATIONS: Range;
  readonly GETALLSTORAGEPOLICY: Nothing;
  readonly GETSTORAGEPOLICY: Nothing;
  readonly GETECPOLICY: Nothing;
  readonly GETECPOLICIES: Nothing;
  readonly GETECCODECS: Nothing;
  readonly GETSNAPSHOTDIFF: Snapshots;
  readonly GETSNAPSHOTDIFFLISTING: Snapshots & {
    readonly snapshotdiffstartpath: string | undefined;
    readonly snapshotdiffindex: number;
  };
  readonly GETSNAPSHOTTABLEDIRECTORYLIST: Nothing;
  readonly GETSNAPSHOTLIST: Nothing;

  readonly CREATE: NewEntry &
    Redirected & {
      readonly overwrite: boolean;
      readonly blocksize: number | undefined;
      readonly replication: number | undefined;
      readonly createflag: string | undefined;
      readonly createparent: boolean;
    };
  readonly MKDIRS: NewEntry;
  readonly RENAME: {
    readonly destination: string;
    readonly renameoptions: readonly ("OVERWRITE" | "NONE" | "TO_TRASH")[];
  };
  readonly SETREPLICATION: { readonly replication: number | undefined };
  readonly CREATESYMLINK: { readonly destination: string; readonly createParent: boolean };
  readonly SETOWNER: { readonly owner: string | undefined; readonly group: string | undefined };
  readonly SETPERMISSION: { readonly permission: number | undefined };
  /** -1 keeps it. */
  readonly SETTIMES: { readonly modificationtime: number; readonly accesstime: number };
  readonly RENEWDELEGATIONTOKEN: { readonly token: string };
  readonly CANCELDELEGATIONTOKEN: { readonly token: string };
  readonly SETACL: Acl;
  readonly MODIFYACLENTRIES: Acl;
  readonly REMOVEACLENTRIES: Acl;
  readonly REMOVEDEFAULTACL: Nothing;
  readonly REMOVEACL: Nothing;
  readonly SETXATTR: {
    readonly "xattr.name": string;
    /** 0x… in hexadecimal, 0s… in base 64, or a text. */
    readonly "xattr.value": string | undefined;
    /** Neither, or both: whether the attribute is there already or not. */
    readonly flag: readonly ("CREATE" | "REPLACE")[];
  };
  readonly REMOVEXATTR: { readonly "xattr.name": string };
  readonly ALLOWSNAPSHOT: Nothing;
  readonly DISALLOWSNAPSHOT: Nothing;
  readonly CREATESNAPSHOT: { readonly snapshotname: string | undefined };
  readonly RENAMESNAPSHOT: { readonly oldsnapshotname: string; readonly snapshotname: string };
  readonly SETSTORAGEPOLICY: { readonly storagepolicy: string };
  readonly SATISFYSTORAGEPOLICY: Nothing;
  readonly SETECPOLICY: { readonly ecpolicy: string };
  readonly ENABLEECPOLICY: { readonly ecpolicy: string };
  readonly DISABLEECPOLICY: { readonly ecpolicy: string };
  /** Undefined keeps it, -1 removes it. */
  readonly SETQUOTA: {
    readonly namespacequota: number | undefined;
    readonly storagespacequota: number | undefined;
  };
  readonly SETQUOTABYSTORAGETYPE: {
    readonly storagetype: string;
    readonly storagespacequota: number | undefined;
  };

  readonly APPEND: Redirected;
  readonly CONCAT: { readonly sources: readonly string[] };
  readonly TRUNCATE: { readonly newlength: number | undefined };
  readonly UNSETSTORAGEPOLICY: Nothing;
  readonly UNSETECPOLICY: Nothing;

  readonly DELETE: { readonly recursive: boolean };
  readonly DELETESNAPSHOT: { readonly snapshotname: string };
}

export type OperationName = keyof OperationParameters;

export interface OperationRow<Name extends OperationName> {
  readonly method: Method;
  readonly parameters: {
    readonly [P in keyof OperationParameters[Name]]: Parameter<OperationParameters[Name][P]>;
  };
}

export type Operation<Name extends OperationName = OperationName> = {
  readonly [Each in Name]: { readonly op: Each } & OperationParameters[Each];
}[Name];

const get = "GET" as const;
const put = "PUT" as const;
const nothing = {} as const;
const range = { offset: byteCount(0), length: byteCount(undefined) } as const;
const redirected = {
  noredirect: bool(false),
  excludedatanodes: commas,
  data: bool(false),
  buffersize: long(undefined),
} as const;
const newEntry = { permission, unmaskedpermission: permission } as const;
const snapshots = { oldsnapshotname: text, snapshotname: text } as const;
const acl = { aclspec: needed } as const;

export const OPERATIONS: { readonly [Name in OperationName]: OperationRow<Name> } = {
  OPEN: { method: get, parameters: { ...range, ...redirected } },
  GETFILESTATUS: { method: get, parameters: nothing },
  GETFILELINKSTATUS: { method: get, parameters: nothing },
  LISTSTATUS: { method: get, parameters: nothing },
  LISTSTATUS_BATCH: { method: get, parameters: { startAfter: text } },
  GETCONTENTSUMMARY: { method: get, parameters: nothing },
  GETQUOTAUSAGE: { method: get, parameters: nothing },
  GETFILECHECKSUM: { method: get, parameters: { noredirect: bool(false), excludedatanodes: commas } },
  GETHOMEDIRECTORY: { method: get, parameters: nothing },
  GETTRASHROOT: { method: get, parameters: nothing },
  GETTRASHROOTS: { method: get, parameters: { allusers: bool(false) } },
  GETLINKTARGET: { method: get, parameters: nothing },
  GETDELEGATIONTOKEN: { method: get, parameters: { renewer: text, service: text, kind: text } },
  GETACLSTATUS: { method: get, parameters: nothing },
  GETXATTRS: {
    method: get,
    parameters: { "xattr.name": repeated, encoding: choice(["text", "hex", "base64"], undefined) },
  },
  LISTXATTRS: { method: get, parameters: nothing },
  CHECKACCESS: { method: get, parameters: { fsaction: needed } },
  GETSERVERDEFAULTS: { method: get, parameters: nothing },
  GETSTATUS: { method: get, parameters: nothing },
  GETFILEBLOCKLOCATIONS: { method: get, parameters: range },
  GET_BLOCK_LOCATIONS: { method: get, parameters: range },
  GETALLSTORAGEPOLICY: { method: get, parameters: nothing },
  GETSTORAGEPOLICY: { method: get, parameters: nothing },
  GETECPOLICY: { method: get, parameters: nothing },
  GETECPOLICIES: { method: get, parameters: nothing },
  GETECCODECS: { method: get, parameters: nothing },
  GETSNAPSHOTDIFF: { method: get, parameters: snapshots },
  GETSNAPSHOTDIFFLISTING: {
    method: get,
    parameters: { ...snapshots, snapshotdiffstartpath: text, snapshotdiffindex: long(-1, -1) },
  },
  GETSNAPSHOTTABLEDIRECTORYLIST: { method: get, parameters: nothing },
  GETSNAPSHOTLIST: { method: get, parameters: nothing },

  CREATE: {
    method: put,
    parameters: {
      ...newEntry,
      ...redirected,
      overwrite: bool(false),
      blocksize: long(undefined, 1),
      replication: long(undefined, 1),
      createflag: text,
      createparent: bool(true),
    },
  },
  MKDIRS: { method: put, parameters: newEntry },
  RENAME: {
    method: put,
    parameters: { destination: needed, renameoptions: choices(["OVERWRITE", "NONE", "TO_TRASH"]) },
  },
  SETREPLICATION: { method: put, parameters: { replication: long(undefined, 1) } },
  CREATESYMLINK: { method: put, parameters: { destination: needed, createParent: bool(false) } },
  SETOWNER: { method: put, parameters: { owner: text, group: text } },
  SETPERMISSION: { method: put, parameters: { permission } },
  SETTIMES: { method: put, parameters: { modificationtime: long(-1, -1), accesstime: long(-1, -1) } },
  RENEWDELEGATIONTOKEN: { method: put, parameters: { token: needed } },
  CANCELDELEGATIONTOKEN: { method: put, parameters: { token: needed } },
  SETACL: { method: put, parameters: acl },
  MODIFYACLENTRIES: { method: put, parameters: acl },
  REMOVEACLENTRIES: { method: put, parameters: acl },
  REMOVEDEFAULTACL: { method: put, parameters: nothing },
  REMOVEACL: { method: put, parameters: nothing },
  SETXATTR: {
    method: put,
    parameters: { "xattr.name": needed, "xattr.value": text, flag: choices(["CREATE", "REPLACE"]) },
  },
  REMOVEXATTR: { method: put, parameters: { "xattr.name": needed } },
  ALLOWSNAPSHOT: { method: put, parameters: nothing },
  DISALLOWSNAPSHOT: { method: put, parameters: nothing },
  CREATESNAPSHOT: { method: put, parameters: { snapshotname: text } },
  RENAMESNAPSHOT: { method: put, parameters: { oldsnapshotname: needed, snapshotname: needed } },
  SETSTORAGEPOLICY: { method: put, parameters: { storagepolicy: needed } },
  SATISFYSTORAGEPOLICY: { method: put, parameters: nothing },
  SETECPOLICY: { method: put, parameters: { ecpolicy: needed } },
  ENABLEECPOLICY: { method: put, parameters: { ecpolicy: needed } },
  DISABLEECPOLICY: { method: put, parameters: { ecpolicy: needed } },
  SETQUOTA: { method: put, parameters: { namespacequota: quota, storagespacequota: quota } },
  SETQUOTABYSTORAGETYPE: { method: put, parameters: { storagetype: needed, storagespacequota: quota } },

  APPEND: { method: "POST", parameters: redirected },
  CONCAT: { method: "POST", parameters: { sources: commas } },
  TRUNCATE: { method: "POST", parameters: { newlength: byteCount(undefined) } },
  UNSETSTORAGEPOLICY: { method: "POST", parameters: nothing },
  UNSETECPOLICY: { method: "POST", parameters: nothing },

  DELETE: { method: "DELETE", parameters: { recursive: bool(false) } },
  DELETESNAPSHOT: { method: "DELETE", parameters: { snapshotname: needed } },
};
