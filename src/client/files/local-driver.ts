/**
 * Files in a directory of this machine, by the same names: paths begin at the directory. Owners are users of this machine,
 * there are no replicas, no checksums and no lists. Links that are made here stay in the directory; others are followed wherever they
 * lead: this is a driver for one's own files, no jail.
 */
import type { Stats } from "node:fs";
import { constants } from "node:fs";
import fs from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ErrorCode } from "../../runtime/errors.ts";
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import { heedingSignals } from "./heeding-signals.ts";
import { linkText } from "./local-links.ts";
import { localNames } from "./local-names.ts";
import type {
  CallOptions,
  Chunks,
  FileDescription,
  FilesDriver,
  ReadOptions,
  SizeHint,
  Summary,
  WriteOptions,
} from "./driver.ts";

const PAGE = 1000;
const CHUNK_BYTES = 256 * 1024;

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "PATH_NOT_FOUND",
  EEXIST: "PATH_EXISTS",
  ENOTDIR: "PARENT_NOT_DIRECTORY",
  ENOTEMPTY: "DIRECTORY_NOT_EMPTY",
  EACCES: "ACCESS_DENIED",
  EPERM: "ACCESS_DENIED",
  ENAMETOOLONG: "NAME_TOO_LONG",
  ELOOP: "LINK_UNRESOLVED",
  ENOSPC: "DISK_FULL",
};

/** Errors of the machine as errors of the table. */
async function translated<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw translate(error);
  }
}

function translate(error: unknown): unknown {
  const { code, message, path } = error as NodeJS.ErrnoException;
  if (isQuorateError(error) || typeof code !== "string" || !/^E[A-Z]+$/.test(code)) return error;
  const text = code === "ENOENT" && path !== undefined ? `${path} does not exist` : message;
  return new QuorateError(CODES[code] ?? "FILE_OPERATION_REFUSED", text, { cause: error });
}

function typeOf(stats: Stats): FileDescription["type"] {
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "link";
  return stats.isFile() ? "file" : "other";
}

