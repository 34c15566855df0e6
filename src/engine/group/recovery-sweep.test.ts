/** A node that heals its log dies at every point between two disk events: it never forgets how far its log once reached. */
import { expect, test } from "vitest";
import type { DurableWrite, Floor } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { copyBytes } from "../../runtime/bytes.ts";
import type { GroupRecovery } from "./group-recovery.ts";
import { recoverGroup } from "./group-recovery.ts";
import type { LoadedSnapshots } from "./snapshot-store.ts";
import { seededRandom } from "./write-ahead-log/crash-disk.testing.ts";
import type { TestLog } from "./write-ahead-log/log-test.testing.ts";
import { close, entries, openLog } from "./write-ahead-log/log-test.testing.ts";

const OPTIONS = { segmentBytes: 6 * 1024 };
const LAST = 30;
/** The entry whose value rots in the first case. */
const LOST = 11;
const membership = { voters: ["n1", "n2"], outgoing: [], learners: [], addresses: {} };
const NO_SNAPSHOTS: LoadedSnapshots = { intact: [], damaged: [] };
const ROTTEN: LoadedSnapshots = {
  intact: [],
  damaged: [{ index: 14, term: 2, name: "s14", error: new Error("s14 at byte 9: a chunk is damaged") }],
};

function append(log: TestLog, write: DurableWrite): void {
  log.log.append(0, write, () => undefined);
  log.run();
}

/** Up to LAST in term 2, over several segments; with `compacted`, a snapshot of 14 took the place of those before 13. */
function written(compacted: boolean): Map<string, Bytes> {
  const log = openLog(undefined, OPTIONS);
  append(log, { ballot: { term: 2, votedFor: "n2" } });
  for (let index = 1; index <= LAST; index++) append(log, entries(index, index, 2, "v".repeat(500)));
  if (compacted) {
    append(log, { snapshot: { index: 14, term: 2, membership, sizeBytes: 1 } });
    log.log.compact(0, 13);
    log.run();
  }
  close(log);
  return log.disk.image();
}

function rot(image: ReadonlyMap<string, Bytes>, text: string): Map<string, Bytes> {
  const found = [...image].find(([, bytes]) => bytes.toString("latin1").includes(text));
  if (found === undefined) throw new Error(`${text} is not in the log`);
  const bytes = copyBytes(found[1]);
  const at = bytes.toString("latin1").indexOf(text);
  bytes[at] = bytes.readUInt8(at) ^ 1;
  return new Map(image).set(found[0], bytes);
}

const recovered = (log: TestLog, snapshots: LoadedSnapshots): GroupRecovery =>
  recoverGroup(log.recovered.get(0), snapshots);

/** Opens, repairs, and fetches what is missing; the last piece ends the recovery, as the core does. */
function heal(image: ReadonlyMap<string, Bytes>, snapshots: LoadedSnapshots): TestLog {
  const log = openLog(image, OPTIONS);
  const { repair, recovered: start } = recovered(log, snapshots);
  if (repair !== undefined) append(log, repair);
  let index = (start.entries.at(-1)?.index ?? 0) + 1;
  for (; index <= LAST; index += 3) {
    const to = Math.min(LAST, index + 2);
    const end = to === LAST ? { floor: "reached" as const } : {};
    append(log, { ...entries(index, to, 2, "v".repeat(500)), ...end });
  }
  return log;
}

function isHonest({ recovered: { floor, entries: held } }: GroupRecovery): boolean {
  const expected: Floor = { term: 2, index: LAST };
  const whole = held.at(0)?.index === 1 && held.at(-1)?.index === LAST && held.length === LAST;
  return whole ? floor === undefined : floor?.term === expected.term && floor.index === expected.index;
}

/** The same as slots, accepted one by one and known to be chosen up to the last but one. */
function writtenSlots(compacted: boolean): Map<string, Bytes> {
  const log = openLog(undefined, OPTIONS);
  append(log, { slots: true, ballot: { term: 17, votedFor: "n2" } });
  for (let index = 1; index <= LAST; index++) append(log, { ...slots(index, index, 17), chosen: index - 1 });
  if (compacted) {
    append(log, { slots: true, snapshot: { index: 14, term: 17, membership, sizeBytes: 1 } });
    log.log.compact(0, 13);
    log.run();
  }
  close(log);
  return log.disk.image();
}

function slots(from: number, to: number, term: number): DurableWrite {
  return { slots: true, ...entries(from, to, term, "v".repeat(500)) };
}

/** Another leader proposes anew what this acceptor does not know to be chosen, and have; the last slot ends the recovery. */
function healSlots(image: ReadonlyMap<string, Bytes>, snapshots: LoadedSnapshots): TestLog {
  const log = openLog(image, OPTIONS);
  const { repair, recovered: start } = recovered(log, snapshots);
  if (repair !== undefined) append(log, repair);
  append(log, { slots: true, ballot: { term: 33, votedFor: undefined } });
  for (let index = firstToHeal(start); index <= LAST; index += 3) {
    const to = Math.min(LAST, index + 2);
    append(log, { ...slots(index, to, 33), chosen: to, ...(to === LAST ? { floor: "reached" } : {}) });
  }
  return log;
}

function firstToHeal({ entries: held, chosen = 0 }: GroupRecovery["recovered"]): number {
  let index = 1;
  for (const { index: at, term } of held) if (at === index && (term === 33 || at <= chosen)) index++;
  return index;
}

function areSlotsHonest({ recovered: found }: GroupRecovery): boolean {
  const { floor } = found;
  if (firstToHeal(found) > LAST) return floor === undefined;
  return floor !== undefined && floor.term >= 17 && floor.index === LAST;
}

const RAFT = { healed: heal, honest: isHonest, end: { term: 2, votedFor: "n2" } };
const PAXOS = { healed: healSlots, honest: areSlotsHonest, end: { term: 33, votedFor: undefined } };

test.each([
  ["an entry", rot(written(false), `entry ${LOST} of`), NO_SNAPSHOTS, RAFT],
  ["the snapshot", written(true), ROTTEN, RAFT],
  ["a slot", rot(writtenSlots(false), `entry ${LOST} of`), NO_SNAPSHOTS, PAXOS],
  ["the snapshot before the slots", writtenSlots(true), ROTTEN, PAXOS],
] as const)(
  "damage to %s is healed, and at every crash on the way the floor stands or all is there",
  (_, image, snapshots, { healed, honest, end: expected }) => {
    const { disk } = healed(image, snapshots);
    const random = seededRandom(5);
    let recovering = 0;
    let whole = 0;
    for (let point = 0; point <= disk.events.length; point++) {
      for (const power of [false, true]) {
        for (const bias of [0, 1, random.float()]) {
          const left = disk.crashed(point, power, random, bias);
          const found = recovered(openLog(left, OPTIONS), snapshots);
          expect(honest(found), `event ${point}, power ${power}, bias ${bias}`).toBe(true);
          if (found.recovered.floor === undefined) whole++;
          else recovering++;
        }
      }
      // And the next life ends what this one began.
      const next = healed(disk.crashed(point, true, random, random.float()), snapshots);
      const { recovered: end } = recovered(openLog(next.disk.image(), OPTIONS), snapshots);
      expect(end).toMatchObject({ floor: undefined, ...expected });
      expect(end.entries).toHaveLength(LAST);
    }
    expect(recovering).toBeGreaterThan(50);
    expect(whole).toBeGreaterThan(5);
  },
);
