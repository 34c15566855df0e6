/**
 * The HTTP route by which operators look after the files of a cluster, at any node: its addresses and the JSON of its answers.
 *
 * | request | answer |
 * |---|---|
 * | `GET /files/v1/report` | `ReportJson` |
 * | `GET /files/v1/health?path=/&show=problems\|files\|blocks&open=true` | lines of JSON, each a `HealthLine`; the last is a summary or an error |
 * | `GET /files/v1/safemode`, `PUT` with `{"on":true}` | `SafeModeJson` |
 * | `PUT /files/v1/nodes/NODE` with `{"standing":"decommissioning"}` | `{"node":"n1","standing":"decommissioning"}` |
 * | `POST /files/v1/balance` with `{"threshold":0.1,"maxBytes":…}` | `BalanceJson` |
 * | `GET /files/v1/settings`, `PUT` with some of them | `SettingsJson` |
 * | `POST /files/v1/expunge` with `{"olderThanMs":0}` | `ExpungeJson`: of the trash of who asks |
 * | `GET /files/v1/version?path=/f` | `VersionJson` |
 * | `POST /files/v1/publish` with a `PublishJson` | `{"moved":2}` |
 * | `PUT /files/v1/file?path=/f&overwrite=true` with the file's bytes | `PutJson` (`small-files.ts`) |
 *
 * Who asks says so with `user.name`, as in WebHDFS. Everything that is refused is an `ErrorJson`; bodies are JSON, but that of a file.
 */
import type { ErrorCode, Outcome } from "../runtime/errors.ts";
import { ERRORS, hadoopExceptionOf, QuorateError } from "../runtime/errors.ts";

export const FILES_ADMIN_PREFIX = "/files/v1";

export const NODE_STANDINGS = ["inService", "decommissioning", "inMaintenance"] as const;
export type NodeStandingName = (typeof NODE_STANDINGS)[number];

/** What `health` is to show besides the summary: what is wrong; every path, and what is wrong with it; every path and block. */
export const HEALTH_SHOWS = ["problems", "files", "blocks"] as const;
export type HealthShow = (typeof HEALTH_SHOWS)[number];

export interface ErrorJson {
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly retryable: boolean;
    readonly outcome: Outcome;
  };
}

export interface SafeModeJson {
  /** As far as the node that answers is concerned. */
  readonly on: boolean;
  /** Who ends it; null: it is off. */
  readonly by: "operator" | "start" | null;
  readonly explanation: string | null;
}

export interface FilesNodeJson {
  readonly id: string;
  /** "host:port"; null: not known. */
  readonly http: string | null;
  readonly rack: string;
  readonly standing: NodeStandingName;
  readonly live: boolean;
  /** Silent for seconds: not chosen for new blocks. */
  readonly stale: boolean;
  /** Milliseconds since it was heard. */
  readonly silentMs: number;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  readonly replicas: number;
  readonly readers: number;
  readonly writers: number;
  /** Of a node on its way out: blocks that keep it from being stopped. */
  readonly remaining: number;
  /** What is being done about the first of those; null: there are none. */
  readonly explanation: string | null;
}

export interface ReportJson {
  /** The node that answers. */
  readonly node: string;
  readonly defaultReplication: number;
  readonly blocks: {
    readonly total: number;
    readonly missing: number;
    readonly underReplicated: number;
    readonly overReplicated: number;
    readonly corrupt: number;
    readonly misplaced: number;
    readonly open: number;
  };
  readonly namespace: {
    readonly files: number;
    readonly directories: number;
    readonly openFiles: number;
    /** Bytes of files, and with their replicas. */
    readonly length: number;
    readonly space: number;
  };
  readonly nodes: readonly FilesNodeJson[];
  /** Members of which nothing was heard since the node that answers was started. */
  readonly unheard: readonly string[];
  readonly safeMode: SafeModeJson;
}

export interface ReplicaJson {
  readonly node: string;
  readonly rack: string;
  readonly standing: NodeStandingName;
  readonly state: "good" | "quiet" | "silent" | "stale" | "corrupt" | "writing" | "recovering";
  /** Which shard of its block group it is, from 0. */
  readonly shard?: number;
}

export type BlockProblem =
  | "none"
  | "missing"
  | "under-replicated"
  | "over-replicated"
  | "corrupt"
  | "misplaced"
  | "open";

export interface BlockHealthJson {
  /** Which of the file it is, from 0. */
  readonly at: number;
  readonly block: number;
  readonly stamp: number;
  readonly length: number;
  readonly wanted: number;
  readonly replicas: readonly ReplicaJson[];
  /** Nodes on which a replica is being made. */
  readonly making: readonly string[];
  readonly problem: BlockProblem;
  readonly explanation: string;
}

