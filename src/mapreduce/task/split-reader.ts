/**
 * The records of one split, whole: a record belongs to the split in which its first byte lies. So a split that begins inside
 * a line leaves the rest of that line to the one before, and goes on behind its own end until its last line is whole.
 */
import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import { isAscii } from "node:buffer";
import type { Chunks } from "../../client/files/driver.ts";
import type { Files } from "../../client/files/files.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Framing, RecordPlace } from "../input/format.ts";
import { isGzip } from "../input/format.ts";
import type { SplitPiece } from "../job-spec.ts";

const LINE_END = 10;
const RETURN = 13;
const QUOTE = 34;
/** Grows for longer records. */
const WINDOW_BYTES = 512 * 1024;

/** The place of the record at hand; also told to the program. */
export class SplitPlace implements RecordPlace {
  path: string;
  position = 0;
  header: string | undefined;
  isAscii = false;

  constructor(path: string) {
    this.path = path;
  }
}

/** Called with each record; a promise is waited for. */
export type TakeRecord = (bytes: Buffer, start: number, end: number) => void | Promise<void>;

export interface SplitReading {
  readonly files: Files;
  readonly split: SplitPiece;
  readonly framing: Framing;
  readonly place: SplitPlace;
  readonly take: TakeRecord;
  /** Between chunks: bytes of the input that were used, and time for others to work. */
  readonly pause: (bytes: number) => void | Promise<void>;
}

/** Reads all records of a split. TOO_LARGE: a record beyond its bound; else what reading throws. */
export async function readSplit(reading: SplitReading): Promise<void> {
  const { framing, split, place, files } = reading;
  switch (framing.type) {
    case "lines":
      if (framing.header) place.header = await readHeader(files, split.path, framing.maxBytes);
      await new LineReader(reading, framing).read();
      return;
    case "fixed":
      await readFixed(reading, framing.bytes);
      return;
    case "whole":
      await readWhole(reading, framing.maxBytes);
  }
}

/** The bytes of the file from `start`; those of a compressed one decompressed. */
function chunksOf({ files, split }: SplitReading, start: number, length?: number): Chunks {
  const options = length === undefined ? { offset: start } : { offset: start, length };
  if (!isGzip(split.path)) return files.driver.read(split.path, options);
  return gunzip(files.driver.read(split.path, {}), split.path);
}

async function* gunzip(chunks: Chunks, path: string): Chunks {
  const input = Readable.from(chunks, { objectMode: false });
  const plain = createGunzip();
  input.on("error", (error) => plain.destroy(error));
  input.pipe(plain);
  try {
    for await (const chunk of plain) yield chunk as Buffer;
  } catch (error) {
    if (error instanceof QuorateError) throw error;
    throw new QuorateError("DATA_CORRUPT", `${path} is no whole gzip file: ${String(error)}`, {
      cause: error,
    });
  } finally {
    input.destroy();
    plain.destroy();
  }
}

async function readHeader(files: Files, path: string, maxBytes: number): Promise<string> {
  const chunks = isGzip(path) ? gunzip(files.driver.read(path, {}), path) : files.driver.read(path, {});
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const end = chunk.indexOf(LINE_END);
    parts.push(end < 0 ? chunk : chunk.subarray(0, end));
    if (end >= 0) break;
    length += chunk.length;
    if (length > maxBytes)
      throw new QuorateError("TOO_LARGE", `the header of ${path} is longer than ${maxBytes} bytes`);
  }
  return Buffer.concat(parts).toString("utf8").replace(/\r$/, "");
}

class LineReader {
  private readonly reading: SplitReading;
  private readonly maxBytes: number;
  private readonly hasHeader: boolean;
  private readonly quoted: boolean;
  private window: Buffer = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  private start = 0;
  private end = 0;
  /** Bytes after `start` that hold no line end. */
  private searched = 0;
  /** Of `start`, in the file. */
  private position: number;

  constructor(reading: SplitReading, framing: Extract<Framing, { type: "lines" }>) {
    this.reading = reading;
    this.maxBytes = framing.maxBytes;
    this.hasHeader = framing.header;
    this.quoted = framing.quoted;
    this.position = 0;
  }

