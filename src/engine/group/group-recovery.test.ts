import { expect, test } from "vitest";
import type { Entry } from "../../consensus/consensus.ts";
import { recoverGroup } from "./group-recovery.ts";
import type { LoadedSnapshots, StoredSnapshot } from "./snapshot-store.ts";
import { entry, openLog, reopen } from "./write-ahead-log/log-test.testing.ts";
import type { RecoveredGroup } from "./write-ahead-log/write-ahead-log.ts";

const membership = { voters: ["n1"], outgoing: [], learners: [], addresses: {} };
const snapshot = (index: number, term: number): StoredSnapshot => ({
  name: `s${index}`,
  meta: { index, term, membership, sizeBytes: 1 },
});
const range = (from: number, to: number, term: number): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, at) => entry(from + at, term, "x"));
const log = (changes: Partial<RecoveredGroup>): RecoveredGroup => ({
  term: 5,
  votedFor: "n1",
  snapshot: undefined,
  snapshotMark: undefined,
  entries: [],
  slots: false,
  compactedBelow: 0,
  ballotRaised: false,
  damage: undefined,
  ...changes,
});
const only = (...intact: StoredSnapshot[]): LoadedSnapshots => ({ intact, damaged: [] });
const broken = (index: number, ...intact: StoredSnapshot[]): LoadedSnapshots => ({
  intact,
  damaged: [
    { index, term: 5, name: `s${index}`, error: new Error(`s${index} at byte 9: a chunk is damaged`) },
  ],
});
const indexes = (entries: readonly Entry[]): number[] => entries.map(({ index }) => index);

test("a new group starts empty", () => {
  const { recovered, damage } = recoverGroup(undefined, only());
  expect(recovered).toEqual({ term: 0, votedFor: undefined, snapshot: undefined, entries: [] });
  expect(damage).toBeUndefined();
});

test("the log continues the newest snapshot, with the entries that were kept before it", () => {
  const found = recoverGroup(log({ entries: range(8, 12, 5) }), only(snapshot(10, 5), snapshot(6, 5)));
  expect(found.snapshot?.meta.index).toBe(10);
  expect(indexes(found.recovered.entries)).toEqual([8, 9, 10, 11, 12]);
  expect(found.damage).toBeUndefined();
});

test("a snapshot that was put in place before its mark was written replaces a log that does not reach or match it", () => {
  expect(recoverGroup(log({ entries: range(1, 4, 2) }), only(snapshot(9, 5))).recovered.entries).toEqual([]);
  const conflicting = recoverGroup(log({ entries: range(1, 12, 2) }), only(snapshot(9, 5)));
  expect(conflicting).toMatchObject({ recovered: { entries: [] }, repair: { snapshot: { index: 9 } } });
  const marked = { snapshotMark: { index: 9, term: 5 }, compactedBelow: 10 };
  expect(recoverGroup(log(marked), only(snapshot(9, 5))).repair).toBeUndefined();
});

test("after a crash before the mark, the log goes on behind the snapshot once the mark is written", () => {
  const first = openLog();
  first.log.append(1, { entries: range(1, 4, 2) }, () => undefined);
  first.run();
  const second = reopen(first.disk);
  const { repair } = recoverGroup(second.recovered.get(1), only(snapshot(9, 5)));
  expect(repair?.snapshot?.index).toBe(9);
  if (repair !== undefined) second.log.append(1, repair, () => undefined);
  second.log.append(1, { entries: range(10, 11, 5) }, () => undefined);
  second.run();
  const third = recoverGroup(reopen(second.disk).recovered.get(1), only(snapshot(9, 5)));
  expect(indexes(third.recovered.entries)).toEqual([10, 11]);
  expect(third).toMatchObject({ repair: undefined, damage: undefined });
});

test("a damaged newest snapshot is replaced by an older one while the log covers the gap", () => {
  const found = recoverGroup(log({ entries: range(5, 12, 5) }), broken(10, snapshot(6, 5)));
  expect(found.snapshot?.meta.index).toBe(6);
  expect(found.damage).toBeUndefined();
  expect(recoverGroup(log({ entries: range(1, 12, 5) }), broken(10)).damage).toBeUndefined();
});

test("a damaged newest snapshot with a gap to the log is reported, by file and offset", () => {
  for (const found of [
    recoverGroup(log({ entries: range(9, 12, 5), compactedBelow: 9 }), broken(10, snapshot(6, 5))),
    recoverGroup(log({ snapshotMark: { index: 12, term: 5 } }), broken(12)),
    recoverGroup(log({ entries: range(9, 12, 5), compactedBelow: 9 }), only()),
    recoverGroup(undefined, broken(12)),
  ]) {
    const floor = { term: 5, index: 12 };
    expect(found.damage).toMatchObject({ floor, error: { code: "DATA_CORRUPT" } });
    expect(found.recovered.floor).toEqual(floor);
    expect(found.repair).toMatchObject({ afresh: true, floor });
    expect(found.recovered.entries).toEqual([]);
    expect(found.damage?.snapshotIndex).toBeGreaterThan(7);
  }
});

test("damaged entries are reported unless the snapshot covers them", () => {
  const damage = {
    entries: [{ index: 8, term: 5, file: "wal-1", position: 4096 }],
    intactAfter: range(9, 12, 5),
    lastIndex: 12,
    lastTerm: 5,
  };
  const found = recoverGroup(log({ entries: range(7, 7, 5), damage }), only(snapshot(6, 5)));
  expect(indexes(found.recovered.entries)).toEqual([7]);
  expect(found.damage).toMatchObject({
    floor: { term: 5, index: 12 },
    error: { message: "wal-1 at byte 4096: entry 8 is damaged" },
  });
  const covered = recoverGroup(log({ entries: range(7, 7, 5), damage }), only(snapshot(8, 5)));
  expect(found.repair).toEqual({ floor: { term: 5, index: 12 } });
  expect(covered.damage).toBeUndefined();
  expect(covered.recovered.floor).toBeUndefined();
  expect(indexes(covered.recovered.entries)).toEqual([9, 10, 11, 12]);
});

