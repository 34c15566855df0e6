/**
 * Large pieces of replicas are read and verified by a thread of their own: it does both to a part that is still near its
 * processor, in memory that all threads share, and nothing is allocated. What a caller is to keep is copied there. All
 * else is read through the disk's door and verified by the caller: small pieces, what is too much at a time, and everything while
 * the thread does not answer.
 */
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { Bytes } from "../../../runtime/bytes.ts";
import { viewBytes } from "../../../runtime/bytes.ts";
import type { Clock, Descriptor, DiskFile, Logger, Timer } from "../../../runtime/world.ts";
import type { PageMemory } from "../../../runtime/page-memory.ts";
import { createPageMemory } from "../../../runtime/page-memory.ts";
import { CHUNK_BYTES, READ_BYTES } from "./block-store.ts";
import { usesVectors } from "./chunk-crc.ts";
import { ENGINE_BYTES } from "./chunk-engine.ts";

/** A part of a file. */
export interface FilePart {
  readonly file: DiskFile;
  readonly position: number;
  readonly length: number;
}

/** Both parts as they are in their files: shorter at the end of one. */
export interface FilePiece {
  readonly content: Bytes;
  /** What the file of checksums says. */
  readonly checksums: Bytes;
  /** So many of the first chunks fit their checksums; of the others nothing is known. */
  readonly fitting: number;
  /** Where it is lent: must be called once, and its memory is used again. Undefined: it has memory of its own. */
  readonly giveBack: (() => void) | undefined;
}

export interface PieceReader {
  /** Bytes of a lent piece that serve best at present; 0 when none can be lent. Large ones cost less, small ones do not wait for a disk. */
  readonly lendableBytes: number;
  /**
   * Reads content that begins with a chunk, at most READ_BYTES of it, and its checksums. False: it is not taken. True: `done`
   * comes later, of several in the order of the calls; with undefined when it has to be read in another way. A piece that may be
   * lent need not be: there is only so much memory.
   */
  read(content: FilePart, checksums: FilePart, mayLend: boolean, done: PieceRead): boolean;
}

export type PieceRead = (piece: FilePiece | undefined) => void;

export interface ThreadPieceReaderOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default `startReaderThread`. */
  readonly start?: (memory: PageMemory) => Worker;
}

/** `length` bytes of a file from `position` on, and where in the memory they belong. */
export interface PartOrder {
  readonly descriptor: number;
  readonly position: number;
  readonly length: number;
  readonly at: number;
}

/** To the thread. */
export interface ReadOrder {
  readonly content: PartOrder;
  readonly checksums: PartOrder;
  /** Content and checksums are asked for in memory of their own, one behind the other. */
  readonly copies: boolean;
}

/** From the thread, in the order of the orders: how much there was. */
export interface ReadAnswer {
  readonly contentBytes: number;
  readonly checksumsBytes: number;
  readonly fitting: number;
  /** Something was read of the disk, and not of the system's memory. */
  readonly isCold: boolean;
  readonly copy: ArrayBuffer | undefined;
  readonly error: string | undefined;
}

/** Below, the way there and back costs more than it saves. */
export const READ_ASIDE_MIN_BYTES: number = 256 * 1024;
/** Pieces on their way at a time; of a disk one, because it serves several readers better at once. */
const PIECES_MAX = 8;
const COLD_PIECES_MAX = 1;
const COLD_PIECE_BYTES = 2 << 20;
/** Rooms of the shared memory; a processor has those at hand that were used last. */
const ROOMS = 16;
/** The others are for pieces that are copied: readers that are slow must not take the thread from all. */
export const LENT_MAX = 12;
const CHECKSUMS_BYTES = (READ_BYTES / CHUNK_BYTES) * 4;
const ROOM_BYTES = READ_BYTES + CHECKSUMS_BYTES;

const LOOK_MS = 1_000;
/**
 * A thread that keeps a piece for more looks hangs: readers wait five seconds. Looks, and not time: a process that was stopped
 * did not look.
 */
const LOOKS_MAX = 2;
/** A piece that is under way for so long comes from a slow disk. */
const HELD_UP_MS = 100;
/** A thread that hangs in a call of the system ends with it. */
const END_MS = 2_000;

