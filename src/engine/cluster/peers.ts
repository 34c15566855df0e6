/**
 * Whom this node has heard, and to whom it listens.
 *
 * A name may have had several lives: a node that lost its disk, or keeps none, is another under the old name. Its last life's
 * votes and acknowledgements must not be taken for its own, nor its own for the last life's. The members say which life they
 * mean (`Membership.identities`). For a founder they say nothing: there the directory counts that it registered in the log, and
 * until this node has applied that, the one that it heard first.
 */
import type { Membership, Standing } from "../../consensus/consensus.ts";
import type { Clock, NodeId } from "../../runtime/world.ts";
import type { Greeting } from "./frames.ts";
import { directoryTagOf } from "./frames.ts";
import type { PeerDirectories } from "./peer-directories.ts";

export interface KnownPeer {
  greeting: Greeting | undefined;
  heardMs: number;
  linkUp: boolean;
  refusedLoggedMs: number;
  /** Of the last frame that was accepted: the directory's tag, and what the log said of it. */
  directoryTag: number | undefined;
  registered: string | undefined;
}

/** What this node knows of directories. */
export interface DirectoryKnowledge {
  readonly clock: Clock;
  /** What is remembered of founders. */
  readonly directories: PeerDirectories;
  /** The directory that a node registered in the log. */
  registered(id: NodeId): string | undefined;
  standing(): Standing;
}

/** A peer that was not heard for so long is shown as unreachable. */
export const SILENT_MS = 2_000;

const NEVER: Standing = { term: 0, index: 0, named: false };

export class Peers {
  private readonly knowledge: DirectoryKnowledge;
  private readonly peers = new Map<NodeId, KnownPeer>();
  private membership: Membership = { voters: [], outgoing: [], learners: [], addresses: {} };

  constructor(knowledge: DirectoryKnowledge) {
    this.knowledge = knowledge;
  }

  /** Who was never heard before begins with nothing known. */
  of(id: NodeId): KnownPeer {
    let peer = this.peers.get(id);
    if (peer === undefined) {
      peer = {
        greeting: undefined,
        heardMs: Number.NEGATIVE_INFINITY,
        linkUp: false,
        refusedLoggedMs: Number.NEGATIVE_INFINITY,
        directoryTag: undefined,
        registered: undefined,
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
    return peer !== undefined && this.knowledge.clock.monotonicMs() - peer.heardMs < SILENT_MS;
  }

  linked(): NodeId[] {
    return [...this.peers].filter(([, peer]) => peer.linkUp).map(([id]) => id);
  }

  /** Those in sight that are no members. */
  strangers(): NodeId[] {
    return [...this.peers.keys()].filter(
      (id) => this.membership.addresses[id] === undefined && this.isLive(id),
    );
  }

  /** What was decided about directories is decided anew; strangers that are gone are forgotten. */
  membersChanged(membership: Membership): void {
    this.membership = membership;
    for (const [id, peer] of this.peers) {
      peer.directoryTag = undefined;
      if (membership.addresses[id] === undefined && !peer.linkUp) this.peers.delete(id);
    }
  }

  /** True when the members name this directory for `id`. */
  isNamed(id: NodeId, directoryTag: number): boolean {
    const meant = this.membership.identities?.[id];
    return meant !== undefined && directoryTagOf(meant) === directoryTag;
  }

  /** True when frames from `id` with this tag are those of the member: called for every one of them. */
  listensTo(id: NodeId, directoryTag: number, peer: KnownPeer): boolean {
    const registered = this.knowledge.registered(id);
    if (peer.directoryTag === directoryTag && peer.registered === registered) return true;
    const remembered = this.knowledge.directories.tagOf(id);
    if (!this.isKnown(id, directoryTag, registered, remembered) && !this.knowsBetter(directoryTag, peer)) {
      return false;
    }
    // Strangers are not noted: their number has no bound.
    if (remembered !== directoryTag && this.membership.addresses[id] !== undefined) {
      this.knowledge.directories.remember(id, directoryTag);
    }
    peer.directoryTag = directoryTag;
    peer.registered = registered;
    return true;
  }

  private isKnown(
    id: NodeId,
    directoryTag: number,
    registered: string | undefined,
    remembered: number | undefined,
  ): boolean {
    if (this.membership.identities?.[id] !== undefined) return this.isNamed(id, directoryTag);
    const known = registered === undefined ? remembered : directoryTagOf(registered);
    return known === undefined || known === directoryTag;
  }

  /**
   * This node was away while the peer was replaced: the peer's log names it, in a membership that comes after the one that is
   * in force here. It may be listened to at once, or it could never lead this node to where it would know. It cannot do harm:
   * what takes the vote from its last life was committed before, so it votes for nobody who lacks that, and obeys no leader of
   * before.
   */
  private knowsBetter(directoryTag: number, { greeting }: KnownPeer): boolean {
    if (greeting?.directory === undefined || directoryTagOf(greeting.directory) !== directoryTag)
      return false;
    const { standing = NEVER } = greeting;
    return standing.named && isLater(standing, this.knowledge.standing());
  }
}

export function isLater(left: Standing, right: Standing): boolean {
  return left.term > right.term || (left.term === right.term && left.index > right.index);
}
