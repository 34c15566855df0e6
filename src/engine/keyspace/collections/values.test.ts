import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteReader } from "../../../wire/byte-reader.ts";
import { ByteWriter } from "../../../wire/byte-writer.ts";
import { writeCollection } from "../value.ts";
import type { Collection } from "../value.ts";
import { HashValue, readHash } from "./hash-value.ts";
import { ListValue, readList } from "./list-value.ts";
import { scanStep } from "./member-table.ts";
import { readSet, SetValue } from "./set-value.ts";
import { readSortedSet, SortedSetValue } from "./sorted-set-value.ts";

const member = fc.oneof(
  fc.integer({ min: 0, max: 40 }).map((n) => `m${n}`),
  fc.integer({ min: -20, max: 20 }).map(String),
  fc.constant("x".repeat(65)),
);
const score = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(-Infinity, Infinity, 0.5, 1e300));

function written(value: Collection): Uint8Array {
  const writer = new ByteWriter();
  writeCollection(writer, value);
  return writer.take();
}

/** The value as a replica that was restored from a snapshot holds it. */
function throughSnapshot<T extends Collection>(value: T, read: (reader: ByteReader) => T): T {
  const writer = new ByteWriter();
  writeCollection(writer, value);
  const reader = new ByteReader(writer.take());
  const restored = read(reader);
  expect(reader.remaining).toBe(0);
  expect(restored.bytes).toBe(value.bytes);
  expect(restored.encoding()).toBe(value.encoding());
  return restored;
}

test("a hash holds what a map holds, and its memory follows what it holds", () => {
  const step = fc.tuple(fc.constantFrom("set", "set", "delete"), member, fc.string({ maxLength: 70 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const hash = new HashValue();
      const model = new Map<string, string>();
      for (const [action, field, value] of steps) {
        if (action === "set") {
          expect(hash.set(field, value)).toBe(!model.has(field));
          model.set(field, value);
        } else {
          expect(hash.delete(field)).toBe(model.delete(field));
        }
      }
      expect(hash.size).toBe(model.size);
      for (const [field, value] of model) expect(hash.get(field)).toBe(value);
      const entries = hash.fields.map((field, position) => [field, hash.values[position]]);
      expect(new Map(entries as [string, string][])).toEqual(model);
      expect(hash.bytes).toBe(new HashValue(hash.fields, hash.values).bytes);
    }),
  );
});

test("a set holds what a set holds, and its memory follows what it holds", () => {
  const step = fc.tuple(fc.constantFrom("add", "add", "delete"), member);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const set = new SetValue();
      const model = new Set<string>();
      for (const [action, element] of steps) {
        if (action === "add") {
          expect(set.add(element)).toBe(!model.has(element));
          model.add(element);
        } else {
          expect(set.delete(element)).toBe(model.delete(element));
        }
      }
      expect(new Set(set.members)).toEqual(model);
      expect(set.members.length).toBe(model.size);
      expect(set.bytes).toBe(new SetValue(set.members).bytes);
    }),
  );
});

type ListStep =
  | readonly ["pushHead" | "pushTail", string, number]
  | readonly ["popHead" | "popTail"]
  | readonly ["insert" | "replace" | "removeOne" | "removeEvery", number, number]
  | readonly ["trim", number, number];

const listStep: fc.Arbitrary<ListStep> = fc.oneof(
  // A push puts many, so that lists span several blocks.
  fc.tuple(
    fc.constantFrom("pushHead" as const, "pushTail" as const),
    fc.string({ maxLength: 3 }),
    fc.nat(300),
  ),
  fc.tuple(fc.constantFrom("popHead" as const, "popTail" as const)),
  fc.tuple(
    fc.constantFrom("insert" as const, "replace" as const, "removeOne" as const, "removeEvery" as const),
    fc.nat(1000),
    fc.integer({ min: 2, max: 9 }),
  ),
  fc.tuple(fc.constant("trim" as const), fc.nat(200), fc.nat(800)),
);

