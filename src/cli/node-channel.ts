/** What a supervisor and its node processes say to each other over Node.js's channel between parent and child. */
import type { Algorithm } from "../consensus/algorithm-names.ts";
import type { ErrorCode } from "../runtime/errors.ts";
import type { LogLevel, NodeId } from "../runtime/world.ts";

/** All a node process needs to run; sent over the channel, so that a password never stands in `ps`. */
export interface NodeConfig {
  readonly id: NodeId;
  readonly clusterId: string;
  /** Every founding member's peer address, "host:port"; or those of the members that a newcomer turns to. */
  readonly members: Readonly<Record<NodeId, string>>;
  /** What a new data directory makes of the node. */
  readonly beginsAs: "founder" | "newcomer" | "blank";
  /** Where the other nodes reach this one, "host:port". */
  readonly peerAddress: string;
  /** A directory that exists, or "memory". */
  readonly dataDir: string;
  readonly host: string;
  /** The host that clients are told. Default: the node's. */
  readonly advertiseHost?: string | undefined;
  readonly respPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
  readonly consensus: Algorithm;
  readonly durability: "always" | "everysec" | "memory";
  readonly readMode: "barrier" | "lease";
  readonly password: string | undefined;
  readonly protectedMode: boolean;
  /** Beside those that the node knows of. */
  readonly browserNames: readonly string[];
  readonly secret: string | undefined;
  /** Where the node is, such as "/dc1/rack2": replicas of blocks are spread over racks. */
  readonly rack: string;
  /** Whether blocks are written through the system's memory. */
  readonly cacheWrites: boolean;
  /** Bytes a second that it reads of blocks to find damage; 0: none. Default: the node's. */
  readonly scrubBandwidth?: number | undefined;
  /** Attempts of jobs that it runs at a time. */
  readonly slots: number;
  readonly logLevel: LogLevel;
  readonly logFormat: "json" | "pretty";
}

export type ToNode =
  | { readonly type: "start"; readonly config: NodeConfig }
  | { readonly type: "status"; readonly id: number }
  /** End cleanly, and give leadership away first to whoever in the cluster can take it. */
  | { readonly type: "stop" };

export type FromNode =
  /** The servers listen. */
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly code: ErrorCode; readonly message: string }
  | { readonly type: "status"; readonly id: number; readonly status: NodeBrief };

export interface NodeBrief {
  readonly role: string;
  readonly term: number;
  readonly leader: NodeId | undefined;
  /** It waits to be admitted. */
  readonly newcomer: boolean;
  /** How many the cluster has, those that learn included; undefined while this node is none. */
  readonly members: number | undefined;
  readonly commitIndex: number;
  readonly appliedIndex: number;
}
