/** `quorate simulate`, as a person runs it. */
import { afterEach, expect, test } from "vitest";
import { cleanUp, run } from "./program.ts";

afterEach(cleanUp);

test("a seed with files is told in one line, the same at every run", { timeout: 60_000 }, async () => {
  const first = await run(["simulate", "--files", "--seed", "7"]);
  expect([first.code, first.stderr]).toEqual([0, ""]);
  expect(first.stdout).toMatch(
    /^seed 7: (replicated|coded) files over .*; faults: .*; trace [0-9a-f]{16}\n$/,
  );
  expect(await run(["simulate", "--files", "--seed", "7"])).toEqual(first);
});

test(
  "several seeds with files end with what was checked, over the log that is asked for",
  { timeout: 60_000 },
  async () => {
    const search = await run(["simulate", "--files", "--seed", "7", "--seeds", "2", "--consensus", "paxos"]);
    expect([search.code, search.stderr]).toEqual([0, ""]);
    expect(search.stdout).toMatch(
      /^files: 2 seeds from 7 on: \d+ events, [1-9]\d* changes, [1-9]\d* reads checked, nothing found\n$/,
    );
  },
);

test("every event of a seed with files is shown when asked for", { timeout: 60_000 }, async () => {
  const { code, stdout } = await run(["simulate", "--files", "--seed", "7", "--trace"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ +\d+\.\d{3} faults partition n\d$/m);
  expect(stdout).toMatch(/^ +\d+\.\d{3} client got read \/c\d\/f\d at n\d: /m);
});
