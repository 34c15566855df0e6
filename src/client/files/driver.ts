/** What a file system must give so that `Files` can be had over it: one interface, one driver each. */

import type { AttributesDriver } from "./attributes.ts";

export interface CallOptions {
  /** Ends the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Milliseconds. Of calls without a stream: until the answer, default 30,000. Of streams: of silence, default 60,000. */
  readonly timeoutMs?: number;
}

/** A file, directory or link, as HDFS describes it. */
export interface FileDescription {
  /** "other": a FIFO, socket or device of this machine, which is neither read nor written. */
  readonly type: "file" | "directory" | "link" | "other";
  readonly path: string;
  /** Bytes; 0 of a directory. */
  readonly length: number;
  readonly owner: string;
  readonly group: string;
  /** Nine permission bits, and 0o1000 of a directory from which only owners remove. */
  readonly mode: number;
  readonly modifiedMs: number;
  readonly accessedMs: number;
  /** 0 of what is no file. */
  readonly replication: number;
  /** 0 of what is no file. */
  readonly blockSize: number;
  /** Names in a directory; undefined: the file system does not say. */
  readonly childCount: number | undefined;
  /** Of a link. */
  readonly target: string | undefined;
  readonly hasAcl: boolean;
  /** The erasure coding policy: of a file, of what is made in a directory. Undefined: replicated. */
  readonly erasureCoding: string | undefined;
}

export interface WriteOptions extends CallOptions {
  /** Replaces a file that is there. Default true, as in Node.js; false: PATH_EXISTS. */
  readonly overwrite?: boolean;
  /** Default 0o644. */
  readonly mode?: number;
  /** Default: the file system's. Local files have none. */
  readonly replication?: number;
  /** Bytes. Default: the file system's. Local files have none. */
  readonly blockSize?: number;
  /** Makes directories that are missing. Default true. */
  readonly createParents?: boolean;
}

export interface ReadOptions extends CallOptions {
  /** Default 0. Behind the end: FILE_OPERATION_REFUSED. */
  readonly offset?: number;
  /** Default: to the end. */
  readonly length?: number;
}

/** Over WebHDFS what only snapshots hold is counted too. */
export interface Summary {
  readonly directories: number;
  readonly files: number;
  readonly length: number;
  /** Replicas and parity counted. */
  readonly space: number;
  /** -1: none. */
  readonly nameQuota: number;
  /** -1: none. */
  readonly spaceQuota: number;
  /** A directory's own policy of erasure coding, "" when it has none; of a file its own, or "Replicated". */
  readonly coding: string;
  /** What of all this only snapshots hold, because it was removed or replaced since. 0 where a server does not say. */
  readonly snapshots: SnapshotContent;
}

export interface SnapshotContent {
  readonly directories: number;
  readonly files: number;
  readonly length: number;
  /** Replicas and parity counted. */
  readonly space: number;
}

export interface Space {
  readonly capacity: number;
  readonly used: number;
  readonly remaining: number;
}

export interface Checksum {
  readonly algorithm: string;
  /** Hexadecimal. */
  readonly bytes: string;
}

/** What a file system does when it is not told otherwise. */
export interface Defaults {
  readonly blockSize: number;
  readonly replication: number;
  /** How long what is in the trash is kept; 0: there is no trash. */
  readonly trashIntervalMs: number;
}

/** A way to keep files in shards, any `dataUnits` of which give all. */
export interface ErasureCoding {
  readonly name: string;
  /** Directories can be given it. */
  readonly enabled: boolean;
  readonly dataUnits: number;
  readonly parityUnits: number;
  readonly cellBytes: number;
  readonly codec: string;
  /** HDFS's number of it. */
  readonly id: number;
}

/** One state of what is at a path: it is another one after every change of its content, names or attributes. */
export interface FileVersion {
  readonly id: number;
  readonly revision: number;
}

export interface Move {
  readonly from: string;
  readonly to: string;
}

/** `version` undefined: nothing may be there. */
export interface Expectation {
  readonly path: string;
  readonly version: FileVersion | undefined;
}

/** Of reads by who has just looked, and found a file. */
export interface SizeHint {
  /**
   * Bytes that it had. Few are asked for in one request, of whatever node; of this machine's it is not looked again, before it is
   * opened, whether it is one. Default: not known.
   */
  readonly expectedBytes?: number;
}

export interface PublishOptions extends CallOptions {
  /** What must be so, or nothing is renamed. Default: nothing. */
  readonly expected?: readonly Expectation[];
  /** Files at the targets are replaced, but none that is moved here (ARGUMENT_INVALID). Default false: PATH_EXISTS. */
  readonly overwrite?: boolean;
  /** Directories above the targets are made where they are missing. Default false. */
  readonly createParents?: boolean;
}

