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
/** Most last lines of a split end so near behind it. */
const BEHIND_BYTES = 64 * 1024;
const MORE_BYTES = 1024 * 1024;
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
  /**
   * Between chunks, and at the end: bytes of the records since the last time, and time for others to work. Over all splits of a
   * file they come to its length (of a compressed one: decompressed).
   */
  readonly pause: (bytes: number) => void | Promise<void>;
}

/** Reads all records of a split. TOO_LARGE: a record beyond its bound; else what reading throws. */
export async function readSplit(reading: SplitReading): Promise<void> {
  const { framing, split, place, files } = reading;
  switch (framing.type) {
    case "lines":
      place.header = undefined;
      if (framing.header && !isFromBeginning(split))
        place.header = await readHeader(files, split.path, framing.maxBytes);
      await new LineReader(reading, framing).read();
      return;
    case "fixed":
      await readFixed(reading, framing.bytes);
      return;
    case "whole":
      await readWhole(reading, framing.maxBytes);
  }
}

/** All bytes of the file; those of a compressed one decompressed. */
function wholeFile({ files, split }: SplitReading): Chunks {
  const chunks = files.driver.read(split.path, {});
  return isGzip(split.path) ? gunzip(chunks, split.path) : chunks;
}

/** From `start` to a little behind `end`, and on as long as more is asked for: a file system begins to send what it is asked for. */
async function* onward({ files, split }: SplitReading, start: number, end: number): Chunks {
  let length = end - start + BEHIND_BYTES;
  for (let at = start; ; length = MORE_BYTES) {
    let came = 0;
    for await (const chunk of files.driver.read(split.path, { offset: at, length })) {
      came += chunk.length;
      yield chunk;
    }
    if (came < length) return;
    at += came;
  }
}

function isWhole({ whole, path }: SplitPiece): boolean {
  return whole || isGzip(path);
}

function isFromBeginning(split: SplitPiece): boolean {
  return isWhole(split) || split.start === 0;
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
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of files.driver.read(path, {})) {
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
  /** Records before this position have been told of. */
  private counted = 0;

  constructor(reading: SplitReading, framing: Extract<Framing, { type: "lines" }>) {
    this.reading = reading;
    this.maxBytes = framing.maxBytes;
    this.hasHeader = framing.header;
    this.quoted = framing.quoted;
    this.position = 0;
  }

  async read(): Promise<void> {
    const { split, place, pause } = this.reading;
    const until = isWhole(split) ? Infinity : split.start + split.length;
    if (split.length === 0 && until < Infinity) return;
    // The byte before the split tells whether a line begins with it: it is read as one more line, which is left out.
    let skips = !isFromBeginning(split);
    this.position = skips ? split.start - 1 : 0;
    let skipsHeader = this.hasHeader && !skips;
    const bytes = until < Infinity ? onward(this.reading, this.position, until) : wholeFile(this.reading);
    const chunks = bytes[Symbol.asyncIterator]();
    this.counted = this.position;
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
          if (skips) {
            skips = false;
            this.counted = this.position;
            continue;
          }
          if (skipsHeader) {
            skipsHeader = false;
            place.header = this.window.toString("utf8", from, this.stop(from, line));
            continue;
          }
          if (position >= until) return await pause(position - this.counted);
          place.position = position;
          const waits = this.give(from, line);
          if (waits !== undefined) await waits;
        }
        const waits = pause(skips ? 0 : this.position - this.counted);
        if (waits !== undefined) await waits;
        if (skips) continue;
        this.counted = this.position;
        if (this.position >= until) return;
      }
      if (this.start === this.end || skips || this.position >= until) return;
      place.position = this.position;
      place.isAscii = isAscii(this.window.subarray(this.start, this.end));
      if (!skipsHeader) await this.give(this.start, this.end);
      await pause(this.end - this.start);
    } finally {
      await chunks.return?.();
    }
  }

  /** The end of a line without a carriage return. */
  private stop(from: number, end: number): number {
    return end > from && this.window[end - 1] === RETURN ? end - 1 : end;
  }

  private give(from: number, end: number): void | Promise<void> {
    const stop = this.stop(from, end);
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
  const until = isWhole(split) ? Infinity : split.start + split.length;
  let position = isWhole(split) ? 0 : Math.ceil(split.start / size) * size;
  if (position >= until) return;
  const rest = Buffer.allocUnsafeSlow(size);
  let held = 0;
  const give = async (bytes: Buffer, at: number): Promise<void> => {
    place.position = position;
    position += size;
    const waits = take(bytes, at, at + size);
    if (waits !== undefined) await waits;
  };
  for await (const chunk of await fixedChunks(reading, position, until, size)) {
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

/** Up to the end of the last record that begins before `until`, or of the file. */
async function fixedChunks(
  reading: SplitReading,
  from: number,
  until: number,
  size: number,
): Promise<Chunks> {
  if (until === Infinity) return wholeFile(reading);
  const { files, split } = reading;
  const { length: fileLength } = await files.driver.describe(split.path, { followLast: true });
  const length = Math.min(Math.ceil((until - from) / size) * size, fileLength - from);
  return files.driver.read(split.path, { offset: from, length });
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
  for await (const chunk of wholeFile(reading)) {
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
