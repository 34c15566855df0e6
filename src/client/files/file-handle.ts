/**
 * An open file, shaped like Node.js's FileHandle. It reads anywhere, and writes in order: a file of HDFS cannot be overwritten, so a
 * position to write at is refused unless it is the end. What Node.js's has besides (`truncate`, `sync`, `readv` and others) it has not.
 */
import type { Readable, Writable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { QuorateError } from "../../runtime/errors.ts";
import type { Content } from "./content.ts";
import { bytesOf, linesOf } from "./content.ts";
import type { CallOptions, Chunks, FilesDriver, ReadOptions, WriteOptions } from "./driver.ts";
import { FileStats } from "./file-stats.ts";
import type { NodeReadOptions, NodeReadStreamOptions, NodeWriteOptions } from "./node-options.ts";
import { checkEncoding, readAs, writtenAs } from "./node-options.ts";
import type { Upload } from "./pipe.ts";
import { startUpload } from "./pipe.ts";
import { readableOf, webReadableOf, writableTo } from "./streams.ts";

/** "r" reads; "w" makes or replaces, "wx" makes; "a" appends to a file that is there or not. */
export type OpenFlags = "r" | "w" | "wx" | "a";

/** A part of a buffer, and where it is in the file. */
export interface Place {
  /** In the buffer. Default 0. */
  readonly offset?: number | null;
  /** Bytes. Default: the rest of the buffer. */
  readonly length?: number | null;
  /** In the file. Default, and null: where the last read or write ended. */
  readonly position?: number | null;
}

/** Bytes that a read makes room for when it is given none. */
const BUFFER_BYTES = 16 * 1024;

export interface Read {
  readonly bytesRead: number;
  readonly buffer: Uint8Array;
}

export interface Written {
  readonly bytesWritten: number;
  readonly buffer: string | Uint8Array;
}

export class FileHandle {
  readonly path: string;
  private readonly driver: FilesDriver;
  private readonly upload: Upload | undefined;
  private readonly signal: AbortSignal | undefined;
  private position = 0;
  private closed: Promise<void> | undefined;

  constructor(
    path: string,
    driver: FilesDriver,
    upload: Upload | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.path = path;
    this.driver = driver;
    this.upload = upload;
    this.signal = signal;
  }

  /**
   * Fills the buffer, or `length` bytes of it from `offset` on, from `position`, by default from where the last read ended; 0 bytes:
   * the end. ARGUMENT_INVALID: there are no such bytes in the buffer.
   */
  read(buffer: Uint8Array, place?: Place & CallOptions): Promise<Read>;
  read(
    buffer: Uint8Array,
    offset: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<Read>;
  read(place?: Place & CallOptions & { readonly buffer?: Uint8Array }): Promise<Read>;
  async read(
    first: Uint8Array | (Place & CallOptions & { readonly buffer?: Uint8Array }) = {},
    second: (Place & CallOptions) | number | null = {},
    ...rest: (number | null | undefined)[]
  ): Promise<Read> {
    const named = first instanceof Uint8Array ? second : first;
    const place: Place & CallOptions & { readonly buffer?: Uint8Array } =
      typeof named === "object" && named !== null ? named : placed(named, rest);
    const buffer =
      first instanceof Uint8Array ? first : (place.buffer ?? Buffer.allocUnsafeSlow(BUFFER_BYTES));
    const { offset: _offset, length: _length, position: at, buffer: _buffer, ...options } = place;
    this.mustRead();
    const { from, to } = partOf(buffer, place);
    // As Node.js, which takes -1 too for the place where the last read ended.
    const position = at === undefined || at === null || at === -1 ? this.position : at;
    if (!Number.isSafeInteger(position) || position < 0) throw invalid(`the position ${position}`);
    const { length: size } = await this.driver.describe(this.path, {
      ...this.options(options),
      followLast: true,
    });
    let end = from;
    if (position < size && to > from) {
      const range = {
        ...this.options(options),
        offset: position,
        length: Math.min(to - from, size - position),
      };
      for await (const chunk of this.driver.read(this.path, range)) {
        buffer.set(chunk, end);
        end += chunk.length;
      }
    }
    this.position = position + end - from;
    return { bytesRead: end - from, buffer };
  }

  /** From where the last read ended, to the end of the file: with `encoding` a text, else bytes. */
  readFile(
    options: BufferEncoding | (NodeReadOptions & { readonly encoding: BufferEncoding }),
  ): Promise<string>;
  readFile(options?: ReadOptions): Promise<Buffer>;
  async readFile(options: BufferEncoding | NodeReadOptions = {}): Promise<Buffer | string> {
    const { encoding, range } = readAs(options);
    const chunks: Uint8Array[] = [];
    const offset = range.offset ?? this.position;
    for await (const chunk of this.chunks(range)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    this.position = offset + bytes.length;
    return encoding === undefined ? bytes : bytes.toString(encoding);
  }

  /** Lines in UTF-8, without their ends, from where the last read ended. */
  readLines(options: ReadOptions = {}): AsyncGenerator<string> {
    return linesOf(this.chunks(options));
  }

  createReadStream(options: NodeReadStreamOptions | BufferEncoding = {}): Readable {
    const { range, encoding, highWaterMark } = readAs(options);
    return readableOf(this.chunks(range), encoding, highWaterMark);
  }

  readableWebStream(): ReadableStream<Uint8Array> {
    return webReadableOf(this.chunks({}));
  }

  /**
   * Behind what was written before. Resolves when the driver took it: durable it is when `close` resolved. ARGUMENT_INVALID: a
   * position that is not there, or no such bytes in the buffer.
   */
  write(data: Uint8Array, place?: Place): Promise<Written>;
  write(
    data: Uint8Array,
    offset: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<Written>;
  write(data: string, position?: number | null, encoding?: BufferEncoding | null): Promise<Written>;
  async write(
    data: string | Uint8Array,
    second: Place | number | null = {},
    ...rest: (number | BufferEncoding | null | undefined)[]
  ): Promise<Written> {
    const upload = this.mustWrite();
    let bytes: Uint8Array;
    let position: number | null | undefined;
    if (typeof data === "string") {
      const encoding = (rest[0] ?? "utf8") as BufferEncoding;
      checkEncoding(encoding);
      bytes = Buffer.from(data, encoding);
      position = typeof second === "number" ? second : undefined;
    } else {
      const place = typeof second === "object" && second !== null ? second : placed(second, rest as number[]);
      const { from, to } = partOf(data, place);
      bytes = data.subarray(from, to);
      ({ position } = place);
    }
    if (typeof position === "number" && position !== this.position) {
      throw invalid(`to write at ${position}: a file is written in order, and ${this.position} bytes were`);
    }
    this.position += bytes.length;
    // The driver may keep the bytes for a while; the caller may use his buffer again.
    await upload.push(Buffer.from(bytes));
    return { bytesWritten: bytes.length, buffer: data };
  }

  /** Behind what was written before, as `write`. */
  async writeFile(data: Content, options: NodeWriteOptions | BufferEncoding = {}): Promise<void> {
    this.mustWrite();
    const { content } = writtenAs(data, options, "w");
    for await (const chunk of bytesOf(content)) await this.write(chunk);
  }

  /** The same. */
  appendFile(data: Content, options: NodeWriteOptions | BufferEncoding = {}): Promise<void> {
    return this.writeFile(data, options);
  }

  /** Its end closes the handle; destroyed before it, nothing of the file is seen. */
  createWriteStream(): Writable {
    const upload = this.mustWrite();
    return writableTo({
      push: async (bytes) => void (await this.write(bytes)),
      close: () => this.close(),
      abort: (error) => upload.abort(error),
    });
  }

  async stat(options: CallOptions = {}): Promise<FileStats> {
    return new FileStats(
      await this.driver.describe(this.path, { ...this.options(options), followLast: true }),
    );
  }

  /** Of a writer: resolves when the file is there, whole and durable. */
  close(): Promise<void> {
    return (this.closed ??= this.upload?.close() ?? Promise.resolve());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private chunks(range: ReadOptions): Chunks {
    this.mustRead();
    const offset = range.offset ?? this.position;
    return this.driver.read(this.path, { ...this.options(range), ...range, offset });
  }

  private mustRead(): void {
    if (this.upload !== undefined) throw refused(`${this.path} is open for writing`);
    this.alive();
  }

  private mustWrite(): Upload {
    if (this.upload === undefined) throw refused(`${this.path} is open for reading`);
    this.alive();
    return this.upload;
  }

  private alive(): void {
    if (this.closed !== undefined) throw refused(`${this.path} is closed`);
  }

  private options(options: CallOptions): CallOptions {
    return this.signal === undefined ? options : { signal: this.signal, ...options };
  }
}

/** Node.js's way to say it without names. */
function placed(offset: number | null, rest: readonly (number | null | undefined)[]): Place {
  const [length, position] = rest;
  return { offset, length: length ?? null, position: position ?? null };
}

/** Throws ARGUMENT_INVALID. */
function partOf(
  buffer: Uint8Array,
  { offset, length }: Place,
): { readonly from: number; readonly to: number } {
  const from = offset ?? 0;
  const to = from + (length ?? buffer.length - from);
  const isThere = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && to >= from;
  if (!isThere || to > buffer.length) {
    throw invalid(`${to - from} bytes from ${from} on, of a buffer of ${buffer.length}`);
  }
  return { from, to };
}

function invalid(what: string): QuorateError {
  return new QuorateError("ARGUMENT_INVALID", `not done here: ${what}`);
}

function refused(why: string): QuorateError {
  return new QuorateError("FILE_OPERATION_REFUSED", why);
}

export async function openHandle(
  driver: FilesDriver,
  path: string,
  flags: OpenFlags,
  options: WriteOptions,
): Promise<FileHandle> {
  const { signal } = options;
  const missing = async (): Promise<boolean> => {
    try {
      const { type } = await driver.describe(path, { ...(signal && { signal }), followLast: true });
      if (type === "directory") throw refused(`${path} is a directory`);
      return false;
    } catch (error) {
      if (error instanceof QuorateError && error.code === "PATH_NOT_FOUND") return true;
      throw error;
    }
  };
  const begin = (write: (chunks: Chunks) => Promise<void>): FileHandle =>
    new FileHandle(path, driver, startUpload(write), signal);
  switch (flags) {
    case "r":
      if (await missing()) throw new QuorateError("PATH_NOT_FOUND", `File does not exist: ${path}`);
      return new FileHandle(path, driver, undefined, signal);
    case "wx":
      if (!(await missing())) throw new QuorateError("PATH_EXISTS", `${path} already exists`);
      return begin((chunks) => driver.write(path, chunks, { ...options, overwrite: false }));
    case "w":
      await missing();
      return begin((chunks) => driver.write(path, chunks, { ...options, overwrite: true }));
    case "a":
      if (await missing())
        return begin((chunks) => driver.write(path, chunks, { ...options, overwrite: false }));
      return begin((chunks) => driver.append(path, chunks, options));
    default:
      throw new QuorateError(
        "ARGUMENT_INVALID",
        `not done here: the flags "${String(flags)}"; there are r, w, wx and a`,
      );
  }
}
