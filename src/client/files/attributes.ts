/**
 * What a file system knows of a path besides content, owner and mode: access control lists, extended attributes, quotas,
 * snapshots. Hadoop's file systems have all of them, a directory of this machine none (UNSUPPORTED).
 */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { AclTextEntry } from "../../wire/webhdfs/acl-text.ts";
import { parseAclSpec } from "../../wire/webhdfs/acl-text.ts";
import type { CallOptions, FileDescription } from "./driver.ts";
import { FileStats } from "./file-stats.ts";
import { checkPath } from "./path.ts";

/** One entry of a list. `name` is "" of the owner, the owning group, the mask and others; `permission`: 4 read, 2 write, 1 execute. */
export type AclEntry = AclTextEntry;

export interface Acl {
  readonly owner: string;
  readonly group: string;
  /** With a list, its middle bits are the mask. */
  readonly mode: number;
  /** What the mode does not say: named entries with that of the owning group, and the whole default list. */
  readonly entries: readonly AclEntry[];
}

/** Entries as such, or as a text: "user:ann:rwx,default:group:staff:r-x", of a removal without permissions. */
export type AclEntries = string | readonly AclEntry[];

export type AclChange =
  /** `replace`: a list that is whole, of a file or with the default one. `remove` looks at type and name. */
  | { readonly type: "replace" | "modify" | "remove"; readonly entries: AclEntries }
  /** The default list; or all but what the mode says. */
  | { readonly type: "removeDefault" | "removeAll" };

export type ParsedAclChange =
  | { readonly type: "replace" | "modify" | "remove"; readonly entries: readonly AclEntry[] }
  | { readonly type: "removeDefault" | "removeAll" };

export interface SetAttributeOptions extends CallOptions {
  /** What must be so: `create` that it is not there, `replace` that it is (ATTRIBUTE_REFUSED). Default `either`. */
  readonly mode?: "create" | "replace" | "either";
}

export interface SnapshotDifference {
  readonly type: "created" | "deleted" | "modified" | "renamed";
  /** Below the directory; "" is the directory itself. */
  readonly path: string;
  /** Of what was renamed. */
  readonly target: string | undefined;
}

/** A directory of which snapshots may be taken. */
export interface SnapshottableDirectory {
  readonly stats: FileStats;
  readonly snapshots: number;
  /** As many there may be. */
  readonly limit: number;
}

export interface QuotaUsage {
  /** Files and directories, the directory itself counted. */
  readonly names: number;
  /** Bytes, replicas and parity counted. */
  readonly space: number;
  /** -1: none. */
  readonly nameQuota: number;
  /** -1: none. */
  readonly spaceQuota: number;
  /** By the kind of storage ("SSD"): bytes that may be, and are there. A cluster of Quorate has one kind, and none of these. */
  readonly types: Readonly<Record<string, { readonly quota: number; readonly consumed: number }>>;
}

/** Undefined keeps what is there, -1 takes it away; else from 1. */
export interface Quota {
  readonly names?: number;
  /** Bytes, replicas and parity counted. */
  readonly space?: number;
}

/** As `FilesDriver`, of which it is a part. */
export interface AttributesDriver {
  acl(path: string, options: CallOptions): Promise<Acl>;
  changeAcl(path: string, change: ParsedAclChange, options: CallOptions): Promise<void>;
  /** All that the user may see, without `names`. */
  attributes(
    path: string,
    names: readonly string[] | undefined,
    options: CallOptions,
  ): Promise<ReadonlyMap<string, Buffer>>;
  setAttribute(path: string, name: string, value: Uint8Array, options: SetAttributeOptions): Promise<void>;
  removeAttribute(path: string, name: string, options: CallOptions): Promise<void>;
  allowSnapshots(path: string, allowed: boolean, options: CallOptions): Promise<void>;
  createSnapshot(path: string, name: string | undefined, options: CallOptions): Promise<string>;
  renameSnapshot(path: string, from: string, to: string, options: CallOptions): Promise<void>;
  deleteSnapshot(path: string, name: string, options: CallOptions): Promise<void>;
  snapshotDifference(
    path: string,
    from: string,
    to: string,
    options: CallOptions,
  ): Promise<readonly SnapshotDifference[]>;
  snapshottable(options: CallOptions): Promise<
    readonly {
      readonly description: FileDescription;
      readonly snapshots: number;
      readonly limit: number;
    }[]
  >;
  quotaUsage(path: string, options: CallOptions): Promise<QuotaUsage>;
  setQuota(path: string, quota: Quota, options: CallOptions): Promise<void>;
}

