/** Every byte and every sector of a small log is damaged in turn: what was acknowledged is there, or named, or refused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DurableWrite } from "../../../consensus/consensus.ts";
import { copyBytes, zeroBytes } from "../../../runtime/bytes.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { TestDisk } from "./crash-disk.testing.ts";
import type { TestLog } from "./log-test.testing.ts";
import { close, entries, entry, openLog, tryOpen } from "./log-test.testing.ts";
import { crc32 } from "../../../wire/crc32.ts";
import { recover } from "./agreement.ts";
import { segmentName } from "./segment.ts";
import type { RecoveredGroup } from "./write-ahead-log.ts";

const OPTIONS = { segmentBytes: 4096 };
const membership = { voters: ["n1"], outgoing: [], learners: [], addresses: {} };

type Add = (group: number, write: DurableWrite) => void;

function filled(fill: (add: Add) => void): TestLog {
  const log = openLog(undefined, OPTIONS);
  fill((group, write) => {
    log.log.append(group, write, () => undefined);
    log.run();
  });
  return log;
}

/** Raft's. */
const smallLog = (): TestLog =>
  filled((add) => {
    add(1, { ballot: { term: 2, votedFor: "n1" } });
    add(2, { ballot: { term: 4, votedFor: "n2" }, ...entries(1, 2, 4) });
    add(1, entries(1, 3, 2, "p".repeat(400)));
    add(2, { snapshot: { index: 9, term: 4, membership, sizeBytes: 3 } });
    add(2, entries(10, 11, 4));
    add(1, entries(3, 5, 3, "q".repeat(500)));
    add(1, entries(6, 6, 3));
  });

const slots = (fill: string, term: number, ...places: number[]): DurableWrite => ({
  slots: true,
  entries: places.map((index) => entry(index, term, `${fill}slot ${index} in ${term}`)),
});

/** Multi-Paxos': promises, slots behind holes, slots that were accepted again, a snapshot before some, what is chosen. */
const smallLogOfSlots = (): TestLog =>
  filled((add) => {
    add(1, { slots: true, ballot: { term: 17, votedFor: "n1" } });
    add(2, { ...slots("", 34, 1, 2, 4), ballot: { term: 34, votedFor: "n2" } });
    add(1, { ...slots("p".repeat(300), 17, 1, 2, 4), chosen: 1 });
    add(1, { ...slots("q".repeat(300), 33, 2, 3, 7), ballot: { term: 33, votedFor: undefined }, chosen: 2 });
    add(2, { slots: true, snapshot: { index: 3, term: 34, membership, sizeBytes: 3 }, chosen: 3 });
    add(2, { ...slots("", 34, 5, 9), chosen: 4 });
    add(1, { ...slots("r".repeat(200), 33, 4), chosen: 4 });
    add(1, { slots: true, ballot: { term: 49, votedFor: "n3" } });
    add(1, slots("", 49, 4, 7));
    // Last, something new: what a cut takes away is then not there, instead of as it was before.
    add(1, slots("", 49, 8));
  });

type Verdict = "same" | "named" | "refused" | "raised" | "shorter";

type Groups = ReadonlyMap<number, RecoveredGroup>;

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Reads a damaged log as `openWriteAheadLog` does, without the work that follows. */
function read(image: ReadonlyMap<string, Bytes> | TestDisk): Groups | Error {
  try {
    return recover(image instanceof TestDisk ? image : new TestDisk(image), crc32).groups;
  } catch (error) {
    return error as Error;
  }
}

/** Compares with the undamaged log; throws when something acknowledged is wrong or missing without a word. */
function judge(groups: Groups | Error, truth: Groups, mayShorten: boolean): Verdict {
  if (groups instanceof Error) {
    must("code" in groups && groups.code === "DATA_CORRUPT", `unexpected ${groups.message}`);
    must(/^wal-\d+\.log at byte \d+: /.test(groups.message), `no place in: ${groups.message}`);
    return "refused";
  }
  let verdict: Verdict = "same";
  for (const [id, right] of truth) {
    const found = groups.get(id);
    if (found === undefined) {
      must(mayShorten, `group ${id} is gone`);
      verdict = "shorter";
      continue;
    }
    const judged = judgeGroup(found, right, mayShorten);
    if (judged !== "same") verdict = judged;
  }
  return verdict;
}

