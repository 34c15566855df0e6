/**
 * A disk and a clock for the tests of this room: everything happens one event after the other, every event is kept, and a
 * crash can be played at any point between two events, in every way that the contract of `Disk` allows.
 */
import { copyBytes, concatBytes, zeroBytes } from "../../../runtime/bytes.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import type { Clock, Disk, DiskCallback, DiskFile, Logger, Random, Timer } from "../../../runtime/world.ts";

const SECTOR = 512;

type Operation =
  | { type: "create"; name: string; sizeBytes: number; file: number }
  | { type: "write"; file: number; position: number; bytes: Bytes; durable: boolean }
  | { type: "read"; file: number; position: number; length: number }
  | { type: "truncate"; file: number; sizeBytes: number }
  | { type: "sync"; file: number }
  | { type: "rename"; from: string; to: string }
  | { type: "remove"; name: string }
  | { type: "syncDirectory"; covers: number };

type Event = { at: "issue" | "complete"; id: number; operation: Operation } | { at: "mark"; label: number };

interface Content {
  bytes: Bytes;
}

export function errorWith(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

/** Calls back in virtual time: `run` carries out everything that is due within so many milliseconds. */
export class TestClock implements Clock {
  private nowMs = 0;
  private timers: { atMs: number; callback: () => void }[] = [];
  private turn: (() => void)[] = [];

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.nowMs + delayMs, callback };
    this.timers.push(timer);
    return { cancel: () => (this.timers = this.timers.filter((each) => each !== timer)) };
  }

  endOfTurn(callback: () => void): void {
    this.turn.push(callback);
  }

  run(disk: TestDisk, forMs = 0): void {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      const turn = this.turn;
      this.turn = [];
      for (const callback of turn) callback();
      if (disk.completeOne() || this.turn.length > 0) continue;
      const next = this.timers.sort((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.timers.shift();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.callback();
    }
    this.nowMs = untilMs;
  }

  get idle(): boolean {
    return this.timers.length === 0 && this.turn.length === 0;
  }
}

export const silent: Logger = { log: () => undefined };

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next32 = (): number => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return { next32, float: () => next32() / 2 ** 32 };
}

export class TestDisk implements Disk {
  readonly files = new Map<string, Content>();
  /** Everything that happened since the disk was as `start` has it. */
  readonly events: Event[] = [];
  readonly start: ReadonlyMap<string, Bytes>;
  capacityBytes = Infinity;
  /** Asked before each operation takes effect; an error is reported in its place. */
  inject: (operation: Operation) => Error | undefined = () => undefined;
  /** Sectors that cannot be read, as "name:sector". */
  readonly unreadable = new Set<string>();
  /** Files that were opened and not closed. */
  openFiles = 0;
  private contents: Content[] = [];
  private queue: { id: number; operation: Operation; done: (error: Error | undefined) => void }[] = [];
  private nextId = 0;

  constructor(start: ReadonlyMap<string, Bytes> = new Map()) {
    this.start = start;
    for (const [name, bytes] of start) {
      const content = { bytes: copyBytes(bytes) };
      this.contents.push(content);
      this.files.set(name, content);
    }
  }

  /** Names a point in the history, such as an acknowledgement. */
  mark(label: number): void {
    this.events.push({ at: "mark", label });
  }

  completeOne(): boolean {
    const next = this.queue.shift();
    if (next === undefined) return false;
    const { id, operation, done } = next;
    const error = this.inject(operation) ?? this.carryOut(operation);
    if (error === undefined && operation.type !== "read") {
      this.events.push({ at: "complete", id, operation });
    }
    done(error);
    return true;
  }

  list(): string[] {
    return [...this.files.keys()].sort();
  }

  size(name: string): number | undefined {
    return this.files.get(name)?.bytes.length;
  }

  read(name: string, position: number, length: number): Bytes {
    const content = this.files.get(name);
    if (content === undefined) throw errorWith("ENOENT");
    const end = Math.min(position + length, content.bytes.length);
    for (let sector = Math.floor(position / SECTOR); sector * SECTOR < end; sector++) {
      if (this.unreadable.has(`${name}:${sector}`)) throw errorWith("EIO");
    }
    return copyBytes(content.bytes.subarray(position, Math.max(position, end)));
  }

