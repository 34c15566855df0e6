/** Segments go while the log is written: wherever the process or the power dies, and whatever is damaged, none is missed. */
import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { seededRandom } from "./crash-disk.testing.ts";
import type { TestDisk } from "./crash-disk.testing.ts";
import type { TestLog } from "./log-test.testing.ts";
import { close, entries, openLog, tryOpen } from "./log-test.testing.ts";
import type { WriteAheadLogOptions } from "./write-ahead-log.ts";

const OPTIONS: Partial<WriteAheadLogOptions> = { segmentBytes: 6 * 1024 };
/** Entries of a step: so many that their headers fill more than a sector. */
const ENTRIES = 16;

/** `every`: the log is compacted each so many steps, so that several segments go together. */
function append({ log, disk, run }: TestLog, step: number, every = 1): void {
  const from = (step - 1) * ENTRIES + 1;
  log.append(1, entries(from, from + ENTRIES - 1, step, `${step}`.padStart(40, "-")), () => disk.mark(step));
  if (step % every === 0) log.compact(1, Math.max(0, from - 2 * ENTRIES));
  run(step % 4 === 0 ? 25 : 0);
}

function filled(steps: number, every = 1, options = OPTIONS): TestLog {
  const log = openLog(undefined, options);
  for (let step = 1; step <= steps; step++) append(log, step, every);
  return log;
}

const removals = (disk: TestDisk): number =>
  disk.events.filter((event) => event.at === "complete" && event.operation.type === "remove").length;

/** Gives the last step of what is recovered, which must be as it was written. */
function lastStep(
  left: ReadonlyMap<string, Bytes>,
  where: string,
  options: Partial<WriteAheadLogOptions>,
): number {
  const opened = tryOpen(left, options);
  if (opened instanceof Error) throw new Error(`${where}: ${opened.message}`);
  const group = opened.recovered.get(1);
  close(opened);
  if (group === undefined) return 0;
  expect(group.damage, where).toBeUndefined();
  const last = (group.entries.at(-1)?.index ?? 0) / ENTRIES;
  const first = group.entries[0]?.index ?? 0;
  expect(first, where).toBeLessThanOrEqual(Math.max(1, (last - 3) * ENTRIES + 1));
  group.entries.forEach((each, at) => {
    expect(each.index, where).toBe(first + at);
    expect(each.term, where).toBe(Math.ceil(each.index / ENTRIES));
  });
  return last;
}

const STEPS = 36;

test.each([
  ["the process dies", "one by one", false, 1],
  ["the power fails", "one by one", true, 1],
  ["the power fails", "several together", true, 9],
])("whenever %s while segments go %s, the log is whole, and goes on", (_, _how, power, every) => {
  const { disk } = filled(STEPS, every);
  expect(removals(disk)).toBeGreaterThan(8);
  const random = seededRandom(23);
  for (let point = 0; point <= disk.events.length; point++) {
    const marks = disk.events.slice(0, point).flatMap((event) => (event.at === "mark" ? [event.label] : []));
    for (let image = 0; image < 6; image++) {
      const where = `event ${point}, image ${image}`;
      const left = disk.crashed(point, power, random, image < 2 ? image : random.float());
      const reached = lastStep(left, where, OPTIONS);
      expect(reached, where).toBeGreaterThanOrEqual(Math.max(0, ...marks));
      if (image > 0) continue;
      const life = openLog(left, OPTIONS);
      for (let step = reached + 1; step <= reached + 6; step++) append(life, step);
      const again = life.disk.crashed(life.disk.events.length, power, random, random.float());
      expect(lastStep(again, `${where}, second life`, OPTIONS), where).toBe(reached + 6);
    }
  }
});

test("everysec loses at most the end that was not synced, while segments go", () => {
  const options = { ...OPTIONS, durability: "everysec" as const };
  const log = filled(STEPS, 1, options);
  log.run(1500);
  const random = seededRandom(3);
  for (let point = 0; point <= log.disk.events.length; point++) {
    for (let image = 0; image < 6; image++) {
      const left = log.disk.crashed(point, true, random, random.float());
      lastStep(left, `event ${point}, image ${image}`, options);
    }
  }
  const all = log.disk.crashed(log.disk.events.length, true, random, 0);
  expect(lastStep(all, "the end", options)).toBe(STEPS);
});

test("no damage to a sector shortens a log in silence whose oldest segments are gone", () => {
  const log = filled(STEPS);
  log.run(100);
  const image = log.disk.image();
  const verdicts = { same: 0, named: 0, refused: 0 };
  for (const [name, bytes] of image) {
    for (let at = 0; at < bytes.length; at += 512) {
      const damaged = new Map(image).set(name, Buffer.from(bytes) as Bytes);
      damaged.get(name)?.fill(0xa5, at, at + 512);
      const opened = tryOpen(damaged, OPTIONS);
      if (opened instanceof Error) {
        expect(opened).toMatchObject({ code: "DATA_CORRUPT" });
        verdicts.refused++;
      } else if (opened.recovered.get(1)?.damage !== undefined) verdicts.named++;
      else {
        expect(lastStep(damaged, `${name} at ${at}`, OPTIONS), `${name} at ${at}`).toBe(STEPS);
        verdicts.same++;
      }
    }
  }
  expect(verdicts).toMatchObject({ refused: 0 });
  expect(verdicts.named).toBeGreaterThan(5);
});