function judgeGroup(found: RecoveredGroup, right: RecoveredGroup, mayShorten: boolean): Verdict {
  let verdict: Verdict = "same";
  if (found.ballotRaised) {
    must(found.term === right.term + 1 && found.votedFor === undefined, "wrong raise");
    verdict = "raised";
  } else must(found.term === right.term && found.votedFor === right.votedFor, "wrong ballot");
  must((found.chosen ?? 0) === (right.chosen ?? 0) || mayShorten, "wrong chosen");
  must(JSON.stringify(found.snapshotMark) === JSON.stringify(right.snapshotMark), "wrong snapshot mark");
  if (found.snapshot === undefined && right.snapshot !== undefined) verdict = "named";
  else must(JSON.stringify(found.snapshot) === JSON.stringify(right.snapshot), "wrong snapshot");
  const all = new Map(
    [...found.entries, ...(found.damage?.intactAfter ?? [])].map((each) => [each.index, each]),
  );
  const named = new Set(found.damage?.entries.map(({ index }) => index));
  if (named.size > 0) verdict = "named";
  for (const { index, term, kind, payload } of right.entries) {
    const entry = all.get(index);
    all.delete(index);
    // Only entries that a snapshot covers may go in silence.
    if (named.has(index) || (entry === undefined && index <= (right.snapshot?.index ?? 0))) continue;
    if (entry === undefined) {
      must(mayShorten, `entry ${index} is gone`);
      verdict = "shorter";
    } else
      must(
        entry.term === term && entry.kind === kind && entry.payload.equals(payload),
        `entry ${index} changed`,
      );
  }
  must(all.size === 0, "entries that were never written");
  return verdict;
}

/** Every byte that differs from a neighbour, and one per sector of each run of equal bytes. */
function places(image: ReadonlyMap<string, Bytes>): { name: string; at: number }[] {
  const found: { name: string; at: number }[] = [];
  for (const [name, bytes] of image) {
    bytes.forEach((byte, at) => {
      if (byte !== bytes[at - 1] || byte !== bytes[at + 1] || at % 512 === 0) found.push({ name, at });
    });
  }
  return found;
}

function flipped(
  image: ReadonlyMap<string, Bytes>,
  name: string,
  at: number,
  mask: number,
): Map<string, Bytes> {
  const bytes = copyBytes(image.get(name) as Bytes);
  bytes[at] = (bytes[at] as number) ^ mask;
  return new Map(image).set(name, bytes);
}

function sweep(log: TestLog, mayShorten: boolean, mask: number): Record<Verdict, number> {
  const image = log.disk.image();
  const truth = read(image) as Groups;
  const counts = { same: 0, named: 0, refused: 0, raised: 0, shorter: 0 };
  for (const { name, at } of places(image)) {
    try {
      counts[judge(read(flipped(image, name, at, mask)), truth, mayShorten)]++;
    } catch (error) {
      throw new Error(`${name} byte ${at}`, { cause: error });
    }
  }
  return counts;
}

