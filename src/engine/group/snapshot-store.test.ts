import fc from "fast-check";
import { expect, test } from "vitest";
import type { SnapshotMeta } from "../../consensus/consensus.ts";
import { concatBytes, copyBytes, zeroBytes } from "../../runtime/bytes.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { decodeSnapshotMeta, encodeSnapshotMeta } from "./snapshot-meta.ts";
import type { SnapshotStoreOptions } from "./snapshot-store.ts";
import { loadSnapshots, SnapshotStore } from "./snapshot-store.ts";
import type { SnapshotCut } from "./state-machine.ts";
import { CutEnded } from "./state-machine.ts";
import {
  errorWith,
  seededRandom,
  silent,
  TestClock,
  TestDisk,
} from "./write-ahead-log/crash-disk.testing.ts";

const membership = {
  voters: ["n1", "n2"],
  outgoing: ["n3"],
  learners: [],
  addresses: { n1: "a:1", n2: "b:2" },
};
const named = (index: number, term = 1): Omit<SnapshotMeta, "sizeBytes"> => ({ index, term, membership });

interface Store {
  disk: TestDisk;
  clock: TestClock;
  store: SnapshotStore;
  fatal: Error[];
  run: () => void;
}

function open(
  image?: ReadonlyMap<string, Bytes> | TestDisk,
  options: Partial<SnapshotStoreOptions> = {},
): Store {
  const disk = image instanceof TestDisk ? image : new TestDisk(image);
  const clock = new TestClock();
  const fatal: Error[] = [];
  const store = new SnapshotStore(
    { disk, clock, logger: silent, group: 1, fatal: (error) => fatal.push(error), ...options },
    loadSnapshots(disk, 1),
  );
  return { disk, clock, store, fatal, run: () => clock.run(disk) };
}

/** A cut that gives `size` bytes made from `seed`, and remembers what was asked of it. */
function cutOf(seed: number, size: number): SnapshotCut & { asked: number[]; closed: boolean; all: Bytes } {
  const random = seededRandom(seed);
  const all = copyBytes(Uint8Array.from({ length: size }, () => random.next32() & 0xff));
  let at = 0;
  return {
    asked: [],
    closed: false,
    all,
    next(maxBytes) {
      this.asked.push(maxBytes);
      if (at >= size) return undefined;
      const chunk = all.subarray(at, at + maxBytes);
      at += chunk.length;
      return chunk;
    },
    close() {
      this.closed = true;
    },
  };
}

function save(test: Store, index: number, size = 3000): SnapshotMeta {
  let saved: SnapshotMeta | undefined;
  test.store.save(named(index), cutOf(index, size), (_, done) => (saved = done));
  test.run();
  return saved as SnapshotMeta;
}

const content = (test: Store, meta: SnapshotMeta): Bytes => concatBytes([...(test.store.chunks(meta) ?? [])]);

test("a snapshot comes back whole, with its name and members, after a restart", () => {
  const first = open(undefined, { sliceBytes: 1000 });
  const cut = cutOf(5, 4500);
  let saved: SnapshotMeta | undefined;
  first.store.save(named(7, 3), cut, (_, done) => (saved = done));
  first.run();
  expect(cut).toMatchObject({ closed: true });
  expect(Math.max(...cut.asked)).toBe(1000);
  const again = open(first.disk.image());
  expect(again.store.newest).toEqual(saved);
  expect(saved).toMatchObject({ index: 7, term: 3, membership });
  expect(content(again, saved as SnapshotMeta).equals(cut.all)).toBe(true);
  expect(first.disk.openFiles).toBe(0);
});

test("the world goes on between slices: one slice a turn, and none before the disk took the last", () => {
  const { store, clock, disk } = open(undefined, { sliceBytes: 100 });
  const cut = cutOf(1, 1000);
  let turns = 0;
  const count = (): void => {
    turns++;
    if (!cut.closed) clock.endOfTurn(count);
  };
  store.save(named(1), cut, () => undefined);
  clock.endOfTurn(count);
  for (let left = 200; left > 0; left--) disk.completeOne();
  const askedBeforeTurns = cut.asked.length;
  expect(askedBeforeTurns).toBe(1);
  clock.run(disk);
  expect(cut.asked.length).toBe(11);
  expect(turns).toBeGreaterThan(8);
});

test("the two newest are kept, and a snapshot that is saved over its own name stays whole", () => {
  const test = open();
  for (const index of [1, 2, 3]) save(test, index);
  expect(test.disk.list()).toHaveLength(2);
  const again = save(test, 3, 500);
  expect(test.disk.list()).toHaveLength(2);
  expect(content(test, again)).toHaveLength(500);
  expect(open(test.disk.image()).store.newest?.index).toBe(3);
});

