/** Three real processes whose leaders are killed and paused under load: what clients saw has one order that explains it. */
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import { cleanUp } from "../cli/program.ts";
import { leaderOf, pidsOf, startThree } from "./cluster.ts";
import { Load } from "./load.ts";
import { judge } from "./verdict.ts";

const CASE_TIMEOUT_MS = 120_000;
const KILLS = 4;
const PAUSES = 3;
/** Well beyond the time after which the others elect. */
const PAUSE_MS = 2_000;
/** Requests that are answered between two faults. */
const STEADY = 400;
const RESUME_MS = 15_000;

afterEach(cleanUp);

test.each(ALGORITHMS)(
  "%s: histories stay linearizable while leaders are killed and started again",
  async (algorithm) => {
    const nodes = await startThree(algorithm);
    const load = new Load({ nodes, clients: 9, seed: 1 });
    await load.progress("before any fault", STEADY, RESUME_MS);
    for (let kill = 1; kill <= KILLS; kill++) {
      load.nextPhase();
      const leader = await leaderOf(nodes);
      process.kill(leader.pid, "SIGKILL");
      await load.progress(`after kill ${kill}, of ${leader.id}`, STEADY, RESUME_MS, leader.at);
      await load.answersAt(leader.at, RESUME_MS);
      expect((await leaderOf(nodes)).term).toBeGreaterThan(leader.term);
    }
    load.nextPhase();
    for (const pid of await pidsOf(nodes)) process.kill(pid, "SIGKILL");
    await load.progress("after all were killed at once", STEADY, RESUME_MS);
    await judge(`kills-${algorithm}`, load);
  },
  CASE_TIMEOUT_MS,
);

test.each(ALGORITHMS)(
  "%s: histories stay linearizable while leaders are paused and wake up as if nothing had happened",
  async (algorithm) => {
    const nodes = await startThree(algorithm);
    const load = new Load({ nodes, clients: 9, seed: 2 });
    await load.progress("before any fault", STEADY, RESUME_MS);
    for (let pause = 1; pause <= PAUSES; pause++) {
      load.nextPhase();
      const leader = await leaderOf(nodes);
      process.kill(leader.pid, "SIGSTOP");
      try {
        await load.progress(`during pause ${pause}, of ${leader.id}`, STEADY, RESUME_MS, leader.at);
        await delay(PAUSE_MS);
      } finally {
        process.kill(leader.pid, "SIGCONT");
      }
      await load.answersAt(leader.at, RESUME_MS);
      await load.progress(`after pause ${pause}`, STEADY, RESUME_MS);
    }
    await judge(`pauses-${algorithm}`, load);
  },
  CASE_TIMEOUT_MS,
);