  create(name: string, sizeBytes: number, done: (error: Error | undefined, file?: DiskFile) => void): void {
    const file = this.contents.length;
    this.contents.push({ bytes: zeroBytes(sizeBytes) });
    this.issue({ type: "create", name, sizeBytes, file }, (error) => {
      done(error, error === undefined ? this.handle(file) : undefined);
    });
  }

  open(name: string, done: (error: Error | undefined, file?: DiskFile) => void): void {
    const content = this.files.get(name);
    if (content === undefined) done(errorWith("ENOENT"));
    else done(undefined, this.handle(this.contents.indexOf(content)));
  }

  rename(from: string, to: string, done: DiskCallback): void {
    this.issue({ type: "rename", from, to }, done);
  }

  remove(name: string, done: DiskCallback): void {
    this.issue({ type: "remove", name }, done);
  }

  syncDirectory(done: DiskCallback): void {
    this.issue({ type: "syncDirectory", covers: this.events.length }, done);
  }

  freeBytes(): number {
    let used = 0;
    for (const { bytes } of this.files.values()) used += bytes.length;
    return this.capacityBytes - used;
  }

  /** The bytes of all files. */
  image(): Map<string, Bytes> {
    return new Map([...this.files].map(([name, { bytes }]) => [name, copyBytes(bytes)]));
  }

  private issue(operation: Operation, done: (error: Error | undefined) => void): void {
    const id = this.nextId++;
    this.events.push({ at: "issue", id, operation });
    this.queue.push({ id, operation, done });
  }

  private handle(file: number): DiskFile {
    this.openFiles++;
    let open = true;
    return {
      write: (position, chunks, mode, done) => {
        if (!open) throw new Error("write to a closed file");
        // The chunks belong to the writer again only when the write is done: take them late, to catch one who hurries.
        const id = this.nextId++;
        const operation = {
          type: "write" as const,
          file,
          position,
          bytes: concatBytes(chunks),
          durable: mode === "durable",
        };
        this.events.push({ at: "issue", id, operation });
        this.queue.push({
          id,
          operation,
          done: (error) => {
            if (!concatBytes(chunks).equals(operation.bytes)) throw new Error("chunks changed under way");
            done(error);
          },
        });
      },
      sync: (done) => {
        if (!open) throw new Error("sync of a closed file");
        this.issue({ type: "sync", file }, done);
      },
      truncate: (sizeBytes, done) => {
        if (!open) throw new Error("truncate of a closed file");
        this.issue({ type: "truncate", file, sizeBytes }, done);
      },
      read: (position, length, done) => {
        if (!open) throw new Error("read of a closed file");
        const operation = { type: "read" as const, file, position, length };
        this.queue.push({
          id: this.nextId++,
          operation,
          done: (error) => {
            const { bytes } = this.contents[file] as Content;
            const end = Math.max(position, Math.min(position + length, bytes.length));
            done(error, error === undefined ? copyBytes(bytes.subarray(position, end)) : undefined);
          },
        });
      },
      close: () => {
        if (open) this.openFiles--;
        open = false;
      },
    };
  }

  private carryOut(operation: Operation): Error | undefined {
    switch (operation.type) {
      case "create":
        if (this.files.has(operation.name)) return errorWith("EEXIST");
        if (this.freeBytes() < operation.sizeBytes) return errorWith("ENOSPC");
        this.files.set(operation.name, this.contents[operation.file] as Content);
        return undefined;
      case "write":
        overwrite(this.contents[operation.file] as Content, operation.position, operation.bytes);
        return undefined;
      case "rename":
      case "remove": {
        const name = operation.type === "rename" ? operation.from : operation.name;
        const content = this.files.get(name);
        if (content === undefined) return errorWith("ENOENT");
        this.files.delete(name);
        if (operation.type === "rename") this.files.set(operation.to, content);
        return undefined;
      }
      case "truncate":
        cut(this.contents[operation.file] as Content, operation.sizeBytes);
        return undefined;
      case "read":
      case "sync":
      case "syncDirectory":
        return undefined;
    }
  }

  /**
   * The files as a crash after the first `count` events could leave them. `power` false: the process died, what was
   * completed stays, what was under way happened up to any byte. `power` true: of what no sync covered, each sector and each
   * name kept or lost; `random` picks, and `bias` is how likely it keeps.
   */
  crashed(count: number, power: boolean, random: Random, bias: number): Map<string, Bytes> {
    const history = this.events.slice(0, count);
    const keep = (): boolean => random.float() < bias;
    const contents = this.playContents(history, power, random, keep);
    const names = this.playNames(history, power, keep);
    return new Map([...names].map(([name, file]) => [name, (contents[file] as Content).bytes]));
  }

