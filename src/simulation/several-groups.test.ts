import { expect, test } from "vitest";
import { ALGORITHMS } from "../consensus/algorithms.ts";
import { simulate } from "./simulation.ts";
import { TallyGroup } from "./tally-group.testing.ts";

/** Every fault that the swarm knows, in turn: from kills and torn writes to partitions and changes of members. */
const [FIRST, LAST] = (process.env["QUORATE_GROUP_SEEDS"] ?? "1-16").split("-").map(Number) as [
  number,
  number,
];

test.each(ALGORITHMS)(
  "%s: two groups on the same nodes keep their promises under every fault, and both go on when it is over",
  (consensus) => {
    let acknowledged = 0;
    const faults = new Set<string>();
    for (let seed = FIRST; seed <= LAST; seed++) {
      let tally: TallyGroup | undefined;
      const companion = (...given: ConstructorParameters<typeof TallyGroup>): TallyGroup =>
        (tally = new TallyGroup(...given));
      const result = simulate(seed, { consensus, companion });
      expect(result.violation, `seed ${seed}`).toBeUndefined();
      expect(result.phase, `seed ${seed}`).toBe("done");
      acknowledged += tally?.acknowledged.size ?? 0;
      for (const kind of Object.keys(result.faults)) faults.add(kind);
    }
    expect(acknowledged).toBeGreaterThan((LAST - FIRST + 1) * 20);
    for (const kind of ["kill", "powerLoss", "partition", "membershipChange", "decay"])
      expect(faults).toContain(kind);
  },
  600_000,
);
