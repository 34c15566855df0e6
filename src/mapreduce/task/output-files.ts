/**
 * The files that an attempt writes in the job's file system. User code emits without waiting; what the file system has not
 * taken yet is held in memory up to a bound, and beyond that in a file of this machine.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { Chunks } from "../../client/files/driver.ts";
import type { Files } from "../../client/files/files.ts";
import { ByteSink } from "../codec/byte-sink.ts";
import type { OutputFile } from "./orders.ts";

/** A piece goes on its way when it has so many bytes. */
const PIECE_BYTES = 256 * 1024;
/** Bytes held in memory for one file; what is more goes to a file of this machine. */
const HELD_MAX_BYTES = 4 * 1024 * 1024;

export interface OutputFileSettings {
  readonly files: Files;
  /** Path of the file in the file system. */
  readonly path: string;
  /** How it is called in the report. */
  readonly name: string;
  readonly compress: "none" | "gzip";
  readonly replication: number | undefined;
  /** Directory of this machine for what does not fit into memory. */
  readonly directory: string;
}

/** One file, written to in order. */
export class OutputWriter {
  /** Records are appended here, then `ended` is called. */
  readonly sink: ByteSink = new ByteSink(PIECE_BYTES + 4096);
  private readonly settings: OutputFileSettings;
  private readonly pieces: Buffer[] = [];
  private held = 0;
  /** What did not fit: a file of this machine, read behind what is in `pieces` and before what comes later. */
  private overflow: { readonly file: number; written: number; read: number } | undefined;
  private hasEnded = false;
  private wake: (() => void) | undefined;
  private drained: (() => void) | undefined;
  private failure: { readonly error: unknown } | undefined;
  private readonly writing: Promise<void>;
  private records = 0;
  private bytes = 0;
  /** Bytes of the sink that belong to records that are settled. */
  private settled = 0;

  constructor(settings: OutputFileSettings) {
    this.settings = settings;
    const plain = this.chunks();
    const chunks = settings.compress === "gzip" ? gzip(plain) : plain;
    const { replication } = settings;
    this.writing = settings.files.driver.write(
      settings.path,
      this.counted(chunks),
      replication === undefined ? {} : { replication },
    );
    this.writing.catch((error: unknown) => {
      this.failure ??= { error };
      this.drained?.();
    });
  }

  /** A record was appended to the sink. Throws what ended the writing. */
  ended(): void {
    this.records++;
    this.settled = this.sink.length;
    if (this.sink.length >= PIECE_BYTES) this.flush();
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
    this.flush();
    this.hasEnded = true;
    this.wake?.();
    await this.writing;
    return { name: this.settings.name, bytes: this.bytes, records: this.records };
  }

  private flush(): void {
    this.throwFailure();
    const { settled, sink } = this;
    if (settled === 0) return;
    if (this.held + settled > HELD_MAX_BYTES || this.overflow !== undefined) this.spill(settled);
    else {
      this.pieces.push(Buffer.from(sink.bytes.subarray(0, settled)));
      this.held += settled;
    }
    sink.bytes.copyWithin(0, settled, sink.length);
    sink.length -= settled;
    this.settled = 0;
    this.wake?.();
  }

  private spill(length: number): void {
    const path = join(this.settings.directory, `overflow-${this.settings.name}`);
    const overflow = (this.overflow ??= { file: openSync(path, "w+"), written: 0, read: 0 });
    const { bytes } = this.sink;
    for (let at = 0; at < length;) {
      const wrote = writeSync(overflow.file, bytes, at, length - at, overflow.written);
      at += wrote;
      overflow.written += wrote;
    }
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure.error;
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

  /** The next piece of what lies on this machine's disk. */
  private refill(): Buffer | undefined {
    const { overflow } = this;
    if (overflow === undefined) return undefined;
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, overflow.written - overflow.read));
    const read = readSync(overflow.file, piece, 0, piece.length, overflow.read);
    overflow.read += read;
    this.held += read;
    if (overflow.read === overflow.written) {
      closeSync(overflow.file);
      this.overflow = undefined;
    }
    return piece.subarray(0, read);
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
