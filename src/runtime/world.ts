/**
 * runtime: the only doors to the outside world.
 *
 * Everything above takes time, chance, the network and the disk from these interfaces. `node/` implements them with the
 * real machine; `simulated/` with virtual time, a faulty network and a faulty disk, so that whole clusters run in one
 * process and any run replays from its seed. All calls are synchronous or take a callback: a promise would hand the
 * order of events to the microtask queue, which the simulator could not see.
 */
import type { Bytes } from "./bytes.ts";

/** The name of a node inside its cluster, such as "n1". */
export type NodeId = string;

/** A pending callback. `cancel` is idempotent and harmless after it fired. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds (with fractions) since an arbitrary origin; never goes back, unaffected by changes of the date. */
  monotonicMs(): number;
  /** Milliseconds (with fractions) since the Unix epoch as this machine believes them; may jump either way. */
  wallMs(): number;
  /** Calls back once, `delayMs` from now or later. */
  setTimer(delayMs: number, callback: () => void): Timer;
  /** Calls back after the input that is ready now was read (the end of this event-loop turn). */
  endOfTurn(callback: () => void): void;
}

export interface Random {
  /** A uniform integer in [0, 2^32). */
  next32(): number;
  /** A uniform number in [0, 1) with 53 random bits. */
  float(): number;
}

/** What a disk operation reports. `undefined` is success; the operation is durable only where the method says so. */
export type DiskCallback = (error: Error | undefined) => void;

/**
 * One directory of a disk. Names are plain file names. Reading by name is synchronous (recovery and snapshot chunks of at
 * most 1 MiB); reading through an open file, and everything that changes the disk, is asynchronous.
 */
export interface Disk {
  /** File names, sorted. */
  list(): readonly string[];
  /** The size in bytes, or undefined when there is no such file. */
  size(name: string): number | undefined;
  /** Up to `length` bytes from `position`; shorter at the end of the file. Throws on an unreadable sector. */
  read(name: string, position: number, length: number): Bytes;
  /** Creates an empty file (error if it exists), preallocated with zeros to `sizeBytes`. Durable after `syncDirectory`. */
  create(name: string, sizeBytes: number, done: (error: Error | undefined, file?: DiskFile) => void): void;
  /** Opens an existing file for writing. */
  open(name: string, done: (error: Error | undefined, file?: DiskFile) => void): void;
  /** Atomically replaces `to`. Durable after `syncDirectory`. */
  rename(from: string, to: string, done: DiskCallback): void;
  remove(name: string, done: DiskCallback): void;
  /** Makes creations, renames and removals durable. */
  syncDirectory(done: DiskCallback): void;
  /** Bytes free for this directory. */
  freeBytes(): number;
}

/**
 * `cached`: into the system's memory, durable after a `sync`. `direct`: past it where the disk can, for much that nobody is
 * expected to read soon; durable after a `sync` too. `durable`: on the disk when it is done.
 */
export type WriteMode = "cached" | "direct" | "durable";

export interface DiskFile {
  /** Up to `length` bytes from `position`, in memory of their own; fewer at the end of the file. Never blocks the process. */
  read(position: number, length: number, done: (error: Error | undefined, bytes?: Bytes) => void): void;
  /** Writes `chunks` one after the other at `position`. They must not change until it is done. */
  write(position: number, chunks: readonly Uint8Array[], mode: WriteMode, done: DiskCallback): void;
  /** Makes all completed writes durable (fdatasync). */
  sync(done: DiskCallback): void;
  truncate(sizeBytes: number, done: DiskCallback): void;
  /**
   * For a thread of this process that reads the file: its number at the operating system. Undefined when the file is closed;
   * files that no system knows (in memory, in simulated worlds) have no such method, and then all is read by `read`.
   */
  descriptor?(): Descriptor | undefined;
  close(): void;
}

/** The file stays open until `free` was called, once. */
export interface Descriptor {
  readonly number: number;
  free(): void;
}

/**
 * Frames between the nodes of one cluster: best effort. A frame may be lost, delayed, repeated or overtaken, and is
 * never changed (the transport checks it). Frames to a peer that is away or too slow are dropped, with a bound in bytes.
 */
export interface Network {
  /**
   * Sends one frame; the network owns `parts` from now on and sends them as one frame. It guards the first `guardedParts` with
   * a checksum of its own: those behind carry theirs, which their receiver verifies. Default: all.
   */
  send(to: NodeId, parts: readonly Uint8Array[], guardedParts?: number): void;
  /** Sets who receives. `frame` may be kept: it owns its memory or is immutable. */
  onFrame(receive: (from: NodeId, frame: Bytes) => void): void;
  /**
   * Tells when a peer's link comes up or breaks; a break is a hint that the peer may be gone. Whoever was told of a break is told
   * when a link is up again, always.
   */
  onLink(change: (peer: NodeId, up: boolean) => void): void;
  /**
   * Tells that bytes of a frame which is not whole yet came from a peer, some times a second while they do: whoever is sending
   * something large lives. Networks that deliver frames whole have nothing to tell.
   */
  onArriving(arriving: (peer: NodeId) => void): void;
  /** Bytes waiting to be sent to a peer. */
  queuedBytes(to: NodeId): number;
  /** Who is a peer, and where ("host:port"); replaces the earlier set. */
  setPeers(peers: ReadonlyMap<NodeId, string>): void;
  close(): void;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  log(level: LogLevel, event: string, fields?: LogFields): void;
}

/** All doors together: what a node is given. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly logger: Logger;
  /** The process cannot go on (an fsync failed, an invariant broke): in Node.js it exits, in the simulator it crashes. */
  fatal(error: Error): never;
}