interface Piece {
  readonly room: number;
  readonly isLent: boolean;
  readonly held: readonly Descriptor[];
  readonly done: PieceRead;
  readonly askedMs: number;
  /** That it was looked at. */
  looks: number;
  isGivenUp: boolean;
}

/** The thread begins with the first large piece, does not keep the process alive, and must be ended with `close`. */
export class ThreadPieceReader implements PieceReader {
  private readonly options: ThreadPieceReaderOptions;
  /** In the order in which they come back. */
  private readonly pieces: Piece[] = [];
  /** Those used last at the end. */
  private readonly freeRooms: number[] = Array.from({ length: ROOMS }, (_, room) => ROOMS - 1 - room);
  private lent = 0;
  private memory: PageMemory | undefined;
  private worker: Worker | undefined;
  private isRunning = false;
  private isCold = false;
  private isOver = !usesVectors;
  private timer: Timer | undefined;

  constructor(options: ThreadPieceReaderOptions) {
    this.options = options;
  }

  get lendableBytes(): number {
    if (!this.isRunning || this.lent >= LENT_MAX || this.pieces[0]?.isGivenUp === true) return 0;
    return this.isCold ? COLD_PIECE_BYTES : READ_BYTES;
  }

  read(content: FilePart, checksums: FilePart, mayLend: boolean, done: PieceRead): boolean {
    const { length } = content;
    if (this.isOver || length < READ_ASIDE_MIN_BYTES || length > READ_BYTES) return false;
    if (content.file.descriptor === undefined) return false;
    if (this.worker === undefined) this.start();
    const nowMs = this.options.clock.monotonicMs();
    const room = this.isReady(nowMs) ? this.freeRooms.at(-1) : undefined;
    if (room === undefined) return false;
    const held = holdBoth(content.file, checksums.file);
    if (held === undefined) return false;
    this.freeRooms.pop();
    const isLent = mayLend && this.lent < LENT_MAX;
    if (isLent) this.lent++;
    const at = ENGINE_BYTES + room * ROOM_BYTES;
    const [ofContent, ofChecksums] = held;
    const order: ReadOrder = {
      content: partOrder(content, ofContent, at),
      checksums: partOrder(checksums, ofChecksums, at + READ_BYTES),
      copies: !isLent,
    };
    this.worker?.postMessage(order);
    this.pieces.push({ room, isLent, held, done, askedMs: nowMs, looks: 0, isGivenUp: false });
    this.watch();
    return true;
  }

  /** Resolves when the thread has ended, or hangs. What it still had is lost. */
  async close(): Promise<void> {
    this.isOver = true;
    this.isRunning = false;
    this.timer?.cancel();
    const pieces = this.pieces.splice(0);
    for (const piece of pieces) this.giveUp(piece);
    const { worker } = this;
    if (worker === undefined) return;
    // Until then it may read from them.
    const ended = worker.terminate().then(() => {
      for (const { held } of pieces) for (const each of held) each.free();
    });
    // Not by the node's clock: of one that failed it runs no timer.
    const waiting = new AbortController();
    const waited = delay(END_MS, undefined, { signal: waiting.signal }).catch(() => undefined);
    await Promise.race([ended, waited]);
    waiting.abort();
  }

  /** Until it runs, nobody waits for it. */
  private start(): void {
    this.memory = createPageMemory(ENGINE_BYTES + ROOMS * ROOM_BYTES, { shared: true });
    if (this.memory === undefined) return this.lose("there is no memory for it");
    let worker: Worker;
    try {
      worker = (this.options.start ?? startReaderThread)(this.memory);
    } catch (error) {
      return this.lose(error instanceof Error ? error.message : String(error));
    }
    this.worker = worker;
    worker.unref();
    worker.on("online", () => (this.isRunning = !this.isOver));
    worker.on("message", (answer: ReadAnswer) => this.onAnswer(answer));
    worker.on("messageerror", (error) => this.lose(error.message));
    worker.on("error", (error) => this.lose(error.message));
    worker.on("exit", (code) => this.lose(`it ended with code ${code}`));
  }

