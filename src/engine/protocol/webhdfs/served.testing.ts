/** WebHDFS, and the door of operators, over files in memory, on real sockets: one or several nodes of one file system. For tests. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { MemoryFileSystem, memoryNode } from "../../files/memory/file-system.testing.ts";
import type { MemoryFileSystemOptions } from "../../files/memory/file-system.testing.ts";
import type { FileSystem } from "../../files/file-system.ts";
import { answerBrokenRequests } from "../admin/broken-requests.ts";
import { createFilesAdminDoor, isFilesAdmin } from "../files-admin/files-admin-door.ts";
import type { WebHdfsOptions } from "./webhdfs-door.ts";
import { createWebHdfsDoor } from "./webhdfs-door.ts";

export interface Served {
  readonly files: MemoryFileSystem;
  /** "host:port" of each node. */
  readonly addresses: readonly string[];
  /** "http://host:port/webhdfs/v1" of the first node. */
  readonly url: string;
  /** Requests so far at each node, as "METHOD target". */
  readonly requests: readonly (readonly string[])[];
  /** Cuts every connection. */
  readonly servers: readonly Server[];
  close(): Promise<void>;
}

export interface ServedOptions extends Omit<MemoryFileSystemOptions, "nodes"> {
  /** Default 1. */
  readonly nodes?: number;
  readonly door?: Partial<WebHdfsOptions>;
}

export async function serveMemory({
  nodes: count = 1,
  door,
  ...options
}: ServedOptions = {}): Promise<Served> {
  const servers = await Promise.all(Array.from({ length: count }, listening));
  const addresses = servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`);
  const files = new MemoryFileSystem({
    ...options,
    nodes: addresses.map((http, at) => memoryNode(`n${at + 1}`, http)),
  });
  const requests = servers.map(() => [] as string[]);
  for (const [at, server] of servers.entries()) {
    const own = Object.create(files, { node: { value: `n${at + 1}` } }) as FileSystem;
    const admin = createFilesAdminDoor({ files: own, ...door });
    const taken = createWebHdfsDoor({ files: own, key: () => Buffer.alloc(32, 7), now: Date.now, ...door });
    server.requestTimeout = 0;
    const note = (method = "", target = ""): unknown => requests[at]?.push(`${method} ${target}`);
    server.on("request", (request, response) => {
      note(request.method, request.url);
      if (isFilesAdmin(request.url ?? "")) admin.take(request, response);
      else taken.take(request, response, false);
    });
    server.on("checkContinue", (request, response) => {
      note(request.method, request.url);
      taken.take(request, response, true);
    });
  }
  return {
    files,
    addresses,
    url: `http://${addresses[0] ?? ""}/webhdfs/v1`,
    requests,
    servers,
    async close() {
      await Promise.all(servers.map(closed));
    },
  };
}

function listening(): Promise<Server> {
  const server = createServer({ maxHeaderSize: 64 * 1024 });
  answerBrokenRequests(server);
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
