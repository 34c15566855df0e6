/**
 * The nodes that this one has heard: what they last told of themselves, and whether they are still there. To whom a group
 * listens is in `directories.ts`.
 */
import type { Clock, NodeId } from "../../runtime/world.ts";
import type { Greeting } from "./frames.ts";

export interface KnownPeer {
  readonly id: NodeId;
  greeting: Greeting | undefined;
  heardMs: number;
  linkUp: boolean;
  refusedLoggedMs: number;
  /** What each group that this node hosts decided about the last frame that it accepted; in the order of the groups. */
  readonly recognised: (Recognised | undefined)[];
}

/** The tag of a directory, and what the group's log said of it. */
export interface Recognised {
  readonly directoryTag: number;
  readonly registered: string | undefined;
}

/** A peer that was not heard for so long is shown as unreachable. */
export const SILENT_MS = 2_000;

export class Peers {
  private readonly clock: Clock;
  private readonly peers = new Map<NodeId, KnownPeer>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Who was never heard before begins with nothing known. */
  of(id: NodeId): KnownPeer {
    let peer = this.peers.get(id);
    if (peer === undefined) {
      peer = {
        id,
        greeting: undefined,
        heardMs: Number.NEGATIVE_INFINITY,
        linkUp: false,
        refusedLoggedMs: Number.NEGATIVE_INFINITY,
        recognised: [],
      };
      this.peers.set(id, peer);
    }
    return peer;
  }

  greetingOf(id: NodeId): Greeting | undefined {
    return this.peers.get(id)?.greeting;
  }

  isLive(id: NodeId): boolean {
    const peer = this.peers.get(id);
    return peer !== undefined && this.clock.monotonicMs() - peer.heardMs < SILENT_MS;
  }

  linked(): NodeId[] {
    return [...this.peers].filter(([, peer]) => peer.linkUp).map(([id]) => id);
  }

  /** Those in sight. */
  seen(): NodeId[] {
    return [...this.peers.keys()].filter((id) => this.isLive(id));
  }

  /** What a group decided about directories is decided anew; those that are gone and no members of any group are forgotten. */
  membersChanged(members: ReadonlySet<NodeId>): void {
    for (const [id, peer] of this.peers) {
      peer.recognised.length = 0;
      if (!members.has(id) && !peer.linkUp) this.peers.delete(id);
    }
  }
}
