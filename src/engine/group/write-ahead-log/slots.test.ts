/** Logs whose entries stand for themselves (`DurableWrite.slots`): gaps, replacement in place, and what is chosen. */
import { expect, test } from "vitest";
import type { DurableWrite, Entry } from "../../../consensus/consensus.ts";
import { seededRandom } from "./crash-disk.testing.ts";
import type { TestLog } from "./log-test.testing.ts";
import { close, entry, openLog, reopen, summary } from "./log-test.testing.ts";
import type { RecoveredGroup } from "./write-ahead-log.ts";

const GROUP = 1;
const membership = { voters: ["n1", "n2", "n3"], outgoing: [], learners: [], addresses: {} };

function slots(places: readonly (readonly [number, number])[], more: DurableWrite = {}): DurableWrite {
  return {
    slots: true,
    entries: places.map(([index, term]) => entry(index, term, `${index}/${term}`)),
    ...more,
  };
}

function write(test: TestLog, ...writes: readonly DurableWrite[]): void {
  for (const each of writes) test.log.append(GROUP, each, () => undefined);
  test.run();
}

function found(test: TestLog): RecoveredGroup {
  const group = reopen(test.disk).recovered.get(GROUP);
  if (group === undefined) throw new Error("the group is gone");
  return group;
}

const names = ({ entries }: RecoveredGroup): string[] => entries.map(({ index, term }) => `${index}/${term}`);

test("slots come back with their gaps, each with what was put into it last", () => {
  const test = openLog();
  write(
    test,
    slots([
      [1, 3],
      [2, 3],
      [5, 3],
      [6, 3],
    ]),
    slots([[5, 7]]),
    slots([[9, 7]], { chosen: 2 }),
  );
  expect(names(found(test))).toEqual(["1/3", "2/3", "5/7", "6/3", "9/7"]);
  expect(found(test)).toMatchObject({ slots: true, chosen: 2, damage: undefined });
  close(test);
  expect(names(found(test))).toEqual(["1/3", "2/3", "5/7", "6/3", "9/7"]);
});

test("a snapshot replaces the slots that it covers, and none behind it", () => {
  const test = openLog();
  write(
    test,
    slots(
      [
        [1, 3],
        [2, 3],
        [7, 3],
      ],
      { chosen: 2 },
    ),
  );
  write(test, { slots: true, snapshot: { index: 4, term: 9, membership, sizeBytes: 1 }, chosen: 4 });
  expect(names(found(test))).toEqual(["7/3"]);
  expect(found(test)).toMatchObject({ snapshotMark: { index: 4, term: 9 }, chosen: 4, damage: undefined });
});

test("an entry of a log without slots still cuts what is behind it", () => {
  const test = openLog();
  write(
    test,
    slots(
      [
        [1, 3],
        [2, 3],
        [5, 3],
      ],
      { chosen: 2 },
    ),
    { entries: [entry(3, 8, "3/8")] },
  );
  expect(names(found(test))).toEqual(["1/3", "2/3", "3/8"]);
});

/** Turns a bit of everything that says `text`. */
function rot(test: TestLog, text: string): ReadonlyMap<string, Buffer> {
  const image = new Map([...test.disk.image()].map(([name, bytes]) => [name, Buffer.from(bytes)]));
  for (const bytes of image.values()) {
    const at = bytes.indexOf(text);
    if (at >= 0) bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  }
  return image;
}

test("a damaged slot is named, and every other one is still there", () => {
  const test = openLog();
  write(
    test,
    slots([
      [1, 3],
      [2, 3],
      [5, 3],
    ]),
    slots([[6, 3]]),
  );
  close(test);
  const group = openLog(rot(test, "5/3") as never).recovered.get(GROUP);
  expect(group && names(group)).toEqual(["1/3", "2/3", "6/3"]);
  expect(group?.damage).toMatchObject({ entries: [{ index: 5, term: 3 }], lastIndex: 6 });
});

test("what is chosen or was accepted is missed when the segment that held it is lost", () => {
  const test = openLog();
  write(
    test,
    slots(
      [
        [1, 3],
        [2, 3],
        [4, 3],
      ],
      { chosen: 2, ballot: { term: 3, votedFor: "n2" } },
    ),
  );
  // Fills segment after segment: each begins by saying again what the group's log holds.
  for (let index = 10; index < 40; index++)
    write(test, { slots: true, entries: [entry(index, 3, Buffer.alloc(1500, index))] });
  close(test);
  const image = test.disk.image();
  const first = [...image.keys()].filter((name) => name.endsWith(".log")).sort()[0] ?? "";
  image.delete(first);
  const group = openLog(image).recovered.get(GROUP);
  const lost = group?.damage?.entries.map(({ index }) => index) ?? [];
  expect(lost).toEqual(expect.arrayContaining([1, 2, 4]));
  // The gaps are no damage.
  expect(lost).not.toContain(3);
  expect(lost).not.toContain(9);
});

/** The log as the contract describes it. */
class Model {
  entries = new Map<number, Entry>();
  chosen = 0;
  snapshotIndex = 0;

  write({ entries = [], snapshot, chosen }: DurableWrite): void {
    if (snapshot !== undefined) {
      this.snapshotIndex = snapshot.index;
      for (const index of this.entries.keys()) if (index <= snapshot.index) this.entries.delete(index);
    }
    for (const each of entries) this.entries.set(each.index, each);
    this.chosen = Math.max(this.chosen, chosen ?? 0);
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  "random writes and restarts leave what the contract says (seed %i)",
  (seed) => {
    const random = seededRandom(seed);
    const below = (bound: number): number => random.next32() % bound;
    const model = new Model();
    let log = openLog();
    let term = 1;
    write(log, { slots: true, ballot: { term, votedFor: undefined } });
    for (let step = 0; step < 300; step++) {
      if (below(20) === 0) term++;
      const last = Math.max(model.chosen, model.snapshotIndex, ...model.entries.keys());
      const entries = Array.from({ length: below(4) }, () =>
        entry(model.chosen + 1 + below(last - model.chosen + 4), term, "x".repeat(below(600))),
      ).sort((left, right) => left.index - right.index);
      let chosen = model.chosen;
      const held = new Set([...model.entries.keys(), ...entries.map(({ index }) => index)]);
      while (held.has(chosen + 1) && below(3) > 0) chosen++;
      const accepted: DurableWrite = { slots: true, entries, ...(chosen > model.chosen ? { chosen } : {}) };
      model.write(accepted);
      log.log.append(GROUP, accepted, () => undefined);
      if (below(40) === 0) {
        const index = model.chosen + below(6);
        if (index > model.snapshotIndex) {
          const mark: DurableWrite = {
            slots: true,
            snapshot: { index, term, membership, sizeBytes: 1 },
            chosen: Math.max(index, model.chosen),
          };
          model.write(mark);
          log.log.append(GROUP, mark, () => undefined);
        }
      }
      if (below(10) === 0) {
        log.run();
        log = reopen(log.disk);
        const group = log.recovered.get(GROUP);
        if (group === undefined) throw new Error("the group is gone");
        expect(group.damage).toBeUndefined();
        const inOrder = [...model.entries.values()].sort((left, right) => left.index - right.index);
        const behind = ({ index }: Entry): boolean => index > model.snapshotIndex;
        expect((summary(group) as { log: unknown }).log).toEqual(
          inOrder
            .filter(behind)
            .map(({ index, term: own, payload }) => `${index}/${own}:${payload.toString("latin1")}`),
        );
        expect(group.chosen ?? 0).toBe(model.chosen);
      }
    }
  },
);
