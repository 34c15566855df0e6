import { expect, test } from "vitest";
import type { DurableWrite } from "../../../consensus/consensus.ts";
import { errorWith, TestDisk } from "./crash-disk.testing.ts";
import type { TestLog } from "./log-test.testing.ts";
import { close, entries, entry, openLog, reopen, SMALL, summary, tryOpen } from "./log-test.testing.ts";

const membership = { voters: ["n1", "n2"], outgoing: [], learners: ["n3"], addresses: { n1: "a:1" } };

test("ballot and entries come back as written, after a close and without one", () => {
  const first = openLog();
  let acknowledged = 0;
  first.log.append(1, { ballot: { term: 3, votedFor: "n2" }, ...entries(1, 3, 3) }, () => acknowledged++);
  first.log.append(2, { ballot: { term: 9, votedFor: undefined } }, () => acknowledged++);
  first.run();
  expect(acknowledged).toBe(2);
  const killed = reopen(first.disk);
  expect(summary(killed.recovered.get(1))).toMatchObject({
    term: 3,
    votedFor: "n2",
    log: ["1/3:entry 1 of term 3", "2/3:entry 2 of term 3", "3/3:entry 3 of term 3"],
  });
  expect(killed.recovered.get(2)).toMatchObject({ term: 9, votedFor: undefined, entries: [] });
  close(killed);
  const closed = reopen(killed.disk);
  expect(summary(closed.recovered.get(1))).toEqual(summary(killed.recovered.get(1)));
  expect(killed.disk.openFiles).toBe(0);
  expect(killed.clock.idle).toBe(true);
});

test("an entry replaces what was stored at its index and after it", () => {
  const first = openLog();
  first.log.append(1, entries(1, 5, 1), () => undefined);
  first.run();
  first.log.append(1, { entries: [entry(3, 2, "new")] }, () => undefined);
  first.run();
  const { log } = summary(reopen(first.disk).recovered.get(1)) as { log: string[] };
  expect(log).toEqual(["1/1:entry 1 of term 1", "2/1:entry 2 of term 1", "3/2:new"]);
});

test("what is appended while a frame is on its way shares the next one, and is acknowledged in order", () => {
  const { log, run, disk } = openLog();
  const order: number[] = [];
  log.append(1, entries(1, 1, 1), () => {
    order.push(1);
    for (let index = 2; index <= 50; index++)
      log.append(1, entries(index, index, 1), () => order.push(index));
  });
  log.flush();
  run();
  expect(order).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
  expect(log.stats()).toMatchObject({ frames: 2, fsyncs: 2, queueBytes: 0 });
  expect(
    disk.events.filter((event) => event.at === "issue" && event.operation.type === "write"),
  ).toHaveLength(4);
});

test("one frame is bounded, one write is never split, and a write larger than a segment gets a larger one", () => {
  const { log, run, disk } = openLog(undefined, { frameMaxBytes: 4000 });
  const payload = Buffer.alloc(3 * SMALL, 7);
  log.append(1, { entries: [entry(1, 1, "a"), entry(2, 1, payload), entry(3, 1, "b")] }, () => undefined);
  for (let index = 4; index < 20; index++)
    log.append(1, entries(index, index, 1, "x".repeat(1000)), () => undefined);
  run();
  expect(log.stats().frames).toBeGreaterThan(5);
  const { entries: found } = reopen(disk).recovered.get(1) ?? { entries: [] };
  expect(found.map(({ index }) => index)).toEqual(Array.from({ length: 19 }, (_, at) => at + 1));
  expect(found[1]?.payload.equals(payload)).toBe(true);
});

test("a snapshot mark keeps the entries that follow it and drops those of another history", () => {
  const snapshot = { index: 3, term: 1, membership, sizeBytes: 99 };
  const follows = openLog();
  follows.log.append(1, entries(1, 5, 1), () => undefined);
  follows.log.append(1, { snapshot }, () => undefined);
  follows.run();
  const kept = reopen(follows.disk).recovered.get(1);
  expect(kept?.snapshot).toEqual(snapshot);
  expect(kept?.entries.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5]);
  follows.log.append(1, { snapshot: { ...snapshot, index: 4, term: 2 } }, () => undefined);
  follows.run();
  expect(reopen(follows.disk).recovered.get(1)).toMatchObject({ entries: [], damage: undefined });
  follows.log.append(1, { entries: [entry(5, 2, "after")] }, () => undefined);
  follows.run();
  expect(
    reopen(follows.disk)
      .recovered.get(1)
      ?.entries.map(({ index }) => index),
  ).toEqual([5]);
});