/** `url` such as file:///data: the directory that is the root. */
export function localDriver(url: string): FilesDriver {
  const root = fileURLToPath(url);
  const user = userInfo();
  const here = (path: string): string => join(root, path);
  /** An absolute target as this driver calls it; one outside stays as it is. */
  const inside = (target: string): string =>
    root !== "/" && `${target}/`.startsWith(join(root, "/")) ? join("/", target.slice(root.length)) : target;
  const describe = async (path: string, followLast: boolean): Promise<FileDescription> => {
    const stats = await (followLast ? fs.stat(here(path)) : fs.lstat(here(path)));
    return descriptionOf(
      path,
      stats,
      stats.isSymbolicLink() ? inside(await fs.readlink(here(path))) : undefined,
    );
  };
  const [users, groups] = [localNames("/etc/passwd"), localNames("/etc/group")];
  const ownName = (uid: number): string => (uid === user.uid ? user.username : users.nameOf(uid));
  const descriptionOf = (path: string, stats: Stats, target: string | undefined): FileDescription => ({
    type: typeOf(stats),
    path,
    length: stats.isDirectory() ? 0 : stats.size,
    owner: ownName(stats.uid),
    group: groups.nameOf(stats.gid),
    mode: stats.mode & 0o1777,
    modifiedMs: Math.floor(stats.mtimeMs),
    accessedMs: Math.floor(stats.atimeMs),
    replication: stats.isFile() ? 1 : 0,
    blockSize: stats.isFile() ? stats.blksize : 0,
    childCount: undefined,
    target,
    hasAcl: false,
    erasureCoding: undefined,
  });
  const unsupported = async (): Promise<never> => {
    throw new QuorateError(
      "UNSUPPORTED",
      "local files have no replicas, checksums, access lists, attributes, snapshots and quotas, and cannot be published several at once",
    );
  };
  return heedingSignals({
    url: pathToFileURL(root).href,
    user: user.username,
    describe: (path, { followLast }) => translated(() => describe(path, followLast)),
    list: (path, options) => list(here(path), path, options, (each) => describe(each, false)),
    read: (path, options) => read(here(path), path, options),
    write: (path, chunks, options) => translated(() => write(here(path), chunks, options)),
    putMaxBytes: async () => -1,
    put: async () => false,
    append: (path, chunks, options) => translated(() => append(here(path), chunks, options)),
    async makeDirectories(path, { mode = 0o755 }) {
      await translated(() => fs.mkdir(here(path), { recursive: true, mode }));
    },
    async remove(path, { recursive, signal }) {
      if (here(path) === here("/") || resolve(here(path)) === "/")
        throw new QuorateError("FILE_OPERATION_REFUSED", "the root of a local file system is not removed");
      return translated(() => remove(here(path), recursive, signal));
    },
    rename: (from, to, { overwrite }) => translated(() => rename(here(from), here(to), overwrite)),
    async truncate(path, length) {
      const { size } = await translated(() => fs.stat(here(path)));
      if (length > size)
        throw new QuorateError(
          "ARGUMENT_INVALID",
          `${path} has ${size} bytes and cannot be truncated to ${length}`,
        );
      await translated(() => fs.truncate(here(path), length));
      return true;
    },
    async link(path, target) {
      await translated(async () => {
        await fs.mkdir(dirname(here(path)), { recursive: true });
        await fs.symlink(await linkText(root, path, target), here(path));
      });
    },
    setMode: (path, mode) => translated(() => fs.chmod(here(path), mode)),
    async setOwner(path, owner, group) {
      const uid = owner === user.username ? user.uid : users.idOf(owner ?? "-1");
      const gid = groups.idOf(group ?? "-1");
      if (Number.isNaN(uid + gid)) {
        const unknown = Number.isNaN(uid) ? `user is called ${owner}` : `group is called ${group}`;
        throw new QuorateError("ARGUMENT_INVALID", `no ${unknown} on this machine; numbers are taken too`);
      }
      await translated(() => fs.chown(here(path), uid, gid));
    },
    async setTimes(path, accessedMs, modifiedMs) {
      const now = await translated(() => describe(path, true));
      const pick = (given: number, kept: number): number => (given === -1 ? kept : given) / 1000;
      await translated(() =>
        fs.utimes(here(path), pick(accessedMs, now.accessedMs), pick(modifiedMs, now.modifiedMs)),
      );
    },
    setReplication: unsupported,
    concat: unsupported,
    version: unsupported,
    publish: unsupported,
    isOpen: async () => false,
    replicaCounts: unsupported,
    setErasureCoding: unsupported,
    erasureCodings: unsupported,
    checksum: unsupported,
    acl: unsupported,
    changeAcl: unsupported,
    attributes: unsupported,
    setAttribute: unsupported,
    removeAttribute: unsupported,
    allowSnapshots: unsupported,
    createSnapshot: unsupported,
    renameSnapshot: unsupported,
    deleteSnapshot: unsupported,
    snapshotDifference: unsupported,
    snapshottable: unsupported,
    quotaUsage: unsupported,
    setQuota: unsupported,
    async checkAccess(path, permission) {
      const { R_OK, W_OK, X_OK } = constants;
      const bits = [permission & 4 ? R_OK : 0, permission & 2 ? W_OK : 0, permission & 1 ? X_OK : 0];
      await translated(() =>
        fs.access(
          here(path),
          bits.reduce((sum, bit) => sum | bit, 0),
        ),
      );
    },
    summary: (path, options) => translated(() => summarise(here(path), options)),
    async space() {
      const { blocks, bavail, bsize } = await translated(() => fs.statfs(root));
      return { capacity: blocks * bsize, used: (blocks - bavail) * bsize, remaining: bavail * bsize };
    },
    defaults: async () => ({ blockSize: 4096, replication: 1, trashIntervalMs: 0 }),
    home: async () => "/",
    close: () => undefined,
  });
}

async function* list(
  place: string,
  path: string,
  { signal }: CallOptions,
  describe: (path: string) => Promise<FileDescription>,
): AsyncGenerator<readonly FileDescription[]> {
  signal?.throwIfAborted();
  const names = await translated(() => fs.readdir(place));
  names.sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
  for (let at = 0; at < names.length; at += PAGE) {
    signal?.throwIfAborted();
    const page = names.slice(at, at + PAGE).filter((name) => !isUnfinished(name));
    const found = await Promise.all(
      page.map((name) => translated(() => describe(`${path === "/" ? "" : path}/${name}`)).catch(orGone)),
    );
    yield found.filter((each) => each !== undefined);
  }
}

/** What went away while it was looked at is not there. */
function orGone(error: unknown): undefined {
  if (!isQuorateError(error) || error.code !== "PATH_NOT_FOUND") throw error;
  return undefined;
}

