import fc from "fast-check";
import { expect, test } from "vitest";
import type { ReadPiece } from "./block-store.ts";
import { streamBytes, TestStore } from "./block-store.testing.ts";
import type { ReplicaRecord } from "./replica-record.ts";
import { StoredReplica } from "./stored-replica.ts";
import { StoredReplicas } from "./stored-replicas.ts";

function record(id: number, change: Partial<ReplicaRecord> = {}): ReplicaRecord {
  const first = { sequence: 3, id, stamp: 1, promised: 0, length: 0, tailSum: 0, synced: true } as const;
  return { ...first, state: "finished", ...change };
}

const id = fc.nat(7);
const step = fc.oneof(
  fc.record({
    type: fc.constant("put" as const),
    id,
    change: fc.record({
      sequence: fc.maxSafeNat(),
      stamp: fc.maxSafeNat(),
      promised: fc.constantFrom(0, 0, Number.MAX_SAFE_INTEGER),
      length: fc.nat(2 ** 40),
      tailSum: fc.nat(2 ** 32 - 1),
      state: fc.constantFrom("finished" as const, "finished" as const, "writing" as const),
      synced: fc.boolean(),
    }),
    damage: fc.option(fc.constant("torn"), { nil: undefined, freq: 5 }),
  }),
  fc.record({ type: fc.constant("ask" as const), id }),
  fc.record({ type: fc.constant("read" as const), id }),
  fc.record({ type: fc.constant("readEnds" as const), id }),
  fc.record({ type: fc.constant("turn" as const), id }),
  fc.record({ type: fc.constant("turnEnds" as const), id }),
  fc.record({ type: fc.constant("delete" as const), id }),
);

test("a replica says the same whether it rests or not, and who works on one always has the one object of it", () => {
  const property = fc.property(
    fc.integer({ min: 1, max: 5 }),
    fc.array(step, { maxLength: 100, size: "max" }),
    (awakeMax, steps) => {
      const replicas = new StoredReplicas(awakeMax);
      const model = new Map<number, { record: ReplicaRecord; damage: string | undefined }>();
      const held = new Map<number, StoredReplica>();
      const turns = new Set<number>();
      replicas.isNeeded = (replica) => turns.has(replica.id);
      for (const each of steps) {
        const replica = replicas.get(each.id);
        expect(replica?.record).toEqual(model.get(each.id)?.record);
        expect(replica?.damage).toBe(model.get(each.id)?.damage);
        expect(replica?.gone ?? false).toBe(false);
        const other = held.get(each.id);
        if (other !== undefined) expect(replica).toBe(other);
        if (each.type === "put") {
          const next = record(each.id, each.change);
          if (replica === undefined) replicas.add(new StoredReplica(next, each.damage));
          else replica.record = next;
          model.set(each.id, { record: next, damage: replica === undefined ? each.damage : replica.damage });
        } else if (each.type === "delete") {
          replicas.delete(each.id);
          model.delete(each.id);
          held.delete(each.id);
          turns.delete(each.id);
        } else if (replica !== undefined) {
          if (each.type === "read") replica.readers++;
          if (each.type === "readEnds" && replica.readers > 0) replica.readers--;
          if (each.type === "turn") turns.add(each.id);
          if (each.type === "turnEnds") turns.delete(each.id);
          if (replica.readers > 0 || turns.has(each.id)) held.set(each.id, replica);
          else held.delete(each.id);
        }
        expect(replicas.size).toBe(model.size);
        expect([...replicas.ids().sort()]).toEqual([...model.keys()].sort((left, right) => left - right));
        const used = [...model.values()].reduce(
          (sum, { record: { length } }) => sum + length + 1024 + 4 * Math.floor(length / 512),
          0,
        );
        expect(replicas.usedBytes()).toBe(used);
        for (const [known, wanted] of model) {
          const { stamp, length } = wanted.record;
          const state = new StoredReplica(wanted.record, wanted.damage).state;
          expect(replicas.view(known)).toEqual({ id: known, stamp, length, state });
        }
      }
    },
  );
  fc.assert(property, { numRuns: 300 });
});

