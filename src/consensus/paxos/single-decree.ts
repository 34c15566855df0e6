/**
 * Single-decree Paxos: a few nodes agree on one value, and never on another (Lamport, "The Part-Time Parliament", 1998, and
 * "Paxos Made Simple", 2001). Complete, and apart from everything else here, because it is where to learn it; the replicated
 * log runs one of these for each of its slots and takes its rule from here (`highestAccepted`).
 *
 *     proposer    prepare(b) ->                accept(b, v) ->                 learn(v) ->
 *     acceptors               <- promise(b, w)              <- accepted(b)
 *
 * A value is chosen once a majority accepted it in the same ballot. Two rules keep it so: an acceptor that promised b takes
 * part in no lower ballot; and a proposer that learns, from a majority's promises, of accepted values takes the one of the
 * highest ballot instead of its own. For a majority that chose v and a majority that promised have a node in common: so the
 * proposer of every higher ballot finds v, and proposes nothing else.
 *
 * Everything here is pure. What `prepare` and `accept` return may leave the acceptor only once its new state is on the disk, and
 * what `begin` returns the proposer only once the ballot is: one that forgot it would run it again with another value.
 */
import type { NodeId } from "../../runtime/world.ts";
import type { Term } from "../consensus.ts";
import { isQuorum } from "../quorum.ts";
import { ballotAbove } from "./ballot.ts";

/** A value and the ballot in which it was accepted. */
export interface Accepted<Value> {
  readonly ballot: Term;
  readonly value: Value;
}

/** The rule that all of Paxos rests on: of what was accepted, the value of the highest ballot. */
export function highestAccepted<Value>(
  reports: Iterable<Accepted<Value> | undefined>,
): Accepted<Value> | undefined {
  let highest: Accepted<Value> | undefined;
  for (const accepted of reports) {
    if (accepted !== undefined && accepted.ballot > (highest?.ballot ?? 0)) highest = accepted;
  }
  return highest;
}

export type DecreeMessage<Value> =
  /** Phase 1a. */
  | { readonly type: "prepare"; readonly ballot: Term }
  /** Phase 1b: nothing below `ballot` from now on; and what was accepted before. */
  | { readonly type: "promise"; readonly ballot: Term; readonly accepted: Accepted<Value> | undefined }
  /** Phase 2a. */
  | { readonly type: "accept"; readonly ballot: Term; readonly value: Value }
  /** Phase 2b. */
  | { readonly type: "accepted"; readonly ballot: Term }
  /** A higher ballot was promised: try one above it, after a while. */
  | { readonly type: "refused"; readonly ballot: Term; readonly promised: Term }
  /** It is chosen. */
  | { readonly type: "learn"; readonly value: Value };

/** What an acceptor must not forget. */
export interface AcceptorState<Value> {
  readonly promised: Term;
  readonly accepted: Accepted<Value> | undefined;
}

export class Acceptor<Value> {
  /** To be durable before the answer that changed it leaves. */
  state: AcceptorState<Value>;

  constructor(state: AcceptorState<Value> = { promised: 0, accepted: undefined }) {
    this.state = state;
  }

  prepare(ballot: Term): DecreeMessage<Value> {
    const { promised, accepted } = this.state;
    if (ballot < promised) return { type: "refused", ballot, promised };
    this.state = { promised: ballot, accepted };
    return { type: "promise", ballot, accepted };
  }

  accept(ballot: Term, value: Value): DecreeMessage<Value> {
    const { promised } = this.state;
    if (ballot < promised) return { type: "refused", ballot, promised };
    this.state = { promised: ballot, accepted: { ballot, value } };
    return { type: "accepted", ballot };
  }
}

/** Brings about that a value is chosen: its own, if nobody else's can have been. One ballot at a time. */
export class Proposer<Value> {
  private readonly seat: number;
  private readonly acceptors: readonly NodeId[];
  private readonly own: Value;
  /** That it runs now: not one of an earlier life, whose answers may still come. */
  private ballot: Term = 0;
  private last: Term;
  private readonly promises = new Map<NodeId, Accepted<Value> | undefined>();
  private readonly acceptances = new Set<NodeId>();
  /** The value of this ballot, once a majority promised. */
  private proposed: { readonly value: Value } | undefined;
  private highestSeen: Term = 0;

  /** `seat`: no other proposer has it. `started`: what an earlier life of this one began last. Default: it had none. */
  constructor(seat: number, acceptors: readonly NodeId[], own: Value, started: Term = 0) {
    this.seat = seat;
    this.acceptors = acceptors;
    this.own = own;
    this.last = started;
  }

  /** The ballot that it began last: what a proposer must not forget ("Paxos Made Simple", section 2.5). */
  get started(): Term {
    return this.last;
  }

  /** Begins a ballot above every one that it knows of: what to send to all acceptors. */
  begin(): DecreeMessage<Value> {
    this.ballot = ballotAbove(Math.max(this.last, this.highestSeen), this.seat);
    this.last = this.ballot;
    this.promises.clear();
    this.acceptances.clear();
    this.proposed = undefined;
    return { type: "prepare", ballot: this.ballot };
  }

  /** What to send to all, now that this answer is there; undefined: nothing yet. Answers to earlier ballots count for nothing. */
  receive(from: NodeId, message: DecreeMessage<Value>): DecreeMessage<Value> | undefined {
    if (message.type === "refused") this.highestSeen = Math.max(this.highestSeen, message.promised);
    if (message.type === "promise" && message.ballot === this.ballot)
      return this.promised(from, message.accepted);
    if (message.type === "accepted" && message.ballot === this.ballot) return this.accepted(from);
    return undefined;
  }

  private promised(from: NodeId, accepted: Accepted<Value> | undefined): DecreeMessage<Value> | undefined {
    this.promises.set(from, accepted);
    if (this.proposed !== undefined || !this.isMajority((id) => this.promises.has(id))) return undefined;
    const found = highestAccepted(this.promises.values());
    this.proposed = { value: found === undefined ? this.own : found.value };
    return { type: "accept", ballot: this.ballot, value: this.proposed.value };
  }

  private accepted(from: NodeId): DecreeMessage<Value> | undefined {
    if (this.proposed === undefined) return undefined;
    this.acceptances.add(from);
    if (!this.isMajority((id) => this.acceptances.has(id))) return undefined;
    return { type: "learn", value: this.proposed.value };
  }

  private isMajority(holds: (id: NodeId) => boolean): boolean {
    return isQuorum({ voters: this.acceptors, outgoing: [] }, holds);
  }
}
