/** Segments go while the log is written: wherever the process or the power dies, and whatever is damaged, none is missed. */
import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { errorWith, seededRandom } from "./crash-disk.testing.ts";
import type { TestDisk } from "./crash-disk.testing.ts";
import type { TestLog } from "./log-test.testing.ts";
import { close, entries, openLog, reopen, tryOpen } from "./log-test.testing.ts";
import { segmentName } from "./segment.ts";
import type { WriteAheadLogOptions } from "./write-ahead-log.ts";

const OPTIONS = { segmentBytes: 6 * 1024 } satisfies Partial<WriteAheadLogOptions>;
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

const completed = (disk: TestDisk, type: "remove" | "rename" | "create"): number =>
  disk.events.filter((event) => event.at === "complete" && event.operation.type === type).length;

/** How segments went, from the event `from` on. */
function departures(disk: TestDisk, from = 0): readonly string[] {
  return disk.events
    .slice(from)
    .flatMap((event) => (event.at === "complete" ? [event.operation.type] : []))
    .filter((type) => type === "rename" || type === "remove");
}

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
  expect(completed(disk, "rename")).toBeGreaterThan(every === 1 ? 8 : 2);
  if (every > 1) expect(completed(disk, "remove")).toBeGreaterThan(2);
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

test("in a log of steady length segments are used again, and none is made from nothing", () => {
  const log = filled(STEPS);
  const created = completed(log.disk, "create");
  const renamed = completed(log.disk, "rename");
  for (let step = STEPS + 1; step <= 2 * STEPS; step++) append(log, step);
  expect(completed(log.disk, "create")).toBe(created);
  expect(completed(log.disk, "rename")).toBeGreaterThan(renamed + 8);
});

test("on a full disk the first segment that goes becomes the spare that is missing, the next one makes room", () => {
  const log = openLog(undefined, OPTIONS);
  log.disk.capacityBytes = 8 * 6 * 1024;
  for (let step = 1; step <= 12; step++) append(log, step, 100);
  expect(log.log.refusing()).toMatchObject({ code: "DISK_FULL" });
  const before = log.disk.events.length;
  append(log, 13);
  const types = departures(log.disk, before);
  expect(types.slice(0, 2)).toEqual(["rename", "remove"]);
  expect(log.log.refusing()).toBeUndefined();
});

test("whatever the sizes of writes, segments of other sizes come and go, and the numbers have no gap", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seededRandom(seed);
    const log = openLog(undefined, OPTIONS);
    let next = 1;
    let acknowledged = 0;
    const appendNext = (): void => {
      if (next > 80) return;
      const index = next++;
      const fill = Math.floor(random.float() ** 4 * 20_000);
      log.log.append(1, entries(index, index, 1, "z".repeat(fill)), () => {
        acknowledged++;
        if (random.float() < 0.5) log.log.compact(1, index - Math.floor(random.float() * 4));
        appendNext();
      });
    };
    for (let chain = 0; chain < 3; chain++) appendNext();
    log.run(200);
    expect([acknowledged, log.fatal], `seed ${seed}`).toEqual([80, []]);
    // From now on small ones: what is left of larger segments goes, and is not kept for later.
    for (let index = 81; index <= 130; index++) {
      log.log.append(1, entries(index, index, 1, "z".repeat(400)), () => log.log.compact(1, index));
      log.run(0);
    }
    log.run(200);
    const names = log.disk.list();
    const first = Number(names[0]!.slice(4, 14));
    expect(names, `seed ${seed}`).toEqual(names.map((_, at) => segmentName(first + at)));
    expect(names.map((name) => log.disk.size(name))).toEqual(names.map(() => OPTIONS.segmentBytes));
    expect(log.log.stats()).toMatchObject({
      segments: names.length,
      diskBytes: names.length * OPTIONS.segmentBytes,
    });
    const found = reopen(log.disk, OPTIONS).recovered.get(1);
    expect(found?.damage).toBeUndefined();
    expect(found?.entries.at(-1)?.index).toBe(130);
    close(log);
    expect(log.disk.openFiles).toBe(0);
  }
});

/** Creating a file takes so long from now on. */
function slowCreation({ disk, clock }: TestLog, ms: number): void {
  const create = disk.create.bind(disk);
  disk.create = (name, sizeBytes, done) =>
    create(name, sizeBytes, (error, file) => clock.setTimer(ms, () => done(error, file)));
}

test("segments that could go while a spare is being made are used again, however long that takes", () => {
  const log = openLog(undefined, OPTIONS);
  slowCreation(log, 40);
  for (let step = 1; step <= STEPS; step++) {
    append(log, step);
    log.run(10);
  }
  expect(completed(log.disk, "create")).toBeLessThan(6);
  expect(completed(log.disk, "rename")).toBeGreaterThan(8);
  expect(log.disk.list().length).toBeLessThan(7);
});

