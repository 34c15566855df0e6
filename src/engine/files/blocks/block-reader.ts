/**
 * Reads a range of one block from whichever replica serves: the one at hand first, the next one when a node fails, is silent
 * or sends what does not fit its checksums. The reader gets every byte once, in order, and sees nothing of this.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { viewBytes } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId, Timer } from "../../../runtime/world.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type { BlockLink, FrameOf } from "./block-link.ts";
import type { StreamFailure, StreamId } from "./protocol.ts";
import { STREAM_SILENCE_MS } from "./protocol.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { firstBadChunk } from "./chunk-crc.ts";

export interface BlockRange {
  readonly block: BlockId;
  /** A replica with an older one is not read. */
  readonly stamp: GenerationStamp;
  readonly offset: number;
  readonly length: number;
  /** Nearest first; each is tried once. */
  readonly from: readonly NodeId[];
  /** Pieces may be lent. Default false. */
  readonly mayLend?: boolean;
}

export interface ReadEvents {
  /**
   * The next bytes, verified. `more` must be called once when they were used: what is read ahead is bounded. Of those that may be
   * lent also when the reading was stopped meanwhile; their memory is used again then.
   */
  piece(bytes: Bytes, more: () => void): void;
  /** A replica of this block failed its checksums, or is not what it should be. */
  damaged(node: NodeId, block: BlockId): void;
  /** All was delivered, or it ends here: BLOCK_MISSING. */
  end(error: QuorateError | undefined): void;
}

/** Begins to read. The returned function stops; nothing is called back after it. */
export function readBlock(link: BlockLink, range: BlockRange, events: ReadEvents): () => void {
  const reading = new Reading(link, range, events);
  reading.begin();
  return () => reading.stop();
}

class Reading {
  private readonly link: BlockLink;
  private readonly range: BlockRange;
  private readonly events: ReadEvents;
  private readonly end: number;
  private readonly subscriptions: readonly (() => void)[];
  private at: number;
  private tried = 0;
  /** Why each of those gave no more. */
  private readonly failures: string[] = [];
  private node: NodeId | undefined;
  private stream: StreamId | undefined;
  /** Pieces that the one who reads has not used yet: while there are any, nothing is due. */
  private unused = 0;
  private heardMs = 0;
  private timer: Timer | undefined;

  constructor(link: BlockLink, range: BlockRange, events: ReadEvents) {
    this.link = link;
    this.range = range;
    this.events = events;
    this.at = range.offset;
    this.end = range.offset + range.length;
    this.subscriptions = [
      link.on("piece", (from, frame) => this.onPiece(from, frame)),
      link.on("close", (from, { stream, answer, failure }) => {
        if (answer && from === this.node && stream === this.stream) this.onClose(failure);
      }),
      link.onDown((peer) => {
        if (peer === this.node) this.tryNext(`the link to ${peer} broke`);
      }),
    ];
  }

  stop(): void {
    this.leave();
    this.timer?.cancel();
    for (const cancel of this.subscriptions) cancel();
  }

  begin(): void {
    const { block, stamp, from } = this.range;
    if (this.at >= this.end) return this.finish(undefined);
    this.node = from[this.tried++];
    if (this.node === undefined) {
      const why = this.failures.join("; ") || "no node holds it";
      return this.finish(
        new QuorateError("BLOCK_MISSING", `block ${block} cannot be read from byte ${this.at}: ${why}`),
      );
    }
    this.stream = this.link.newStream();
    this.heardMs = this.link.clock.monotonicMs();
    this.watch();
    this.link.send(this.node, {
      type: "read",
      stream: this.stream,
      block,
      minStamp: stamp,
      offset: this.at,
      length: this.end - this.at,
      ...(this.range.mayLend === true ? { mayLend: true } : {}),
    });
  }

  private tryNext(why: string): void {
    this.failures.push(why);
    this.leave();
    this.begin();
  }

  private onPiece(from: NodeId, frame: FrameOf<"piece">): void {
    const { node, stream } = this;
    if (from !== node || frame.stream !== stream) return;
    const content = asBytes(frame.content);
    const isNext = frame.offset <= this.at && frame.offset + content.length > this.at;
    if (!isNext) return this.tryNext(`${node} left out bytes`);
    const isWhole = frame.offset % CHUNK_BYTES === 0;
    // What this node read itself it has verified in this very memory.
    const isVerified = from === this.link.self;
    if (!isWhole || (!isVerified && firstBadChunk(content, asBytes(frame.checksums)) !== undefined)) {
      this.events.damaged(node, this.range.block);
      return this.tryNext(`what ${node} sent does not fit its checksums`);
    }
    const bytes = content.subarray(this.at - frame.offset, Math.min(content.length, this.end - frame.offset));
    this.at += bytes.length;
    this.unused++;
    this.heardMs = this.link.clock.monotonicMs();
    const { loan } = frame;
    if (loan !== undefined) loan.isTaken = true;
    let isUsed = false;
    this.events.piece(bytes, () => {
      if (isUsed) return;
      isUsed = true;
      loan?.giveBack();
      this.unused--;
      this.heardMs = this.link.clock.monotonicMs();
      if (this.stream === stream) this.link.send(node, { type: "credit", stream, bytes: content.length });
    });
    if (this.at >= this.end && this.stream === stream) this.finish(undefined);
  }

  private onClose(failure: StreamFailure | undefined): void {
    if (failure?.code === "CHECKSUM_MISMATCH" && this.node !== undefined) {
      this.events.damaged(this.node, this.range.block);
    }
    const isShort = `the replica of ${this.node} is too short`;
    this.tryNext(failure === undefined ? isShort : `${this.node}: ${failure.message}`);
  }

  private leave(): void {
    if (this.node !== undefined && this.stream !== undefined) {
      this.link.send(this.node, { type: "close", stream: this.stream, answer: false, failure: undefined });
    }
    this.node = undefined;
    this.stream = undefined;
  }

  private finish(error: QuorateError | undefined): void {
    this.stop();
    this.events.end(error);
  }

  private watch(): void {
    this.timer?.cancel();
    this.timer = this.link.clock.setTimer(STREAM_SILENCE_MS / 4, () => {
      const isDue = this.unused === 0 && this.node !== undefined;
      if (isDue && this.link.clock.monotonicMs() - this.heardMs > STREAM_SILENCE_MS) {
        return this.tryNext(`${this.node} is silent`);
      }
      this.watch();
    });
  }
}

function asBytes(array: Uint8Array): Bytes {
  return Buffer.isBuffer(array) ? (array as unknown as Bytes) : viewBytes(array as Uint8Array<ArrayBuffer>);
}
