/**
 * Whether the replicas hold the same state. Each notes the digest of its state about once a second of log time, after the same
 * entry as all the others, and tells its peers the newest ones with its greeting, and the one of this moment, which is comparable
 * while nothing is written. Digests at the same index must be the same: apply is deterministic, and the log is the same.
 *
 * They differ when that is broken: by a defect, or by memory that changed by itself. A replica that differs from a majority of
 * the voters is the wrong one. Without such a majority nobody can tell.
 */
import type { Index } from "../../consensus/consensus.ts";
import type { NodeId } from "../../runtime/world.ts";

export type DigestPoint = readonly [index: Index, digest: number];

export interface Divergence {
  readonly index: Index;
  /** Who has another digest there. */
  readonly peers: readonly NodeId[];
  /** A majority of the voters agrees on another digest than this node's. */
  readonly outvoted: boolean;
}

/** A replica that lags by more seconds than that is compared when it has caught up. */
const POINTS_KEPT = 8;

export class StateComparison {
  private own: DigestPoint[] = [];
  private readonly peers = new Map<NodeId, ReadonlyMap<Index, number>>();

  /** The state after this entry, as every replica notes it. */
  note(index: Index, digest: number): void {
    this.own = [...this.own, [index, digest] as const].slice(-POINTS_KEPT);
  }

  get points(): readonly DigestPoint[] {
    return this.own;
  }

  /** What a member said of itself takes the place of what it said before. */
  heard(peer: NodeId, points: readonly DigestPoint[]): void {
    this.peers.set(peer, new Map(points));
  }

  forget(peer: NodeId): void {
    this.peers.delete(peer);
  }

  /** Who is no member any more says nothing about the members. */
  keepOnly(members: readonly NodeId[]): void {
    for (const peer of this.peers.keys()) if (!members.includes(peer)) this.peers.delete(peer);
  }

  /** The newest divergence, one that outvotes this node before all others; `current` is the state of this moment. */
  compare(current: DigestPoint, voters: readonly NodeId[]): Divergence | undefined {
    let found: Divergence | undefined;
    for (const [index, digest] of [...this.own, current]) {
      const different = [...this.peers].filter(([, points]) => (points.get(index) ?? digest) !== digest);
      if (different.length === 0) continue;
      const votes = new Map<number, number>();
      for (const [peer, points] of different) {
        const other = points.get(index)!;
        if (voters.includes(peer)) votes.set(other, (votes.get(other) ?? 0) + 1);
      }
      const outvoted = Math.max(0, ...votes.values()) * 2 > voters.length;
      if (outvoted || found?.outvoted !== true)
        found = { index, peers: different.map(([peer]) => peer), outvoted };
    }
    return found;
  }
}