describe.each([
  ["entries that follow each other", smallLog, {}],
  ["slots that stand for themselves", smallLogOfSlots, { slots: true as const }],
])("of a log of %s", (_, written, kind) => {
  test("no single flipped byte of a sealed log changes or shortens it in silence, and none makes it refuse", () => {
    const closed = written();
    close(closed);
    for (const mask of [0xff, 0x01]) {
      const counts = sweep(closed, false, mask);
      expect(counts).toMatchObject({ refused: 0, shorter: 0 });
      expect(Math.min(counts.named, counts.raised, counts.same)).toBeGreaterThan(0);
    }
    const idle = written();
    idle.run(100);
    expect(sweep(idle, false, 0x80)).toMatchObject({ refused: 0, shorter: 0 });
  });

  test("of a log that was killed before its seal, at most the last frame can be taken for a torn one", () => {
    const killed = written();
    const counts = sweep(killed, true, 0xff);
    expect(counts).toMatchObject({ refused: 0 });
    expect(counts.shorter).toBeGreaterThan(0);
    expect(counts.shorter).toBeLessThan(600);
  });

  test("an unreadable sector leaves the names of what was in it; a passing read error is only repeated", () => {
    const log = written();
    close(log);
    const image = log.disk.image();
    const truth = read(image) as Groups;
    for (const [name, bytes] of image) {
      for (let sector = 0; sector * 512 < bytes.length; sector++) {
        const disk = new TestDisk(image);
        disk.unreadable.add(`${name}:${sector}`);
        expect(judge(read(disk), truth, false)).not.toBe("refused");
      }
    }
    const shaky = new TestDisk(image);
    const readOnce = shaky.read.bind(shaky);
    let calls = 0;
    shaky.read = (name, position, length) => {
      if (calls++ % 2 === 0) throw new Error("EIO once");
      return readOnce(name, position, length);
    };
    expect(judge(read(shaky), truth, false)).toBe("same");
  });

  test("one read in the wrong place, whichever, loses nothing, and nothing of it is on the disk afterwards", () => {
    const closed = written();
    close(closed);
    // Killed, with a frame that no seal covers, and torn in the middle of a longer one behind it.
    const killed = written().disk.image();
    const torn = written();
    torn.log.append(1, { ...kind, entries: [entry(7, 60, "t".repeat(1500))] }, () => undefined);
    torn.clock.run(torn.disk);
    const cut = flipped(torn.disk.image(), ...whereLast(torn.disk.image(), "ttt"));
    for (const image of [closed.disk.image(), killed, cut]) {
      const truth = read(image) as Groups;
      for (const content of [zeroBytes, elsewhere(image)]) {
        for (let wrong = 1; ; wrong++) {
          const disk = new TestDisk(image);
          const reads = misdirect(disk, wrong, content);
          const opened = openLog(disk, OPTIONS);
          if (reads() < wrong) break;
          judge(opened.recovered, truth, false);
          close(opened);
          expect(judge(read(opened.disk.image()), truth, false)).toBe("same");
        }
      }
    }
  });

  test("a damaged stretch of any length is refused or named, never skipped", () => {
    const log = written();
    close(log);
    const image = log.disk.image();
    const truth = read(image) as Groups;
    const total = [...image.values()].reduce((bytes, each) => bytes + each.length, 0) / 512;
    // The end of the log with its seal gone cannot be told from a torn end; everything before it can.
    const last = log.log.stats().bytesWritten / 512;
    expect(last).toBeGreaterThan(8);
    fc.assert(
      fc.property(
        fc.nat(Math.floor(total) - 1),
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        (from, length, zero) => {
          const bytes = Buffer.concat([...image.values()]);
          const start = from * 512;
          const end = Math.min(bytes.length, start + length * 512);
          if (zero) bytes.fill(0, start, end);
          else for (let at = start; at < end; at++) bytes[at] = (bytes[at] as number) ^ 0x5a;
          const damaged = new Map<string, Bytes>();
          let at = 0;
          for (const [name, content] of image) {
            damaged.set(name, copyBytes(bytes.subarray(at, at + content.length)));
            at += content.length;
          }
          const touchesEnd = lastFrames(image).some(
            ({ position }) => position < end && position + 512 > start,
          );
          judge(read(damaged), truth, touchesEnd);
        },
      ),
      { numRuns: 300 },
    );
  });
});

test("a log that reads differently each time is refused, and left as it is", () => {
  const written = openLog(undefined, { segmentBytes: 64 << 10 });
  for (let index = 1; index <= 20; index++) {
    written.log.append(1, entries(index, index, 1), () => undefined);
    written.run();
  }
  close(written);
  const image = new Map([...written.disk.image()].slice(0, 1));
  for (const readings of [1, 3, 100]) {
    const disk = new TestDisk(image);
    const right = disk.read.bind(disk);
    let sectors = 4;
    // Up to one frame further each time, and zeros behind it.
    disk.read = (name, position, length) => {
      const bytes = right(name, position, length);
      return position === 0 && sectors < 4 + readings ? bytes.fill(0, 512 * sectors++) : bytes;
    };
    const opened = tryOpen(disk, { segmentBytes: 64 << 10 });
    if (readings < 5) expect(opened).toHaveProperty("recovered", read(image));
    else {
      expect(opened).toMatchObject({ code: "DATA_CORRUPT", message: expect.stringContaining("5 readings") });
      expect(disk.image()).toEqual(image);
    }
  }
});

test("a node without peers refuses damaged entries and says where they are", () => {
  const log = smallLog();
  close(log);
  const image = log.disk.image();
  const at = (image.get(segmentName(1)) as Bytes).toString("latin1").indexOf("ppp");
  const opened = tryOpen(flipped(image, segmentName(1), at, 0xff), { ...OPTIONS, damage: "refuse" });
  expect(opened).toMatchObject({ code: "DATA_CORRUPT" });
  expect((opened as Error).message).toMatch(/wal-0000000001\.log at byte \d+: entry 1 of group 1/);
});

