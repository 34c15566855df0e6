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
  expect(conflicting).toMatchObject({ recovered: { entries: [] }, missingMark: { index: 9 } });
  const marked = { snapshotMark: { index: 9, term: 5 }, compactedBelow: 10 };
  expect(recoverGroup(log(marked), only(snapshot(9, 5))).missingMark).toBeUndefined();
});

test("after a crash before the mark, the log goes on behind the snapshot once the mark is written", () => {
  const first = openLog();
  first.log.append(1, { entries: range(1, 4, 2) }, () => undefined);
  first.run();
  const second = reopen(first.disk);
  const { missingMark } = recoverGroup(second.recovered.get(1), only(snapshot(9, 5)));
  expect(missingMark?.index).toBe(9);
  if (missingMark !== undefined) second.log.append(1, { snapshot: missingMark }, () => undefined);
  second.log.append(1, { entries: range(10, 11, 5) }, () => undefined);
  second.run();
  const third = recoverGroup(reopen(second.disk).recovered.get(1), only(snapshot(9, 5)));
  expect(indexes(third.recovered.entries)).toEqual([10, 11]);
  expect(third).toMatchObject({ missingMark: undefined, damage: undefined });
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
    expect(found.damage).toMatchObject({ lastIndex: 12, lastTerm: 5, error: { code: "DATA_CORRUPT" } });
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
    lastIndex: 12,
    error: { message: "wal-1 at byte 4096: entry 8 is damaged" },
  });
  const covered = recoverGroup(log({ entries: range(7, 7, 5), damage }), only(snapshot(8, 5)));
  expect(covered.damage).toBeUndefined();
  expect(indexes(covered.recovered.entries)).toEqual([9, 10, 11, 12]);
});
