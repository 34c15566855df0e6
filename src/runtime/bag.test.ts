import fc from "fast-check";
import { expect, test } from "vitest";
import { Bag } from "./bag.ts";

test("a bag holds what was put in and not taken out, whatever the order", () => {
  const steps = fc.array(fc.oneof(fc.constant("add" as const), fc.nat(20)), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (all) => {
      const bag = new Bag<{ readonly n: number }>();
      const held: { readonly place: number; readonly thing: { readonly n: number } }[] = [];
      for (const [n, step] of all.entries()) {
        if (step === "add") held.push({ place: bag.add({ n }), thing: { n } });
        else if (held.length > 0) bag.remove(held.splice(step % held.length, 1)[0]!.place);
        expect(bag.size).toBe(held.length);
      }
      const numbers = (things: Iterable<{ readonly n: number }>): number[] =>
        [...things].map(({ n }) => n).sort((left, right) => left - right);
      expect(numbers(bag)).toEqual(numbers(held.map(({ thing }) => thing)));
    }),
  );
});

test("places are used again", () => {
  const bag = new Bag<string>();
  const places = Array.from({ length: 1000 }, () => {
    const place = bag.add("x");
    bag.remove(place);
    return place;
  });
  expect(new Set(places)).toEqual(new Set([0]));
});
