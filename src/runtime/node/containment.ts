/**
 * A node inside a program's own process. When it cannot go on, it ends alone: it hears nothing more of the world, its files are
 * closed, and what it threw reaches nobody. A process of its own would simply exit (`world.ts`).
 */
import type { Bytes } from "../bytes.ts";
import type { Clock, Disk, DiskCallback, DiskFile, Network, Timer } from "../world.ts";

export interface Containment {
  /** Rejects with what ended the node; never resolves. */
  readonly ended: Promise<never>;
  fatal(error: Error): never;
  /** Ends it as a crash would, at once: `ended` rejects with `NodeKilled`. */
  kill(): void;
  clock(clock: Clock): Clock;
  network(network: Network): Network;
  disk(disk: Disk): Disk;
  /** The node has ended: nothing of it runs any more, and no timer of it is left. */
  close(): void;
}

/** Nothing was wrong with the node. */
export class NodeKilled extends Error {
  override readonly name = "NodeKilled";
}

type Guard = <Arguments extends readonly unknown[]>(
  callback: (...values: Arguments) => void,
) => (...values: Arguments) => void;

/** Everything that the node is given passes through the returned doors. Any error that leaves one of its callbacks ends it. */
export function contain(): Containment {
  let failure: unknown;
  let isOver = false;
  let reject: (error: unknown) => void = () => undefined;
  const ended = new Promise<never>((_, fail) => (reject = fail));
  // Whoever does not wait for the end is not to be bothered by it.
  ended.catch(() => undefined);
  const files = new Set<DiskFile>();
  const timers = new Set<Timer>();
  const close = (): void => {
    isOver = true;
    for (const timer of timers) timer.cancel();
    timers.clear();
  };
  const end = (error: unknown): void => {
    if (failure !== undefined) return;
    failure = error;
    close();
    for (const file of files) file.close();
    reject(error);
  };
  const guard: Guard =
    (callback) =>
    (...values) => {
      if (isOver) return;
      try {
        callback(...values);
      } catch (error) {
        end(error);
      }
    };
  return {
    ended,
    fatal(error) {
      end(error);
      throw error;
    },
    kill: () => end(new NodeKilled("killed")),
    clock: (clock) => ({
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      setTimer: (delayMs, callback) =>
        isOver ? NO_TIMER : keepTimer(clock, delayMs, guard(callback), timers),
      endOfTurn: (callback) => clock.endOfTurn(guard(callback)),
    }),
    network: (network) => ({
      send: (to, parts, guardedParts) => network.send(to, parts, guardedParts),
      onFrame: (receive) => network.onFrame(guard(receive)),
      onLink: (change) => network.onLink(guard(change)),
      onArriving: (arriving) => network.onArriving(guard(arriving)),
      queuedBytes: (to) => network.queuedBytes(to),
      setPeers: (peers) => network.setPeers(peers),
      close: () => network.close(),
    }),
    disk: (disk) => guardDisk(disk, guard, files, () => isOver),
    close,
  };
}

const NO_TIMER: Timer = { cancel: () => undefined };

/** `timers`: those that run. */
function keepTimer(clock: Clock, delayMs: number, callback: () => void, timers: Set<Timer>): Timer {
  const timer = clock.setTimer(delayMs, () => {
    timers.delete(timer);
    callback();
  });
  timers.add(timer);
  return {
    cancel() {
      timers.delete(timer);
      timer.cancel();
    },
  };
}

/** `files`: those that are open, to be closed at the node's end. */
function guardDisk(disk: Disk, guard: Guard, files: Set<DiskFile>, isOver: () => boolean): Disk {
  const opened =
    (done: (error: Error | undefined, file?: DiskFile) => void) =>
    (error: Error | undefined, file?: DiskFile): void => {
      if (file === undefined) return guard(done)(error);
      // Nobody is left to close it.
      if (isOver()) return file.close();
      const guarded = guardFile(file, guard, () => files.delete(guarded));
      files.add(guarded);
      guard(done)(error, guarded);
    };
  return {
    list: () => disk.list(),
    size: (name) => disk.size(name),
    read: (name, position, length) => disk.read(name, position, length),
    create: (name, sizeBytes, done) => disk.create(name, sizeBytes, opened(done)),
    open: (name, done) => disk.open(name, opened(done)),
    rename: (from, to, done) => disk.rename(from, to, guard(done)),
    remove: (name, done) => disk.remove(name, guard(done)),
    syncDirectory: (done) => disk.syncDirectory(guard(done)),
    freeBytes: () => disk.freeBytes(),
  };
}

/** Closes when nothing is under way: the number of a closed file may soon be that of another one. */
function guardFile(file: DiskFile, guard: Guard, closed: () => void): DiskFile {
  let underWay = 0;
  let closing = false;
  const operation = (done: DiskCallback): DiskCallback => {
    const guarded = guard(done);
    underWay++;
    return (error) => {
      underWay--;
      if (closing && underWay === 0) file.close();
      guarded(error);
    };
  };
  return {
    // Its user's own door: `file` itself stays open until it is freed.
    ...(file.descriptor === undefined ? {} : { descriptor: () => file.descriptor?.() }),
    read(position, length, done) {
      let bytes: Bytes | undefined;
      const end = operation((error) => done(error, bytes));
      file.read(position, length, (error, read) => {
        bytes = read;
        end(error);
      });
    },
    write: (position, chunks, mode, done) => file.write(position, chunks, mode, operation(done)),
    sync: (done) => file.sync(operation(done)),
    truncate: (sizeBytes, done) => file.truncate(sizeBytes, operation(done)),
    close() {
      if (closing) return;
      closing = true;
      closed();
      if (underWay === 0) file.close();
    },
  };
}
