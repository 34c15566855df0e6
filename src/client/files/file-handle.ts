/** An open file, shaped like Node.js's FileHandle. It reads anywhere, and writes in order: a file of HDFS cannot be overwritten. */
import { QuorateError } from "../../runtime/errors.ts";
import type { CallOptions, Chunks, FilesDriver, WriteOptions } from "./driver.ts";
import { FileStats } from "./file-stats.ts";
import type { Upload } from "./pipe.ts";
import { startUpload } from "./pipe.ts";

/** "r" reads; "w" makes or replaces, "wx" makes; "a" appends to a file that is there or not. */
export type OpenFlags = "r" | "w" | "wx" | "a";

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

  /** Fills the buffer from `position`, by default from where the last read ended; 0 bytes: the end. */
  async read(
    buffer: Uint8Array,
    { position = this.position, ...options }: CallOptions & { readonly position?: number } = {},
  ): Promise<{ readonly bytesRead: number; readonly buffer: Uint8Array }> {
    if (this.upload !== undefined) throw refused(`${this.path} is open for writing`);
    this.alive();
    const { length: size } = await this.driver.describe(this.path, {
      ...this.options(options),
      followLast: true,
    });
    let bytesRead = 0;
    if (position < size && buffer.length > 0) {
      const range = {
        ...this.options(options),
        offset: position,
        length: Math.min(buffer.length, size - position),
      };
      for await (const chunk of this.driver.read(this.path, range)) {
        buffer.set(chunk, bytesRead);
        bytesRead += chunk.length;
      }
    }
    this.position = position + bytesRead;
    return { bytesRead, buffer };
  }

  /** Behind what was written before. Resolves when the driver took it: durable it is when `close` resolved. */
  async write(data: string | Uint8Array): Promise<{ readonly bytesWritten: number }> {
    if (this.upload === undefined) throw refused(`${this.path} is open for reading`);
    this.alive();
    const bytes = typeof data === "string" ? Buffer.from(data, "utf8") : data;
    // The driver may keep the bytes for a while; the caller may use his buffer again.
    await this.upload.push(Buffer.from(bytes));
    return { bytesWritten: bytes.length };
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

  private alive(): void {
    if (this.closed !== undefined) throw refused(`${this.path} is closed`);
  }

  private options(options: CallOptions): CallOptions {
    return this.signal === undefined ? options : { signal: this.signal, ...options };
  }
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