export interface PathHealthJson {
  readonly type: "path";
  readonly path: string;
  readonly kind: "file" | "directory" | "link";
  readonly length: number;
  readonly replication: number;
  /** The erasure coding policy of a file, whose blocks are block groups; null: it is replicated. */
  readonly erasureCoding: string | null;
  /** Being written. */
  readonly open: boolean;
  /** Bytes that are kept in the namespace. */
  readonly inlineBytes: number;
  /** How many it has. */
  readonly blockCount: number;
  /** Those that were asked for. */
  readonly blocks: readonly BlockHealthJson[];
}

/** Of files, and of their blocks or block groups. */
export interface BlockSumsJson {
  readonly files: number;
  readonly length: number;
  readonly blocks: number;
  /** That can be read: a block with a good replica, a group with as many good shards as data needs. */
  readonly minimal: number;
  readonly overReplicated: number;
  readonly underReplicated: number;
  readonly misplaced: number;
  readonly missing: number;
  readonly missingLength: number;
  readonly corrupt: number;
  readonly corruptLength: number;
  /** Files with a block that cannot be read. */
  readonly damagedFiles: number;
  /** Shards count as replicas. */
  readonly goodReplicas: number;
  readonly wantedReplicas: number;
  readonly missingReplicas: number;
  /** Blocks of which a replica is being made. */
  readonly making: number;
}

/** Over everything below a path. Files that are being written count only in the `open…` figures, unless they were asked for. */
export interface HealthSummaryJson extends BlockSumsJson {
  readonly type: "summary";
  readonly path: string;
  readonly healthy: boolean;
  readonly directories: number;
  readonly links: number;
  /** Files that are kept in the namespace whole. */
  readonly inlineFiles: number;
  readonly openFiles: number;
  readonly openLength: number;
  readonly openBlocks: number;
  /** Of coded files; all else is of replicated ones. */
  readonly coded: BlockSumsJson;
  /** Nodes that live, and the racks that they are on. */
  readonly nodes: number;
  readonly racks: number;
  readonly defaultReplication: number;
}

export type HealthLine = PathHealthJson | HealthSummaryJson | ({ readonly type: "error" } & ErrorJson);

export interface BalanceJson {
  /** Moves that this round ordered. */
  readonly ordered: number;
  readonly orderedBytes: number;
  /** Copies that are not done, for whatever reason they were ordered; while there are any, none is ordered. */
  readonly pending: number;
  readonly pendingBytes: number;
}

/** What an operator may set of the file system. Sizes are bytes, times milliseconds. */
export interface SettingsJson {
  readonly superuser: string;
  readonly supergroup: string;
  readonly permissions: boolean;
  /** Replicas of a file that does not say how many. */
  readonly replication: number;
  readonly maxReplication: number;
  readonly blockSize: number;
  readonly minBlockSize: number;
  /** A file up to this size is kept in the namespace. */
  readonly inlineMaxBytes: number;
  readonly leaseSoftMs: number;
  readonly leaseHardMs: number;
  /** How long what is removed stays in the trash; 0: there is no trash. */
  readonly trashIntervalMs: number;
  readonly maxDirectoryEntries: number;
  readonly maxSnapshots: number;
  readonly maxAttributes: number;
  readonly maxAttributeBytes: number;
}

export interface ExpungeJson {
  /** Checkpoints that were older, and are gone. */
  readonly removed: readonly string[];
}

/** One state of what is at a path: it has another revision after every change of its content, names or attributes. */
export interface FileVersionJson {
  readonly id: number;
  readonly revision: number;
}

export interface VersionJson {
  /** Null: nothing is there. */
  readonly version: FileVersionJson | null;
}

/** Many renames in one step: all, if everything is as expected, else none. */
export interface PublishJson {
  readonly moves: readonly { readonly from: string; readonly to: string }[];
  /** `version` null: nothing may be there. Default: nothing is expected. */
  readonly expected?: readonly { readonly path: string; readonly version: FileVersionJson | null }[];
  /** Files at the targets are replaced, but none that is moved here (ARGUMENT_INVALID). Default false. */
  readonly overwrite?: boolean;
  /** Directories above the targets are made where they are missing. Default false. */
  readonly createParents?: boolean;
}

export function renderErrorJson(error: QuorateError): ErrorJson {
  const { code, message, retryable, outcome } = error;
  return { error: { code, message, retryable, outcome } };
}

/** The HTTP status of an error: 503 of what may be tried again as it is, 504 of an outcome that is not known. */
export function errorStatus(code: ErrorCode): number {
  const { retryable, outcome } = ERRORS[code];
  if (code === "INVARIANT") return 500;
  if (outcome !== "not-applied") return 504;
  return retryable ? 503 : hadoopExceptionOf(code).status;
}

/** What a node refused, as an error of the table; undefined when it is none. */
export function parseErrorJson(body: unknown): QuorateError | undefined {
  if (typeof body !== "object" || body === null || !("error" in body)) return undefined;
  const { error } = body;
  if (typeof error !== "object" || error === null || !("code" in error) || !("message" in error))
    return undefined;
  const { code, message } = error;
  if (typeof code !== "string" || typeof message !== "string" || !Object.hasOwn(ERRORS, code))
    return undefined;
  return new QuorateError(code as ErrorCode, message);
}
