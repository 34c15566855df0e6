/** `quorate members --force-new-cluster`: one stopped node goes on alone when a majority is lost for good. */
import { join, resolve } from "node:path";
import { forceNewCluster } from "../engine/force-new-cluster.ts";
import { QuorateError } from "../runtime/errors.ts";
import { createLogger } from "../runtime/node/logger.ts";
import { isInhabited, readClusterFile, replaceClusterFile } from "./cluster-file.ts";
import type { Call } from "./verb.ts";

export async function force(call: Call): Promise<number> {
  const id = call.text("name");
  const data = call.text("data");
  if (call.positionals.length > 0 || call.has("url") || id === undefined || data === undefined) {
    throw new QuorateError(
      "USAGE",
      "--force-new-cluster takes --name and --data of a stopped node, and no more",
    );
  }
  const root = resolve(data);
  const dataDir = join(root, id);
  const stored = readClusterFile(root);
  if (stored === undefined || !isInhabited(dataDir)) {
    throw new QuorateError("USAGE", `${root} holds no directory of a node ${id}`);
  }
  if (!call.has("accept-loss")) {
    throw new QuorateError(
      "USAGE",
      `this makes ${id} a cluster of its own, with what it holds: writes that the other nodes acknowledged without it are ` +
        "lost, and the other nodes can never come back. Try everything else first; then say --accept-loss",
    );
  }
  const forced = await forceNewCluster({
    id,
    dataDir,
    clusterId: stored.clusterId,
    address: stored.members[id] ?? "",
    logger: createLogger({ level: "error", format: "pretty" }),
  });
  replaceClusterFile(root, {
    clusterId: forced.clusterId,
    members: { [id]: forced.address },
    consensus: stored.consensus,
    inhabited: [id],
    replaces: stored.replaces ?? stored.clusterId,
  });
  const { lastIndex, lastTerm, clusterId, damaged } = forced;
  const lines = [
    `${id} is the only member of the new cluster ${clusterId}, with its log up to entry ${lastIndex} of term ${lastTerm}`,
    ...(damaged ? ["its directory was damaged: of what it acknowledged itself something is lost"] : []),
    "start it as before; then bring others in, with empty directories: quorate start --name … --join URL, and",
    "quorate members add …",
  ];
  process.stdout.write(
    call.has("json") ? `${JSON.stringify({ node: id, ...forced })}\n` : `${lines.join("\n")}\n`,
  );
  return 0;
}