test("a snapshot mark keeps the entries that follow it also when all before them was compacted since", () => {
  const first = openLog();
  const write = (log: DurableWrite): void => {
    first.log.append(1, log, () => undefined);
    first.run();
  };
  // A leader brought the log up to date while the snapshot of 10 was being installed: its mark comes late.
  for (let index = 1; index <= 41; index++) write(entries(index, index, 2, "v".repeat(700)));
  write({ snapshot: { index: 10, term: 2, membership, sizeBytes: 1 } });
  expect(reopen(first.disk).recovered.get(1)?.entries.at(-1)?.index).toBe(41);
  const { segments } = first.log.stats();
  first.log.compact(1, 41);
  first.run(100);
  expect(first.log.stats().segments).toBeLessThan(segments);
  const { entries: left, damage } = reopen(first.disk).recovered.get(1) ?? {};
  expect(damage).toBeUndefined();
  expect(left?.map(({ index }) => index)).toContain(41);
  write(entries(42, 42, 2));
  expect(reopen(first.disk).recovered.get(1)).toMatchObject({ damage: undefined, compactedBelow: 41 });
});

test("segments below every group's compaction point are removed, and what they said of idle groups is not lost", () => {
  const { log, run, disk } = openLog();
  log.append(1, { ballot: { term: 5, votedFor: "n1" } }, () => undefined);
  log.append(2, { ballot: { term: 7, votedFor: "n3" }, ...entries(1, 2, 7) }, () => undefined);
  for (let index = 1; index <= 200; index++) {
    log.append(1, entries(index, index, 5, "x".repeat(200)), () => undefined);
    run();
  }
  expect(log.stats().segments).toBeGreaterThan(8);
  log.compact(1, 190);
  run(100);
  expect(log.stats().pinnedBy).toEqual([2]);
  log.compact(2, 3);
  run(100);
  expect(log.stats().segments).toBeLessThan(5);
  expect(disk.list()).toHaveLength(log.stats().segments);
  const { recovered } = reopen(disk);
  expect(recovered.get(1)).toMatchObject({ term: 5, votedFor: "n1", damage: undefined, compactedBelow: 190 });
  expect(recovered.get(1)?.entries[0]?.index).toBe(190);
  expect(recovered.get(1)?.entries.at(-1)?.index).toBe(200);
  expect(recovered.get(2)).toMatchObject({ term: 7, votedFor: "n3", entries: [], damage: undefined });
});

test("without space the log refuses, keeps what it has, and goes on when space is freed", () => {
  const { log, run, disk } = openLog();
  disk.capacityBytes = 2 * SMALL;
  let acknowledged = 0;
  for (let index = 1; index <= 200; index++) {
    log.append(1, entries(index, index, 1, "x".repeat(300)), () => acknowledged++);
    run();
  }
  expect(log.refusing()).toMatchObject({ code: "DISK_FULL", retryable: true });
  const whileFull = reopen(disk).recovered.get(1);
  expect(acknowledged).toBeGreaterThan(10);
  expect(whileFull?.entries).toHaveLength(acknowledged);
  disk.capacityBytes = Infinity;
  run(3000);
  expect(log.refusing()).toBeUndefined();
  expect(acknowledged).toBe(200);
  expect(reopen(disk).recovered.get(1)?.entries).toHaveLength(200);
});

test("a log that is full closes without waiting for space", () => {
  const test = openLog();
  test.disk.capacityBytes = 2 * SMALL;
  for (let index = 1; index <= 100; index++) {
    test.log.append(1, entries(index, index, 1, "x".repeat(300)), () => undefined);
    test.run();
  }
  close(test);
  expect(test.disk.openFiles).toBe(0);
  expect(test.clock.idle).toBe(true);
});

test("a disk without room for the first segment is a clear refusal", () => {
  const disk = new TestDisk();
  disk.capacityBytes = 100;
  expect(tryOpen(disk)).toMatchObject({ code: "DISK_FULL" });
});

test("a failed write or sync is fatal, and nothing is acknowledged afterwards", () => {
  for (const durability of ["always", "everysec"] as const) {
    const { log, run, disk, fatal } = openLog(undefined, { durability });
    let acknowledged = 0;
    disk.inject = (operation) => (operation.type === "write" ? errorWith("EIO") : undefined);
    log.append(1, entries(1, 1, 1), () => acknowledged++);
    run();
    log.append(1, entries(2, 2, 1), () => acknowledged++);
    run(5000);
    expect(fatal).toMatchObject([{ code: "EIO" }]);
    expect(acknowledged).toBe(0);
  }
});

test("everysec acknowledges after the write and syncs within a second", () => {
  const test = openLog(undefined, { durability: "everysec" });
  const { log, run, disk } = test;
  let acknowledged = 0;
  const syncs = (): number =>
    disk.events.filter((event) => event.at === "complete" && event.operation.type === "sync").length;
  for (let index = 1; index <= 100; index++) {
    log.append(1, entries(index, index, 1, "x".repeat(100)), () => acknowledged++);
    run();
  }
  expect(acknowledged).toBe(100);
  run(1001);
  expect(syncs()).toBeGreaterThan(0);
  run(5000);
  const idle = log.stats().fsyncs;
  run(60_000);
  expect(log.stats().fsyncs).toBe(idle);
  close(test);
  expect(reopen(disk, { durability: "everysec" }).recovered.get(1)?.entries).toHaveLength(100);
});

