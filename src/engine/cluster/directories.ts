/**
 * To whom a group listens.
 *
 * A name may have had several lives: a node that lost its disk, or keeps none, is another under the old name. Its last life's
 * votes and acknowledgements must not be taken for its own, nor its own for the last life's. The group's members say which
 * life they mean (`Membership.identities`). For a founder they say nothing: there the directory counts that it registered in
 * the group's log, and until this node has applied that, the one that it heard first.
 *
 * Each group decides for itself: its log may not yet say what another's says, and its votes are its own.
 */
import type { Membership, Standing } from "../../consensus/consensus.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { GroupId } from "../group/write-ahead-log/frame.ts";
import { directoryTagOf, standingIn } from "./frames.ts";
import type { PeerDirectories } from "./peer-directories.ts";
import type { KnownPeer } from "./peers.ts";

/** What a group's replica here knows of directories. */
export interface DirectoryKnowledge {
  readonly group: GroupId;
  /** The place of the group among those that this node hosts. */
  readonly slot: number;
  /** What is remembered of founders. */
  readonly directories: PeerDirectories;
  /** The directory that a node registered in the log. */
  registered(id: NodeId): string | undefined;
  standing(): Standing;
}

const NEVER: Standing = { term: 0, index: 0, named: false };

export class Directories {
  membership: Membership = { voters: [], outgoing: [], learners: [], addresses: {} };
  private readonly knowledge: DirectoryKnowledge;

  constructor(knowledge: DirectoryKnowledge) {
    this.knowledge = knowledge;
  }

  /** True when the members name this directory for `id`. */
  isNamed(id: NodeId, directoryTag: number): boolean {
    const meant = this.membership.identities?.[id];
    return meant !== undefined && directoryTagOf(meant) === directoryTag;
  }

  /** True when frames from `peer` with this tag are those of the member: called for every one of them. */
  listensTo(peer: KnownPeer, directoryTag: number): boolean {
    const { slot, directories } = this.knowledge;
    const registered = this.knowledge.registered(peer.id);
    const before = peer.recognised[slot];
    if (before?.directoryTag === directoryTag && before.registered === registered) return true;
    const remembered = directories.tagOf(peer.id);
    const isKnown = this.isKnown(peer.id, directoryTag, registered, remembered);
    if (!isKnown && !this.knowsBetter(directoryTag, peer)) return false;
    // Strangers are not noted: their number has no bound.
    if (slot === 0 && remembered !== directoryTag && this.membership.addresses[peer.id] !== undefined) {
      directories.remember(peer.id, directoryTag);
    }
    peer.recognised[slot] = { directoryTag, registered };
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
    const standing = standingIn(greeting, this.knowledge.group) ?? NEVER;
    return standing.named && isLater(standing, this.knowledge.standing());
  }
}

export function isLater(left: Standing, right: Standing): boolean {
  return left.term > right.term || (left.term === right.term && left.index > right.index);
}
