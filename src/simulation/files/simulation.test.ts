import { afterEach, expect, test, vi } from "vitest";
import { NamespaceLog } from "../../engine/files/node/namespace-log.ts";
import type { NamespaceQueries } from "../../engine/files/namespace/queries.ts";
import { reportFailure, reportRun } from "./report.ts";
import { mixOf, simulateFiles } from "./simulation.ts";

afterEach(() => void vi.restoreAllMocks());

test.each([1, 5, 7, 17])(
  "seed %i is the same run every time, to the last event",
  { timeout: 120_000 },
  async (seed) => {
    const first = await simulateFiles(seed);
    expect(first.violation).toBeUndefined();
    expect(first.operations).toBeGreaterThan(0);
    expect(first.reads).toBeGreaterThan(0);
    expect(await simulateFiles(seed)).toEqual(first);
  },
);

test("seeds draw every kind of world, and take the log that is asked for", () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) {
    const { log, coded } = mixOf(seed);
    seen.add(`${log} ${coded}`);
    expect(mixOf(seed, "paxos")).toMatchObject({ log: "paxos", coded, decays: false });
  }
  const kinds = ["simple", "raft", "paxos"].flatMap((log) => [`${log} true`, `${log} false`]);
  expect([...seen].sort()).toEqual(kinds.sort());
});

test(
  "what a run finds is told with its seed, its world and the command that runs it again",
  { timeout: 120_000 },
  async () => {
    // A deliberate bug: questions that do not wait for a barrier.
    vi.spyOn(NamespaceLog.prototype, "ask").mockImplementation(async function <T>(
      this: NamespaceLog,
      question: (namespace: NamespaceQueries) => T,
    ): Promise<T> {
      return this.now(question);
    });
    for (let seed = 1; seed <= 25; seed++) {
      const result = await simulateFiles(seed);
      if (result.violation === undefined) continue;
      expect(result.violation).toMatch(/read at n\d: .* is none of /);
      expect(reportRun(result)).toMatch(new RegExp(`^seed ${seed}: .*; trace [0-9a-f]{16}$`));
      const again = `Again: quorate simulate --files --seed ${seed}`;
      expect(reportFailure(result, {})).toContain(`${again}    (`);
      expect(reportFailure(result, { consensus: "paxos" })).toContain(`${again} --consensus paxos    (`);
      return;
    }
    throw new Error("the bug was not found");
  },
);
