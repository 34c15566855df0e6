/**
 * What comes in from the peers: whether this node listens to it, and where it belongs. A frame of a group is judged by that
 * group (`directories.ts`); what is between the nodes themselves by the keyspace's.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { NodeId, World } from "../../runtime/world.ts";
import { isLater } from "./directories.ts";
import type { Greeting, PeerFrame, Refused } from "./frames.ts";
import { decodeGreeting, decodeJson, readFrame } from "./frames.ts";
import type { AnyGroup } from "./hosted-group.ts";
import { KEYSPACE_GROUP } from "./hosted-group.ts";
import type { MemberOrders } from "./member-orders.ts";
import type { KnownPeer, Peers } from "./peers.ts";
import type { Publisher } from "./publisher.ts";

/** Where frames go. */
export interface Recipients {
  readonly world: Omit<World, "disk">;
  /** The keyspace's first. */
  readonly groups: readonly AnyGroup[];
  readonly peers: Peers;
  readonly orders: MemberOrders;
  readonly publisher: Publisher;
  /** A greeting of somebody who is heard, if only as a newcomer. */
  greeted(from: NodeId, greeting: Greeting): void;
  /** The same peer may have reason to be looked after. */
  lookAfter(peer: KnownPeer): void;
  /** Tells a peer that it is not listened to, and why. */
  refuse(to: NodeId, refused: Refused): void;
}

export class Reception {
  private readonly to: Recipients;

  constructor(to: Recipients) {
    this.to = to;
  }

  receive(from: NodeId, bytes: Bytes): void {
    try {
      const frame = readFrame(bytes);
      const peer = this.to.peers.of(from);
      if (frame.group !== KEYSPACE_GROUP) return this.onFurtherFrame(frame, peer);
      const { kind, directoryTag } = frame;
      const accepted =
        kind === "greeting"
          ? this.onGreeting(directoryTag, decodeGreeting(frame.content), peer)
          : // Of what a newcomer sends nothing counts, unless the members mean this life of it.
            kind === "visitor"
            ? this.keyspace.directories.isNamed(from, directoryTag)
            : this.isKnown(directoryTag, peer);
      if (!accepted) return;
      peer.heardMs = this.to.world.clock.monotonicMs();
      this.route(frame, peer);
    } catch (error) {
      if (!isQuorateError(error) || error.code !== "PROTOCOL") throw error;
      this.to.world.logger.log("warn", "malformed frame", { from, reason: error.message });
    }
  }

  /**
   * A frame of a group beside the keyspace. Who is not listened to there is not told so: what a node may be in this cluster is
   * the keyspace's to say. A group that is not hosted here is one that the peer was started with and this node was not.
   */
  private onFurtherFrame({ kind, group: id, directoryTag, content }: PeerFrame, peer: KnownPeer): void {
    const group = this.to.groups.find((each) => each.id === id);
    if (group === undefined) return;
    const { directories } = group;
    const accepted =
      kind === "visitor"
        ? directories.isNamed(peer.id, directoryTag)
        : this.listens(group, peer, directoryTag);
    if (!accepted) return;
    peer.heardMs = this.to.world.clock.monotonicMs();
    group.receive(peer.id, kind === "batch" ? "batch" : "consensus", content);
  }

  private route({ kind, content }: PeerFrame, peer: KnownPeer): void {
    const from = peer.id;
    switch (kind) {
      case "consensus":
      case "batch":
        return this.keyspace.receive(from, kind, content);
      case "visitor":
        return this.keyspace.receive(from, "consensus", content);
      case "greeting":
        return this.to.lookAfter(peer);
      case "order":
        return this.to.orders.onOrder(from, content);
      case "outcome":
        return this.to.orders.onOutcome(from, content);
      case "publish":
        return this.to.publisher.onPublish(from, content);
      case "published":
        return this.to.publisher.onPublished(from, content);
      case "refused":
        return this.onRefused(from, decodeJson(content) as Refused);
    }
  }

  /** A newcomer is heard for what it is; anybody else must be who the members mean. */
  private onGreeting(directoryTag: number, greeting: Greeting, peer: KnownPeer): boolean {
    const before = peer.greeting;
    peer.greeting = greeting;
    if (greeting.newcomer !== true && !this.isKnown(directoryTag, peer)) {
      peer.greeting = before;
      return false;
    }
    this.to.greeted(peer.id, greeting);
    return true;
  }

  /**
   * A founder without a past, as it believes, to whom somebody says that there was one: it has lost its directory, and has no
   * place here. A newcomer knows that; and one that the log names is refused only by those who do not know that yet, or who
   * know of a later life.
   */
  private onRefused(from: NodeId, { reason, standing }: Refused): void {
    const own = this.keyspace.standing();
    if (this.keyspace.newcomer || (own.named && !isLater(standing, own))) return;
    const message = `${from} refused this node: ${reason}`;
    this.to.world.fatal(new QuorateError("DATA_DIRECTORY_FOREIGN", message));
  }

  /** A peer with another data directory than the members mean: it must not vote or acknowledge, and is told why. */
  private isKnown(directoryTag: number, peer: KnownPeer): boolean {
    if (this.listens(this.keyspace, peer, directoryTag)) return true;
    const { clock, logger } = this.to.world;
    const nowMs = clock.monotonicMs();
    if (nowMs - peer.refusedLoggedMs < 1_000) return false;
    peer.refusedLoggedMs = nowMs;
    logger.log("error", "refused a node with another data directory", { node: peer.id });
    const refused: Refused = { reason: lostDirectory(peer.id), standing: this.keyspace.standing() };
    this.to.refuse(peer.id, refused);
    return false;
  }

  /** Ends the process when what it hears for the first time cannot be noted. */
  private listens({ directories }: AnyGroup, peer: KnownPeer, directoryTag: number): boolean {
    try {
      return directories.listensTo(peer, directoryTag);
    } catch (error) {
      return this.to.world.fatal(error as Error);
    }
  }

  private get keyspace(): AnyGroup {
    return this.to.groups[0]!;
  }
}

function lostDirectory(id: NodeId): string {
  return (
    `the cluster knows ${id} by another data directory; a node that lost its disk is started with --join, ` +
    `and then: quorate members replace ${id}`
  );
}
