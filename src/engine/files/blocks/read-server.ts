/**
 * Serves replicas to other nodes: verified pieces, as many as the reader grants, each read when there is room for it. While one is
 * verified the next ones are read; they leave in their order.
 */
import { NO_BYTES } from "../../../runtime/bytes.ts";
import type { NodeId, Timer } from "../../../runtime/world.ts";
import type { BlockLink, FrameOf } from "./block-link.ts";
import { failureOf } from "./block-link.ts";
import type { BlockStore, Outcome, ReadPiece } from "./block-store.ts";
import { CHUNK_BYTES } from "./block-store.ts";
import { md5OfChecksums } from "./file-checksum.ts";
import type { StreamFailure, StreamId } from "./protocol.ts";
import { LENT_WINDOW_BYTES, READ_PIECE_BYTES, READ_WINDOW_BYTES } from "./protocol.ts";

/** Streams that are read at a time. */
export const READERS_MAX = 256;
/** Pieces of one reading that are read or verified at a time. */
const UNDER_WAY_MAX = 3;
/** A reader elsewhere that grants nothing for so long is gone. */
const READER_SILENCE_MS = 60_000;

interface Reading {
  readonly from: NodeId;
  readonly stream: StreamId;
  readonly frame: FrameOf<"read">;
  /** Only a reader at this node. */
  readonly mayLend: boolean;
  /** What comes next is read from here. */
  at: number;
  readonly end: number;
  credit: number;
  /** In their order; those behind the first may be there before it. */
  readonly underWay: UnderWay[];
  heardMs: number;
}

interface UnderWay {
  readonly wanted: number;
  error: Error | undefined;
  piece: ReadPiece | undefined;
}

export class ReadServer {
  private readonly link: BlockLink;
  private readonly store: BlockStore;
  private readonly readings = new Map<string, Reading>();
  private timer: Timer | undefined;
  private closed = false;

  constructor(link: BlockLink, store: BlockStore) {
    this.link = link;
    this.store = store;
    link.on("read", (from, frame) => this.begin(from, frame));
    link.on("checksum", (from, frame) => this.checksum(from, frame));
    link.on("credit", (from, { stream, bytes }) => {
      const reading = this.readings.get(`${stream}/${from}`);
      if (reading === undefined) return;
      reading.credit += bytes;
      reading.heardMs = link.clock.monotonicMs();
      this.serve(reading);
    });
    link.on("close", (from, { stream, answer }) => {
      if (!answer) this.drop(this.readings.get(`${stream}/${from}`));
    });
    link.onDown((peer) => {
      for (const reading of this.readings.values()) if (reading.from === peer) this.drop(reading);
    });
  }

  get size(): number {
    return this.readings.size;
  }

  /** Readers are told, and go on elsewhere: the link may stay for seconds, while other parts of the node end. */
  close(): void {
    this.closed = true;
    this.timer?.cancel();
    for (const reading of this.readings.values()) this.finish(reading, this.refusal());
  }

  private begin(from: NodeId, frame: FrameOf<"read">): void {
    const { stream, offset, length } = frame;
    const key = `${stream}/${from}`;
    if (this.readings.has(key)) return;
    const refusal = this.refusal();
    if (refusal !== undefined) {
      return this.link.send(from, { type: "close", stream, answer: true, failure: refusal });
    }
    const mayLend = frame.mayLend === true && from === this.link.self;
    const reading: Reading = {
      from,
      stream,
      frame,
      mayLend,
      at: Math.floor(offset / CHUNK_BYTES) * CHUNK_BYTES,
      end: Math.ceil((offset + length) / CHUNK_BYTES) * CHUNK_BYTES,
      credit: mayLend ? LENT_WINDOW_BYTES : READ_WINDOW_BYTES,
      underWay: [],
      heardMs: this.link.clock.monotonicMs(),
    };
    this.readings.set(key, reading);
    if (reading.at >= reading.end) return this.finish(reading, undefined);
    this.serve(reading);
    this.watch();
  }

