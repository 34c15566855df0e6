/**
 * What is chosen in the sense of the papers: a value that a majority has accepted in one ballot, whether a leader ever counts it
 * or not, and nobody knows of it but this observer. No other may be chosen in its slot, for ever ("Paxos Made Simple", section 2.2).
 */
import type { Entry, Index } from "../../consensus/consensus.ts";
import type { NodeId } from "../../runtime/world.ts";
import { crc32 } from "node:zlib";

export class Decrees {
  private readonly voters: readonly NodeId[];
  /** Who accepted in a slot and a ballot. */
  private readonly acceptors = new Map<string, Set<NodeId>>();
  private readonly chosen = new Map<Index, string>();

  /** `voters`: nobody else ever votes. */
  constructor(voters: readonly NodeId[]) {
    this.voters = voters;
  }

  /** The node's disk holds these now; returns the slot in which a second value is chosen by that. */
  accepted(node: NodeId, entries: readonly Entry[]): Index | undefined {
    if (!this.voters.includes(node)) return undefined;
    for (const { index, term, kind, payload } of entries) {
      const place = `${index}@${term}`;
      const acceptors = this.acceptors.get(place) ?? new Set();
      this.acceptors.set(place, acceptors.add(node));
      if (acceptors.size * 2 <= this.voters.length) continue;
      const value = `${kind} ${crc32(payload)}`;
      const known = this.chosen.get(index) ?? value;
      if (known !== value) return index;
      this.chosen.set(index, value);
    }
    return undefined;
  }
}
