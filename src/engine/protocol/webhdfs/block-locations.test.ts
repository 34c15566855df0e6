import { expect, test } from "vitest";
import type { BlockLocation } from "../../files/file-system.ts";
import type { FileStatus } from "../../files/namespace/model.ts";
import { memoryNode } from "../../files/memory/file-system.testing.ts";
import { blockLocationsJson, locatedBlocksJson } from "./block-locations.ts";

const NAMES = ["n1", "n2", "n3"];
const nodes = NAMES.map((name, at) => memoryNode(name, `127.0.0.1:${at + 1}`));

function located(segment: BlockLocation["segment"]): BlockLocation {
  const { length } = segment;
  return { segment, replicas: NAMES.map((node) => ({ node, stamp: 0, length, state: "finished" as const })) };
}

test("a small file is told to be on as many nodes as it has replicas: who waits for that number waits no longer", () => {
  const inline = located({
    type: "inline",
    offset: 0,
    length: 3,
    content: "abc",
  } as BlockLocation["segment"]);
  const block = located({ type: "block", id: 7, stamp: 1, offset: 3, length: 9 } as BlockLocation["segment"]);
  for (const [replication, told] of [
    [1, 1],
    [2, 2],
    [5, 3],
  ] as const) {
    const status = { replication, length: 12, open: false, id: 1 } as FileStatus;
    const hosts = blockLocationsJson(status, [inline, block], nodes).map((each) => each.hosts.length);
    expect(hosts).toEqual([told, 3]);
    const { locatedBlocks } = locatedBlocksJson(status, [inline, block], nodes);
    expect(locatedBlocks.map(({ locations }) => locations.length)).toEqual([told, 3]);
  }
});
