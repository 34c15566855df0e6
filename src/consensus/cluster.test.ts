/** Guarantees of the whole core under faults drawn from seeds. */
import { describe, expect, test } from "vitest";
import { ALGORITHMS } from "./algorithms.ts";
import { Cluster } from "./cluster.testing.ts";
import { swarm, type Faults } from "./swarm.testing.ts";

const QUIET: Faults = {
  loss: 0,
  duplicate: 0,
  delayMs: 1,
  diskMs: 1,
  restoreMs: 1,
  crash: 0,
  rot: 0,
  forget: 0,
  partition: 0,
  hold: 0,
  pause: 0,
  change: 0,
  compact: 0,
  transfer: 0,
  aim: 0,
  appendMaxBytes: 64,
};

describe.each(ALGORITHMS)("%s", (algorithm) => {
  test("a healthy cluster elects one leader and commits what is proposed", () => {
    const cluster = new Cluster({ algorithm, seed: 1, members: 3, spare: 0, faults: QUIET });
    cluster.run(2000);
    expect(cluster.leader()).toBeDefined();
    expect(cluster.chosen.length).toBeGreaterThan(50);
    expect(cluster.readsAnswered).toBeGreaterThan(50);
  });

  test("no fault breaks election safety, log matching, leader completeness, state machine safety or a read", () => {
    const seeds = Number(process.env["CONSENSUS_SEEDS"] ?? 60);
    const first = Number(process.env["CONSENSUS_SEED"] ?? 1);
    for (let seed = first; seed < first + seeds; seed += 1) {
      const readMode = seed % 3 === 0 ? "lease" : "barrier";
      const members = 1 + (seed % 5);
      const cluster = new Cluster({
        algorithm,
        seed,
        members,
        spare: seed % 3,
        faults: swarm(seed),
        consensus: { readMode },
      });
      try {
        cluster.run(8000);
        cluster.heal();
        const committed = cluster.chosen.length;
        cluster.run(20_000, () => cluster.chosen.length > committed + 20);
        expect(cluster.chosen.length, "progress after the faults ended").toBeGreaterThan(committed + 20);
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
  });

  test("nodes lose what was durable, again and again, and have it back in the end with nothing lost", () => {
    let losses = 0;
    for (let seed = 1; seed <= 25; seed += 1) {
      const aim = seed % 2 === 0 ? 0 : 0.7;
      const faults: Faults = { ...swarm(seed), crash: 0.05, rot: 0.9, forget: 0, change: 0, aim };
      const cluster = new Cluster({ algorithm, seed, members: 3 + (seed % 3), spare: 0, faults });
      try {
        cluster.run(8000);
        cluster.heal();
        cluster.run(20_000, () => cluster.recoveries === cluster.losses);
        expect(cluster.recoveries, "every node has it back").toBe(cluster.losses);
        losses += cluster.losses;
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
    expect(losses).toBeGreaterThan(100);
  });

  test("nodes forget everything, one after the other, are replaced by their next lives, and nothing is lost", () => {
    let forgotten = 0;
    for (let seed = 1; seed <= 30; seed += 1) {
      const aim = seed % 2 === 0 ? 0 : 0.7;
      const change = seed % 3 === 0 ? 0.02 : 0;
      const faults: Faults = { ...swarm(seed), crash: 0.05, rot: 0, forget: 0.9, change, aim };
      const cluster = new Cluster({ algorithm, seed, members: 3 + (seed % 3), spare: 0, faults });
      try {
        cluster.run(8000);
        cluster.heal();
        cluster.run(30_000, () => cluster.newcomers() === 0);
        expect(cluster.newcomers(), "every newcomer was admitted").toBe(0);
        forgotten += cluster.forgotten;
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
    expect(forgotten).toBeGreaterThan(100);
  });
});
