/** What the tests of this room share: stores on the crash disk, bytes that can be told apart, and calls that return. */
import type { Bytes } from "../../../runtime/bytes.ts";
import type { Disk } from "../../../runtime/world.ts";
import { seededRandom, TestClock, TestDisk } from "../../group/write-ahead-log/crash-disk.testing.ts";
import type { BlockStore, Outcome, ReadPiece, ReplicaWriter } from "./block-store.ts";
import { ChunkChecksums } from "./chunk-checksums.ts";
import { openBlockStore } from "./disk-block-store.ts";

export { streamBytes } from "../../../simulation/files/stream-bytes.ts";

/** What rests is made an object again by every call. */
const LIMITS = { reservedBytes: 0, awakeReplicas: 1 };

/** The checksums of bytes behind what a writer has, whose content is `before`. */
export function sumsBehind(before: Bytes, bytes: Bytes): Bytes {
  const checksums = new ChunkChecksums(0, 0);
  checksums.advance(before, checksums.of(before));
  return checksums.of(bytes);
}

export class TestStore {
  readonly disk: TestDisk;
  readonly clock: TestClock = new TestClock();
  readonly store: BlockStore;

  constructor(image?: ReadonlyMap<string, Bytes>) {
    this.disk = new TestDisk(image);
    let opened: BlockStore | undefined;
    openBlockStore(
      { disk: this.disk, clock: this.clock, random: seededRandom(1), ...LIMITS },
      (store) => (opened = store),
    );
    this.clock.run(this.disk);
    if (opened === undefined) throw new Error("the store did not open");
    this.store = opened;
  }

  /** Runs a call to its end; throws its error. */
  call<T>(run: (done: Outcome<T>) => void): T {
    let settled: { error: Error | undefined; value: T | undefined } | undefined;
    run((error, value) => (settled = { error, value }));
    this.clock.run(this.disk);
    if (settled === undefined) throw new Error("the call did not end");
    if (settled.error !== undefined) throw settled.error;
    return settled.value as T;
  }

  /** All bytes of a replica, read and verified. */
  bytesOf(id: number): Bytes {
    const length = this.store.get(id)?.length ?? 0;
    const parts: Bytes[] = [];
    for (let at = 0; at < length;) {
      const { bytes } = this.call<ReadPiece>((done) => this.store.read(id, 0, at, length - at, done));
      parts.push(bytes);
      at += bytes.length;
    }
    return Buffer.concat(parts);
  }

  /** A finished replica of the stream's first bytes. */
  put(id: number, stamp: number, content: Bytes): void {
    const writer = this.call<ReplicaWriter>((done) => this.store.create(id, stamp, "disk", done));
    this.call((done) => writer.write(content, sumsBehind(Buffer.alloc(0), content), done));
    this.call((done) => writer.finish(done));
  }
}

/** The same on any disk whose calls end by themselves. */
export async function openStoreOn(disk: Disk, clock: TestClock): Promise<BlockStore> {
  return new Promise((resolve) => {
    const eager = Object.assign(Object.create(clock) as TestClock, { endOfTurn: setImmediate });
    openBlockStore({ disk, clock: eager, random: seededRandom(1), ...LIMITS }, resolve);
  });
}

export async function settled<T>(run: (done: Outcome<T>) => void): Promise<T> {
  return new Promise((resolve, reject) =>
    run((error, value) => (error === undefined ? resolve(value as T) : reject(error))),
  );
}
