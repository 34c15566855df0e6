/**
 * Frames between the nodes that keep blocks, and of a node to itself: who speaks to a replica need not know where it is.
 * Content goes out as it is, without a copy: what is sent must not be changed any more.
 *
 * A peer whose link broke is *away* until the network says that it is up again: what is sent meanwhile is lost, so a stream that
 * is opened to it fails at the end of the turn, as if the peer refused it; nothing else is told, for the peer may be back by
 * then. One whose link was never up is not away: a link may have come up before this was made, and at the start links are still
 * being made.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import { isQuorateError } from "../../../runtime/errors.ts";
import type { Clock, Logger, Network, NodeId, Random } from "../../../runtime/world.ts";
import { decode, encode } from "../../../wire/record.ts";
import { release, retain } from "./buffer-pool.ts";
import type { BlockFrame, StreamFailure, StreamId } from "./protocol.ts";
import { BLOCK_FRAME } from "./protocol.ts";

/** Memory that is used again once it is given back: by who took it, or by the link when nobody did. */
export interface Loan {
  isTaken: boolean;
  giveBack(): void;
}

/** What a node may say to itself besides: it stays in the process. */
interface LocalFields {
  /** Of `read`: pieces may be lent. */
  readonly mayLend?: boolean;
  /** Of a `piece` that is lent. */
  readonly loan?: Loan;
}

type LinkFrame = BlockFrame & LocalFields;
export type FrameOf<Type extends BlockFrame["type"]> = Extract<LinkFrame, { readonly type: Type }>;
type Receiver<Type extends BlockFrame["type"]> = (from: NodeId, frame: FrameOf<Type>) => void;

export interface BlockLinkOptions {
  readonly self: NodeId;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class BlockLink {
  readonly self: NodeId;
  readonly clock: Clock;
  private readonly network: Network;
  private readonly logger: Logger;
  private readonly receivers = new Map<string, Set<(from: NodeId, frame: LinkFrame) => void>>();
  private readonly downListeners = new Set<(peer: NodeId) => void>();
  private readonly away = new Set<NodeId>();
  private lastStream: number;
  private closed = false;

  constructor({ self, network, clock, random, logger }: BlockLinkOptions) {
    this.self = self;
    this.network = network;
    this.clock = clock;
    this.logger = logger;
    // A frame may arrive at a later life of its receiver: numbers of one life are not those of another.
    this.lastStream = random.next32() * 0x1_0000;
    network.onFrame((from, bytes) => this.receive(from, bytes));
    network.onLink((peer, up) => {
      if (up) return void this.away.delete(peer);
      this.away.add(peer);
      for (const listener of this.downListeners) listener(peer);
    });
  }

  newStream(): StreamId {
    return ++this.lastStream;
  }

  /** Calls back for each frame of a kind, until the returned function is called. */
  on<Type extends BlockFrame["type"]>(type: Type, receiver: Receiver<Type>): () => void {
    const added = receiver as (from: NodeId, frame: LinkFrame) => void;
    const known = this.receivers.get(type) ?? new Set();
    this.receivers.set(type, known.add(added));
    return () => known.delete(added);
  }

  /** Its link broke and is not up again. */
  isAway(peer: NodeId): boolean {
    return this.away.has(peer);
  }

  /** Calls back when the link to a peer breaks, until the returned function is called. */
  onDown(listener: (peer: NodeId) => void): () => void {
    this.downListeners.add(listener);
    return () => this.downListeners.delete(listener);
  }

  send(to: NodeId, frame: LinkFrame): void {
    if (to === this.self) {
      // Who sends it may give up before the turn ends.
      if (frame.type === "packet") retain(frame.content);
      return this.clock.endOfTurn(() => this.deliver(to, frame));
    }
    if (this.closed) return;
    // Content that is still queued when its stream ends may be overwritten: who receives it holds it against its checksums.
    this.network.send(to, ...encodeFrame(frame));
    if (!this.away.has(to)) return;
    const refusal = refusalOf(frame, this.failure("REPLICA_UNUSABLE", `the link to ${to} is broken`, to));
    // Later: who opens a stream has not noted it yet.
    if (refusal !== undefined) this.clock.endOfTurn(() => this.dispatch(to, refusal));
  }

  failure(code: StreamFailure["code"], message: string, node: NodeId = this.self): StreamFailure {
    return { code, message, node };
  }

  close(): void {
    this.closed = true;
  }

  private receive(from: NodeId, bytes: Bytes): void {
    let frame: BlockFrame;
    try {
      frame = decode(BLOCK_FRAME, bytes);
    } catch (error) {
      if (!isQuorateError(error)) throw error;
      this.logger.log("warn", "blocks.frame-refused", { from, error: error.message });
      return;
    }
    this.dispatch(from, frame);
  }

  /** What is lent and nobody took goes back. */
  private deliver(from: NodeId, frame: LinkFrame): void {
    this.dispatch(from, frame);
    if (frame.type === "packet") release(frame.content);
    if (frame.loan?.isTaken === false) frame.loan.giveBack();
  }

  private dispatch(from: NodeId, frame: LinkFrame): void {
    if (this.closed) return;
    for (const receiver of this.receivers.get(frame.type) ?? []) receiver(from, frame);
  }
}

/**
 * The answer to what opens a stream, when there is none. Undefined: it opens none that others can take over; a recovery asks all,
 * and has patience with those that are away.
 */
function refusalOf(frame: LinkFrame, failure: StreamFailure): LinkFrame | undefined {
  switch (frame.type) {
    case "open":
      return { type: "opened", stream: frame.stream, failure };
    case "fetch":
      return { type: "held", stream: frame.stream, replica: undefined, failure };
    case "read":
    case "checksum":
      return { type: "close", stream: frame.stream, answer: true, failure };
    default:
      return undefined;
  }
}

/** What an error is to the other side of a stream. */
export function failureOf(error: Error, node: NodeId): StreamFailure {
  const code = isQuorateError(error) ? error.code : "REPLICA_UNUSABLE";
  const known = code as StreamFailure["code"];
  return { code: TOLD.has(code) ? known : "REPLICA_UNUSABLE", message: error.message, node };
}

const TOLD = new Set<string>([
  "DISK_FULL",
  "OVERLOADED",
  "SHUTTING_DOWN",
  "CHECKSUM_MISMATCH",
  "REPLICA_UNUSABLE",
  "BLOCK_MISSING",
  "NO_TARGETS",
] satisfies StreamFailure["code"][]);

/**
 * The parts of a frame, and how many of them the network has to guard. Frames with content end with it (`protocol.ts`): the head
 * is written, the content only named. Whoever receives content holds it against its checksums, if it has some.
 */
export function encodeFrame(frame: BlockFrame): [parts: readonly Uint8Array[], guardedParts: number] {
  if (frame.type !== "packet" && frame.type !== "piece") return [[encode(BLOCK_FRAME, frame)], 1];
  const head = encode(BLOCK_FRAME, { ...frame, content: NO_BYTES });
  head.writeUInt32LE(frame.content.length, head.length - 4);
  return [[head, frame.content], frame.checksums.length > 0 ? 1 : 2];
}
