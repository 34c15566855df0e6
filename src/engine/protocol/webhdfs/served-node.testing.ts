/** WebHDFS over one node of the real file system: a real disk, real sockets, a namespace of one replica. For tests. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalHub } from "../../../runtime/node/local-network.ts";
import { openNodeDisk } from "../../../runtime/node/disk.ts";
import { openLocalWorld } from "../../../runtime/node/world.ts";
import type { PieceReader } from "../../files/blocks/piece-reader.ts";
import type { NamespaceSettings } from "../../files/namespace/model.ts";
import type { FilesNode } from "../../files/node/files-node.ts";
import { openFilesNode } from "../../files/node/files-node.ts";
import { loneGroup } from "../../files/node/lone-group.testing.ts";
import { inTurn } from "../admin/in-turn.ts";
import { createFilesAdminDoor, isFilesAdmin } from "../files-admin/files-admin-door.ts";
import type { WebHdfsOptions } from "./webhdfs-door.ts";
import { createWebHdfsDoor } from "./webhdfs-door.ts";

export interface ServedNode {
  readonly node: FilesNode;
  /** Where its blocks are. */
  readonly directory: string;
  /** "host:port". */
  readonly address: string;
  close(): Promise<void>;
}

export async function serveNode(
  settings: Partial<NamespaceSettings> = {},
  reader?: PieceReader,
  options: Partial<WebHdfsOptions> = {},
): Promise<ServedNode> {
  const directory = await mkdtemp(join(tmpdir(), "quorate-blocks-"));
  const server = createServer({ maxHeaderSize: 64 * 1024 });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const world = openLocalWorld({ log: () => undefined });
  const group = loneGroup("n1", world.clock);
  const node = await new Promise<FilesNode>((resolve) => {
    openFilesNode(
      {
        node: "n1",
        world: { ...world, disk: openNodeDisk(directory), network: createLocalHub().join("n1") },
        group,
        address: () => address,
        reservedBytes: 0,
        settings: { replication: 1, ...settings },
        ...(reader === undefined ? {} : { reader }),
      },
      resolve,
    );
  });
  const door = createWebHdfsDoor({ files: node.files, key: () => node.key(), now: Date.now, ...options });
  server.requestTimeout = 0;
  const admin = createFilesAdminDoor({ files: node.files });
  server.on("request", (request, response) => {
    inTurn(request, response, () => {
      if (isFilesAdmin(request.url ?? "")) admin.take(request, response);
      else door.take(request, response, false);
    });
  });
  server.on("checkContinue", (request, response) => door.take(request, response, true));
  return {
    node,
    directory,
    address,
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await node.close();
      group.stop();
      await rm(directory, { recursive: true });
    },
  };
}
