/**
 * The files that an attempt writes in the job's file system. User code emits without waiting; what the file system has not
 * taken yet is held in memory up to a bound, and beyond that in a file of this machine.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { Chunks, FilesDriver } from "../../client/files/driver.ts";
import { ByteSink } from "../codec/byte-sink.ts";
import { TaskFault, asFault } from "./failure.ts";
import type { OutputFile } from "./orders.ts";

/** A piece goes on its way when it has so many bytes. */
const PIECE_BYTES = 256 * 1024;
/** Bytes held in memory for one file; what is more goes to a file of this machine. */
const HELD_MAX_BYTES = 4 * 1024 * 1024;

export interface OutputFileSettings {
  readonly driver: Pick<FilesDriver, "write">;
  /** Path of the file in the file system. */
  readonly path: string;
  /** How it is called in the report. */
  readonly name: string;
  readonly compress: "none" | "gzip";
  readonly replication: number | undefined;
  /** Directory of this machine for what does not fit into memory. */
  readonly directory: string;
  /** Records may be taken back: they stay when `keep` is called. Otherwise each stays when it has ended. */
  readonly isCareful: boolean;
}

/** One file, written to in order. */
export class OutputWriter {
  /** A record is appended here, then `ended` is called. */
  readonly sink: ByteSink = new ByteSink(PIECE_BYTES + 4096);
  private readonly settings: OutputFileSettings;
  private readonly pieces: Buffer[] = [];
  private held = 0;
  /**
   * What did not fit: a file of this machine, read up to `kept`, behind what is in `pieces` and before what comes later.
   */
  private overflow: { readonly file: number; written: number; kept: number; read: number } | undefined;
  private hasEnded = false;
  private wake: (() => void) | undefined;
  private drained: (() => void) | undefined;
  private failure: { readonly error: unknown } | undefined;
  private readonly writing: Promise<void>;
  private records = 0;
  private bytes = 0;
  /** Bytes in the sink, and records, that are to stay whatever comes. */
  private kept = 0;
  private keptRecords = 0;

  constructor(settings: OutputFileSettings) {
    this.settings = settings;
    const plain = this.chunks();
    const chunks = settings.compress === "gzip" ? gzip(plain) : plain;
    const { replication } = settings;
    this.writing = settings.driver.write(
      settings.path,
      this.counted(chunks),
      replication === undefined ? {} : { replication },
    );
    this.writing.catch((error: unknown) => {
      this.failure ??= { error };
      this.drained?.();
    });
  }

  /** A record was appended to the sink. Throws a TaskFault when the file cannot be written. */
  ended(): void {
    this.records++;
    if (!this.settings.isCareful) this.kept = this.sink.length;
    if (this.sink.length >= PIECE_BYTES) this.flush();
  }

  /** What was appended stays. */
  keep(): void {
    this.kept = this.sink.length;
    this.keptRecords = this.records;
    if (this.overflow === undefined) return;
    this.overflow.kept = this.overflow.written;
    this.wake?.();
  }

  /** What was appended since the last `keep` is taken back. */
  drop(): void {
    this.sink.length = this.kept;
    this.records = this.keptRecords;
    if (this.overflow === undefined) return;
    this.overflow.written = this.overflow.kept;
    this.endOverflow();
  }

  /** Whether it is time to wait for `drain`. */
  get isBehind(): boolean {
    return this.held >= HELD_MAX_BYTES / 2 || this.overflow !== undefined;
  }

  /** Resolves when little is held. Rejects with what ended the writing. */
  async drain(): Promise<void> {
    while (this.isBehind && this.failure === undefined)
      await new Promise<void>((resolve) => (this.drained = resolve));
    this.throwFailure();
  }

  /** Resolves when the file is there, whole. */
  async close(): Promise<OutputFile> {
    this.keep();
    this.flush();
    this.hasEnded = true;
    this.wake?.();
    await this.writing;
    return { name: this.settings.name, bytes: this.bytes, records: this.records };
  }

  private flush(): void {
    this.throwFailure();
    const { kept, sink } = this;
    if (kept > 0) {
      if (this.held + kept > HELD_MAX_BYTES || this.overflow !== undefined) this.spill(kept, true);
      else {
        this.pieces.push(Buffer.from(sink.bytes.subarray(0, kept)));
        this.held += kept;
      }
      this.removeFront(kept);
      this.kept = 0;
      this.wake?.();
    }
    // One group's output may be larger than memory before it is known whether it stays.
    if (sink.length < HELD_MAX_BYTES) return;
    this.spill(sink.length, false);
    sink.clear();
  }

  private removeFront(length: number): void {
    this.sink.bytes.copyWithin(0, length, this.sink.length);
    this.sink.length -= length;
  }

  private spill(length: number, isKept: boolean): void {
    const path = join(this.settings.directory, `overflow-${this.settings.name}`);
    const overflow = (this.overflow ??= asFault(() => ({
      file: openSync(path, "w+"),
      written: 0,
      kept: 0,
      read: 0,
    })));
    const { bytes } = this.sink;
    for (let at = 0; at < length;) {
      const wrote = asFault(() => writeSync(overflow.file, bytes, at, length - at, overflow.written));
      at += wrote;
      overflow.written += wrote;
    }
    if (isKept) overflow.kept = overflow.written;
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw new TaskFault(this.failure.error);
  }

  private async *chunks(): Chunks {
    for (;;) {
      const piece = this.pieces.shift() ?? this.refill();
      if (piece !== undefined) {
        yield piece;
        this.held = Math.max(0, this.held - piece.length);
        if (!this.isBehind) this.drained?.();
      } else if (this.hasEnded) return;
      else {
        await new Promise<void>((resolve) => (this.wake = resolve));
        this.wake = undefined;
      }
    }
  }

  /** The next piece of what lies on this machine's disk and is to stay. */
  private refill(): Buffer | undefined {
    const { overflow } = this;
    if (overflow === undefined || overflow.read === overflow.kept) return undefined;
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, overflow.kept - overflow.read));
    const read = readSync(overflow.file, piece, 0, piece.length, overflow.read);
    overflow.read += read;
    this.held += read;
    this.endOverflow();
    return piece.subarray(0, read);
  }

  /** From here on there is room in memory again. */
  private endOverflow(): void {
    if (this.overflow === undefined || this.overflow.read < this.overflow.written) return;
    closeSync(this.overflow.file);
    this.overflow = undefined;
    this.drained?.();
  }

  private async *counted(chunks: Chunks): Chunks {
    for await (const chunk of chunks) {
      this.bytes += chunk.length;
      yield chunk;
    }
  }
}

function gzip(chunks: Chunks): Chunks {
  const packer = createGzip();
  const input = Readable.from(chunks, { objectMode: false });
  input.on("error", (error) => packer.destroy(error));
  input.pipe(packer);
  return packer as AsyncIterable<Buffer>;
}