export type Chunks = AsyncIterable<Uint8Array>;

/** Paths are absolute and checked. Every call rejects with a QuorateError of the error table, or the signal's reason. */
export interface FilesDriver extends AttributesDriver {
  /** How the file system is called, such as "webhdfs://host:9870". */
  readonly url: string;
  /** The user for whom files are made. */
  readonly user: string;
  describe(path: string, options: CallOptions & { readonly followLast: boolean }): Promise<FileDescription>;
  /** What is in a directory, in pages, by the bytes of the names. PARENT_NOT_DIRECTORY: it is none. */
  list(path: string, options: CallOptions): AsyncIterable<readonly FileDescription[]>;
  read(path: string, options: ReadOptions & SizeHint): Chunks;
  /**
   * The file is there when it is whole; one that is not finished is not seen, or removed. With `again`, which gives the bytes once
   * more, a write that may overwrite is made anew when it broke off with the node that took it.
   */
  write(path: string, chunks: Chunks, options: WriteOptions, again?: () => Chunks): Promise<void>;
  /** Bytes that `put` takes; -1: this file system has no such thing. */
  putMaxBytes(options: CallOptions): Promise<number>;
  /**
   * A file with this content in one step, at the cost of one request: nobody sees a part of it. False: nothing was done, because
   * it is too large or a symbolic link is there, and `write` does it. As `write`, with its timeout of silence. When an answer is lost
   * it is asked for again; OUTCOME_UNKNOWN: nobody knows.
   */
  put(path: string, bytes: Uint8Array, options: WriteOptions): Promise<boolean>;
  append(path: string, chunks: Chunks, options: CallOptions): Promise<void>;
  /** With the directories above. No error when it is there; PATH_EXISTS when it is a file. */
  makeDirectories(path: string, options: CallOptions & { readonly mode?: number }): Promise<void>;
  /** False: there was nothing. DIRECTORY_NOT_EMPTY. */
  remove(path: string, options: CallOptions & { readonly recursive: boolean }): Promise<boolean>;
  /** One step. `overwrite` takes the place of a file or an empty directory. */
  rename(from: string, to: string, options: CallOptions & { readonly overwrite: boolean }): Promise<void>;
  /** Undefined: nothing is there. UNSUPPORTED but at Quorate, as `publish`. */
  version(path: string, options: CallOptions): Promise<FileVersion | undefined>;
  /** Many renames in one step, all or none. */
  publish(moves: readonly Move[], options: PublishOptions): Promise<void>;
  /** False: it is at this length in a moment. */
  truncate(path: string, length: number, options: CallOptions): Promise<boolean>;
  link(path: string, target: string, options: CallOptions): Promise<void>;
  setMode(path: string, mode: number, options: CallOptions): Promise<void>;
  setOwner(
    path: string,
    owner: string | undefined,
    group: string | undefined,
    options: CallOptions,
  ): Promise<void>;
  setTimes(path: string, accessedMs: number, modifiedMs: number, options: CallOptions): Promise<void>;
  /** False: it is a directory. UNSUPPORTED where files have no replicas. */
  setReplication(path: string, replication: number, options: CallOptions): Promise<boolean>;
  /** The bytes of the sources go to the end of the file, in one step, and their names go. UNSUPPORTED where files have no blocks. */
  concat(path: string, sources: readonly string[], options: CallOptions): Promise<void>;
  /** Somebody writes the file, or its end is being cut or closed: nobody else can write it. False where files know no writers. */
  isOpen(path: string, options: CallOptions): Promise<boolean>;
  /** How many replicas each part of a file has. UNSUPPORTED. */
  replicaCounts(path: string, options: CallOptions): Promise<readonly number[]>;
  /** Of a directory; undefined takes it away. UNSUPPORTED where there is none. */
  setErasureCoding(path: string, policy: string | undefined, options: CallOptions): Promise<void>;
  /** Those that there are. UNSUPPORTED. */
  erasureCodings(options: CallOptions): Promise<readonly ErasureCoding[]>;
  /** Raises ACCESS_DENIED unless the user has these permissions: 4 read, 2 write, 1 execute. */
  checkAccess(path: string, permission: number, options: CallOptions): Promise<void>;
  summary(path: string, options: CallOptions): Promise<Summary>;
  space(options: CallOptions): Promise<Space>;
  /** HDFS's checksum of a file. UNSUPPORTED where there is none. */
  checksum(path: string, options: CallOptions): Promise<Checksum>;
  defaults(options: CallOptions): Promise<Defaults>;
  /** The user's own directory, whether it is there or not. */
  home(options: CallOptions): Promise<string>;
  close(): void;
}
