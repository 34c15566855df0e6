/**
 * The peer transport over TCP: one connection per pair of nodes, framed and checked, greeted and authenticated, dialled
 * again with back-off whenever it breaks.
 *
 * Both sides dial. Two dials that cross are told apart without a round trip: while no link stands, the dial of the node
 * whose id sorts first survives; once one stands, the link with the peer's later greeting is the live one, because a node
 * dials only when it holds no link. Everything sent in one event-loop turn leaves in one gathered write per peer.
 *
 * Several networks may share one port: *planes*, each with connections and a bound of its own, so that what is urgent on one
 * never waits behind what is large on another. Who calls says in its greeting which plane it means.
 */
import { connect, createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import type { Bytes } from "../bytes.ts";
import { QuorateError, assert } from "../errors.ts";
import type { Clock, Logger, Network, NodeId, Random, Timer } from "../world.ts";
import type { Hello, Refusal } from "./peer-hello.ts";
import { PEER_PROTOCOL_VERSION, isRefusal, refusalOf } from "./peer-hello.ts";
import type { LinkOwner } from "./peer-link.ts";
import { PeerLink } from "./peer-link.ts";
import { splitAddress } from "./address.ts";
import { onread, readAccepted } from "./socket-reads.ts";

const BACKOFF_MIN_MS = 10;
const BACKOFF_MAX_MS = 1000;
/** Connections that have not greeted yet, all strangers together. */
const STRANGERS_MAX = 128;

export interface TcpNetworkOptions {
  readonly id: NodeId;
  readonly clusterId: string;
  /** Differs between two runs of this node. Default: drawn at random. */
  readonly incarnation?: number;
  /** Shared by all nodes of the cluster: keeps strangers out. Default: none. */
  readonly secret?: string;
  /** Default "127.0.0.1". */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Bytes that may wait for one peer; frames beyond are dropped. Default 64 MiB. */
  readonly queueMaxBytes?: number;
  /** The largest frame that is sent or taken. Default 256 MiB. */
  readonly frameMaxBytes?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface NetworkStats {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly droppedFrames: number;
  readonly linksUp: number;
}

export interface PlaneOptions {
  /** Tells planes apart: a word, the same at every node. */
  readonly name: string;
  /** As of the network. */
  readonly queueMaxBytes?: number;
  readonly frameMaxBytes?: number;
}

export interface TcpNetwork extends Network {
  /** The port that peers dial. */
  readonly port: number;
  stats(): NetworkStats;
  /** Resolves when `close` was called and every socket is gone. */
  readonly closed: Promise<void>;
  /** A further network between the same nodes, over connections of its own to the same ports. It is closed by itself. */
  plane(options: PlaneOptions): TcpNetwork;
}

/** Listens for peers. Rejects with PORT_IN_USE, or USAGE when the host is not one of this machine. */
export async function openTcpNetwork(options: TcpNetworkOptions): Promise<TcpNetwork> {
  const host = options.host ?? "127.0.0.1";
  const server = createServer({ noDelay: true, pauseOnConnect: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const code = error.code === "EADDRINUSE" ? "PORT_IN_USE" : "USAGE";
      reject(new QuorateError(code, `peer port ${host}:${options.port}: ${error.message}`, { cause: error }));
    });
    server.listen({ host, port: options.port, exclusive: true }, resolve);
  });
  server.removeAllListeners("error");
  return new PeerNetwork(options, server, (server.address() as AddressInfo).port);
}

const REJECTION_SILENCE_MS = 60_000;

/** What is known of one peer. Without an address it was never named to us: it called, and is gone when its link is. */
interface Peer {
  readonly id: NodeId;
  address: string | undefined;
  link: PeerLink | undefined;
  dial: PeerLink | undefined;
  retry: Timer | undefined;
  backoffMs: number;
  /** The last complaint logged, so that each retry does not repeat it. */
  complaint: string | undefined;
  dropping: boolean;
}