test("a follower that receives the file in pieces ends with the same snapshot", () => {
  const leader = open();
  const meta = save(leader, 9, 5000);
  const follower = open();
  const answers: boolean[] = [];
  for (let offset = 0; offset < meta.sizeBytes; offset += 700) {
    const piece = leader.store.read(meta, offset, 700) as Bytes;
    follower.store.receive(meta, offset, piece, (valid) => answers.push(valid));
  }
  let adopted: Iterable<Bytes> | undefined;
  follower.store.adopt(meta, (chunks) => (adopted = chunks));
  follower.run();
  expect(answers.every((valid) => valid)).toBe(true);
  expect(concatBytes([...(adopted ?? [])]).equals(content(leader, meta))).toBe(true);
  expect(open(follower.disk.image()).store.newest).toEqual(meta);
  expect(follower.disk.list()).toHaveLength(1);
});

test("pieces that do not follow, are too many, or are damaged are refused, and a fresh start works", () => {
  const leader = open();
  const meta = save(leader, 9, 5000);
  const whole = leader.store.read(meta, 0, meta.sizeBytes) as Bytes;
  const { store, run } = open();
  const outcome: unknown[] = [];
  const receive = (offset: number, bytes: Bytes): void => {
    store.receive(meta, offset, bytes, (valid) => outcome.push(valid));
    run();
  };
  const adopt = (): void => {
    store.adopt(meta, (chunks) => outcome.push(chunks !== undefined));
    run();
  };
  receive(100, whole);
  receive(0, whole.subarray(0, 2000));
  receive(2100, whole.subarray(2100));
  receive(2000, concatBytes([whole.subarray(2000), whole]));
  adopt();
  expect(outcome.splice(0)).toEqual([false, true, false, false, false]);
  const broken = copyBytes(whole);
  broken[3000] = (broken[3000] as number) ^ 1;
  receive(0, broken);
  adopt();
  receive(0, whole);
  adopt();
  expect(outcome).toEqual([true, false, true, true]);
});

test("a snapshot that rots while it is stored is found when it is verified, is read no more, and can be saved again", () => {
  const test = open();
  const { disk, store } = test;
  const older = save(test, 8, 5000);
  const meta = save(test, 9, 5000);
  const verified = (snapshot: SnapshotMeta): boolean | undefined => {
    let found: boolean | undefined;
    store.verify(snapshot, (intact) => (found = intact));
    test.run();
    return found;
  };
  expect([verified(older), verified(meta)]).toEqual([true, true]);
  const { bytes } = disk.files.get(disk.list().at(-1) as string) as { bytes: Bytes };
  bytes[3000] = (bytes[3000] as number) ^ 1;
  expect([verified(older), verified(meta)]).toEqual([true, false]);
  expect(store.read(meta, 0, 100)).toBeUndefined();
  expect(store.newest).toEqual(older);
  const again = save(test, 9, 5000);
  expect(verified(again)).toBe(true);
  expect(content(test, again)).toHaveLength(5000);
  expect(open(disk.image()).store.newest).toEqual(again);
});

test("whenever the process or the power dies, the newest durable snapshot is there, whole", () => {
  const test = open(undefined, { sliceBytes: 700, keep: 1 });
  for (const index of [1, 2]) {
    test.store.save(named(index), cutOf(index, 2500), (error) => error ?? test.disk.mark(index));
    test.run();
  }
  const random = seededRandom(3);
  for (let point = 0; point <= test.disk.events.length; point++) {
    const marks = test.disk.events
      .slice(0, point)
      .flatMap((event) => (event.at === "mark" ? [event.label] : []));
    for (let image = 0; image < 12; image++) {
      const left = test.disk.crashed(point, image % 2 === 0, random, image < 2 ? image : random.float());
      const { store, disk, run } = open(left);
      run();
      expect(store.newest?.index ?? 0).toBeGreaterThanOrEqual(Math.max(0, ...marks));
      expect(loadSnapshots(disk, 1).damaged).toEqual([]);
      if (store.newest === undefined) continue;
      const bytes = concatBytes([...(store.chunks(store.newest) ?? [])]);
      expect(bytes.equals(cutOf(store.newest.index, 2500).all)).toBe(true);
      store.save(named(8), cutOf(8, 100), () => undefined);
      run();
      expect(store.newest.index).toBe(8);
    }
  }
});

test("any damaged byte is found at start, and the older snapshot is taken", () => {
  const test = open(undefined, { sliceBytes: 100 });
  save(test, 1, 300);
  const meta = save(test, 2, 300);
  const image = test.disk.image();
  const name = test.disk.list()[1] as string;
  const bytes = image.get(name) as Bytes;
  for (let at = 0; at < meta.sizeBytes; at++) {
    const changed = copyBytes(bytes);
    changed[at] = (changed[at] as number) ^ 0x20;
    const { intact, damaged } = loadSnapshots(new TestDisk(new Map(image).set(name, changed)), 1);
    expect(intact.map((each) => each.meta.index)).toEqual([1]);
    expect(damaged).toMatchObject([{ index: 2, term: 1, name }]);
  }
  for (const size of [0, 10, meta.sizeBytes - 1]) {
    const cut = new Map(image).set(name, copyBytes(bytes.subarray(0, size)));
    expect(loadSnapshots(new TestDisk(cut), 1).damaged).toHaveLength(1);
  }
});