test("damaged entries that were overwritten or compacted later hurt nobody; fetched again, they are whole", () => {
  const log = smallLog();
  close(log);
  const image = log.disk.image();
  const at = (image.get(segmentName(1)) as Bytes).toString("latin1").lastIndexOf("ppp");
  const superseded = openLog(flipped(image, segmentName(1), at, 0xff), OPTIONS);
  expect(superseded.recovered.get(1)?.damage).toBeUndefined();
  const first = (image.get(segmentName(1)) as Bytes).toString("latin1").indexOf("ppp");
  const damaged = openLog(flipped(image, segmentName(1), first, 0xff), OPTIONS);
  expect(damaged.recovered.get(1)?.damage).toMatchObject({
    entries: [{ index: 1, term: 2 }],
    lastIndex: 6,
    lastTerm: 3,
  });
  damaged.log.append(1, entries(1, 6, 3), () => undefined);
  damaged.run();
  expect(openLog(damaged.disk.image(), OPTIONS).recovered.get(1)).toMatchObject({ damage: undefined });
});

/** Where a text of one frame stands last, and the mask that damages it. */
function whereLast(
  image: ReadonlyMap<string, Bytes>,
  text: string,
): [name: string, at: number, mask: number] {
  for (const [name, bytes] of [...image].toReversed()) {
    const at = bytes.toString("latin1").lastIndexOf(text);
    if (at >= 0) return [name, at, 0xff];
  }
  throw new Error(`${text} is nowhere`);
}

/** Gives `content` for the `wrong`-th read of a disk. Returns how many there have been. */
function misdirect(disk: TestDisk, wrong: number, content: (length: number) => Bytes): () => number {
  const right = disk.read.bind(disk);
  let reads = 0;
  disk.read = (name, position, length) => {
    const bytes = right(name, position, length);
    return ++reads === wrong ? content(bytes.length) : bytes;
  };
  return () => reads;
}

/** What is in the middle of the newest segment that holds anything there. */
function elsewhere(image: ReadonlyMap<string, Bytes>): (length: number) => Bytes {
  const [from] = [...image.values()].toReversed();
  return (length) => {
    const bytes = zeroBytes(length);
    from?.subarray(1536).copy(bytes);
    return bytes;
  };
}

/** Where the last two frames' sectors are, in the concatenation of all files. */
function lastFrames(image: ReadonlyMap<string, Bytes>): { position: number }[] {
  const sectors: { position: number }[] = [];
  let at = 0;
  for (const bytes of image.values()) {
    for (let sector = 1024; sector < bytes.length; sector += 512) {
      if (bytes.toString("latin1", sector, sector + 4) === "QFW1") sectors.push({ position: at + sector });
    }
    at += bytes.length;
  }
  return sectors.slice(-2);
}

test("files that another program cut short or removed are noticed", () => {
  const log = smallLog();
  close(log);
  const image = log.disk.image();
  for (const name of image.keys()) {
    const cut = new Map(image).set(name, copyBytes((image.get(name) as Bytes).subarray(0, 1600)));
    const opened = tryOpen(cut, OPTIONS);
    if (opened instanceof Error) expect(opened).toMatchObject({ code: "DATA_CORRUPT" });
  }
  const names = [...image.keys()];
  expect(names.length).toBeGreaterThan(2);
  const withoutFirst = new Map(image);
  withoutFirst.delete(names[0] as string);
  const opened = openLog(withoutFirst, OPTIONS);
  expect(opened.recovered.get(1)?.damage?.entries.map(({ index }) => index)).toContain(1);
});

test("random bytes never crash recovery, never hang it, and never make up a log", () => {
  const image = (() => {
    const log = smallLog();
    close(log);
    return log.disk.image();
  })();
  const first = image.get(segmentName(1)) as Bytes;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.boolean(), fc.nat(4000), (noise, keepHeader, at) => {
      const bytes = copyBytes(keepHeader ? first : Buffer.alloc(4096));
      bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), at);
      const opened = tryOpen(new Map([[segmentName(1), bytes]]), OPTIONS);
      if (opened instanceof Error)
        expect(opened).toMatchObject({ code: expect.stringMatching(/DATA_CORRUPT|UNSUPPORTED/) });
      else if (!keepHeader) expect(opened.recovered.size).toBe(0);
    }),
    { numRuns: 500 },
  );
});
