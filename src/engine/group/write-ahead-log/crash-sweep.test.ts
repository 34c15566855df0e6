/** The process or the power dies at every point between two disk events, and leaves what the disk's contract allows. */
import { describe, expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { seededRandom } from "./crash-disk.testing.ts";
import type { TestLog } from "./log-test.testing.ts";
import { close, entries, entry, openLog, reopen, tryOpen } from "./log-test.testing.ts";
import { segmentName } from "./segment.ts";
import type { Step, Workload } from "./workload.testing.ts";
import { ENTRIES, fingerprint, modelAfter, modelOf, SLOTS } from "./workload.testing.ts";
import type { WriteAheadLogOptions } from "./write-ahead-log.ts";

function runWorkload(
  steps: readonly Step[],
  options: Partial<WriteAheadLogOptions>,
  together: number,
): TestLog {
  const test = openLog(undefined, options);
  steps.forEach(({ group, write, compact }, at) => {
    test.log.append(group, write, () => test.disk.mark(at + 1));
    if (compact !== undefined) test.log.compact(group, compact);
    if (at % together === together - 1) test.run(at % 5 === 0 ? 25 : 0);
  });
  test.run();
  return test;
}

const OPTIONS = { segmentBytes: 5 * 1024 };

function sweep(workload: Workload, power: boolean, together: number, images: number): number {
  const steps = workload.steps();
  const { disk } = runWorkload(steps, OPTIONS, together);
  const compacted = steps.find(({ compact }) => compact !== undefined)?.compact ?? 0;
  const prints = steps.map((_, at) => fingerprint(modelAfter(steps, at + 1), compacted));
  prints.unshift(fingerprint(new Map(), compacted));
  const random = seededRandom(11);
  let crashes = 0;
  for (let point = 0; point <= disk.events.length; point++) {
    const marks = disk.events.slice(0, point).flatMap((event) => (event.at === "mark" ? [event.label] : []));
    const acknowledged = Math.max(0, ...marks);
    for (let image = 0; image < images; image++) {
      const bias = image === 0 ? 0 : image === 1 ? 1 : random.float();
      const left = disk.crashed(point, power, random, bias);
      crashes++;
      const reached = checkPrefix(left, prints, acknowledged, compacted, `event ${point}, image ${image}`);
      if (image < 3) goOn(left, workload, reached, random);
    }
  }
  return crashes;
}

/** The recovered log is the first so many steps, at least those that were acknowledged. */
function checkPrefix(
  left: ReadonlyMap<string, Bytes>,
  prints: readonly string[],
  acknowledged: number,
  compacted: number,
  where: string,
): number {
  const opened = tryOpen(left, OPTIONS);
  if (opened instanceof Error) throw new Error(`${where}: ${opened.message}`);
  const found = fingerprint(modelOf(opened.recovered), compacted);
  const reached = prints.lastIndexOf(found);
  if (reached < acknowledged) {
    throw new Error(`${where}: recovered ${reached}, acknowledged ${acknowledged}`);
  }
  return reached;
}

/** After the crash the log goes on, crashes again while it writes, and what it acknowledged in both lives is there. */
function goOn(
  left: ReadonlyMap<string, Bytes>,
  { storing }: Workload,
  reached: number,
  random: ReturnType<typeof seededRandom>,
): void {
  const life = openLog(left, OPTIONS);
  const before = life.recovered.get(1)?.entries.length ?? 0;
  const last = life.recovered.get(1)?.entries.at(-1)?.index ?? life.recovered.get(1)?.snapshot?.index ?? 0;
  let acknowledged = 0;
  life.log.append(1, storing(entry(last + 1, 9, "z".repeat(700))), () => acknowledged++);
  life.run();
  expect(acknowledged).toBe(1);
  life.log.append(1, storing(entry(last + 2, 9, "w".repeat(1500))), () => undefined);
  life.log.flush();
  const again = openLog(life.disk.crashed(life.disk.events.length, true, random, random.float()), OPTIONS);
  const group = again.recovered.get(1);
  expect(group?.damage, `after step ${reached}`).toBeUndefined();
  const found = group?.entries.find(({ index }) => index === last + 1);
  expect(found?.payload.length).toBe(700);
  expect(group?.entries.length).toBeGreaterThanOrEqual(before + 1);
  close(again);
}

describe.each([
  ["entries that follow each other", ENTRIES],
  ["slots that stand for themselves", SLOTS],
])("a log of %s", (_, workload) => {
  test("whenever the process dies, recovery gives a prefix with everything acknowledged, and the log goes on", () => {
    expect(sweep(workload, false, 1, 6)).toBeGreaterThan(500);
    expect(sweep(workload, false, 3, 6)).toBeGreaterThan(200);
  });

  test("whenever the power fails, recovery gives a prefix with everything acknowledged, and the log goes on", () => {
    expect(sweep(workload, true, 1, 10)).toBeGreaterThan(1000);
    expect(sweep(workload, true, 3, 10)).toBeGreaterThan(400);
  });

  test("everysec loses at most what was not synced, and never the middle", () => {
    const steps = workload.steps();
    const options = { ...OPTIONS, durability: "everysec" as const };
    const { disk, run } = runWorkload(steps, options, 1);
    run(1500);
    const compacted = steps.find(({ compact }) => compact !== undefined)?.compact ?? 0;
    const prints = [fingerprint(new Map(), compacted)];
    steps.forEach((_step, at) => prints.push(fingerprint(modelAfter(steps, at + 1), compacted)));
    const random = seededRandom(5);
    for (let point = 0; point <= disk.events.length; point++) {
      for (let image = 0; image < 8; image++) {
        const left = disk.crashed(point, true, random, random.float());
        checkPrefix(left, prints, 0, compacted, `event ${point}`);
      }
    }
    const all = disk.crashed(disk.events.length, true, random, 0);
    expect(checkPrefix(all, prints, steps.length, compacted, "the end")).toBe(steps.length);
  });
});

test("the sweep notices a log that skips the directory's fsync", () => {
  const { disk } = runWorkload(ENTRIES.steps(), { ...OPTIONS, mutant: "skip-directory-fsync" }, 1);
  const left = disk.crashed(disk.events.length, true, seededRandom(1), 0);
  expect(reopen(disk, OPTIONS).recovered.size).toBe(2);
  expect(left.size).toBe(0);
});

test("frames that were cut do not come back behind the frames that are written in their place", () => {
  const first = openLog(undefined, { durability: "everysec" });
  for (let index = 1; index <= 4; index++) {
    first.log.append(1, entries(index, index, 1), () => undefined);
    first.run();
  }
  // The power fails before the sync: the second of four frames is lost, the later two are not.
  const image = first.disk.image();
  (image.get(segmentName(1)) as Bytes).fill(0, 1024 + 512, 1024 + 1024);
  const second = openLog(image);
  expect(second.recovered.get(1)?.entries).toHaveLength(1);
  second.log.append(1, entries(2, 2, 2), () => undefined);
  second.run();
  const third = openLog(second.disk.image());
  expect(third.recovered.get(1)?.entries.map(({ index, term }) => [index, term])).toEqual([
    [1, 1],
    [2, 2],
  ]);
});

test("what no seal covers is written and synced again before the log is open", () => {
  const first = openLog();
  first.log.append(1, entries(1, 1, 1), () => undefined);
  first.run();
  const { disk } = reopen(first.disk);
  const done = disk.events.flatMap((event) => (event.at === "complete" ? [event.operation] : []));
  const rewritten = done.findIndex((operation) => operation.type === "write" && operation.position === 1024);
  const frame = first.disk.read(segmentName(1), 1024, 512);
  expect(done[rewritten]).toMatchObject({ bytes: frame });
  expect(done.slice(rewritten).some(({ type }) => type === "sync")).toBe(true);
  first.run(100);
  const sealed = reopen(first.disk).disk.events;
  const positions = sealed.flatMap((event) =>
    event.at === "complete" && event.operation.type === "write" ? [event.operation.position] : [],
  );
  expect(positions).not.toContain(1024);
});
