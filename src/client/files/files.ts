/**
 * files: a file system as a program sees it, shaped like `node:fs/promises`, over any of the drivers: WebHDFS (Quorate, HDFS,
 * HttpFS) and a directory of this machine. The same program runs over each by another URL.
 *
 * Every call takes `{ signal, timeoutMs }` and rejects with a QuorateError, of which `outcome` says whether the change was
 * carried out, or with the signal's reason.
 */
import type { Readable, Writable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { WritableStream } from "node:stream/web";
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import { Attributes } from "./attributes.ts";
import type { Content } from "./content.ts";
import { Copying } from "./copying.ts";
import { againOf, bytesOf, linesOf } from "./content.ts";
import type {
  CallOptions,
  Checksum,
  Defaults,
  ErasureCoding,
  FileDescription,
  FileVersion,
  FilesDriver,
  Move,
  PublishOptions,
  ReadOptions,
  Space,
  Summary,
  WriteOptions,
} from "./driver.ts";
import type { FileHandle, OpenFlags } from "./file-handle.ts";
import { openHandle } from "./file-handle.ts";
import type { NodeReadOptions, NodeReadStreamOptions, NodeWriteOptions } from "./node-options.ts";
import { modeOf, readAs, refuseOthers, writtenAs } from "./node-options.ts";
import { FileStats } from "./file-stats.ts";
import { checkPath, checkTarget, parentOf } from "./path.ts";
import { startUpload } from "./pipe.ts";
import { readableOf, webReadableOf, writableTo } from "./streams.ts";
import type { WatchEvent, WatchOptions } from "./watch.ts";
import { watchPath } from "./watch.ts";

const DIRECTORY_MODE = 0o755;

export interface ReaddirOptions extends CallOptions {
  readonly recursive?: boolean;
  /** Names are texts: anything else is refused. */
  readonly encoding?: "utf8" | "utf-8";
}

export class Files extends Attributes<FilesDriver> {
  /** How the file system is called. */
  get url(): string {
    return this.driver.url;
  }

  // Whole files

  /** With `encoding` a text, else bytes. PATH_NOT_FOUND, FILE_OPERATION_REFUSED (a directory). */
  readFile(
    path: string,
    options: BufferEncoding | (NodeReadOptions & { readonly encoding: BufferEncoding }),
  ): Promise<string>;
  readFile(path: string, options?: ReadOptions): Promise<Buffer>;
  async readFile(path: string, options: BufferEncoding | NodeReadOptions = {}): Promise<Buffer | string> {
    const { encoding, range } = readAs(options);
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.driver.read(checkPath(path), range)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    return encoding === undefined ? bytes : bytes.toString(encoding);
  }

  /**
   * The file is there when it is whole. PATH_EXISTS (a directory; or with `overwrite: false`). When the node that takes it dies, it
   * goes on at another one from the beginning, unless the content is a stream, which is had only once: NO_QUORUM.
   */
  writeFile(path: string, content: Content, options: NodeWriteOptions | BufferEncoding = {}): Promise<void> {
    return this.writeAs(path, content, options, "w");
  }

  /** Makes the file when it is not there. BEING_WRITTEN, LEASE_RECOVERING. */
  appendFile(path: string, content: Content, options: NodeWriteOptions | BufferEncoding = {}): Promise<void> {
    return this.writeAs(path, content, options, "a");
  }

  private async writeAs(
    path: string,
    given: Content,
    how: NodeWriteOptions | BufferEncoding,
    byDefault: "w" | "a",
  ): Promise<void> {
    const { content, options, appends } = writtenAs(given, how, byDefault);
    const where = checkPath(path);
    if (!appends) await this.driver.write(where, bytesOf(content), options, againOf(content));
    else if (await this.isThere(where, options)) await this.driver.append(where, bytesOf(content), options);
    else await this.driver.write(where, bytesOf(content), { ...options, overwrite: false });
  }

  /** False: the file has this length in a moment. ARGUMENT_INVALID: it is shorter. */
  truncate(path: string, length = 0, options: CallOptions = {}): Promise<boolean> {
    return this.driver.truncate(checkPath(path), length, options);
  }

  /** `options`: a number, as Node.js takes it, is the mode. */
  async open(path: string, flags: OpenFlags = "r", options: WriteOptions | number = {}): Promise<FileHandle> {
    const given = typeof options === "number" ? { mode: options } : options;
    return openHandle(this.driver, checkPath(path), flags, given);
  }

  // Streams, all at the pace of the slower side

  createReadStream(path: string, options: NodeReadStreamOptions | BufferEncoding = {}): Readable {
    const { range, encoding, highWaterMark } = readAs(options);
    return readableOf(this.driver.read(checkPath(path), range), encoding, highWaterMark);
  }

  /** Destroying it before it is finished leaves nothing behind. */
  createWriteStream(path: string, options: WriteOptions = {}): Writable {
    const where = checkPath(path);
    refuseOthers(options);
    return writableTo(startUpload((chunks) => this.driver.write(where, chunks, options)));
  }

  readable(path: string, options: ReadOptions = {}): ReadableStream<Uint8Array> {
    return webReadableOf(this.driver.read(checkPath(path), options));
  }

  /** Aborting it leaves nothing behind. */
  writable(path: string, options: WriteOptions = {}): WritableStream<Uint8Array> {
    const where = checkPath(path);
    const upload = startUpload((chunks) => this.driver.write(where, chunks, options));
    return new WritableStream<Uint8Array>({
      write: (chunk) => upload.push(chunk),
      close: () => upload.close(),
      abort: (reason) => upload.abort(reason instanceof Error ? reason : new Error(String(reason))),
    });
  }

  /** Lines in UTF-8, without their ends. */
  lines(path: string, options: ReadOptions = {}): AsyncGenerator<string> {
    return linesOf(this.driver.read(checkPath(path), options));
  }

  // Directories

  /**
   * Names in the order of their bytes; with `recursive` paths below the directory; with `withStats`, or Node.js's `withFileTypes`,
   * what each is.
   */
  readdir(
    path: string,
    options: ReaddirOptions & ({ readonly withStats: true } | { readonly withFileTypes: true }),
  ): Promise<FileStats[]>;
  readdir(path: string, options?: ReaddirOptions | "utf8"): Promise<string[]>;
  async readdir(
    path: string,
    options:
      | (ReaddirOptions & { readonly withStats?: boolean; readonly withFileTypes?: boolean })
      | "utf8" = {},
  ): Promise<string[] | FileStats[]> {
    const given = typeof options === "string" ? { encoding: options } : options;
    const { encoding = "utf8", withStats = false, withFileTypes = false, ...call } = given;
    if (encoding !== "utf8" && encoding !== "utf-8")
      throw new QuorateError("ARGUMENT_INVALID", `names are texts (utf8), not "${String(encoding)}"`);
    const where = checkPath(path);
    const found: FileStats[] = [];
    for await (const entry of this.walk(where, call)) found.push(entry);
    if (withStats || withFileTypes) return found;
    return found.map((entry) => entry.path.slice(where === "/" ? 1 : where.length + 1));
  }

  /** The same one by one, so that a directory may be larger than memory. What goes away meanwhile is left out, but for `path`. */
  async *walk(
    path: string,
    options: CallOptions & { readonly recursive?: boolean } = {},
  ): AsyncGenerator<FileStats> {
    for await (const page of this.driver.list(checkPath(path), options)) {
      for (const entry of page) {
        yield new FileStats(entry);
        if (options.recursive === true && entry.type === "directory")
          yield* this.walkIfThere(entry.path, options);
      }
    }
  }

  private async *walkIfThere(
    path: string,
    options: CallOptions & { readonly recursive?: boolean },
  ): AsyncGenerator<FileStats> {
    try {
      yield* this.walk(path, options);
    } catch (error) {
      if (!isQuorateError(error) || error.code !== "PATH_NOT_FOUND") throw error;
    }
  }

  /** Without `recursive`: PATH_EXISTS, PATH_NOT_FOUND (the directory above). That is looked at first, not in one step. */
  async mkdir(
    path: string,
    options: (CallOptions & { readonly recursive?: boolean; readonly mode?: number | string }) | number = {},
  ): Promise<void> {
    const where = checkPath(path);
    const given = typeof options === "number" ? { mode: options } : options;
    const { recursive = false, mode: wanted = DIRECTORY_MODE, ...call } = given;
    const mode = modeOf(wanted);
    if (!recursive) {
      if (await this.isThere(where, call)) throw new QuorateError("PATH_EXISTS", `${where} already exists`);
      await this.driver.describe(parentOf(where), { ...call, followLast: true });
    }
    await this.driver.makeDirectories(where, { ...call, mode });
  }

  /** PATH_NOT_FOUND unless `force`; a directory only with `recursive`. */
  async rm(
    path: string,
    options: CallOptions & { readonly recursive?: boolean; readonly force?: boolean } = {},
  ): Promise<void> {
    const where = checkPath(path);
    const { recursive = false, force = false, ...call } = options;
    if (!recursive) {
      const type = await this.typeOf(where, call);
      if (type === "directory") throw new QuorateError("FILE_OPERATION_REFUSED", `${where} is a directory`);
    }
    const removed = await this.driver.remove(where, { ...call, recursive });
    if (!removed && !force) throw new QuorateError("PATH_NOT_FOUND", `File does not exist: ${where}`);
  }

  /** An empty one. DIRECTORY_NOT_EMPTY, PATH_NOT_FOUND, PARENT_NOT_DIRECTORY (it is a file). */
  async rmdir(path: string, options: CallOptions = {}): Promise<void> {
    const where = checkPath(path);
    const { type } = await this.driver.describe(where, { ...options, followLast: false });
    if (type !== "directory") throw new QuorateError("PARENT_NOT_DIRECTORY", `${where} is not a directory`);
    const removed = await this.driver.remove(where, { ...options, recursive: false });
    if (!removed) throw new QuorateError("PATH_NOT_FOUND", `File does not exist: ${where}`);
  }

  /** One step. Replaces a file, or an empty directory, as POSIX does; with `overwrite: false` PATH_EXISTS. */
  rename(
    from: string,
    to: string,
    options: CallOptions & { readonly overwrite?: boolean } = {},
  ): Promise<void> {
    const { overwrite = true, ...call } = options;
    return this.driver.rename(checkPath(from), checkPath(to), { ...call, overwrite });
  }

  /** Undefined: nothing is there. UNSUPPORTED but at Quorate, as `publish`. */
  version(path: string, options: CallOptions = {}): Promise<FileVersion | undefined> {
    return this.driver.version(checkPath(path), options);
  }

  /**
   * Renames many in one step: all of them, in their order, if everything is as expected, else none (CHANGED_MEANWHILE). Up to
   * 10,000, no two of them to one target, and none to what a later one moves (ARGUMENT_INVALID): two names are swapped through a third.
   *
   *     const version = await files.version("/index/current");
   *     await files.publish([{ from: "/index/new", to: "/index/current" }], {
   *       expected: [{ path: "/index/current", version }], overwrite: true });
   */
  async publish(moves: readonly Move[], options: PublishOptions = {}): Promise<void> {
    if (!Array.isArray(moves))
      throw new QuorateError("ARGUMENT_INVALID", "publish takes a list of { from, to }");
    for (const { from, to } of moves) for (const path of [from, to]) checkPath(path);
    await this.driver.publish(moves, options);
  }

  /**
   * The bytes go through this program. With `recursive` directories too; `overwrite: false` keeps to what is not there.
   * FILE_OPERATION_REFUSED (a directory, without `recursive`); ARGUMENT_INVALID (a directory into itself, or in circles, also by
   * links).
   */
  async cp(
    from: string,
    to: string,
    options: WriteOptions & { readonly recursive?: boolean; readonly force?: boolean } = {},
  ): Promise<void> {
    refuseOthers(options);
    if (options.force === false)
      throw new QuorateError(
        "ARGUMENT_INVALID",
        "force: false skips files in silence; overwrite: false refuses them",
      );
    await new Copying(this, options).copy(checkPath(from), checkPath(to));
  }

  // Attributes

  /** Of what a link leads to. PATH_NOT_FOUND. */
  async stat(path: string, options: CallOptions = {}): Promise<FileStats> {
    refuseOthers(options);
    return new FileStats(await this.driver.describe(checkPath(path), { ...options, followLast: true }));
  }

  /** Of the link itself. */
  async lstat(path: string, options: CallOptions = {}): Promise<FileStats> {
    refuseOthers(options);
    return new FileStats(await this.driver.describe(checkPath(path), { ...options, followLast: false }));
  }

  exists(path: string, options: CallOptions = {}): Promise<boolean> {
    return this.isThere(checkPath(path), options);
  }

  /** ACCESS_DENIED unless the user has these permissions: 4 read, 2 write, 1 execute. */
  async access(path: string, permission = 0, options: CallOptions = {}): Promise<void> {
    const where = checkPath(path);
    if (permission === 0) await this.driver.describe(where, { ...options, followLast: true });
    else await this.driver.checkAccess(where, permission, options);
  }

  async chmod(path: string, mode: number | string, options: CallOptions = {}): Promise<void> {
    await this.driver.setMode(checkPath(path), modeOf(mode), options);
  }

  /** Undefined keeps it. */
  chown(
    path: string,
    owner: string | undefined,
    group: string | undefined,
    options: CallOptions = {},
  ): Promise<void> {
    return this.driver.setOwner(checkPath(path), owner, group, options);
  }

  /** Dates or Unix milliseconds; -1 keeps it. */
  utimes(
    path: string,
    accessed: Date | number,
    modified: Date | number,
    options: CallOptions = {},
  ): Promise<void> {
    return this.driver.setTimes(checkPath(path), Number(accessed), Number(modified), options);
  }

  /**
   * `target` is absolute, or counts from the directory of the link; ".." ends at the root. Makes directories above. PATH_INVALID (it
   * is empty, or has control characters), PATH_EXISTS.
   */
  async symlink(target: string, path: string, options: CallOptions = {}): Promise<void> {
    await this.driver.link(checkPath(path), checkTarget(target), options);
  }

  async readlink(path: string, options: CallOptions = {}): Promise<string> {
    const { target } = await this.driver.describe(checkPath(path), { ...options, followLast: false });
    if (target === undefined) throw new QuorateError("FILE_OPERATION_REFUSED", `${path} is not a link`);
    return target;
  }

  /** False: it is a directory. UNSUPPORTED where files have no replicas. */
  setReplication(path: string, replication: number, options: CallOptions = {}): Promise<boolean> {
    return this.driver.setReplication(checkPath(path), replication, options);
  }

  /**
   * Joins files of one directory onto the end of another one in one step, without moving a byte; the sources are gone then.
   * ARGUMENT_INVALID (none, one twice, an empty one), UNSUPPORTED where files have no blocks.
   */
  async concat(path: string, sources: readonly string[], options: CallOptions = {}): Promise<void> {
    const checked = sources.map((source) => checkPath(source));
    const odd = checked.find((source) => source.includes(","));
    if (odd !== undefined)
      throw new QuorateError("ARGUMENT_INVALID", `a source with a comma cannot be named: ${odd}`);
    await this.driver.concat(checkPath(path), checked, options);
  }

  /** Somebody writes the file, or its end is being cut: nobody else can write it as long as that lasts. */
  isOpen(path: string, options: CallOptions = {}): Promise<boolean> {
    return this.driver.isOpen(checkPath(path), options);
  }

  /** How many replicas each part of the file has; of a file without bytes nothing. UNSUPPORTED where files have none. */
  replicaCounts(path: string, options: CallOptions = {}): Promise<readonly number[]> {
    return this.driver.replicaCounts(checkPath(path), options);
  }

  /**
   * How files are kept that are made below a directory from now on: "RS-6-3-1024k", "RS-3-2-1024k", or "replication" where those
   * above are coded. Undefined: as the directory above says. Files that are there stay as they are. UNSUPPORTED where there is
   * no erasure coding; ARGUMENT_INVALID when there is no such policy.
   */
  setErasureCoding(path: string, policy: string | undefined, options: CallOptions = {}): Promise<void> {
    return this.driver.setErasureCoding(checkPath(path), policy, options);
  }

  /** The policies that there are. UNSUPPORTED where there is no erasure coding. */
  erasureCodings(options: CallOptions = {}): Promise<readonly ErasureCoding[]> {
    return this.driver.erasureCodings(options);
  }

  /** HDFS's checksum. UNSUPPORTED where there is none. */
  checksum(path: string, options: CallOptions = {}): Promise<Checksum> {
    return this.driver.checksum(checkPath(path), options);
  }

  /** What a whole subtree holds. */
  summary(path: string, options: CallOptions = {}): Promise<Summary> {
    return this.driver.summary(checkPath(path), options);
  }

  statfs(options: CallOptions = {}): Promise<Space> {
    return this.driver.space(options);
  }

  defaults(options: CallOptions = {}): Promise<Defaults> {
    return this.driver.defaults(options);
  }

  /** The user's own directory, whether it is there or not. */
  home(options: CallOptions = {}): Promise<string> {
    return this.driver.home(options);
  }

  /** Events until the signal fires or the loop is left; it looks every `intervalMs`. */
  watch(path: string, options: WatchOptions = {}): AsyncGenerator<WatchEvent> {
    return watchPath(this.driver, checkPath(path), options);
  }

  close(): void {
    this.driver.close();
  }

  private async isThere(path: string, options: CallOptions): Promise<boolean> {
    return (await this.typeOf(path, options)) !== undefined;
  }

  private async typeOf(path: string, options: CallOptions): Promise<FileDescription["type"] | undefined> {
    try {
      return (await this.driver.describe(path, { ...callOf(options), followLast: false })).type;
    } catch (error) {
      if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return undefined;
      throw error;
    }
  }
}

function callOf({ signal, timeoutMs }: CallOptions): CallOptions {
  return { ...(signal && { signal }), ...(timeoutMs !== undefined && { timeoutMs }) };
}