test("memory mode touches no disk", () => {
  const test = openLog(undefined, { durability: "memory" });
  let acknowledged = 0;
  test.log.append(1, entries(1, 1, 1), () => acknowledged++);
  expect(acknowledged).toBe(0);
  test.run();
  expect(acknowledged).toBe(1);
  close(test);
  expect(test.disk.events).toHaveLength(0);
});

test("a silent log seals its last frame once, and then writes nothing more", () => {
  const { log, run } = openLog();
  log.append(1, entries(1, 1, 1), () => undefined);
  run();
  expect(log.stats().frames).toBe(1);
  run(100);
  expect(log.stats().frames).toBe(2);
  run(100_000);
  expect(log.stats().frames).toBe(2);
});

test("a directory that must hold a log and holds none is refused", () => {
  expect(tryOpen(new Map(), { mustExist: true })).toMatchObject({ code: "DATA_CORRUPT" });
});

test("entries that would leave a gap are an invariant broken, not a log with a hole", () => {
  const { log, run } = openLog();
  log.append(1, entries(1, 2, 1), () => undefined);
  run();
  log.append(1, entries(4, 4, 1), () => undefined);
  expect(() => run()).toThrow(/gap/);
});

test("a floor outlives restarts and the segments that held it, until the write that reaches it", () => {
  const first = openLog();
  const add = (log: TestLog, write: DurableWrite): void => {
    log.log.append(1, write, () => undefined);
    log.run();
  };
  add(first, { floor: { term: 4, index: 900 } });
  for (let index = 1; index <= 60; index++) add(first, entries(index, index, 3, "x".repeat(600)));
  first.log.compact(1, 59);
  add(first, entries(61, 61, 3, "x".repeat(2000)));
  add(first, entries(62, 62, 3, "x".repeat(7000)));
  expect([...first.disk.image().keys()]).not.toContain("wal-0000000001.log");
  const second = reopen(first.disk);
  expect(second.recovered.get(1)?.floor).toEqual({ term: 4, index: 900 });
  add(second, { ...entries(63, 63, 5), floor: "reached" });
  expect(reopen(second.disk).recovered.get(1)?.floor).toBeUndefined();
});

test("a log that begins afresh holds nothing of before but the ballot, and keeps what comes after", () => {
  const first = openLog();
  const add = (log: TestLog, write: DurableWrite): void => {
    log.log.append(1, write, () => undefined);
    log.run();
  };
  add(first, { ballot: { term: 5, votedFor: "n2" }, ...entries(1, 40, 4) });
  add(first, { snapshot: { index: 38, term: 4, membership, sizeBytes: 1 } });
  first.log.compact(1, 30);
  first.run();
  add(first, { afresh: true, floor: { term: 4, index: 40 } });
  const second = reopen(first.disk);
  expect(second.recovered.get(1)).toMatchObject({
    term: 5,
    votedFor: "n2",
    snapshotMark: undefined,
    compactedBelow: 0,
    entries: [],
    damage: undefined,
  });
  // Over several segments: none of them may be taken for compacted.
  for (let index = 1; index <= 20; index++) add(second, entries(index, index, 4, "y".repeat(1500)));
  const third = reopen(second.disk);
  expect(third.recovered.get(1)?.entries).toHaveLength(20);
  expect(third.recovered.get(1)?.floor).toEqual({ term: 4, index: 40 });
});

test("a new log begins with a small segment, so that a new node serves at once; the next ones have their full size", () => {
  const segmentBytes = 4 << 20;
  const first = openLog(undefined, { segmentBytes });
  expect(first.disk.size("wal-0000000001.log")).toBe(1 << 20);
  first.run();
  expect(first.disk.size("wal-0000000002.log")).toBe(segmentBytes);
  const fill = "x".repeat(300_000);
  let durable = false;
  first.log.append(1, entries(1, 6, 1, fill), () => (durable = true));
  first.run();
  expect(durable).toBe(true);
  const again = reopen(first.disk, { segmentBytes });
  expect(again.recovered.get(1)?.entries.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
});

test("a first write that is larger than the first segment is found again", () => {
  const segmentBytes = 4 << 20;
  const first = openLog(undefined, { segmentBytes });
  first.log.append(
    1,
    { ballot: { term: 1, votedFor: "n1" }, ...entries(1, 1, 1, "x".repeat(2 << 20)) },
    () => undefined,
  );
  first.run();
  const again = reopen(first.disk, { segmentBytes });
  expect(again.recovered.get(1)).toMatchObject({ term: 1, votedFor: "n1", entries: [{ index: 1 }] });
});
