/**
 * Ballots: who may propose, in a total order (Lamport, "Paxos Made Simple", 2001, section 2.2; there: proposal numbers).
 *
 * A ballot is a round and the node that runs it, compared by the round first. Here a node is its seat, a number that no other
 * node ever had, and the pair is one number: so ballots compare as numbers do, and a ballot is a `Term` to everything that
 * Raft and Multi-Paxos share.
 */
import { assert } from "../../runtime/errors.ts";
import type { Term } from "../consensus.ts";

/** Seats are below this: enough to admit a new node every hour for a century. Rounds are below 2^33. */
export const SEATS_MAX: number = 2 ** 20;

export function ballotOf(round: number, seat: number): Term {
  assert(seat > 0 && seat < SEATS_MAX, `no such seat: ${seat}`);
  const ballot = round * SEATS_MAX + seat;
  assert(Number.isSafeInteger(ballot), `rounds are used up: ${round}`);
  return ballot;
}

export function roundOf(ballot: Term): number {
  return Math.floor(ballot / SEATS_MAX);
}

export function seatOf(ballot: Term): number {
  return ballot % SEATS_MAX;
}

/** The first ballot of `seat` in a round that is above every round up to `ballot`. */
export function ballotAbove(ballot: Term, seat: number): Term {
  return ballotOf(roundOf(ballot) + 1, seat);
}
