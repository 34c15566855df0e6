/** What a choice costs on the steady path: the size of the cluster, its durability, how a read is kept linearizable. */
import { join } from "node:path";
import type { RunningEngine } from "./engines.ts";
import { startQuorate } from "./engines.ts";
import type { Comparison, Extent } from "./suites.ts";
import { clients, warmUp, withEngines } from "./suites.ts";
import type { LoadShape } from "./throughput.ts";
import { alternate, respContender } from "./throughput.ts";

interface Choice {
  readonly label: string;
  readonly nodes: number;
  readonly flags: readonly string[];
  /** Nothing is kept on a disk. */
  readonly memory?: boolean;
}

const durable = (label: string, nodes: number, ...flags: readonly string[]): Choice => ({
  label,
  nodes,
  flags,
});

const SIZES = [durable("3 nodes", 3), durable("1 node", 1), durable("5 nodes", 5)];
const DURABILITIES = [
  durable("always", 3),
  durable("everysec", 3, "--durability", "everysec"),
  { label: "memory", nodes: 3, flags: ["--durability", "memory"], memory: true },
];
const READ_MODES = [durable("barrier", 3), durable("lease", 3, "--read-mode", "lease")];

/** Each group of choices up at once, and loaded in turn. */
export async function modes(extent: Extent, report: (comparison: Comparison) => void): Promise<void> {
  await compare("SET, by cluster size", SIZES, "set", extent, report);
  await compare("SET, 3 nodes, by durability", DURABILITIES, "set", extent, report);
  await compare("GET, 3 nodes, by read mode", READ_MODES, "get", extent, report);
}

function compare(
  title: string,
  choices: readonly Choice[],
  operation: LoadShape["operation"],
  extent: Extent,
  report: (comparison: Comparison) => void,
): Promise<void> {
  return withEngines(async (folder, own) => {
    const engines: { label: string; engine: RunningEngine }[] = [];
    for (const { label, nodes, flags, memory } of choices) {
      const engine = await own(startQuorate(memory === true ? undefined : join(folder, label), nodes, flags));
      await warmUp(engine);
      engines.push({ label, engine });
    }
    for (const connections of [1, 64]) {
      const requests = Math.round((connections === 1 ? 5_000 : 100_000) * extent.scale);
      const shape = { operation, connections, pipeline: 1, requests };
      const contenders = engines.map(({ label, engine }) => respContender(label, engine, shape));
      const measured = await alternate(contenders, extent.rounds);
      report({
        title: `${title}, ${clients(connections)}`,
        goals: {},
        compared: choices[0]?.label ?? "",
        measured,
      });
    }
  });
}
