/**
 * `cluster.json` at the root of a data directory: which cluster it belongs to and where its nodes find each other. The
 * nodes' own directories stand beside it, each with an identity of its own that the node checks. Nodes that are started one by
 * one over one directory write it at the same time: they take turns.
 */
import fs from "node:fs";
import { join } from "node:path";
import type { Algorithm } from "../consensus/algorithm-names.ts";
import { QuorateError } from "../runtime/errors.ts";
import { makeDirectory } from "../runtime/node/directory.ts";
import type { NodeId } from "../runtime/world.ts";

const FILE = "cluster.json";
const FORMAT = 1;
/** What is written and moved into place, and what says that somebody does; neither is content. */
const PASSING = [`.${FILE}.new`, `.${FILE}.lock`];
/** Nobody works on the file for so long: who left the lock has died. */
const LOCK_STALE_MS = 2000;
const LOCK_RETRY_MS = 5;
/** What kept the log of every cluster whose file does not say. */
const FIRST_ALGORITHM: Algorithm = "raft";

export interface ClusterFile {
  readonly clusterId: string;
  /** Founding members and their peer addresses, "host:port"; for a node that joined, the members of then. */
  readonly members: Readonly<Record<NodeId, string>>;
  /** What keeps its log, by name. Default "raft": a file from before there was a choice. */
  readonly consensus?: string | undefined;
  /** The nodes that were at home here: one whose directory is gone has lost it, and is not new. Default: none. */
  readonly inhabited?: readonly NodeId[];
  /** The cluster that this one was forced out of, when that had lost its majority. */
  readonly replaces?: string;
}

/**
 * What the directory says, or undefined when it is new or empty. Throws DATA_DIRECTORY_FOREIGN when it holds something
 * else, DATA_DIRECTORY_UNUSABLE when it cannot be read or written. Changes nothing.
 */
export function readClusterFile(directory: string): ClusterFile | undefined {
  if (!fs.existsSync(directory)) return undefined;
  const names = attempt(directory, () => fs.readdirSync(directory));
  attempt(directory, () =>
    fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK),
  );
  if (names.every((name) => PASSING.includes(name))) return undefined;
  if (!names.includes(FILE)) {
    throw foreign(directory, "is not empty and is not a data directory of Quorate");
  }
  const text = attempt(directory, () => fs.readFileSync(join(directory, FILE), "utf8"));
  const parsed = parse(text);
  if (!parsed) throw foreign(directory, `has a ${FILE} that this version does not understand`);
  return parsed;
}

/** Creates the directory and its file; durable when it returns. Changes nothing when there is one by now. */
export function foundCluster(directory: string, content: ClusterFile): void {
  attempt(directory, () => makeDirectory(directory));
  change(directory, (stored) => stored ?? content);
}

/** Writes the file anew, whatever it said. */
export function replaceClusterFile(directory: string, content: ClusterFile): void {
  change(directory, () => content);
}

/** Notes that a node is at home here. */
export function noteInhabited(directory: string, id: NodeId): void {
  change(directory, (stored) => {
    if (stored === undefined || stored.inhabited?.includes(id) === true) return stored;
    return { ...stored, inhabited: [...(stored.inhabited ?? []), id] };
  });
}

/** Nobody else changes the file meanwhile. */
function change(directory: string, next: (stored: ClusterFile | undefined) => ClusterFile | undefined): void {
  const lock = join(directory, `.${FILE}.lock`);
  attempt(directory, () => takeLock(lock));
  try {
    const stored = readClusterFile(directory);
    const changed = next(stored);
    if (changed !== undefined && changed !== stored) write(directory, changed);
  } finally {
    fs.rmSync(lock, { force: true });
  }
}

function takeLock(lock: string): void {
  let holder: number | undefined;
  let heldSinceMs = 0;
  for (;;) {
    try {
      return fs.closeSync(fs.openSync(lock, "wx"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const seen = fs.statSync(lock, { throwIfNoEntry: false })?.ino;
    if (seen !== holder) heldSinceMs = performance.now();
    holder = seen;
    if (performance.now() - heldSinceMs > LOCK_STALE_MS) fs.rmSync(lock, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_RETRY_MS);
  }
}

function write(directory: string, content: ClusterFile): void {
  attempt(directory, () => {
    const temporary = join(directory, `.${FILE}.new`);
    fs.writeFileSync(temporary, `${JSON.stringify({ format: FORMAT, ...content }, undefined, 2)}\n`, {
      flush: true,
    });
    fs.renameSync(temporary, join(directory, FILE));
    syncDirectory(directory);
  });
}

/** Creates a node's own directory, when it is not there yet. */
export function makeNodeDirectory(directory: string): void {
  attempt(directory, () => {
    makeDirectory(directory);
    fs.accessSync(directory, fs.constants.W_OK);
  });
}

/** True when a node's directory is its home, and not empty. */
export function isInhabited(directory: string): boolean {
  return fs.existsSync(join(directory, "identity.json"));
}

function syncDirectory(directory: string): void {
  const descriptor = fs.openSync(directory, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function parse(text: string): ClusterFile | undefined {
  try {
    const value = JSON.parse(text) as Partial<ClusterFile> & { format?: number };
    if (value.format !== FORMAT || typeof value.clusterId !== "string") return undefined;
    if (typeof value.members !== "object" || value.members === null) return undefined;
    const { clusterId, members, consensus = FIRST_ALGORITHM, inhabited = [], replaces } = value;
    return { clusterId, members, consensus, inhabited, ...(replaces === undefined ? {} : { replaces }) };
  } catch {
    return undefined;
  }
}

export function foreign(directory: string, why: string): QuorateError {
  return new QuorateError("DATA_DIRECTORY_FOREIGN", `${directory} ${why}; choose another with --data`);
}

function attempt<T>(directory: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new QuorateError("DATA_DIRECTORY_UNUSABLE", `${directory} cannot be used: ${reason}`, { cause });
  }
}
