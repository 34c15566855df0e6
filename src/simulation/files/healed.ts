/** What must be so once everything is healed. */
import type { FilesCluster } from "./files-cluster.ts";
import { ROOT } from "./files-cluster.ts";

/** Throws what is not as it must be. `readAll` reads every file at every node. */
export async function judgeHealed(cluster: FilesCluster, readAll: () => Promise<void>): Promise<void> {
  const machine = cluster.log.machine("n2");
  // One that was just started shows a past in which perhaps nothing was open.
  await cluster.until(
    () => cluster.log.settled && machine.statistics().openFiles === 0,
    "all files are closed",
    150_000,
  );
  const isGivenUp = (): boolean => cluster.log.settled && machine.statistics().reclaiming === 0;
  await cluster.until(isGivenUp, "what was deleted is given up");
  const report = cluster.files("n2").settledReplication("/", ROOT);
  await cluster.of(report, "all blocks are as they should be", 200_000).catch(async (error: unknown) => {
    throw new Error(`${(error as Error).message}\n${await illnesses(cluster)}`);
  });
  await cluster.until(() => cluster.log.settled, "the replicas of the namespace agree");
  await readAll();
  const strays = (): string[] =>
    cluster.ids.flatMap((id) =>
      [...cluster.node(id).store.list()].flatMap((each) =>
        machine.block(each.id) === undefined ? [`${each.id} at ${id}`] : [],
      ),
    );
  await cluster
    .until(() => strays().length === 0, "what no file names is gone", 150_000)
    .catch((error: unknown) => {
      throw new Error(`${(error as Error).message}: ${strays().join(", ")}`);
    });
  const lacking = (): string[] =>
    [...machine.blocks()].flatMap(({ id, length, replication }) => {
      const { length: held } = cluster.holders(id);
      return length > 0 && held < replication ? [`block ${id} is on ${held} nodes only`] : [];
    });
  // What has decayed was perhaps found by the reading just now.
  await cluster
    .until(() => lacking().length === 0, "every block is where it should be", 150_000)
    .catch(() => {
      throw new Error(`${lacking().join(", ")}`);
    });
  await cluster.until(() => cluster.lent === 0, "all memory that was lent is given back");
  const digests = new Set(cluster.ids.map((id) => cluster.log.machine(id).digest()));
  if (digests.size > 1) throw new Error("the namespaces differ");
}

/** What is wrong with which block, for the message. */
async function illnesses(cluster: FilesCluster): Promise<string> {
  const lines: string[] = [];
  const all = async (): Promise<void> => {
    for await (const { status, blocks } of cluster.files("n2").health("/", ROOT)) {
      for (const block of blocks) {
        if (block.problem === "none") continue;
        const known = cluster.log.machine("n2").block(block.block);
        lines.push(JSON.stringify({ path: status.path, ...block, known }));
      }
    }
  };
  await cluster.of(all());
  return lines.join("\n");
}