/** Appends steps at once, so many that several segments are filled while nothing else gets done. */
function burst(log: TestLog, from: number, to: number): { readonly acknowledged: number } {
  const seen = { acknowledged: 0 };
  for (let step = from; step <= to; step++) {
    const first = (step - 1) * ENTRIES + 1;
    log.log.append(1, entries(first, first + ENTRIES - 1, step, "-".repeat(40)), () => seen.acknowledged++);
  }
  return seen;
}

test("segments that could go take the place of a spare that cannot be made, also when a frame waits for it", () => {
  const log = openLog(undefined, { ...OPTIONS, frameMaxBytes: 2000 });
  slowCreation(log, 40);
  for (let step = 1; step <= 12; step++) append(log, step, 100);
  log.run(200);
  let creations = 0;
  log.disk.inject = ({ type }) => {
    if (type !== "create") return undefined;
    // While this one is under way, all that was is given up.
    if (creations++ === 0) log.log.compact(1, 12 * ENTRIES);
    return errorWith("ENOSPC");
  };
  const seen = burst(log, 13, 20);
  log.run(5000);
  expect(creations).toBeGreaterThan(0);
  expect(seen.acknowledged).toBe(8);
  expect(log.log.refusing()).toBeUndefined();
});

test("a frame that waits for a segment which turns out to be unreadable gets another one", () => {
  const log = openLog(undefined, { ...OPTIONS, frameMaxBytes: 2000 });
  for (let step = 1; step <= 12; step++) append(log, step, 100);
  const open = log.disk.open.bind(log.disk);
  log.disk.open = (_name, done) => log.clock.setTimer(40, () => done(errorWith("EIO")));
  log.log.compact(1, 12 * ENTRIES);
  log.run(0);
  const seen = burst(log, 13, 22);
  log.run(200);
  log.disk.open = open;
  expect(seen.acknowledged).toBe(10);
});

test("a second spare is not kept when space is scarce", () => {
  const log = openLog(undefined, OPTIONS);
  for (let step = 1; step <= 12; step++) append(log, step, 100);
  const used = log.disk.list().length;
  log.disk.capacityBytes = (used + 3) * OPTIONS.segmentBytes;
  append(log, 13);
  expect(departures(log.disk)[0]).toBe("remove");
});

test("closed at any moment, it leaves no file open", () => {
  let reached = true;
  for (let moment = 0; reached; moment++) {
    const log = openLog(undefined, OPTIONS);
    slowCreation(log, 1);
    let operations = 0;
    let closed = false;
    reached = false;
    const end = (): void => {
      if (!reached) log.log.close(() => (closed = true));
      reached = true;
    };
    log.disk.inject = () => {
      if (operations++ === moment) end();
      return undefined;
    };
    for (let step = 1; step <= STEPS && !reached; step++) append(log, step);
    const wasReached = reached;
    end();
    log.run(100);
    expect([closed, log.disk.openFiles, log.fatal], `moment ${moment}`).toEqual([true, 0, []]);
    reached = wasReached;
  }
});

test("a segment that cannot be read is not used again", () => {
  const log = openLog(undefined, OPTIONS);
  const unreadable = new Set<unknown>();
  log.disk.inject = (operation) => {
    if (operation.type !== "read" || operation.position > 0) return undefined;
    unreadable.add(operation.file);
    return errorWith("EIO");
  };
  for (let step = 1; step <= STEPS; step++) append(log, step);
  expect(unreadable.size).toBeGreaterThan(8);
  expect(completed(log.disk, "rename")).toBe(0);
  expect(log.disk.list().length).toBeLessThan(6);
  expect(log.fatal).toEqual([]);
  expect(lastStep(log.disk.image(), "the end", OPTIONS)).toBe(STEPS);
});

test.each(["rename", "remove", "open"] as const)(
  "when %s fails, the log ends, once, and can be closed",
  (what) => {
    // So many segments that some become spares and others are removed.
    const log = filled(12, 100);
    const open = log.disk.open.bind(log.disk);
    let opened = 0;
    // The first time it is only read.
    if (what === "open") {
      log.disk.open = (name, done) => (++opened === 2 ? done(errorWith("EMFILE")) : open(name, done));
    } else log.disk.inject = ({ type }) => (type === what ? errorWith("EIO") : undefined);
    for (let step = 13; step <= 20 && log.fatal.length === 0; step++) append(log, step);
    expect(log.fatal).toHaveLength(1);
    close(log);
    expect(log.disk.openFiles).toBe(0);
  },
);
