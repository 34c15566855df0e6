/**
 * What only Multi-Paxos nodes say to each other; `message-codec.ts` encodes it for the network. `term` is the ballot; what an
 * acceptor answers names the ballot that it answers to, and so is for the node whose ballot that is.
 */
import type { Entry, Index, Term } from "../consensus.ts";
import type { Run, SharedMessage } from "../message.ts";

/**
 * Phase 1a, for all slots from `fromIndex` on at once; asked again for later slots if the answer was too long for one message.
 * `replaces`: the ballot of the leader that asked for this election, whose lease is no obstacle; 0: none did.
 */
export interface Prepare {
  readonly type: "prepare";
  readonly term: Term;
  readonly fromIndex: Index;
  readonly replaces: Term;
  /** What the candidate itself knows to be chosen, and what it accepted behind that: an acceptor that lost as much may promise. */
  readonly chosenIndex: Index;
  readonly accepted: readonly Run[];
}

/**
 * Phase 1b: nothing below `term` from now on; and what was accepted before. Not the values: the candidate has most of them,
 * and fetches those that it lacks.
 */
export interface PromiseMessage {
  readonly type: "promise";
  readonly term: Term;
  readonly fromIndex: Index;
  /** Known to be chosen up to here, and stored from `firstIndex` on. */
  readonly chosenIndex: Index;
  readonly firstIndex: Index;
  /** In order: what is accepted from `fromIndex` to `throughIndex`, but for what is known to be chosen. */
  readonly runs: readonly Run[];
  readonly throughIndex: Index;
  /** The last slot with an accepted value. */
  readonly lastIndex: Index;
}

/** No promise: to another candidate, a live leader, or because the sender has no say. `term`: its own. */
export interface Refusal {
  readonly type: "refusal";
  readonly term: Term;
}

/** The candidate asks for the values of these slots. */
export interface Fetch {
  readonly type: "fetch";
  readonly term: Term;
  readonly fromIndex: Index;
  readonly toIndex: Index;
}

/** As many of them as fit, from `fromIndex` on, each with the ballot in which it was accepted. */
export interface Values {
  readonly type: "values";
  readonly term: Term;
  readonly fromIndex: Index;
  readonly entries: readonly Entry[];
}

/** Phase 2a for the slots after `prevIndex`; without entries it asks how far the acceptor is. */
export interface Accept {
  readonly type: "accept";
  readonly term: Term;
  readonly prevIndex: Index;
  /** Up to here the leader proposes what its phase 1 found. */
  readonly openingIndex: Index;
  readonly entries: readonly Entry[];
  readonly commitIndex: Index;
}

/** Phase 2b for all slots up to `matchIndex`: each is accepted in this ballot, or known to be chosen. */
export interface AcceptedUpTo {
  readonly type: "accepted";
  readonly term: Term;
  readonly matchIndex: Index;
}

/** What was accepted lies behind a gap: `hintIndex` is where it begins. */
export interface Gap {
  readonly type: "gap";
  readonly term: Term;
  readonly prevIndex: Index;
  readonly hintIndex: Index;
  /** The sender lost what it had accepted: what the leader knows of it no longer holds. */
  readonly recovering: boolean;
}

export type PaxosOwnMessage =
  | Prepare
  | PromiseMessage
  | Refusal
  | Fetch
  | Values
  | Accept
  | AcceptedUpTo
  | Gap;
export type PaxosMessage = SharedMessage | PaxosOwnMessage;
