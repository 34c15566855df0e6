/**
 * Who has which seat (`Seating`), and which change of members follows which.
 *
 * A seat makes the ballots of its node its own. Founders have theirs by the order of their names; whoever comes later gets
 * the next one with the membership that brings it in, also a new life of a name that had one: it does not know which
 * ballots its last life used.
 */
import { assert } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Membership, Seating } from "../consensus.ts";
import { members } from "../membership.ts";
import { SEATS_MAX } from "./ballot.ts";

export function seatingOf(membership: Membership): Seating {
  if (membership.seating !== undefined) return membership.seating;
  const founders = members(membership).sort((left, right) => (left < right ? -1 : 1));
  const seats = Object.fromEntries(founders.map((id, at) => [id, at + 1]));
  return { change: 0, seats, nextSeat: founders.length + 1 };
}

/** The seat of a member; 0 for others. */
export function seatIn(membership: Membership, id: NodeId): number {
  return seatingOf(membership).seats[id] ?? 0;
}

/** `next` as the change after `now`, with a seat for everyone who is new. */
export function seated(now: Membership, next: Membership): Membership {
  const { change, seats: taken, nextSeat: first } = seatingOf(now);
  let nextSeat = first;
  const seats = members(next).map((id) => {
    const isSameLife = now.identities?.[id] === next.identities?.[id];
    return [id, (isSameLife ? taken[id] : undefined) ?? nextSeat++] as const;
  });
  assert(nextSeat <= SEATS_MAX, "seats are used up");
  return { ...next, seating: { change: change + 1, seats: Object.fromEntries(seats), nextSeat } };
}
