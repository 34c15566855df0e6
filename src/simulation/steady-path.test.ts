/** What a write costs when nothing is wrong: counted, not timed, and the same whichever algorithm keeps the log. */
import { expect, test } from "vitest";
import { ALGORITHMS, DEFAULT_ALGORITHM } from "../consensus/algorithms.ts";
import type { Algorithm } from "../consensus/algorithms.ts";
import { QUIET } from "./experiments.ts";
import { QuietCluster } from "./quiet-cluster.ts";

interface Cost {
  frames: number;
  frameBytes: number;
  diskWrites: number;
  diskBytes: number;
}

/** One cluster alone differs by some per cent from the next, as its disks and links happen to be. */
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

/** Of all three nodes, for each acknowledged write. */
function costOf(algorithm: Algorithm, clients: number): Cost {
  const sum: Cost = { frames: 0, frameBytes: 0, diskWrites: 0, diskBytes: 0 };
  for (const seed of SEEDS) {
    const cost = costOfOne(seed, algorithm, clients);
    for (const part of Object.keys(sum) as (keyof Cost)[]) sum[part] += cost[part] / SEEDS.length;
  }
  return sum;
}

function costOfOne(seed: number, algorithm: Algorithm, clients: number): Cost {
  const quiet = new QuietCluster(seed, algorithm, QUIET);
  quiet.write([quiet.lead()], clients);
  quiet.runFor(300);
  const cost: Cost = { frames: 0, frameBytes: 0, diskWrites: 0, diskBytes: 0 };
  quiet.world.trace.listen((_timeMs, _node, what) => {
    const [, frameBytes] = /^frame from \w+, (\d+) bytes/.exec(what) ?? [];
    const [, diskBytes] = /^durable write (\d+) ok/.exec(what) ?? [];
    cost.frames += frameBytes === undefined ? 0 : 1;
    cost.frameBytes += Number(frameBytes ?? 0);
    cost.diskWrites += diskBytes === undefined ? 0 : 1;
    cost.diskBytes += Number(diskBytes ?? 0);
  });
  const fromMs = quiet.nowMs;
  quiet.runFor(500);
  const writes = quiet.latenciesSince(fromMs).length;
  expect(writes).toBeGreaterThan(200);
  const { frames, frameBytes, diskWrites, diskBytes } = cost;
  return {
    frames: frames / writes,
    frameBytes: frameBytes / writes,
    diskWrites: diskWrites / writes,
    diskBytes: diskBytes / writes,
  };
}

test.each([1, 64])(
  "with %i clients a write costs the same messages, disk writes and bytes with every algorithm, within 3 %",
  (clients) => {
    const base = costOf(DEFAULT_ALGORITHM, clients);
    expect(base.diskWrites).toBeGreaterThan(0);
    for (const algorithm of ALGORITHMS) {
      const cost = costOf(algorithm, clients);
      for (const part of Object.keys(base) as (keyof Cost)[]) {
        const difference = Math.abs(cost[part] / base[part] - 1);
        expect(difference, `${part} of ${algorithm}: ${cost[part]}, not ${base[part]}`).toBeLessThan(0.03);
      }
    }
  },
  60_000,
);
