import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { connectFiles } from "../../src/client/files/connect.ts";
import { serveNode } from "../../src/engine/protocol/webhdfs/served-node.testing.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { attributesContract } from "./attributes-contract.ts";
import type { World } from "./contract.ts";
import { filesContract } from "./contract.ts";

function bothContracts(name: string, open: () => Promise<World>): void {
  filesContract(name, open);
  attributesContract(name, open);
}

bothContracts("a local directory", async () => {
  const directory = await mkdtemp(join(tmpdir(), "quorate-files-"));
  return {
    files: connectFiles(pathToFileURL(directory).href),
    hasReplicas: false,
    close: () => rm(directory, { recursive: true }),
  };
});

bothContracts("WebHDFS, three nodes of Quorate's server", async () => {
  const served = await serveMemory({ nodes: 3, settings: { blockSize: 1024 * 1024 } });
  return {
    files: connectFiles(`webhdfs://quorate@${served.addresses.join(",")}`),
    hasReplicas: true,
    publishes: true,
    close: () => served.close(),
  };
});

bothContracts("WebHDFS, a node of Quorate with a disk of its own", async () => {
  const served = await serveNode({ blockSize: 1024 * 1024 });
  return {
    files: connectFiles(`webhdfs://quorate@${served.address}`),
    hasReplicas: true,
    publishes: true,
    close: () => served.close(),
  };
});
