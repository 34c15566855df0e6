/** Unchanged clients go on when the leader is killed: at another node as if nothing had happened, at its own once it is back. */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import { cleanUp, until } from "../cli/program.ts";
import { lacks, python, REDIS_PYS } from "../engines.ts";
import type { NodePlace } from "../faults/cluster.ts";
import { leaderOf, pidsOf, startThree, statuses } from "../faults/cluster.ts";
import { COUNTERS } from "./counters.ts";

const CASE_TIMEOUT_MS = 60_000;
/** Rounds before the leader is killed, and after. */
const BEFORE = 30;
const AFTER = 60;
const GO_ON_MS = 30_000;

let nodes: readonly NodePlace[] = [];

/** The port of the leader, and of a node that is not, once all nodes are up. */
async function ports(): Promise<{ readonly leader: number; readonly other: number }> {
  await pidsOf(nodes);
  const { at } = await leaderOf(nodes);
  return { leader: nodes[at]?.port ?? 0, other: nodes[(at + 1) % nodes.length]?.port ?? 0 };
}

/** Kills the node that leads; resolves when another does. */
async function killLeader(): Promise<void> {
  const leader = await leaderOf(nodes);
  process.kill(leader.pid, "SIGKILL");
  await until("another leader", GO_ON_MS, async () => {
    const next = await leaderOf(nodes);
    return next.term > leader.term || undefined;
  });
}

interface Output {
  readonly text: string;
  readonly code: number | null;
}

/** True when a program that prints a line for each round is well under way. */
function underWay(text: string): boolean {
  return text.split("\n").length > BEFORE;
}

/** Runs a program, and kills the leader when it is under way, which its output says if not `ready`. */
async function runThroughKill(
  command: string,
  args: readonly string[],
  ready: (text: string) => boolean | Promise<boolean> = underWay,
): Promise<Output> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  let code: number | null | undefined;
  const ended = new Promise<void>((done, fail) => {
    child.once("error", fail);
    child.once("close", (status) => {
      code = status;
      done();
    });
  });
  try {
    await until(`${command} to be under way`, GO_ON_MS, async () => {
      if (code !== undefined) throw new Error(`${command} ended early: ${text}`);
      return (await ready(text)) || undefined;
    });
    await killLeader();
    await Promise.race([ended, delay(GO_ON_MS, undefined, { ref: false })]);
    return { text, code: code ?? null };
  } finally {
    child.kill("SIGKILL");
  }
}

function counts(first: number, rounds: number): readonly string[] {
  return Array.from({ length: rounds }, (_, at) => `${first + at}`);
}

describe.each(ALGORITHMS)("%s", (algorithm) => {
  beforeAll(async () => {
    nodes = await startThree(algorithm);
  }, CASE_TIMEOUT_MS);

  afterAll(cleanUp);

  describe.each(Object.entries(COUNTERS))("%s", (_, open) => {
    test(
      "does not notice at another node",
      async () => {
        const counter = await open((await ports()).other);
        try {
          const first = await counter.round();
          const seen: number[] = [];
          for (let round = 0; round < BEFORE; round++) seen.push(await counter.round());
          const killed = killLeader();
          for (let round = 0; round < AFTER; round++) seen.push(await counter.round());
          await killed;
          for (let round = 0; round < BEFORE; round++) seen.push(await counter.round());
          expect(seen).toEqual(seen.map((__, at) => first + 1 + at));
        } finally {
          counter.close();
        }
      },
      CASE_TIMEOUT_MS,
    );

    test(
      "finds its node again, and every count that it was told",
      async () => {
        const counter = await open((await ports()).leader);
        try {
          let last = 0;
          let failed = 0;
          const round = async (): Promise<void> => {
            try {
              const count = await counter.round();
              expect(count).toBeGreaterThan(last);
              last = count;
            } catch (error) {
              if (error instanceof Error && error.name === "AssertionError") throw error;
              failed++;
              await delay(20);
            }
          };
          for (let done = 0; done < BEFORE; done++) await round();
          expect(failed).toBe(0);
          const before = last;
          await killLeader();
          const deadlineMs = performance.now() + GO_ON_MS;
          while (last < before + AFTER && performance.now() < deadlineMs) await round();
          expect(last).toBeGreaterThanOrEqual(before + AFTER);
        } finally {
          counter.close();
        }
      },
      CASE_TIMEOUT_MS,
    );
  });

  describe.each(REDIS_PYS)("%s with a lock", (kind) => {
    const missing = lacks(kind);
    const program = resolve(import.meta.dirname, "programs/counter.py");
    const rounds = BEFORE + AFTER;

    test.skipIf(missing)(
      "does not notice at another node",
      async () => {
        const { other } = await ports();
        const [command, ...words] = python(kind);
        const { text, code } = await runThroughKill(command, [
          ...words,
          program,
          "localhost",
          `${other}`,
          `${rounds}`,
          kind,
        ]);
        expect({ code, lines: text.trimEnd().split("\n") }).toEqual({ code: 0, lines: counts(1, rounds) });
      },
      CASE_TIMEOUT_MS,
    );

    test.skipIf(missing)(
      "finds its node again with redis-py's own retries",
      async () => {
        const { leader } = await ports();
        const [command, ...words] = python(kind);
        const args = [...words, program, "localhost", `${leader}`, `${rounds}`, kind, "retry"];
        const { text, code } = await runThroughKill(command, args);
        const seen = text.trimEnd().split("\n").map(Number);
        expect({ code, rounds: seen.length }, text).toEqual({ code: 0, rounds });
        expect(seen, "counts that grow").toEqual(seen.toSorted((left, right) => left - right));
      },
      CASE_TIMEOUT_MS,
    );
  });

  describe.skipIf(lacks("redis-cli", "redis-benchmark"))("redis-tools", () => {
    test(
      "redis-cli counts on at another node",
      async () => {
        const { other } = await ports();
        const args = ["-p", `${other}`, "-r", "200", "-i", "0.01", "INCR", "counter:redis-cli"];
        const { text, code } = await runThroughKill("redis-cli", args);
        expect({ code, lines: text.trimEnd().split("\n") }).toEqual({ code: 0, lines: counts(1, 200) });
      },
      CASE_TIMEOUT_MS,
    );

    test(
      "redis-benchmark ends without an error at another node",
      async () => {
        const { other } = await ports();
        const load = ["-t", "set,get,incr", "-n", "20000", "-c", "20", "-r", "1000"];
        // Its output comes at its end; the log tells how far it is.
        const committed = async (): Promise<number> =>
          Math.max(...(await statuses(nodes)).map((status) => status?.groups[0]?.commitIndex ?? 0));
        const before = await committed();
        const ready = async (): Promise<boolean> => (await committed()) > before + 100;
        const { text, code } = await runThroughKill(
          "redis-benchmark",
          ["-p", `${other}`, ...load, "--csv"],
          ready,
        );
        expect({ code, text }).toEqual({ code: 0, text: expect.not.stringMatching(/error/i) as string });
        expect(text.split("\n").filter((line) => /^"(SET|GET|INCR)"/.test(line))).toHaveLength(3);
      },
      CASE_TIMEOUT_MS,
    );
  });
});