  async read(): Promise<void> {
    const { split, place, pause } = this.reading;
    const isWhole = split.whole || isGzip(split.path);
    const until = isWhole ? Infinity : split.start + split.length;
    // The byte before the split tells whether a line begins with it: it is read as one more line, which is left out.
    let skips = !isWhole && split.start > 0;
    this.position = skips ? split.start - 1 : 0;
    if (!isWhole && split.length === 0) return;
    let skipsHeader = this.hasHeader && !skips;
    const chunks = chunksOf(this.reading, this.position)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value: chunk } = await chunks.next();
        if (done === true) break;
        this.append(chunk);
        place.isAscii = isAscii(this.window.subarray(this.start, this.end));
        for (let line = this.next(); line >= 0; line = this.next()) {
          const from = this.start;
          const position = this.position;
          this.start = line + 1;
          this.position += this.start - from;
          this.searched = 0;
          if (skips || skipsHeader) {
            if (skips) skips = false;
            else skipsHeader = false;
            continue;
          }
          if (position >= until) return;
          place.position = position;
          const waits = this.give(from, line);
          if (waits !== undefined) await waits;
        }
        if (this.position >= until && !skips) return;
        const waits = pause(chunk.length);
        if (waits !== undefined) await waits;
      }
      if (this.start === this.end || skips || skipsHeader || this.position >= until) return;
      place.position = this.position;
      place.isAscii = isAscii(this.window.subarray(this.start, this.end));
      await this.give(this.start, this.end);
    } finally {
      await chunks.return?.();
    }
  }

  private give(from: number, end: number): void | Promise<void> {
    const stop = end > from && this.window[end - 1] === RETURN ? end - 1 : end;
    if (stop - from > this.maxBytes) this.refuse(this.reading.place.position);
    return this.reading.take(this.window, from, stop);
  }

  /** Where the line at `start` ends; -1: not in the window. */
  private next(): number {
    if (this.quoted) return this.nextQuoted();
    const line = this.window.indexOf(LINE_END, this.start + this.searched);
    if (line >= 0 && line < this.end) return line;
    this.searched = this.end - this.start;
    if (this.searched > this.maxBytes + 1) this.refuse(this.position);
    return -1;
  }

  private nextQuoted(): number {
    let isInside = false;
    for (let at = this.start; at < this.end; at++) {
      const byte = this.window[at];
      if (byte === QUOTE) isInside = !isInside;
      else if (byte === LINE_END && !isInside) return at;
    }
    if (this.end - this.start > this.maxBytes + 1) this.refuse(this.position);
    return -1;
  }

  private refuse(position: number): never {
    const { path } = this.reading.split;
    throw new QuorateError(
      "TOO_LARGE",
      `${path}: the line at byte ${position} is longer than ${this.maxBytes} bytes (maxBytes of the format)`,
    );
  }

  private append(chunk: Uint8Array): void {
    const kept = this.end - this.start;
    if (this.end + chunk.length > this.window.length) {
      const { window } = this;
      if (kept + chunk.length > window.length)
        this.window = Buffer.allocUnsafeSlow(Math.max(window.length * 2, kept + chunk.length));
      this.window.set(window.subarray(this.start, this.end));
      this.start = 0;
      this.end = kept;
    }
    this.window.set(chunk, this.end);
    this.end += chunk.length;
  }
}

async function readFixed(reading: SplitReading, size: number): Promise<void> {
  const { split, place, take, pause } = reading;
  const isWhole = split.whole || isGzip(split.path);
  const until = isWhole ? Infinity : split.start + split.length;
  let position = isWhole ? 0 : Math.ceil(split.start / size) * size;
  if (position >= until) return;
  const length = isWhole ? undefined : Math.ceil((until - position) / size) * size;
  const rest = Buffer.allocUnsafeSlow(size);
  let held = 0;
  const give = async (bytes: Buffer, at: number): Promise<void> => {
    place.position = position;
    position += size;
    const waits = take(bytes, at, at + size);
    if (waits !== undefined) await waits;
  };
  const { length: fileLength } = await reading.files.driver.describe(split.path, { followLast: true });
  const available = length === undefined ? undefined : Math.min(length, fileLength - position);
  for await (const chunk of chunksOf(reading, isWhole ? 0 : position, available)) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = 0;
    if (held > 0) {
      at = Math.min(size - held, bytes.length);
      rest.set(bytes.subarray(0, at), held);
      held += at;
      if (held === size) {
        held = 0;
        await give(rest, 0);
      }
    }
    for (; at + size <= bytes.length; at += size) {
      place.position = position;
      position += size;
      const waits = take(bytes, at, at + size);
      if (waits !== undefined) await waits;
    }
    if (at < bytes.length) {
      rest.set(bytes.subarray(at));
      held = bytes.length - at;
    }
    const waits = pause(bytes.length);
    if (waits !== undefined) await waits;
  }
  if (held > 0)
    throw new QuorateError(
      "DATA_CORRUPT",
      `${split.path} ends with ${held} bytes, which is no record of ${size} bytes`,
    );
}

async function readWhole(reading: SplitReading, maxBytes: number): Promise<void> {
  const { split, place, take, pause } = reading;
  const refuse = (): never => {
    throw new QuorateError(
      "TOO_LARGE",
      `${split.path} is longer than ${maxBytes} bytes (maxBytes of the format)`,
    );
  };
  if (split.length > maxBytes) refuse();
  // Of a compressed file it is a guess.
  let bytes = Buffer.allocUnsafeSlow(split.length);
  let length = 0;
  for await (const chunk of chunksOf(reading, 0)) {
    if (length + chunk.length > maxBytes) refuse();
    if (length + chunk.length > bytes.length) {
      const more = Buffer.allocUnsafeSlow(Math.min(maxBytes, 2 * (length + chunk.length)));
      bytes.copy(more, 0, 0, length);
      bytes = more;
    }
    bytes.set(chunk, length);
    length += chunk.length;
    await pause(chunk.length);
  }
  place.position = 0;
  place.isAscii = isAscii(bytes.subarray(0, length));
  await take(bytes, 0, length);
}