class PeerNetwork implements TcpNetwork, LinkOwner {
  readonly port: number;
  readonly clock: Clock;
  readonly secret: string | undefined;
  readonly frameMaxBytes: number;
  readonly closed: Promise<void>;
  private readonly id: NodeId;
  private readonly me: Omit<Hello, "to" | "greeting">;
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly options: TcpNetworkOptions;
  /** Undefined of a plane: those who call come to the network whose plane it is. */
  private readonly server: Server | undefined;
  /** By the cluster that their greetings name. */
  private readonly planes = new Map<string, PeerNetwork>();
  private readonly queueMaxBytes: number;
  private readonly peers = new Map<NodeId, Peer>();
  private readonly strangers = new Set<PeerLink>();
  private readonly unflushed = new Set<PeerLink>();
  /** When each rejection of a caller was logged: one that calls again and again is told of once a minute. */
  private readonly rejections = new Map<string, number>();
  private settled: () => void = () => undefined;
  private openSockets = 0;
  private serverClosed: boolean;
  private greetings = 0;
  private closing = false;
  private sentBytes = 0;
  private receivedBytes = 0;
  private droppedFrames = 0;
  private receive: (from: NodeId, frame: Bytes) => void = () => undefined;
  private linkChanged: (peer: NodeId, up: boolean) => void = () => undefined;
  private peerArriving: (peer: NodeId) => void = () => undefined;

  /** `server`: undefined of a plane, which is reached at `port`. */
  constructor(options: TcpNetworkOptions, server: Server | undefined, port: number) {
    this.options = options;
    this.id = options.id;
    this.clock = options.clock;
    this.random = options.random;
    this.logger = options.logger;
    this.secret = options.secret;
    this.queueMaxBytes = options.queueMaxBytes ?? 64 * 2 ** 20;
    this.frameMaxBytes = options.frameMaxBytes ?? 256 * 2 ** 20;
    this.me = {
      version: PEER_PROTOCOL_VERSION,
      cluster: options.clusterId,
      from: options.id,
      incarnation: options.incarnation ?? Math.floor(this.random.float() * 2 ** 53),
    };
    this.server = server;
    this.port = port;
    this.serverClosed = server === undefined;
    server?.on("error", (error) => this.logger.log("error", "peer.listen-failed", { error: error.message }));
    server?.on("connection", (socket) => {
      if (this.closing || this.strangers.size >= STRANGERS_MAX) socket.destroy();
      else this.strangers.add(new PeerLink((reads) => readAccepted(socket, reads), false, this));
    });
    this.closed = new Promise((resolve) => (this.settled = resolve));
  }

  plane({ name, queueMaxBytes, frameMaxBytes }: PlaneOptions): TcpNetwork {
    // A version without planes refuses the name as that of another cluster, instead of mixing two of them.
    const clusterId = `${this.me.cluster}/${name}`;
    assert(this.server !== undefined && !this.planes.has(clusterId), `there is a plane ${name}`);
    const { incarnation: _, queueMaxBytes: _queue, frameMaxBytes: _frame, ...shared } = this.options;
    const options = {
      ...shared,
      clusterId,
      ...(queueMaxBytes === undefined ? {} : { queueMaxBytes }),
      ...(frameMaxBytes === undefined ? {} : { frameMaxBytes }),
    };
    const plane = new PeerNetwork(options, undefined, this.port);
    this.planes.set(clusterId, plane);
    return plane;
  }

  send(to: NodeId, parts: readonly Uint8Array[], guardedParts?: number): void {
    const peer = this.peers.get(to);
    const link = peer?.link;
    let length = 0;
    for (const part of parts) length += part.length;
    assert(length > 0 && length <= this.frameMaxBytes, `a frame of ${length} bytes cannot be sent`);
    // A frame larger than the bound still passes when nothing waits before it: otherwise it could never be sent at all.
    if (!link || (link.queuedBytes > 0 && link.queuedBytes + length > this.queueMaxBytes)) {
      this.drop(peer, link);
      return;
    }
    if (peer) peer.dropping = false;
    this.sentBytes += link.enqueue(parts, guardedParts);
    if (this.unflushed.size === 0) this.clock.endOfTurn(() => this.flush());
    this.unflushed.add(link);
  }

  onFrame(receive: (from: NodeId, frame: Bytes) => void): void {
    this.receive = receive;
  }

  onLink(change: (peer: NodeId, up: boolean) => void): void {
    this.linkChanged = change;
  }

  onArriving(arriving: (peer: NodeId) => void): void {
    this.peerArriving = arriving;
  }

  queuedBytes(to: NodeId): number {
    return this.peers.get(to)?.link?.queuedBytes ?? 0;
  }

