/** Random commands over all collections: replicas agree, and so does one that joined by snapshot half-way. */
import { expect, test } from "vitest";
import type { Bytes } from "../../src/runtime/bytes.ts";
import { testKeyspace } from "../../src/engine/keyspace/keyspace.testing.ts";
import { Dice, randomLine } from "./collection-commands.ts";

test.each([1, 2, 3])(
  "equal streams give equal replies and digests, random ones included (seed %i)",
  (seed) => {
    const dice = new Dice(seed);
    const first = testKeyspace();
    const second = testKeyspace();
    const lines = Array.from({ length: 4000 }, () => randomLine(dice));
    for (const line of lines.slice(0, 2000)) expect(second.run(...line)).toEqual(first.run(...line));
    const chunks: Bytes[] = [];
    const cut = first.machine.snapshot();
    for (let bytes = cut.next(4096); bytes !== undefined; bytes = cut.next(4096)) chunks.push(bytes);
    second.machine.restore(chunks);
    for (const line of lines.slice(2000)) {
      expect([line, second.run(...line)]).toEqual([line, first.run(...line)]);
      expect(second.machine.digest()).toBe(first.machine.digest());
    }
    expect(second.machine.usedBytes()).toBe(first.machine.usedBytes());
  },
);