test("one read in the wrong place, whichever, makes no snapshot a damaged one", () => {
  const test = open(undefined, { sliceBytes: 100 });
  save(test, 1, 300);
  const meta = save(test, 2, 300);
  const image = test.disk.image();
  for (let wrong = 1; ; wrong++) {
    const disk = new TestDisk(image);
    const right = disk.read.bind(disk);
    let reads = 0;
    disk.read = (name, position, length) => {
      const bytes = right(name, position, length);
      return ++reads === wrong ? zeroBytes(bytes.length) : bytes;
    };
    const again = open(disk);
    expect(again.store.newest).toEqual(meta);
    expect(content(again, meta).equals(cutOf(2, 300).all)).toBe(true);
    if (reads < wrong) break;
  }
});

test("random bytes are never a snapshot and never crash the reader", () => {
  const name = "snapshot-0000000001-0000000000000005-1.snap";
  const test = open();
  save(test, 5, 200);
  const whole = test.disk.image().get(name) as Bytes;
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.nat(400),
      fc.boolean(),
      (noise, at, over) => {
        const bytes = over ? copyBytes(concatBytes([whole, Buffer.alloc(800)])) : copyBytes(noise);
        if (over) bytes.set(noise, at);
        expect(loadSnapshots(new TestDisk(new Map([[name, bytes]])), 1).intact).toEqual([]);
      },
    ),
  );
});

test("a full disk refuses the snapshot and keeps what is there; any other failure is fatal", () => {
  for (const [code, type] of [
    ["ENOSPC", "write"],
    ["ENOSPC", "create"],
    ["EIO", "sync"],
    ["EIO", "rename"],
    ["EIO", "syncDirectory"],
  ] as const) {
    const test = open();
    save(test, 1);
    let outcome: Error | undefined;
    test.disk.inject = (operation) => (operation.type === type ? errorWith(code) : undefined);
    const cut = cutOf(2, 100);
    test.store.save(named(2), cut, (error) => (outcome = error));
    test.run();
    expect(cut.closed).toBe(true);
    expect(test.store.newest?.index).toBe(1);
    if (code === "EIO") expect(test.fatal).toHaveLength(1);
    else {
      expect(outcome).toMatchObject({ code: "DISK_FULL" });
      expect(test.disk.list()).toHaveLength(1);
      test.disk.inject = () => undefined;
      expect(save(test, 3).index).toBe(3);
    }
  }
});

test("closing in the middle ends the work and leaves no file open", () => {
  const test = open(undefined, { sliceBytes: 100 });
  const cut = cutOf(1, 10_000);
  test.store.save(named(1), cut, () => expect.unreachable());
  for (let left = 10; left > 0; left--) test.disk.completeOne();
  test.store.close();
  test.run();
  expect(cut.closed).toBe(true);
  expect(test.disk.openFiles).toBe(0);
});

test("a snapshot's name and members survive their encoding", () => {
  const names = fc.array(fc.string({ unit: "grapheme" }), { maxLength: 4 });
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      fc.maxSafeNat(),
      fc.tuple(names, names, names),
      fc.dictionary(fc.string(), fc.string()),
      (index, term, [voters, outgoing, learners], addresses) => {
        const meta = { index, term, sizeBytes: 5, membership: { voters, outgoing, learners, addresses } };
        const read = decodeSnapshotMeta(encodeSnapshotMeta(meta));
        expect({ ...read, membership: { ...read.membership, addresses: { ...addresses } } }).toEqual({
          ...meta,
          membership: { ...meta.membership, addresses: { ...addresses } },
        });
        expect(Object.entries(read.membership.addresses)).toEqual(Object.entries(addresses));
      },
    ),
  );
});

test("a cut that ends early, because the state was replaced, becomes no snapshot, and the older ones stay", () => {
  const tested = open(undefined, { sliceBytes: 1000 });
  const older = save(tested, 3);
  const whole = cutOf(7, 30_000);
  const ending: SnapshotCut = {
    next(maxBytes) {
      if (whole.asked.length === 3) throw new CutEnded("the state was replaced");
      return whole.next(maxBytes);
    },
    close: () => whole.close(),
  };
  let outcome: unknown;
  tested.store.save(named(7), ending, (error, saved) => (outcome = { error, saved }));
  tested.run();
  expect(outcome).toEqual({ error: expect.any(CutEnded) as unknown, saved: undefined });
  expect(whole.closed).toBe(true);
  expect(tested.fatal).toEqual([]);
  expect(loadSnapshots(tested.disk, 1).intact.map(({ meta }) => meta.index)).toEqual([older.index]);
  expect(save(tested, 8).index).toBe(8);
});
