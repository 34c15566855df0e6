/**
 * Majorities, plain and joint. During a joint change a decision needs a majority of the new voters *and* of the old ones
 * (Raft section 6), so every function here takes the whole membership and answers for both.
 */
import type { NodeId } from "../runtime/world.ts";
import type { Membership } from "./consensus.ts";

/** Who counts: the two sets of voters of a membership. */
export type VoterSets = Pick<Membership, "voters" | "outgoing">;

/** Reused between calls, which never nest: this runs for every acknowledgement. */
const sorted: number[] = [];

/** The highest value that a majority of `voters` has reached. No voters: no limit. */
export function majorityValue(voters: readonly NodeId[], valueOf: (id: NodeId) => number): number {
  const count = voters.length;
  if (count === 0) return Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i += 1) {
    const value = valueOf(voters[i]!);
    let place = i;
    while (place > 0 && sorted[place - 1]! < value) {
      sorted[place] = sorted[place - 1]!;
      place -= 1;
    }
    sorted[place] = value;
  }
  return sorted[count >> 1]!;
}

/** The highest value that a quorum has reached. */
export function quorumValue(sets: VoterSets, valueOf: (id: NodeId) => number): number {
  return Math.min(majorityValue(sets.voters, valueOf), majorityValue(sets.outgoing, valueOf));
}

/** True when those for whom `holds` is true are a quorum. */
export function isQuorum(sets: VoterSets, holds: (id: NodeId) => boolean): boolean {
  return quorumValue(sets, (id) => (holds(id) ? 1 : 0)) >= 1;
}

/** `won` with a quorum of grants, `lost` once no quorum can come about any more. */
export function countVotes(sets: VoterSets, votes: ReadonlyMap<NodeId, boolean>): "won" | "lost" | "pending" {
  if (isQuorum(sets, (id) => votes.get(id) === true)) return "won";
  return isQuorum(sets, (id) => votes.get(id) !== false) ? "pending" : "lost";
}

/** True for a member of either set. */
export function isVoter(sets: VoterSets, id: NodeId): boolean {
  return sets.voters.includes(id) || sets.outgoing.includes(id);
}
