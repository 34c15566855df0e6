/**
 * What the nodes of either algorithm say to each other once it is clear who leads, and before that, when they ask whether an
 * election is due. Every message carries the sender's term. What the algorithms differ in is in `raft/message.ts` and
 * `paxos/message.ts`.
 */
import type { Bytes } from "../runtime/bytes.ts";
import type { NodeId } from "../runtime/world.ts";
import type { Index, SnapshotMeta, Term } from "./consensus.ts";

/** Would you vote for me in `term`? Binds nobody and raises no term (thesis section 9.6). */
export interface PreVote {
  readonly type: "preVote";
  /** The term that the sender would campaign in: one above its own. */
  readonly term: Term;
  readonly lastIndex: Index;
  readonly lastTerm: Term;
}

/** `term`: the term that was asked for when granted, the voter's own when refused. */
export interface PreVoteReply {
  readonly type: "preVoteReply";
  readonly term: Term;
  readonly granted: boolean;
}

/** Never waits for a disk. `round` names this attempt to confirm the leadership: read barriers and the lease need one. */
export interface Heartbeat {
  readonly type: "heartbeat";
  readonly term: Term;
  readonly round: number;
  readonly commitIndex: Index;
}

/** `receivedIndex`: the log agrees so far, in memory; `durableIndex`: on the disk. Repairs lost appends and lost replies. */
export interface HeartbeatReply {
  readonly type: "heartbeatReply";
  readonly term: Term;
  readonly round: number;
  readonly receivedIndex: Index;
  readonly durableIndex: Index;
}

/** The commit index rose and no append was there to carry it. */
export interface CommitNotice {
  readonly type: "commitNotice";
  readonly term: Term;
  readonly commitIndex: Index;
}

/** Campaign at once: leadership transfer (thesis section 3.10). */
export interface TimeoutNow {
  readonly type: "timeoutNow";
  readonly term: Term;
}

/** Asks the leader to hand over to `to`. */
export interface TransferRequest {
  readonly type: "transferRequest";
  readonly term: Term;
  readonly to: NodeId;
}

/** A follower's read barrier. `id` is never used twice, not even over a restart. */
export interface ReadRequest {
  readonly type: "readRequest";
  readonly term: Term;
  readonly id: number;
}

/** `index` undefined: the barrier cannot be had from this node now. */
export interface ReadReply {
  readonly type: "readReply";
  readonly term: Term;
  readonly id: number;
  readonly index: Index | undefined;
}

/** InstallSnapshot (Raft section 7). An empty chunk at the end asks how far the installation is. */
export interface SnapshotChunk {
  readonly type: "snapshotChunk";
  readonly term: Term;
  readonly snapshot: SnapshotMeta;
  readonly offset: number;
  readonly chunk: Bytes;
}

/** The sender holds the first `offset` bytes of the snapshot: go on from there. */
export interface SnapshotReply {
  readonly type: "snapshotReply";
  readonly term: Term;
  readonly snapshotIndex: Index;
  readonly offset: number;
}

export type SharedMessage =
  | PreVote
  | PreVoteReply
  | Heartbeat
  | HeartbeatReply
  | CommitNotice
  | TimeoutNow
  | TransferRequest
  | ReadRequest
  | ReadReply
  | SnapshotChunk
  | SnapshotReply;

/** Puts the bytes that effect `sendChunk` asked for into its message. */
export function withChunk<Message extends { readonly type: string }>(
  message: Message,
  chunk: Bytes,
): Message {
  return message.type === "snapshotChunk" ? { ...message, chunk } : message;
}