function applyToList(list: ListValue, model: string[], step: ListStep): void {
  switch (step[0]) {
    case "pushHead":
    case "pushTail":
      for (let n = 0; n < step[2]; n++) {
        const element = `${step[1]}${n}`;
        list[step[0]](element);
        if (step[0] === "pushHead") model.unshift(element);
        else model.push(element);
      }
      return;
    case "popHead":
      expect(list.popHead()).toBe(model.shift());
      return;
    case "popTail":
      expect(list.popTail()).toBe(model.pop());
      return;
    case "insert": {
      const at = step[1] % (model.length + 1);
      list.insert(at, "new");
      model.splice(at, 0, "new");
      return;
    }
    case "replace":
      if (model.length === 0) return;
      list.replace(step[1] % model.length, "other");
      model[step[1] % model.length] = "other";
      return;
    case "removeOne":
      if (model.length === 0) return;
      list.removeAll([step[1] % model.length]);
      model.splice(step[1] % model.length, 1);
      return;
    case "removeEvery": {
      const doomed = model.map((_, index) => index).filter((index) => index % step[2] === 0);
      list.removeAll(doomed);
      model.splice(0, model.length, ...model.filter((_, index) => index % step[2] !== 0));
      return;
    }
    case "trim": {
      const start = Math.min(step[1], model.length);
      const end = Math.min(start + step[2], model.length);
      list.trim(start, end);
      model.splice(0, model.length, ...model.slice(start, end));
    }
  }
}

test("a list is the sequence that the same operations make of an array", () => {
  fc.assert(
    fc.property(fc.array(listStep, { maxLength: 25 }), fc.nat(900), fc.nat(900), (steps, a, b) => {
      const list = new ListValue();
      const model: string[] = [];
      for (const step of steps) {
        applyToList(list, model, step);
        expect(list.size).toBe(model.length);
      }
      expect(list.slice(0, list.size)).toEqual(model);
      expect(model.every((element, index) => list.at(index) === element)).toBe(true);
      expect(list.at(model.length)).toBeUndefined();
      const start = Math.min(a, b, model.length);
      const end = Math.min(Math.max(a, b), model.length);
      expect(list.slice(start, end)).toEqual(model.slice(start, end));
      expect(list.bytes).toBe(new ListValue(model).bytes);
      expect(throughSnapshot(list, readList).slice(0, list.size)).toEqual(model);
    }),
  );
});

test("a sorted set orders by score, then by bytes, and knows ranks in both directions", () => {
  const step = fc.tuple(fc.constantFrom("set", "set", "set", "delete"), member, score);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), fc.nat(60), fc.nat(60), (steps, rank, count) => {
      const zset = new SortedSetValue();
      const model = new Map<string, number>();
      for (const [action, element, points] of steps) {
        if (action === "set") {
          expect(zset.set(element, points)).toBe(!model.has(element));
          model.set(element, points);
        } else {
          expect(zset.delete(element)).toBe(model.delete(element));
        }
      }
      const order = [...model].map(([m, s]) => ({ member: m, score: s }));
      order.sort((a, b) => a.score - b.score || (a.member < b.member ? -1 : 1));
      // Two infinities subtract to NaN, which `||` takes for equal: right, they are.
      expect(zset.range(0, Infinity, false)).toEqual(order);
      expect(zset.range(zset.size - 1, Infinity, true)).toEqual(order.toReversed());
      expect(zset.range(rank, count, false)).toEqual(order.slice(rank, rank + count));
      order.forEach((entry, at) => expect(zset.rankOf(entry.member)).toBe(at));
      expect(zset.bytes).toBe(
        new SortedSetValue(
          zset.members,
          zset.members.map(() => 0),
        ).bytes,
      );
    }),
  );
});

test("ranks and ranges of a large sorted set stay right while it grows, changes and shrinks", () => {
  const zset = new SortedSetValue();
  const model = new Map<string, number>();
  let state = 12345;
  const random = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state % below;
  };
  const verify = (): void => {
    const order = [...model].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
    expect(zset.range(0, Infinity, false).map((entry) => entry.member)).toEqual(order.map(([m]) => m));
    for (let at = 0; at < order.length; at += 97) expect(zset.rankOf(order[at]?.[0] ?? "")).toBe(at);
    for (let at = 0; at < order.length; at += 331) {
      expect(zset.range(at, 3, true).map((e) => e.member)).toEqual(
        order
          .slice(Math.max(0, at - 2), at + 1)
          .toReversed()
          .map(([m]) => m),
      );
    }
    const bound = order[order.length >> 1]?.[1] ?? 0;
    expect(zset.countWhile((s) => s < bound)).toBe(order.filter(([, s]) => s < bound).length);
  };
  const put = (m: string, s: number): void => {
    zset.set(m, s);
    model.set(m, s);
  };
  for (let n = 0; n < 20_000; n++) put(`a${n}`, n);
  verify();
  for (let n = 0; n < 20_000; n++) put(`b${random(30_000)}`, random(5_000));
  verify();
  for (let n = 0; n < 15_000; n++) {
    const m = `${random(2) === 0 ? "a" : "b"}${random(20_000)}`;
    expect(zset.delete(m)).toBe(model.delete(m));
  }
  verify();
  for (const m of [...model.keys()].slice(0, model.size - 10)) {
    zset.delete(m);
    model.delete(m);
  }
  verify();
  for (const m of model.keys()) expect(zset.delete(m)).toBe(model.delete(m));
  expect(zset.size).toBe(0);
  put("again", 1);
  verify();
});

