import fc from "fast-check";
import { expect, test } from "vitest";
import { PositionIndex } from "./position-index.ts";

test("it answers as a map does, whatever comes and goes", () => {
  const step = fc.tuple(fc.boolean(), fc.nat(2500));
  fc.assert(
    fc.property(fc.nat(2000), fc.array(step, { minLength: 200, maxLength: 3000 }), (first, steps) => {
      const index = new PositionIndex();
      const model = new Map<string, number>();
      for (let n = 0; n < first; n++) {
        index.set(`t${n}`, n);
        model.set(`t${n}`, n);
      }
      for (const [at, [add, n]] of steps.entries()) {
        const text = `t${n}`;
        expect(index.get(text)).toBe(model.get(text) ?? -1);
        if (!model.has(text)) {
          index.set(text, at);
          model.set(text, at);
        } else if (add) {
          index.set(text, at);
          model.set(text, at);
        } else {
          index.delete(text);
          model.delete(text);
        }
        expect(index.size).toBe(model.size);
      }
      for (const text of model.keys()) index.delete(text);
      expect(index.size).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test("strings that come and go leave nothing behind that grows", () => {
  const index = new PositionIndex();
  for (let n = 0; n < 10_000; n++) index.set(`t${n}`, n);
  const entries = (index as unknown as { entries: Map<string, number> }).entries;
  for (let n = 0; n < 50_000; n++) {
    index.set(`u${n}`, n);
    index.delete(`u${n}`);
  }
  expect(entries.size).toBeLessThanOrEqual(11_024);
  for (let n = 0; n < 10_000; n++) index.delete(`t${n}`);
  expect(entries.size).toBe(0);
});
