import { expect, test } from "vitest";
import type { NodeConfig } from "./node-channel.ts";
import { optionsOf } from "./node-process.ts";

const CONFIG: NodeConfig = {
  id: "n1",
  clusterId: "c",
  members: {},
  beginsAs: "founder",
  peerAddress: "127.0.0.1:1",
  dataDir: "memory",
  host: "127.0.0.1",
  respPort: 1,
  httpPort: 2,
  peerPort: 3,
  consensus: "raft",
  durability: "memory",
  readMode: "barrier",
  protectedMode: true,
  browserNames: [],
  rack: "/r",
  cacheWrites: true,
  slots: 1,
  password: undefined,
  secret: "secret",
  logLevel: "error",
  logFormat: "json",
};

test("what is said of blocks, and of scrubbing them, reaches the node", () => {
  const files = (config: Partial<NodeConfig>): unknown =>
    optionsOf({ ...CONFIG, ...config }, () => undefined).files;
  expect(files({})).toEqual({ rack: "/r", cacheWrites: true });
  expect(files({ scrubBandwidth: undefined })).toEqual(files({}));
  for (const scrubBandwidth of [0, 1000])
    expect(files({ scrubBandwidth })).toEqual({ rack: "/r", cacheWrites: true, scrubBandwidth });
});
