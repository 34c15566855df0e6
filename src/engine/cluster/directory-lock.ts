/**
 * One process per data directory. Two that write one log would destroy it, so the second is turned away.
 *
 * A lock file with a process id can be left behind, and the id be given to another process. So the lock is a listening local
 * socket whose name is made from the directory's device and inode: the system takes it back
 * when the process ends, however it ends, and a directory reached by two paths is still one. On Linux the name is abstract
 * (no file, seen in the same network namespace); elsewhere it is a file in the temporary directory.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { connect, createServer } from "node:net";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QuorateError } from "../../runtime/errors.ts";

/** A holder that is busy, or stopped, takes longer to answer: then it stays without a name. */
const ANSWER_MS = 500;

/** Gives the lock back. */
export type ReleaseLock = () => Promise<void>;

/** Rejects with DATA_DIRECTORY_IN_USE while another process holds it. */
export async function lockDirectory(directory: string): Promise<ReleaseLock> {
  const name = lockName(directory);
  const server = await tryListen(name);
  if (server) return () => close(server);
  // A file may be left by a process that was killed; then nobody answers behind it.
  if (!name.startsWith("\0") && (await askHolder(name)) === undefined) {
    fs.rmSync(name, { force: true });
    const second = await tryListen(name);
    if (second) return () => close(second);
  }
  const pid = (await askHolder(name))?.pid;
  const who = pid === undefined ? "another process" : `another process (pid ${pid})`;
  throw new QuorateError("DATA_DIRECTORY_IN_USE", `${who} uses ${directory}`);
}

/** Who holds a directory at present; undefined when nobody does, or it is not there. */
export async function holderOf(directory: string): Promise<Holder | undefined> {
  return fs.existsSync(directory) ? askHolder(lockName(directory)) : undefined;
}

function lockName(directory: string): string {
  const { dev, ino } = fs.statSync(directory, { bigint: true });
  const name = `quorate-${createHash("sha256").update(`${dev}:${ino}`).digest("hex").slice(0, 32)}`;
  return process.platform === "linux" ? `\0${name}` : join(tmpdir(), `${name}.lock`);
}

function tryListen(name: string): Promise<Server | undefined> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end(`${process.pid}`);
  });
  // It must not keep a process alive that has nothing else to do.
  server.unref();
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(name, () => resolve(server));
  });
}

export interface Holder {
  /** Undefined: it is alive, and did not say in time. */
  readonly pid: number | undefined;
}

/** Who holds the lock; undefined when nobody is behind it. */
function askHolder(name: string): Promise<Holder | undefined> {
  const socket = connect(name);
  return new Promise((resolve) => {
    let alive = false;
    let text = "";
    const timer = setTimeout(() => socket.destroy(), ANSWER_MS);
    socket.setEncoding("latin1");
    // The system connects also to a process that is too busy to answer.
    socket.once("connect", () => (alive = true));
    socket.on("data", (piece: string) => (text += piece));
    socket.on("error", () => undefined);
    socket.once("close", () => {
      clearTimeout(timer);
      const pid = /^\d{1,10}$/.test(text) ? Number(text) : undefined;
      resolve(alive ? { pid } : undefined);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