/** The part of `Files` that is about them. Every call may be UNSUPPORTED. */
export class Attributes<Driver extends AttributesDriver> {
  readonly driver: Driver;

  constructor(driver: Driver) {
    this.driver = driver;
  }

  /** PATH_NOT_FOUND. */
  acl(path: string, options: CallOptions = {}): Promise<Acl> {
    return this.driver.acl(checkPath(path), options);
  }

  /**
   * For the owner and the superuser. ACL_INVALID; ARGUMENT_INVALID when a text is no list.
   *
   *     await files.changeAcl("/books", { type: "modify", entries: "user:ann:rwx,default:user:ann:rwx" });
   */
  async changeAcl(path: string, change: AclChange, options: CallOptions = {}): Promise<void> {
    await this.driver.changeAcl(checkPath(path), parsed(change), options);
  }

  /** Values by name ("user.origin"). Without `names` all that the user may see; one that is not there: ATTRIBUTE_REFUSED. */
  attributes(
    path: string,
    names?: readonly string[],
    options: CallOptions = {},
  ): Promise<ReadonlyMap<string, Buffer>> {
    return this.driver.attributes(checkPath(path), names, options);
  }

  /** `name` begins with "user.", or for the superuser "trusted.". A text is kept in UTF-8. ATTRIBUTE_REFUSED, ACCESS_DENIED. */
  setAttribute(
    path: string,
    name: string,
    value: Uint8Array | string,
    options: SetAttributeOptions = {},
  ): Promise<void> {
    const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
    return this.driver.setAttribute(checkPath(path), name, bytes, options);
  }

  /** ATTRIBUTE_REFUSED: it is not there. */
  removeAttribute(path: string, name: string, options: CallOptions = {}): Promise<void> {
    return this.driver.removeAttribute(checkPath(path), name, options);
  }

  /** Whether snapshots may be taken of a directory: for the superuser. SNAPSHOT_REFUSED (it has some; one above or below is allowed them). */
  allowSnapshots(path: string, allowed = true, options: CallOptions = {}): Promise<void> {
    return this.driver.allowSnapshots(checkPath(path), allowed, options);
  }

  /** Its path, below which everything reads as it is now. Default name: of the time. SNAPSHOT_REFUSED. */
  createSnapshot(path: string, name?: string, options: CallOptions = {}): Promise<string> {
    return this.driver.createSnapshot(checkPath(path), name, options);
  }

  /** SNAPSHOT_REFUSED: there is none of the first name, or one of the second. */
  renameSnapshot(path: string, from: string, to: string, options: CallOptions = {}): Promise<void> {
    return this.driver.renameSnapshot(checkPath(path), from, to, options);
  }

  /** SNAPSHOT_REFUSED: there is none. */
  deleteSnapshot(path: string, name: string, options: CallOptions = {}): Promise<void> {
    return this.driver.deleteSnapshot(checkPath(path), name, options);
  }

  /** What changed between two snapshots of a directory; "" is what there is now. SNAPSHOT_REFUSED. */
  snapshotDifference(
    path: string,
    from: string,
    to: string,
    options: CallOptions = {},
  ): Promise<readonly SnapshotDifference[]> {
    return this.driver.snapshotDifference(checkPath(path), from, to, options);
  }

  /** The directories of which the user may take snapshots; of the superuser all. */
  async snapshottable(options: CallOptions = {}): Promise<readonly SnapshottableDirectory[]> {
    const found = await this.driver.snapshottable(options);
    return found.map(({ description, ...rest }) => ({ stats: new FileStats(description), ...rest }));
  }

  quotaUsage(path: string, options: CallOptions = {}): Promise<QuotaUsage> {
    return this.driver.quotaUsage(checkPath(path), options);
  }

  /** Of a directory, for the superuser. ARGUMENT_INVALID; what would go above it is refused then: NAME_QUOTA_EXCEEDED. */
  setQuota(path: string, quota: Quota, options: CallOptions = {}): Promise<void> {
    return this.driver.setQuota(checkPath(path), quota, options);
  }
}

function parsed(change: AclChange): ParsedAclChange {
  if (!("entries" in change)) return change;
  const { type, entries } = change;
  if (typeof entries !== "string") return { type, entries };
  try {
    return { type, entries: parseAclSpec(entries, type !== "remove") };
  } catch (error) {
    if (!isQuorateError(error)) throw error;
    throw new QuorateError("ARGUMENT_INVALID", error.message, { cause: error });
  }
}
