/**
 * Large pieces are verified on a thread of their own, beside the event loop: checksums are the most that reading a block costs
 * a node. The memory of a piece goes there and comes back; nothing of it is copied. All else is verified where it was read: small
 * pieces, what is too much at a time, and everything once the thread is gone.
 */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Bytes } from "../../../runtime/bytes.ts";
import { viewBytes } from "../../../runtime/bytes.ts";
import type { Clock, Logger, Timer } from "../../../runtime/world.ts";
import { firstUnlike } from "./chunk-crc.ts";

/**
 * What became of a piece. `content` is what was given, in the same memory under another name; undefined: it is lost with its
 * thread, and has to be read anew. `bad`: the first chunk that does not fit its checksum.
 */
export type Verified = (content: Bytes | undefined, bad?: number) => void;

export interface ChunkVerifier {
  /**
   * Holds `content`, which begins with a chunk, against its checksums (big-endian). False: it is not taken, and still whose it
   * was. True: it must not be touched any more, and `done` comes later, of several in the order of the calls.
   */
  verify(content: Bytes, checksums: Bytes, done: Verified): boolean;
}

export interface ThreadVerifierOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default `startVerifierThread`. */
  readonly start?: () => Worker;
}

/** What the thread sends back: the memory that it got, and the checksums of its chunks, big-endian. */
export interface Checksummed {
  readonly content: ArrayBuffer;
  readonly checksums: ArrayBuffer;
}

/** Below, the way there and back costs more than it saves. */
export const VERIFY_MIN_BYTES: number = 256 * 1024;
/** Pieces on their way at a time. */
const PIECES_MAX = 8;
const LOOK_MS = 1_000;
/**
 * A thread that keeps a piece for more looks is dead, or as good as that: readers wait five seconds. Looks, and not time: a
 * process that was stopped did not look.
 */
const LOOKS_MAX = 2;

interface Piece {
  readonly checksums: Bytes;
  readonly done: Verified;
  /** That it was looked at. */
  looks: number;
}

/** The thread begins with the first large piece, does not keep the process alive, and must be ended with `close`. */
export class ThreadVerifier implements ChunkVerifier {
  private readonly options: ThreadVerifierOptions;
  /** In the order in which they come back. */
  private readonly pieces: Piece[] = [];
  private worker: Worker | undefined;
  private isRunning = false;
  private isOver = false;
  private timer: Timer | undefined;

  constructor(options: ThreadVerifierOptions) {
    this.options = options;
  }

  verify(content: Bytes, checksums: Bytes, done: Verified): boolean {
    // What shares its memory with others would be taken away from them.
    const isOwner = content.byteOffset === 0 && content.length === content.buffer.byteLength;
    if (this.isOver || !isOwner || content.length < VERIFY_MIN_BYTES) return false;
    if (this.worker === undefined) this.start();
    if (!this.isRunning || this.pieces.length >= PIECES_MAX) return false;
    this.worker?.postMessage(content.buffer, [content.buffer]);
    this.pieces.push({ checksums, done, looks: 0 });
    this.watch();
    return true;
  }

  /** Resolves when the thread has ended. What it still had is lost. */
  async close(): Promise<void> {
    this.isOver = true;
    this.isRunning = false;
    this.timer?.cancel();
    for (const { done } of this.pieces.splice(0)) this.options.clock.endOfTurn(() => done(undefined));
    await this.worker?.terminate();
  }

  /** Until it runs, nobody waits for it. */
  private start(): void {
    let worker: Worker;
    try {
      worker = (this.options.start ?? startVerifierThread)();
    } catch (error) {
      return this.lose(error instanceof Error ? error.message : String(error));
    }
    this.worker = worker;
    worker.unref();
    worker.on("online", () => (this.isRunning = !this.isOver));
    worker.on("message", (message: Checksummed) => this.onChecksummed(message));
    worker.on("messageerror", (error) => this.lose(error.message));
    worker.on("error", (error) => this.lose(error.message));
    worker.on("exit", (code) => this.lose(`it ended with code ${code}`));
  }

  private onChecksummed({ content, checksums }: Checksummed): void {
    const piece = this.pieces.shift();
    if (piece === undefined) return;
    const bytes = viewBytes(new Uint8Array(content));
    const bad = firstUnlike(viewBytes(new Uint8Array(checksums)), piece.checksums);
    // Through the clock, as all that a node hears comes through a door of its world: one that failed is told nothing.
    this.options.clock.endOfTurn(() => piece.done(bytes, bad));
  }

  private lose(error: string): void {
    if (this.isOver) return;
    this.options.logger.log("warn", "blocks.verifier-lost", { error });
    void this.close();
  }

  private watch(): void {
    if (this.timer !== undefined || this.pieces.length === 0) return;
    this.timer = this.options.clock.setTimer(LOOK_MS, () => {
      this.timer = undefined;
      for (const piece of this.pieces) piece.looks++;
      if ((this.pieces[0]?.looks ?? 0) > LOOKS_MAX) return this.lose("it is silent");
      this.watch();
    });
  }
}

/** Beside this file; where this file is run as a source, the compiled one. */
const THREAD = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts")
      ? "../../../../dist/engine/files/blocks/verifier-thread.js"
      : "./verifier-thread.js",
    import.meta.url,
  ),
);

/** Has no part in how the process was started, nor in its environment; the pieces do not count as its memory. */
export function startVerifierThread(): Worker {
  return new Worker(THREAD, {
    name: "quorate-verifier",
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, codeRangeSizeMb: 8 },
  });
}