  private playContents(
    history: readonly Event[],
    power: boolean,
    random: Random,
    keep: () => boolean,
  ): Content[] {
    const contents = this.contents.map((_, file) => ({ bytes: copyBytes(this.initial(file)) }));
    const complete = new Set(history.flatMap((event) => (event.at === "complete" ? [event.id] : [])));
    history.forEach((event, at) => {
      if (event.at !== "issue") return;
      if (event.operation.type === "truncate") {
        const { file, sizeBytes } = event.operation;
        const isDone = complete.has(event.id);
        const synced =
          isDone && history.slice(at).some((later) => isSyncOf(later, file, event.id, complete, history));
        if (synced || (isDone && !power) || keep()) cut(contents[file] as Content, sizeBytes);
        return;
      }
      if (event.operation.type !== "write") return;
      const { file, position, bytes, durable } = event.operation;
      const content = contents[file] as Content;
      const isDone = complete.has(event.id);
      const synced =
        isDone &&
        (durable || history.slice(at).some((later) => isSyncOf(later, file, event.id, complete, history)));
      if (synced || (isDone && !power)) return overwrite(content, position, bytes);
      if (!power) {
        // Under way in a process that dies: done up to some byte.
        const upTo = keep() ? bytes.length : Math.floor(random.float() * (bytes.length + 1));
        return overwrite(content, position, bytes.subarray(0, upTo));
      }
      for (let sector = 0; sector < bytes.length; sector += SECTOR) {
        if (keep()) overwrite(content, position + sector, bytes.subarray(sector, sector + SECTOR));
      }
    });
    return contents;
  }

  private initial(file: number): Bytes {
    const started = [...this.start.values()][file];
    return started ?? zeroBytes(this.createdSize(file));
  }

  private createdSize(file: number): number {
    for (const event of this.events) {
      if (event.at !== "mark" && event.operation.type === "create" && event.operation.file === file) {
        return event.operation.sizeBytes;
      }
    }
    return 0;
  }

  private playNames(history: readonly Event[], power: boolean, keep: () => boolean): Map<string, number> {
    const names = new Map([...this.start.keys()].map((name, file) => [name, file]));
    let synced = 0;
    for (const event of history) {
      if (event.at === "complete" && event.operation.type === "syncDirectory") {
        synced = Math.max(synced, event.operation.covers);
      }
    }
    const lost = new Set<string>();
    history.forEach((event, at) => {
      const isDone = event.at === "complete";
      const underWay =
        event.at === "issue" && !history.some((each) => each.at === "complete" && each.id === event.id);
      if (!isDone && !underWay) return;
      const { operation } = event;
      const kept = isDone && at < synced ? true : isDone && !power ? true : keep();
      if (operation.type === "create") {
        if (kept && !lost.has(operation.name) && !names.has(operation.name))
          names.set(operation.name, operation.file);
        else lost.add(operation.name);
      } else if (operation.type === "remove") {
        if (kept) names.delete(operation.name);
        else lost.add(operation.name);
      } else if (operation.type === "rename") {
        const file = names.get(operation.from);
        if (!kept || file === undefined || lost.has(operation.from) || lost.has(operation.to)) {
          lost.add(operation.from).add(operation.to);
          return;
        }
        names.delete(operation.from);
        names.set(operation.to, file);
      }
    });
    return names;
  }
}

function isSyncOf(
  event: Event,
  file: number,
  writeId: number,
  complete: ReadonlySet<number>,
  history: readonly Event[],
): boolean {
  if (event.at !== "issue" || event.operation.type !== "sync" || event.operation.file !== file) return false;
  const writeDone = history.findIndex((each) => each.at === "complete" && each.id === writeId);
  return complete.has(event.id) && writeDone >= 0 && writeDone < history.indexOf(event);
}

function cut(content: Content, sizeBytes: number): void {
  content.bytes = concatBytes([
    content.bytes,
    zeroBytes(Math.max(0, sizeBytes - content.bytes.length)),
  ]).subarray(0, sizeBytes);
}

function overwrite(content: Content, position: number, bytes: Uint8Array): void {
  const end = position + bytes.length;
  if (end > content.bytes.length) {
    const grown = zeroBytes(end);
    content.bytes.copy(grown);
    content.bytes = grown;
  }
  content.bytes.set(bytes, position);
}
