/** What only Raft nodes say to each other; `message-codec.ts` encodes it for the network. */
import type { Entry, Index, Term } from "../consensus.ts";
import type { SharedMessage } from "../message.ts";

/** RequestVote (Raft section 5.2). `transfer`: the leader asked for this election, so its lease is no obstacle. */
export interface Vote {
  readonly type: "vote";
  readonly term: Term;
  readonly lastIndex: Index;
  readonly lastTerm: Term;
  readonly transfer: boolean;
}

export interface VoteReply {
  readonly type: "voteReply";
  readonly term: Term;
  readonly granted: boolean;
}

/** AppendEntries with entries (Raft section 5.3); without any it probes where the logs agree. */
export interface Append {
  readonly type: "append";
  readonly term: Term;
  readonly prevIndex: Index;
  readonly prevTerm: Term;
  readonly entries: readonly Entry[];
  readonly commitIndex: Index;
}

/** The sender's disk holds the leader's log up to `matchIndex`. */
export interface AppendReply {
  readonly type: "appendReply";
  readonly term: Term;
  readonly matchIndex: Index;
}

/**
 * The sender has no entry of `prevTerm` at `prevIndex`. The logs can agree at `hintIndex` (term `hintTerm`) at the most: so
 * the leader goes back by whole terms, not entry by entry (Raft section 5.3, last paragraphs).
 */
export interface AppendReject {
  readonly type: "appendReject";
  readonly term: Term;
  readonly prevIndex: Index;
  readonly hintIndex: Index;
  readonly hintTerm: Term;
  /** The sender lost entries that it had acknowledged: what the leader knows of its log no longer holds. */
  readonly recovering: boolean;
}

export type RaftMessage = SharedMessage | Vote | VoteReply | Append | AppendReply | AppendReject;