test("a clone and a restored snapshot equal the original in content, order, memory and encoding, and part from it", () => {
  const content = fc.array(fc.tuple(member, score, fc.boolean()), { maxLength: 120 });
  fc.assert(
    fc.property(content, (steps) => {
      const hash = new HashValue();
      const set = new SetValue();
      const zset = new SortedSetValue();
      for (const [element, points, keep] of steps) {
        hash.set(element, String(points));
        set.add(element);
        zset.set(element, points);
        if (keep) continue;
        for (const value of [hash, set, zset]) value.delete(element);
      }
      for (const [value, read] of [
        [hash, readHash],
        [set, readSet],
        [zset, readSortedSet],
      ] as [Collection, (reader: ByteReader) => Collection][]) {
        const before = written(value);
        expect(written(throughSnapshot(value, read))).toEqual(before);
        const clone = value.clone();
        expect(written(clone)).toEqual(before);
        expect([clone.bytes, clone.encoding()]).toEqual([value.bytes, value.encoding()]);
      }
      const copy = zset.clone();
      expect(copy.range(0, Infinity, false)).toEqual(zset.range(0, Infinity, false));
      copy.set("only in the copy", 1);
      expect(zset.scoreOf("only in the copy")).toBeUndefined();
    }),
  );
});

test("encodings change at Redis's thresholds and never change back", () => {
  const hash = new HashValue();
  for (let n = 0; n < 512; n++) hash.set(`f${n}`, "v");
  expect(hash.encoding()).toBe("listpack");
  hash.set("f512", "v");
  expect(hash.encoding()).toBe("hashtable");
  hash.delete("f512");
  expect(hash.encoding()).toBe("hashtable");
  const wide = new HashValue();
  wide.set("f", "v".repeat(64));
  expect(wide.encoding()).toBe("listpack");
  wide.set("f", "v".repeat(65));
  expect(wide.encoding()).toBe("hashtable");

  const set = new SetValue();
  for (const number of ["1", "-5", "9223372036854775807", "-9223372036854775808"]) set.add(number);
  expect(set.encoding()).toBe("intset");
  for (const notOne of ["01", "+1", "-0", " 1", "1.0", "", "9223372036854775808", "-9223372036854775809"]) {
    const other = set.clone();
    other.add(notOne);
    expect(other.encoding()).toBe("hashtable");
  }
  const zset = new SortedSetValue();
  for (let n = 0; n < 128; n++) zset.set(`m${n}`, n);
  expect(zset.encoding()).toBe("listpack");
  zset.set("m128", 1);
  expect(zset.encoding()).toBe("skiplist");
});

test("the sign of -0 is kept in a large sorted set and lost in a small one, as in Redis", () => {
  const zset = new SortedSetValue();
  zset.set("small", -0);
  zset.set("x".repeat(65), -0);
  expect(zset.scoreOf("small")).toBe(0);
  expect(zset.scoreOf("x".repeat(65))).toBe(-0);
  expect(throughSnapshot(zset, readSortedSet).scoreOf("x".repeat(65))).toBe(-0);
  expect(SortedSetValue.fromScores(new Map([["a", -0]])).scoreOf("a")).toBe(0);
});

test("a scan returns every member that is present from its start to its end, whatever else comes and goes", () => {
  const change = fc.tuple(fc.boolean(), fc.nat(60));
  fc.assert(
    fc.property(
      fc.array(fc.array(change, { maxLength: 12 }), { maxLength: 60 }),
      fc.nat(6),
      (rounds, extra) => {
        const set = new SetValue();
        for (let n = 0; n < 40; n++) set.add(`m${n}`);
        const throughout = new Set(set.members);
        const seen = new Set<string>();
        let cursor = 0n;
        for (let round = 0; ; round++) {
          const step = scanStep(set.size, cursor, 1 + extra);
          for (const found of set.members.slice(step.from, step.to)) seen.add(found);
          cursor = BigInt(step.from);
          if (cursor === 0n) break;
          for (const [add, n] of rounds[round] ?? []) {
            if (add) set.add(`m${n}`);
            else if (set.size > 1 && set.delete(`m${n}`)) throughout.delete(`m${n}`);
          }
        }
        for (const expected of throughout) expect(seen).toContain(expected);
      },
    ),
  );
});