test("what is fetched after damage is kept over a crash, and the floor stands until it is reached", () => {
  const first = openLog();
  const { repair } = recoverGroup(log({ snapshotMark: { index: 12, term: 5 } }), broken(12, snapshot(6, 5)));
  first.log.append(1, { ballot: { term: 6, votedFor: undefined }, ...repair }, () => undefined);
  first.log.append(1, { entries: range(7, 9, 5) }, () => undefined);
  first.run();
  // The file of the damaged snapshot is still there.
  const second = recoverGroup(reopen(first.disk).recovered.get(1), broken(12, snapshot(6, 5)));
  expect(second).toMatchObject({ damage: undefined, repair: undefined });
  expect(second.recovered).toMatchObject({ snapshot: { index: 6 }, floor: { term: 5, index: 12 } });
  expect(indexes(second.recovered.entries)).toEqual([7, 8, 9]);
});

test("damage that comes while recovering can only raise the floor", () => {
  const floor = { term: 5, index: 30 };
  const damage = {
    entries: [{ index: 8, term: 5, file: "wal-1", position: 4096 }],
    intactAfter: [],
    lastIndex: 8,
    lastTerm: 5,
  };
  const again = recoverGroup(log({ entries: range(1, 7, 5), damage, floor }), only());
  expect(again.recovered.floor).toEqual(floor);
  const later = { ...damage, lastTerm: 6 };
  const higher = recoverGroup(log({ entries: range(1, 7, 5), damage: later, floor }), only());
  expect(higher.recovered.floor).toEqual({ term: 6, index: 8 });
});

test("a snapshot whose name alone is known gives the latest term that its end can have", () => {
  const found = recoverGroup(log({ compactedBelow: 40 }), only());
  expect(found.recovered.floor).toEqual({ term: 5, index: 39 });
});

test("a snapshot of a later term than the ballot on the disk brings its term along, in which no vote was given", () => {
  const { recovered } = recoverGroup(log({ term: 4, entries: range(1, 4, 2) }), only(snapshot(9, 5)));
  expect(recovered).toMatchObject({ term: 5, votedFor: undefined });
});

const slots = (changes: Partial<RecoveredGroup>): RecoveredGroup => log({ slots: true, ...changes });
const at = (...places: number[]): Entry[] => places.map((index) => entry(index, 4, "x"));
const lostAt = (...places: number[]) => ({
  entries: places.map((index) => ({ index, term: 4, file: "wal-0000000001.log", position: 1024 })),
  intactAfter: [],
  lastIndex: Math.max(...places),
  lastTerm: 5,
});

test("a log of slots keeps its gaps, and what stands before a snapshot without any", () => {
  const found = recoverGroup(slots({ entries: at(1, 2, 3, 5, 9), chosen: 3 }), only());
  expect(indexes(found.recovered.entries)).toEqual([1, 2, 3, 5, 9]);
  expect(found).toMatchObject({ damage: undefined, repair: undefined, recovered: { chosen: 3 } });
  const taken = recoverGroup(
    slots({ entries: at(2, 3, 4, 7), chosen: 4, compactedBelow: 2 }),
    only(snapshot(3, 4)),
  );
  expect(indexes(taken.recovered.entries)).toEqual([2, 3, 4, 7]);
  expect(taken.damage).toBeUndefined();
});

test("a log of slots that nothing was accepted at the front of is whole", () => {
  expect(recoverGroup(slots({ entries: at(4, 5) }), only())).toMatchObject({ damage: undefined });
});

test("a received snapshot that the log does not know of yet takes nothing that is behind it", () => {
  const found = recoverGroup(slots({ entries: at(1, 8, 12), chosen: 1 }), only(snapshot(10, 5)));
  expect(indexes(found.recovered.entries)).toContain(12);
  expect(found).toMatchObject({ damage: undefined, recovered: { snapshot: { index: 10 } } });
});

test("a damaged slot sets a floor at everything that may have been accepted; what is intact beside it stays", () => {
  const found = recoverGroup(slots({ entries: at(1, 2, 6), chosen: 2, damage: lostAt(4) }), only());
  expect(indexes(found.recovered.entries)).toEqual([1, 2, 6]);
  const floor = { term: 5, index: 6 };
  expect(found).toMatchObject({ recovered: { floor }, repair: { floor }, damage: { floor } });
});

test("what was compacted and has no snapshot any more is damage, and the group begins afresh", () => {
  const found = recoverGroup(slots({ entries: at(8, 9, 11), chosen: 9, compactedBelow: 8 }), broken(7));
  expect(found).toMatchObject({
    recovered: { entries: [], floor: { term: 5, index: 11 } },
    repair: { afresh: true },
    damage: { snapshotIndex: 7 },
  });
  expect(found.recovered.chosen).toBeUndefined();
});

test("a damaged snapshot hurts nobody while the slots since an older one are there", () => {
  const found = recoverGroup(slots({ entries: at(4, 5, 6, 7), chosen: 7 }), broken(6, snapshot(3, 4)));
  expect(indexes(found.recovered.entries)).toEqual([4, 5, 6, 7]);
  expect(found).toMatchObject({ damage: undefined, recovered: { snapshot: { index: 3 } } });
});
