/**
 * What Raft and Multi-Paxos do differently, and no more: who may win, what an election carries, what a winner must do, what
 * an acceptor takes, when an entry counts as chosen. Everything else in this room is one piece of code for both.
 */
import type { NodeId } from "../runtime/world.ts";
import type { Entry, Index, Membership, Recovered, SnapshotMeta, Term } from "./consensus.ts";
import type { Core } from "./core.ts";
import type { Log } from "./log.ts";
import type { PreVote } from "./message.ts";
import type { ConsensusMessage } from "./protocol.ts";

/** A message that only one of the algorithms knows. */
export interface PolicyMessage extends ConsensusMessage {
  readonly term: Term;
}

export interface Policy {
  /** `Protocol.entriesKeepTerm`. */
  readonly entriesKeepTerm: boolean;

  /** The log that the disk held. */
  recoverLog(recovered: Recovered): Log;
  /** The node's state stands: what only this algorithm makes of it. */
  recovered(core: Core, recovered: Recovered): void;

  /** A message that only this algorithm knows; its term is neither above this node's nor, but for questions, below it. */
  receive(core: Core, from: NodeId, message: PolicyMessage): void;
  /** True for the messages that are looked at whatever their term is. */
  isQuestion(core: Core, type: string): boolean;
  /** True for the messages that only a leader sends: one that was overtaken is told so. */
  isFromLeader(type: string): boolean;
  /**
   * Set when a message is a candidate's request for this node's support. `transfer`: the leader that this node would wait for
   * wants it.
   */
  isCandidates(core: Core, message: PolicyMessage): { readonly transfer: boolean } | undefined;

  /** The term of this node's next campaign: above its own, and never any other node's. */
  nextTerm(core: Core): Term;
  /** The memberships of which one must count this node as a voter, or it may not campaign. */
  campaigns(core: Core): readonly Membership[];
  /** Whose consent to a campaign a pre-candidate needs. */
  electorate(core: Core): Membership;
  /** What a pre-candidate says of its log. */
  end(core: Core): Omit<PreVote, "type" | "term">;
  /** Whether a candidate with such a log could win this node's support. */
  couldWin(core: Core, preVote: PreVote): boolean;
  /**
   * Asks the voters for their support; this node's own ballot is in the open write. `replaces`: the term of the leader that asked
   * for this election; 0: none did.
   */
  solicit(core: Core, replaces: Term): void;
  /** A write that holds this candidate's own ballot is on the disk. */
  supportSelf(core: Core): void;

  /** A later term begins for this node. */
  enterTerm(core: Core): void;
  /** A leader of this term is known from now on. */
  followLeader(core: Core): void;

  /** `next`, as it stands in the log after `now`. */
  succeed(now: Membership, next: Membership): Membership;
  /** The message that brings `entries`, which follow `prevIndex`. */
  append(core: Core, prevIndex: Index, entries: readonly Entry[]): PolicyMessage;
  /** The message that acknowledges the log up to `verifiedIndex`. */
  acknowledgement(core: Core): PolicyMessage;
  /** Whether the log up to here, which a quorum's disks hold, is chosen. */
  mayCommit(core: Core, index: Index): boolean;

  /** How far the open write takes the log that this node may vouch for. */
  vouchedIndex(core: Core): Index;
  /** Fills in what only this algorithm writes. */
  sealWrite(core: Core): void;
  /** The log goes on after an installed snapshot: what becomes of the entries that are there. */
  startAfterSnapshot(core: Core, snapshot: SnapshotMeta): void;
  /** Whether everything that this node ever acknowledged, and lost, is made good. */
  hasReachedFloor(core: Core): boolean;
}