test("those that nobody needs rest, those that somebody needs do not, and rest when he is gone", () => {
  const replicas = new StoredReplicas(10);
  const awake = (): number[] =>
    [...replicas.awake()].map((each) => each.id).sort((left, right) => left - right);
  for (let each = 0; each < 1000; each++) {
    const replica = new StoredReplica(record(each, each % 100 === 0 ? { state: "writing" } : {}));
    if (each % 100 === 1) replica.readers = 1;
    replicas.add(replica);
  }
  for (let each = 0; each < 1000; each += 100)
    expect(awake()).toEqual(expect.arrayContaining([each, each + 1]));
  // Twenty are needed; as many again are there because each new one looks at two.
  expect(awake().length).toBeLessThanOrEqual(2 * 20 + 1);
  const needed = [...replicas.awake()];
  for (const replica of needed) {
    replica.readers = 0;
    replica.record = record(replica.id);
  }
  for (let each = 100; each < 200; each++) expect(replicas.get(each)?.record).toEqual(record(each));
  expect(awake().length).toBeLessThanOrEqual(10);
  // Who had one of those all the same would take it for one that was replaced.
  expect(needed.every(({ gone }) => gone)).toBe(true);
  expect(replicas.size).toBe(1000);
});

test("changes that are under way at once are all known afterwards, and to the next process", () => {
  const run = new TestStore();
  const ids = Array.from({ length: 100 }, (_, at) => at + 1);
  for (const each of ids) run.put(each, 1, streamBytes(each, 0, 700));
  const begun: number[] = [];
  for (const each of ids) run.store.beginRecovery(each, 5, (error) => error ?? begun.push(each));
  run.clock.run(run.disk);
  expect(begun.sort((left, right) => left - right)).toEqual(ids);
  const recovering = ids.map((each) => ({ id: each, stamp: 1, length: 700, state: "recovering" }));
  expect([...run.store.list()]).toEqual(recovering);
  for (const each of ids)
    run.store.finishRecovery(each, 5, 600, undefined, (error) => expect(error).toBeUndefined());
  run.clock.run(run.disk);
  const finished = ids.map((each) => ({ id: each, stamp: 5, length: 600, state: "finished" }));
  expect([...run.store.list()]).toEqual(finished);
  const next = new TestStore(run.disk.image());
  expect([...next.store.list()]).toEqual(finished);
  expect(next.bytesOf(77)).toEqual(streamBytes(77, 0, 600));
});

test("a read that is under way notices a deletion, however many replicas were asked for meanwhile", () => {
  const run = new TestStore();
  for (let each = 1; each <= 200; each++) run.put(each, 1, streamBytes(each, 0, 700));
  expect(run.store.space().usedBytes).toBe(200 * (700 + 1024 + 4));
  const outcomes: (string | undefined)[] = [];
  const read = (each: number): void =>
    run.store.read(each, 1, 0, 700, (error, piece?: ReadPiece) => {
      outcomes[each] =
        error?.message ?? (piece?.bytes.equals(streamBytes(each, 0, 700)) === true ? "read" : "other bytes");
    });
  for (let each = 1; each <= 200; each++) read(each);
  for (let each = 1; each <= 200; each += 10) run.store.delete(each, () => undefined);
  run.clock.run(run.disk);
  for (let each = 1; each <= 200; each++) {
    if (each % 10 === 1) expect(outcomes[each]).toMatch(/changed meanwhile|ENOENT|no such file/);
    else expect(outcomes[each]).toBe("read");
  }
  const left = [...run.store.list()];
  expect(left.map((each) => each.id)).toEqual(
    Array.from({ length: 200 }, (_, at) => at + 1).filter((n) => n % 10 !== 1),
  );
  expect(left.every(({ state, length }) => state === "finished" && length === 700)).toBe(true);
  // The next process finds what rested as it was.
  expect([...new TestStore(run.disk.image()).store.list()]).toEqual(left);
});
