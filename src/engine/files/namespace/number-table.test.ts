import fc from "fast-check";
import { expect, test } from "vitest";
import { NumberTable } from "./number-table.ts";
import { NO_ROW } from "./row-index.ts";

interface Row {
  numbers: [number, number];
  counts: [number];
  bytes: [number, number];
}

type Step =
  | { readonly type: "set"; readonly key: number; readonly row: Row }
  | { readonly type: "remove"; readonly key: number }
  /** Many at once, so that pages fill and the index grows. */
  | { readonly type: "addRun"; readonly from: number; readonly length: number; readonly stride: number }
  /** All but every so-manieth, so that rows close up. */
  | { readonly type: "thinOut"; readonly keep: number }
  | { readonly type: "beginReading" }
  | { readonly type: "readOn"; readonly reader: number; readonly count: number };

const key = fc.oneof(
  { weight: 4, arbitrary: fc.nat(60) },
  { weight: 1, arbitrary: fc.maxSafeNat() },
  // Those that have the lower 32 bits in common.
  { weight: 1, arbitrary: fc.nat(2 ** 20).map((n) => n * 2 ** 32) },
  { weight: 1, arbitrary: fc.constantFrom(Number.MAX_SAFE_INTEGER, 2 ** 31, 2 ** 32 - 1, 2 ** 32) },
);
const row = fc.record({
  numbers: fc.tuple(fc.double({ noNaN: true }), fc.maxSafeNat()),
  counts: fc.tuple(fc.nat(2 ** 32 - 1)),
  bytes: fc.tuple(fc.nat(255), fc.nat(255)),
});
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ type: fc.constant("set"), key, row }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constant("remove"), key }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("addRun"),
        from: fc.constantFrom(0, 30, 2 ** 30 + 1, 2 ** 40),
        length: fc.nat(6000),
        stride: fc.constantFrom(1, 16, 4096),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant("thinOut"), keep: fc.integer({ min: 1, max: 50 }) }),
    },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("beginReading") }) },
    {
      weight: 3,
      arbitrary: fc.record({ type: fc.constant("readOn"), reader: fc.nat(5), count: fc.nat(3000) }),
    },
  ) as fc.Arbitrary<Step>,
  { maxLength: 40 },
);

const NEW: Row = { numbers: [0, 0], counts: [0], bytes: [0, 0] };

/** A table, and the Map that it should be like. */
class Pair {
  readonly table = new NumberTable({ numbers: 2, counts: 1, bytes: 2 });
  readonly model = new Map<number, Row>();
  readonly readers: { readonly table: Iterator<number>; readonly model: Iterator<number> }[] = [];

  run(step: Step): void {
    const { table, model } = this;
    if (step.type === "set") this.set(step.key, step.row);
    else if (step.type === "remove") this.remove(step.key);
    else if (step.type === "addRun") {
      for (let n = 0; n < step.length; n++) {
        const each = step.from + n * step.stride;
        this.set(each, { numbers: [n / 3, -n], counts: [n], bytes: [n & 255, 255] });
      }
    } else if (step.type === "thinOut") {
      for (const [at, each] of [...model.keys()].entries()) if (at % step.keep !== 0) this.remove(each);
    } else if (step.type === "beginReading") {
      this.readers.push({ table: table.keys(), model: model.keys() });
    } else {
      const reader = this.readers.at(-1 - step.reader);
      for (let n = 0; reader !== undefined && n < step.count; n++) {
        const next = reader.model.next();
        const read = reader.table.next();
        if (read.done !== next.done || read.value !== next.value) expect(read).toEqual(next);
        if (next.done === true) break;
      }
    }
    expect(table.size).toBe(model.size);
  }

  private set(each: number, wanted: Row): void {
    const { table } = this;
    const known = table.find(each);
    if ((known !== NO_ROW) !== this.model.has(each)) throw new Error(`${each} is found, or not`);
    const at = table.rowFor(each);
    if (known === NO_ROW) this.check(at, NEW);
    for (const column of [0, 1] as const) {
      table.setNumber(at, column, wanted.numbers[column]);
      table.setByte(at, column, wanted.bytes[column]);
    }
    table.setCount(at, 0, wanted.counts[0]);
    this.model.set(each, wanted);
  }

  private remove(each: number): void {
    if (this.table.remove(each) !== this.model.delete(each)) throw new Error(`${each} is removed, or not`);
  }

  /** Not by `expect`, which takes a thousand times as long. */
  private check(at: number, wanted: Row): void {
    const { table } = this;
    const isRight =
      table.count(at, 0) === wanted.counts[0] &&
      ([0, 1] as const).every(
        (column) =>
          Object.is(table.number(at, column), wanted.numbers[column]) &&
          table.byte(at, column) === wanted.bytes[column],
      );
    if (!isRight) throw new Error(`row ${at} is not ${JSON.stringify(wanted)}`);
  }

  compare(): void {
    const { table, model } = this;
    expect(Float64Array.from(table.keys())).toEqual(Float64Array.from(model.keys()));
    for (const [each, wanted] of model) this.check(table.find(each), wanted);
  }
}

test("the table says what a Map would, in its order, also to those who read on while it changes", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const pair = new Pair();
      for (const step of all) pair.run(step);
      pair.compare();
      // And on to its end, for all that were begun.
      for (let reader = 0; reader < pair.readers.length; reader++)
        pair.run({ type: "readOn", reader, count: Infinity });
    }),
    { numRuns: 100 },
  );
});

test("a table that is emptied while it is read ends its reader, and begins anew", () => {
  const table = new NumberTable({ numbers: 0 });
  for (let each = 1; each <= 10_000; each++) table.add(each);
  const seen: number[] = [];
  for (const each of table.keys()) {
    seen.push(each);
    expect(table.remove(each)).toBe(true);
  }
  expect(seen).toEqual(Array.from({ length: 10_000 }, (_, at) => at + 1));
  expect([...table.keys()]).toEqual([]);
  table.add(7);
  expect([...table.keys()]).toEqual([7]);
});

test("what does not fit a column, and what is no key, is refused and not cut to size", () => {
  const table = new NumberTable({ numbers: 1, counts: 1, bytes: 1 });
  const at = table.add(1);
  for (const value of [-1, 2 ** 32, 0.5, NaN])
    expect(() => table.setCount(at, 0, value)).toThrow(/does not fit/);
  for (const value of [-1, 256, 0.5]) expect(() => table.setByte(at, 0, value)).toThrow(/does not fit/);
  for (const bad of [-1, 0.5, 2 ** 53, NaN]) expect(() => table.add(bad)).toThrow(/no whole number/);
  expect(() => table.add(1)).toThrow(/there already/);
  expect(table.size).toBe(1);
});
