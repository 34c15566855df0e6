/** What a replica is given: its place in the cluster, its parts, its limits, and the ways out to the world. */
import type { Consensus, Index, Membership, Role, Term } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import type { Clock, Logger, NodeId, Random, Timer } from "../../runtime/world.ts";
import type { StateMachine } from "./state-machine.ts";
import type { ReplicaStorage } from "./storage.ts";

/** The two kinds of frames that replicas of a group exchange. */
export type FrameKind = "consensus" | "batch";

export interface MessageCodec<Message> {
  encode(message: Message): readonly Uint8Array[];
  decode(bytes: Bytes): Message;
  /** The message of a `sendChunk` effect with its bytes in place. */
  withChunk(message: Message, chunk: Bytes): Message;
}

export interface ReplicaTuning {
  readonly heartbeatIntervalMs: number;
  /** Bytes of batches in one entry. */
  readonly entryMaxBytes: number;
  /** The largest command, encoded. */
  readonly commandMaxBytes: number;
  /** Commands and reads get an error after this long. */
  readonly requestTimeoutMs: number;
  /** Waiting bytes above which `congested` asks the servers to stop reading. */
  readonly congestedBytes: number;
  /** Log bytes applied since the last snapshot that start the next one. */
  readonly snapshotEveryBytes: number;
  /** Bytes of entries that are kept behind a snapshot. */
  readonly snapshotTrailingBytes: number;
}

export interface ReplicaOptions<Command, Reply, Message> extends ReplicaTuning {
  readonly id: NodeId;
  /** Identity of the data directory: registered in the log, so that a wiped disk is recognised. */
  readonly directory: string;
  readonly clock: Clock;
  /** What log time follows; a test may push it. Default: `clock`. */
  readonly timeSource?: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly consensus: Consensus<Message>;
  readonly codec: MessageCodec<Message>;
  readonly storage: ReplicaStorage;
  readonly machine: StateMachine<Command, Reply>;
  /** The newest durable snapshot, to start from. */
  readonly recovered: { readonly index: Index; readonly content: Iterable<Bytes> } | undefined;
  readonly forgetSessionsInSnapshot?: boolean;
  /** Calls back at every interval until it is cancelled. */
  every(intervalMs: number, work: () => void): Timer;
  transmit(to: NodeId, kind: FrameKind, parts: readonly Uint8Array[]): void;
  /** Bytes that wait to be sent to a peer. */
  queuedBytes(to: NodeId): number;
  onMembership(membership: Membership): void;
  onRole(role: Role, term: Term, leader: NodeId | undefined): void;
  /** The digest of the state after an entry, chosen alike on every replica, about once a second. */
  onDigest(index: Index, digest: number): void;
  fatal(error: Error): never;
}