  stats(): NetworkStats {
    let linksUp = 0;
    for (const peer of this.peers.values()) if (peer.link) linksUp++;
    const { sentBytes, receivedBytes, droppedFrames } = this;
    return { sentBytes, receivedBytes, droppedFrames, linksUp };
  }

  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    for (const peer of this.peers.values()) {
      if (peer.address !== undefined && !peers.has(peer.id)) this.forget(peer);
    }
    for (const [id, address] of peers) {
      if (id === this.id) continue;
      const peer = this.peers.get(id) ?? this.admit(id);
      if (peer.address === address) continue;
      peer.address = address;
      peer.backoffMs = BACKOFF_MIN_MS;
      peer.dial?.close("its address changed");
      peer.retry?.cancel();
      peer.retry = undefined;
      this.dial(peer);
    }
  }

  close(): void {
    if (this.closing) return;
    this.closing = true;
    this.server?.close(() => {
      this.serverClosed = true;
      this.settle();
    });
    for (const link of this.strangers) link.close("this node stops");
    for (const peer of this.peers.values()) this.forget(peer);
    this.settle();
  }

  greeted(link: PeerLink, message: Hello | Refusal, proven: boolean): void {
    if (link.dialled) this.answered(link, message, proven);
    else this.called(link, message, proven);
  }

  received(link: PeerLink, frame: Buffer): void {
    this.receivedBytes += frame.length;
    if (link.peer) this.receive(link.peer.from, frame as unknown as Bytes);
  }

  arriving(link: PeerLink): void {
    if (link.peer) this.peerArriving(link.peer.from);
  }

  opened(): void {
    this.openSockets++;
  }

  gone(): void {
    this.openSockets--;
    this.settle();
  }

  ended(link: PeerLink, reason: string, fault: boolean): void {
    this.unflushed.delete(link);
    if (this.strangers.delete(link) && fault) {
      this.logger.log("warn", "peer.garbage", { address: link.remoteAddress, reason });
    }
    for (const peer of this.peers.values()) {
      if (peer.link === link) this.lost(peer, link, reason, fault);
      else if (peer.dial === link) this.failed(peer, reason, fault);
    }
  }

  /** A dialled node answered our greeting. */
  private answered(link: PeerLink, message: Hello | Refusal, proven: boolean): void {
    const peer = [...this.peers.values()].find((candidate) => candidate.dial === link);
    if (!peer) return link.close("no longer wanted");
    const mine = { ...this.me, greeting: 0 };
    const refusal = isRefusal(message) ? message : refusalOf(message, proven, mine);
    if (isRefusal(message) || refusal) {
      if (refusal && refusal.refused !== "duplicate") this.complain(peer, refusal.detail);
      // We reached the port of another node or cluster: hurrying would not change that.
      if (refusal?.refused !== "duplicate") peer.backoffMs = BACKOFF_MAX_MS;
      return link.close(refusal?.detail ?? "refused");
    }
    if (message.from !== peer.id) {
      this.complain(peer, `"${message.from}" answers there`);
      return link.close("another node answers there");
    }
    peer.dial = undefined;
    this.establish(peer, link, message);
  }

  /** Someone dialled us. */
  private called(link: PeerLink, message: Hello | Refusal, proven: boolean): void {
    if (isRefusal(message)) throw new QuorateError("PROTOCOL", "a refusal in place of a greeting");
    const plane = this.planes.get(message.cluster);
    if (plane !== undefined && !plane.closing) {
      this.strangers.delete(link);
      plane.strangers.add(link);
      link.handTo(plane);
      return plane.called(link, message, proven);
    }
    const refusal = refusalOf(message, proven, { ...this.me, greeting: 0 });
    if (refusal) {
      this.logRejection(message.from, link.remoteAddress, refusal.detail);
      return link.refuse(refusal);
    }
    const peer = this.peers.get(message.from) ?? this.admit(message.from);
    if (this.isDuplicate(peer, message)) {
      return link.refuse({ refused: "duplicate", detail: "another link stands" });
    }
    this.strangers.delete(link);
    const dial = peer.dial;
    peer.dial = undefined;
    dial?.close("the peer called first");
    link.sendHello(this.hello(peer.id));
    this.establish(peer, link, message);
  }

  private isDuplicate(peer: Peer, hello: Hello): boolean {
    const standing = peer.link?.peer;
    if (standing) return standing.incarnation === hello.incarnation && standing.greeting > hello.greeting;
    return peer.dial?.helloSent === true && this.id < peer.id;
  }

  private establish(peer: Peer, link: PeerLink, hello: Hello): void {
    if (peer.link) {
      const old = peer.link;
      peer.link = undefined;
      old.close("replaced by a later link");
      this.linkChanged(peer.id, false);
    }
    peer.retry?.cancel();
    peer.retry = undefined;
    peer.complaint = undefined;
    peer.dropping = false;
    peer.link = link;
    link.open(hello);
    this.logger.log("info", "peer.up", { peer: peer.id, dialled: link.dialled });
    this.linkChanged(peer.id, true);
  }

  private lost(peer: Peer, link: PeerLink, reason: string, fault: boolean): void {
    peer.link = undefined;
    // A link that breaks as soon as it stands must not be dialled in a tight loop.
    if (this.clock.monotonicMs() - link.upSinceMs >= BACKOFF_MAX_MS) peer.backoffMs = BACKOFF_MIN_MS;
    if (fault) this.logger.log("warn", "peer.garbage", { peer: peer.id, reason });
    this.logger.log("info", "peer.down", { peer: peer.id, reason });
    this.linkChanged(peer.id, false);
    this.dialLater(peer);
  }

  private failed(peer: Peer, reason: string, fault: boolean): void {
    peer.dial = undefined;
    if (fault) this.complain(peer, reason);
    this.dialLater(peer);
  }

  private complain(peer: Peer, reason: string): void {
    if (peer.complaint === reason) return;
    peer.complaint = reason;
    this.logger.log("warn", "peer.rejected", { peer: peer.id, address: peer.address, reason });
  }

  private logRejection(peer: string, address: string, reason: string): void {
    const key = `${peer} ${reason}`;
    const nowMs = this.clock.monotonicMs();
    if (nowMs - (this.rejections.get(key) ?? -Infinity) < REJECTION_SILENCE_MS) return;
    if (this.rejections.size >= STRANGERS_MAX) this.rejections.clear();
    this.rejections.set(key, nowMs);
    this.logger.log("warn", "peer.rejected", { peer, address, reason });
  }

  private dial(peer: Peer): void {
    if (this.closing || peer.link || peer.dial || peer.address === undefined) return;
    const { host, port } = splitAddress(peer.address);
    const link: PeerLink = new PeerLink(
      (reads) => {
        const socket = connect({ host, port, noDelay: true, onread: onread(reads) });
        return socket.once("connect", () => {
          if (peer.dial === link) link.sendHello(this.hello(peer.id));
        });
      },
      true,
      this,
    );
    peer.dial = link;
  }

  private dialLater(peer: Peer): void {
    if (this.closing || this.peers.get(peer.id) !== peer) return;
    if (peer.address === undefined) {
      if (!peer.link) this.peers.delete(peer.id);
      return;
    }
    if (peer.link || peer.dial || peer.retry) return;
    const delayMs = peer.backoffMs * (0.5 + this.random.float());
    peer.backoffMs = Math.min(peer.backoffMs * 2, BACKOFF_MAX_MS);
    peer.retry = this.clock.setTimer(delayMs, () => {
      peer.retry = undefined;
      this.dial(peer);
    });
  }

  private hello(to: NodeId): Hello {
    return { ...this.me, to, greeting: ++this.greetings };
  }

  private admit(id: NodeId): Peer {
    const peer: Peer = {
      id,
      address: undefined,
      link: undefined,
      dial: undefined,
      retry: undefined,
      backoffMs: BACKOFF_MIN_MS,
      complaint: undefined,
      dropping: false,
    };
    this.peers.set(id, peer);
    return peer;
  }

  private forget(peer: Peer): void {
    this.peers.delete(peer.id);
    peer.retry?.cancel();
    peer.dial?.close("no longer a peer");
    const link = peer.link;
    peer.link = undefined;
    if (!link) return;
    link.close("no longer a peer", true);
    this.linkChanged(peer.id, false);
  }

  private drop(peer: Peer | undefined, link: PeerLink | undefined): void {
    this.droppedFrames++;
    if (!peer || !link || peer.dropping) return;
    peer.dropping = true;
    this.logger.log("warn", "peer.slow", { peer: peer.id, queuedBytes: link.queuedBytes });
  }

  private settle(): void {
    if (this.closing && this.serverClosed && this.openSockets === 0) this.settled();
  }

  private flush(): void {
    const links = [...this.unflushed];
    this.unflushed.clear();
    for (const link of links) link.flush();
  }
}