  private onAnswer(answer: ReadAnswer): void {
    const piece = this.pieces.shift();
    if (piece === undefined) return;
    for (const each of piece.held) each.free();
    this.isCold = answer.isCold;
    if (piece.isGivenUp) return this.free(piece);
    // Through the clock, as all that a node hears comes through a door of its world: one that failed is told nothing.
    this.options.clock.endOfTurn(() => this.deliver(piece, answer));
  }

  private deliver(piece: Piece, answer: ReadAnswer): void {
    const { contentBytes, checksumsBytes, fitting, copy, error } = answer;
    const { isLent, done } = piece;
    if (error !== undefined || this.memory === undefined) {
      this.free(piece);
      return done(undefined);
    }
    const shared = this.memory.buffer as ArrayBuffer;
    const room = ENGINE_BYTES + piece.room * ROOM_BYTES;
    if (!isLent) {
      const own = copy as ArrayBuffer;
      const content = view(own, 0, contentBytes);
      done({ content, checksums: view(own, contentBytes, checksumsBytes), fitting, giveBack: undefined });
      return this.free(piece);
    }
    let isBack = false;
    const giveBack = (): void => {
      if (!isBack) this.free(piece);
      isBack = true;
    };
    const checksums = view(shared, room + READ_BYTES, checksumsBytes);
    done({ content: view(shared, room, contentBytes), checksums, fitting, giveBack });
  }

  private free({ room, isLent }: Piece): void {
    this.freeRooms.push(room);
    if (isLent) this.lent--;
  }

  /** Its room is the thread's until it answers. */
  private giveUp(piece: Piece): void {
    if (piece.isGivenUp) return;
    piece.isGivenUp = true;
    this.options.clock.endOfTurn(() => piece.done(undefined));
  }

  private lose(error: string): void {
    if (this.isOver) return;
    this.options.logger.log("warn", "blocks.reader-thread-lost", { error });
    void this.close();
  }

  /** It takes no more while it is held up: what others ask for is perhaps at hand. */
  private isReady(nowMs: number): boolean {
    const [first] = this.pieces;
    const most = this.isCold ? COLD_PIECES_MAX : PIECES_MAX;
    if (!this.isRunning || this.pieces.length >= most) return false;
    return first === undefined || (nowMs - first.askedMs < HELD_UP_MS && !first.isGivenUp);
  }

  private watch(): void {
    if (this.timer !== undefined || this.pieces.every(({ isGivenUp }) => isGivenUp)) return;
    this.timer = this.options.clock.setTimer(LOOK_MS, () => {
      this.timer = undefined;
      for (const piece of this.pieces) piece.looks++;
      if ((this.pieces[0]?.looks ?? 0) > LOOKS_MAX) {
        this.options.logger.log("warn", "blocks.reader-thread-silent", { pieces: this.pieces.length });
        for (const piece of this.pieces) this.giveUp(piece);
      }
      this.watch();
    });
  }
}

/** Both, or none. */
function holdBoth(content: DiskFile, checksums: DiskFile): [Descriptor, Descriptor] | undefined {
  const first = content.descriptor?.();
  const second = first && checksums.descriptor?.();
  if (second === undefined) first?.free();
  return first && second && [first, second];
}

function partOrder({ position, length }: FilePart, { number }: Descriptor, at: number): PartOrder {
  return { descriptor: number, position, length, at };
}

function view(memory: ArrayBuffer, offset: number, length: number): Bytes {
  return viewBytes(new Uint8Array(memory, offset, length));
}

/** Beside this file; where this file is run as a source, the compiled one. */
const THREAD = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts")
      ? "../../../../dist/engine/files/blocks/piece-reader-thread.js"
      : "./piece-reader-thread.js",
    import.meta.url,
  ),
);

/** Has no part in how the process was started, nor in its environment; the pieces do not count as its memory. */
export function startReaderThread(memory: PageMemory): Worker {
  return new Worker(THREAD, {
    name: "quorate-reader",
    workerData: memory,
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, codeRangeSizeMb: 8 },
  });
}
