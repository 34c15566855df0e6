/** Guarantees of the whole core under faults drawn from seeds. */
import { expect, test } from "vitest";
import { Cluster, randomFrom, type Faults } from "./cluster.testing.ts";

const QUIET: Faults = {
  loss: 0,
  duplicate: 0,
  delayMs: 1,
  diskMs: 1,
  crash: 0,
  partition: 0,
  pause: 0,
  change: 0,
  compact: 0,
  transfer: 0,
};

/** Each seed draws its own mix, so that a rare combination is not drowned by a common one. */
function swarm(seed: number): Faults {
  const random = randomFrom(seed ^ 0x5eed);
  const some = (most: number): number => (random() < 0.5 ? 0 : random() * most);
  return {
    loss: some(0.2),
    duplicate: some(0.2),
    delayMs: 0.5 + some(20),
    diskMs: 0.5 + some(15),
    crash: some(0.05),
    partition: some(0.04),
    pause: some(0.03),
    change: some(0.05),
    compact: some(0.05),
    transfer: some(0.03),
  };
}

test("a healthy cluster elects one leader and commits what is proposed", () => {
  const cluster = new Cluster({ seed: 1, members: 3, spare: 0, faults: QUIET });
  cluster.run(2000);
  expect(cluster.leader()).toBeDefined();
  expect(cluster.chosen.length).toBeGreaterThan(50);
  expect(cluster.readsAnswered).toBeGreaterThan(50);
});

test("no fault breaks election safety, log matching, leader completeness, state machine safety or a read", () => {
  const seeds = Number(process.env["RAFT_SEEDS"] ?? 60);
  const first = Number(process.env["RAFT_SEED"] ?? 1);
  for (let seed = first; seed < first + seeds; seed += 1) {
    const readMode = seed % 3 === 0 ? "lease" : "barrier";
    const members = 1 + (seed % 5);
    const cluster = new Cluster({
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
