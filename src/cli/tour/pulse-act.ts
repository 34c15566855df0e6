/** One writer at each node that writes number after number without a rest: what a pause of the cluster is measured by. */
import type { Act, Finding, Stage } from "./act.ts";
import type { Connection } from "./connection.ts";
import { pause } from "./connection.ts";
import { formatCount } from "../style.ts";

const PAUSE_MS = 1;

const pulseKey = (node: number): string => `pulse:${node}`;

export function pulseAct(stage: Stage): Act {
  const acknowledged = stage.urls.map(() => 0);
  const total = (): number => acknowledged.reduce((sum, count) => sum + count, 0);

  const beat = async (node: number): Promise<void> => {
    const connection = stage.connect(node);
    for (let number = 1; !stage.mayEnd(); number++) {
      await connection.untilDone((client) => client.set(pulseKey(node), String(number)));
      acknowledged[node] = number;
      stage.acknowledged(`pulse ${node}`);
      await pause(PAUSE_MS, stage.signal);
    }
  };

  return {
    title: "pulse",
    async run() {
      await Promise.all(stage.urls.map((_, node) => beat(node)));
    },
    progress: () => ({ text: `${formatCount(total())} single writes, one after the other at each node` }),
    async verify(connection: Connection) {
      const stored = await connection.untilDone((client) =>
        client.mGet(acknowledged.map((_, at) => pulseKey(at))),
      );
      return acknowledged.flatMap((expected, node) =>
        Number(stored[node] ?? 0) === expected
          ? []
          : [`pulse ${node} is ${stored[node] ?? "lost"}, not ${expected}`],
      );
    },
    findings(complaints): readonly Finding[] {
      const ok = complaints.length === 0;
      const text = ok ? "each pulse ends at its last acknowledged write" : `pulse: ${complaints[0] ?? ""}`;
      return [{ kind: "verified", text, ok }];
    },
  };
}
