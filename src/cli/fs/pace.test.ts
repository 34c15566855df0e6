import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

/** How many of these begin before one of them ends. */
async function atATime(threads: number | undefined, files: readonly boolean[]): Promise<number> {
  const pace = new Pace(threads);
  const ends: (() => void)[] = [];
  let begun = 0;
  const all = (async () => {
    for (const each of files) {
      await pace.room(each);
      begun++;
      pace.run(each, new Promise((resolve) => ends.push(resolve)));
    }
    await pace.end();
  })();
  await new Promise((resolve) => setImmediate(resolve));
  const together = begun;
  while (begun < files.length || ends.length > 0) {
    ends.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await all;
  return together;
}

test("four files move at a time, 64 quick ones, or some of both; or as many as somebody said", async () => {
  const [quick, other] = [true, false];
  const many = (isQuick: boolean): readonly boolean[] => Array.from({ length: 100 }, () => isQuick);
  expect(await atATime(undefined, many(quick))).toBe(64);
  expect(await atATime(undefined, many(other))).toBe(4);
  expect(await atATime(undefined, [other, other, other, ...many(quick)])).toBe(3 + 16);
  for (const each of [quick, other]) expect(await atATime(3, many(each))).toBe(3);
});