async function* read(place: string, path: string, options: ReadOptions & SizeHint): Chunks {
  const { offset = 0, length, signal, expectedBytes } = options;
  signal?.throwIfAborted();
  const checkFile = (found: Stats): void => {
    if (!found.isFile()) throw new QuorateError("FILE_OPERATION_REFUSED", `${path} is not a file`);
  };
  // To open a device may do something to it; to open a FIFO waits for a writer, unless it is told not to: one that took the file's
  // place meanwhile must not hold a thread of this process for ever.
  if (expectedBytes === undefined) checkFile(await translated(() => fs.stat(place)));
  const handle = await translated(() => fs.open(place, constants.O_RDONLY | constants.O_NONBLOCK));
  try {
    const stats = await handle.stat();
    checkFile(stats);
    if (offset > stats.size)
      throw new QuorateError("FILE_OPERATION_REFUSED", `offset ${offset} is behind the end of ${path}`);
    const end = Math.min(stats.size, offset + (length ?? Infinity));
    for (let at = offset; at < end;) {
      signal?.throwIfAborted();
      const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - at));
      const { bytesRead } = await translated(() => handle.read(buffer, 0, buffer.length, at));
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

const UNFINISHED = "._COPYING_";
let writes = 0;

function isUnfinished(name: string): boolean {
  return name.startsWith(".") && name.endsWith(UNFINISHED);
}

/** Written beside and moved into place when it is whole and on the disk. */
async function write(place: string, chunks: Chunks, options: WriteOptions): Promise<void> {
  const { overwrite = true, mode = 0o644, createParents = true, signal } = options;
  const directory = dirname(place);
  if (createParents) await fs.mkdir(directory, { recursive: true });
  const there = await fs.stat(place).catch(() => undefined);
  if (there?.isDirectory() === true || (there !== undefined && !overwrite))
    throw new QuorateError("PATH_EXISTS", `${place} exists`);
  const beside = join(directory, `.${process.pid}-${writes++}${UNFINISHED}`);
  try {
    const handle = await fs.open(beside, "wx", mode);
    try {
      await pour(handle, chunks, signal);
      await handle.sync();
    } finally {
      await handle.close();
    }
    signal?.throwIfAborted();
    if (overwrite) await fs.rename(beside, place);
    else await fs.link(beside, place);
  } finally {
    await fs.rm(beside, { force: true });
  }
}

async function append(place: string, chunks: Chunks, { signal }: CallOptions): Promise<void> {
  const handle = await fs.open(place, constants.O_WRONLY | constants.O_APPEND);
  try {
    await pour(handle, chunks, signal);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function pour(handle: fs.FileHandle, chunks: Chunks, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    for (let at = 0; at < chunk.length;) at += (await handle.write(chunk, at)).bytesWritten;
  }
}

async function remove(
  place: string | Buffer,
  recursive: boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const stats = await fs.lstat(place);
    if (recursive && stats.isDirectory()) {
      // Bytes: a name that is no UTF-8 would not be found again.
      for (const name of await fs.readdir(place, "buffer")) {
        signal?.throwIfAborted();
        await remove(Buffer.concat([Buffer.from(place), Buffer.from("/"), name]), true, signal);
      }
      signal?.throwIfAborted();
    }
    await (stats.isDirectory() ? fs.rmdir(place) : fs.unlink(place));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function rename(from: string, to: string, overwrite: boolean): Promise<void> {
  const source = await fs.lstat(from);
  const target = await fs.lstat(to).catch(() => undefined);
  if (target !== undefined && (!overwrite || target.isDirectory() !== source.isDirectory()))
    throw new QuorateError("PATH_EXISTS", `${to} exists`);
  await fs.rename(from, to);
}

async function summarise(place: string, { signal }: CallOptions): Promise<Summary> {
  const sum = { directories: 0, files: 0, length: 0, space: 0 };
  const visit = async (each: string): Promise<void> => {
    signal?.throwIfAborted();
    const stats = await fs.lstat(each);
    if (!stats.isDirectory()) {
      sum.files++;
      sum.length += stats.size;
      sum.space += stats.size;
      return;
    }
    sum.directories++;
    for (const name of await fs.readdir(each)) await visit(join(each, name));
  };
  await visit(place);
  const snapshots = { directories: 0, files: 0, length: 0, space: 0 };
  return { ...sum, nameQuota: -1, spaceQuota: -1, coding: "", snapshots };
}