  private serve(reading: Reading): void {
    const { frame, underWay, mayLend } = reading;
    const lendable = mayLend ? this.store.lendableBytes : 0;
    const most = lendable > 0 ? lendable : READ_PIECE_BYTES;
    // What is not lent takes memory, so as much of it is on its way as to a reader elsewhere.
    const unused = mayLend && lendable === 0 ? LENT_WINDOW_BYTES - READ_WINDOW_BYTES : 0;
    // A refusal comes at once, and ends it.
    while (this.isOpen(reading) && underWay.length < UNDER_WAY_MAX && reading.credit > unused) {
      const { at } = reading;
      if (at >= reading.end) return;
      const wanted = Math.min(most, reading.end - at);
      const next: UnderWay = { wanted, error: undefined, piece: undefined };
      underWay.push(next);
      reading.at += wanted;
      reading.credit -= wanted;
      const read: Outcome<ReadPiece> = (error, piece) => {
        next.error = error;
        next.piece = piece;
        if (!this.isOpen(reading)) piece?.giveBack?.();
        else if (underWay[0] === next) this.send(reading);
      };
      this.store.read(frame.block, frame.minStamp, at, wanted, read, mayLend);
    }
  }

  /** Sends what is there of the first ones; one that failed, or is shorter than the replica should be, is the last. */
  private send(reading: Reading): void {
    const { from, stream, underWay } = reading;
    while (this.isOpen(reading)) {
      const [first] = underWay;
      if (first === undefined || (first.piece === undefined && first.error === undefined)) break;
      if (first.piece === undefined)
        return this.finish(reading, failureOf(first.error as Error, this.link.self));
      underWay.shift();
      const { offset, content, checksums } = first.piece.chunks;
      const { giveBack } = first.piece;
      const loan = giveBack === undefined ? {} : { loan: { isTaken: false, giveBack } };
      if (content.length > 0)
        this.link.send(from, { type: "piece", stream, offset, checksums, content, ...loan });
      else giveBack?.();
      const isLast = underWay.length === 0 && reading.at >= reading.end;
      if (isLast || content.length < first.wanted) return this.finish(reading, undefined);
    }
    this.serve(reading);
  }

  private refusal(): StreamFailure | undefined {
    if (this.closed) return this.link.failure("SHUTTING_DOWN", "the node is stopping");
    if (this.readings.size < READERS_MAX) return undefined;
    return this.link.failure("OVERLOADED", `${READERS_MAX} readers are here`);
  }

  private isOpen(reading: Reading): boolean {
    return this.readings.get(`${reading.stream}/${reading.from}`) === reading;
  }

  private finish(reading: Reading, failure: StreamFailure | undefined): void {
    const { from, stream } = reading;
    this.drop(reading);
    this.link.send(from, { type: "close", stream, answer: true, failure });
  }

  /** What was lent and not sent goes back. */
  private drop(reading: Reading | undefined): void {
    if (reading === undefined) return;
    this.readings.delete(`${reading.stream}/${reading.from}`);
    for (const { piece } of reading.underWay.splice(0)) piece?.giveBack?.();
  }

  private checksum(from: NodeId, { stream, block, minStamp, length }: FrameOf<"checksum">): void {
    this.store.readChecksums(block, minStamp, length, (error, sums) => {
      if (sums === undefined) {
        const failure = failureOf(error as Error, this.link.self);
        return this.link.send(from, { type: "close", stream, answer: true, failure });
      }
      const content = md5OfChecksums(sums);
      this.link.send(from, { type: "piece", stream, offset: 0, checksums: NO_BYTES, content });
    });
  }

  private watch(): void {
    if (this.timer !== undefined || this.readings.size === 0) return;
    this.timer = this.link.clock.setTimer(1000, () => {
      this.timer = undefined;
      const nowMs = this.link.clock.monotonicMs();
      for (const reading of this.readings.values()) {
        const { from, heardMs, underWay } = reading;
        // One at this node stops when its client leaves, and takes as long as that.
        const isGone = from !== this.link.self && nowMs - heardMs > READER_SILENCE_MS;
        if (isGone && underWay.length === 0) this.drop(reading);
      }
      this.watch();
    });
  }
}
