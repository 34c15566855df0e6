/**
 * Keeps two processes out of one data directory, without native code: a file `lock` that names its holder by process id,
 * start time and boot of the machine. A holder that is gone, or whose process id now belongs to another process, is
 * succeeded.
 */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { dirname, join, resolve } from "node:path";
import { QuorateError } from "../errors.ts";

export interface DirectoryLock {
  /** Idempotent. */
  release(): void;
}

interface Holder {
  readonly pid: number;
  /** In clock ticks since the boot; undefined where the system does not tell. */
  readonly startTime: string | undefined;
  readonly boot: string | undefined;
}

const ATTEMPTS = 5;

/**
 * Creates the directory if need be and takes its lock. Raises DATA_DIRECTORY_UNUSABLE when it cannot be created or written,
 * DATA_DIRECTORY_IN_USE (naming the process) when it is taken, also by this process itself.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const path = join(directory, "lock");
  const staged = join(directory, `lock-${process.pid}-${randomBytes(6).toString("hex")}.part`);
  const mine = `${JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid), boot: bootId() })}\n`;
  try {
    makeDirectory(directory);
    fs.writeFileSync(staged, mine, { flag: "wx" });
  } catch (error) {
    throw unusable(directory, error);
  }
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (tryLink(staged, path)) return heldLock(path, mine);
      succeed(directory, path, `${staged}.old`);
    }
  } catch (error) {
    throw error instanceof QuorateError ? error : unusable(directory, error);
  } finally {
    fs.rmSync(staged, { force: true });
  }
  throw new QuorateError(
    "DATA_DIRECTORY_IN_USE",
    `${directory}: other processes are taking it at the same time`,
  );
}

/** Not node's own recursion: it never ends below a directory that refuses children with ENOENT, such as /proc. */
function makeDirectory(directory: string): void {
  try {
    fs.mkdirSync(directory);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return;
    const parent = dirname(resolve(directory));
    if (codeOf(error) !== "ENOENT" || fs.existsSync(parent)) throw error;
    makeDirectory(parent);
    fs.mkdirSync(directory);
  }
}

/** A link appears with its content, or not at all: nobody ever reads a lock that is half written. */
function tryLink(staged: string, path: string): boolean {
  try {
    fs.linkSync(staged, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Puts a dead holder's lock away. Raises DATA_DIRECTORY_IN_USE when the holder lives. */
function succeed(directory: string, path: string, aside: string): void {
  const seen = readIfThere(path);
  if (seen === undefined) return;
  const holder = parseHolder(seen);
  if (holder !== undefined && isAlive(holder)) {
    throw new QuorateError("DATA_DIRECTORY_IN_USE", `${directory} is used by process ${holder.pid}`);
  }
  try {
    fs.renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  // Between the look and the rename another process may have succeeded the dead one: then it gets its lock back.
  if (readIfThere(aside) !== seen) tryLink(aside, path);
  fs.rmSync(aside, { force: true });
}

function heldLock(path: string, mine: string): DirectoryLock {
  return {
    release() {
      if (readIfThere(path) === mine) fs.rmSync(path, { force: true });
    },
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, startTime, boot } = JSON.parse(text) as Record<string, unknown>;
    if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
    return { pid, startTime: textOrNothing(startTime), boot: textOrNothing(boot) };
  } catch {
    return undefined;
  }
}

function textOrNothing(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function isAlive({ pid, startTime, boot }: Holder): boolean {
  const thisBoot = bootId();
  if (boot !== undefined && thisBoot !== undefined && boot !== thisBoot) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to another user.
    if (codeOf(error) === "ESRCH") return false;
  }
  const startsNow = startTimeOf(pid);
  return startTime === undefined || startsNow === undefined || startTime === startsNow;
}

/** Field 22 of /proc/PID/stat; the name before it may hold spaces and parentheses. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function bootId(): string | undefined {
  try {
    return fs.readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return undefined;
  }
}

function unusable(directory: string, cause: unknown): QuorateError {
  return new QuorateError("DATA_DIRECTORY_UNUSABLE", `${directory}: ${(cause as Error).message}`, { cause });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
