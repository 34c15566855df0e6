import { expect, test } from "vitest";
import type {
  BlockHealthJson,
  BlockSumsJson,
  HealthSummaryJson,
  PathHealthJson,
  ReplicaJson,
} from "../../wire/files-admin.ts";
import type { FsckShown } from "./fsck-text.ts";
import { pathText, summaryText } from "./fsck-text.ts";

const NONE: BlockSumsJson = {
  files: 0,
  length: 0,
  blocks: 0,
  minimal: 0,
  overReplicated: 0,
  underReplicated: 0,
  misplaced: 0,
  missing: 0,
  missingLength: 0,
  corrupt: 0,
  corruptLength: 0,
  damagedFiles: 0,
  goodReplicas: 0,
  wantedReplicas: 0,
  missingReplicas: 0,
  making: 0,
};

function summary(coded: Partial<BlockSumsJson>): HealthSummaryJson {
  return {
    ...NONE,
    type: "summary",
    path: "/",
    healthy: (coded.missing ?? 0) === 0,
    directories: 2,
    links: 0,
    inlineFiles: 0,
    openFiles: 0,
    openLength: 0,
    openBlocks: 0,
    coded: { ...NONE, ...coded },
    nodes: 5,
    racks: 1,
    defaultReplication: 1,
  };
}

const shard = (at: number, node: string, state: ReplicaJson["state"] = "good"): ReplicaJson => {
  return { node, rack: "/r", standing: "inService", state, shard: at };
};
const group: BlockHealthJson = {
  at: 0,
  block: 160,
  stamp: 7,
  length: 1_362_865,
  wanted: 4,
  replicas: [shard(0, "n1"), shard(1, "n2"), shard(3, "n1"), shard(4, "n3", "corrupt")],
  making: ["n2"],
  problem: "under-replicated",
  explanation: "It has 3 good shards of 4: shard 4 of n3 is damaged; shard 4 on n2 is being made.",
};
const file: PathHealthJson = {
  type: "path",
  path: "/ec/f",
  kind: "file",
  length: 1_362_865,
  replication: 1,
  erasureCoding: "RS-3-2-1024k",
  open: false,
  inlineBytes: 0,
  blockCount: 1,
  blocks: [group],
};

test("a coded file is shown as HDFS shows it, shard by shard", () => {
  const shown = { files: true, blocks: true } as const;
  expect(pathText(file, { ...shown, where: "locations" })).toBe(
    [
      "/ec/f 1362865 bytes, erasure-coded: policy=RS-3-2-1024k, 1 block(s):  Under replicated blk_160_7. Target Replicas is 4 but found 3 live replica(s), 0 decommissioned replica(s), 0 decommissioning replica(s).",
      "    It has 3 good shards of 4: shard 4 of n3 is damaged; shard 4 on n2 is being made.",
      "0. blk_160_7 len=1362865 Live_repl=3  [blk_160:n1, blk_161:n2, blk_163:n1, blk_164:n3]",
      "",
      "",
    ].join("\n"),
  );
  expect(pathText(file, { ...shown, where: "replicaDetails" })).toContain(
    "[blk_160:n1(LIVE), blk_161:n2(LIVE), blk_163:n1(LIVE), blk_164:n3(CORRUPT), n2(BEING_MADE)]",
  );
});

test("where a block is are nodes that run and have all of it, of an open one those that write it; the details are of all", () => {
  const replica = (node: string, state: ReplicaJson["state"]): ReplicaJson => ({
    node,
    rack: "/a",
    standing: "inService",
    state,
  });
  const states = ["good", "quiet", "silent", "stale", "writing", "recovering", "corrupt"] as const;
  const block: BlockHealthJson = {
    ...group,
    wanted: 3,
    problem: "under-replicated",
    replicas: states.map((state, at) => replica(`n${at + 1}`, state)),
    making: ["n5"],
  };
  const places = (where: FsckShown["where"], problem: BlockHealthJson["problem"]): string => {
    const text = pathText({ ...file, blocks: [{ ...block, problem }] }, { files: true, blocks: true, where });
    return /\[(.*)\]/.exec(text)?.[1] ?? "";
  };
  expect(places("locations", "under-replicated")).toBe("n1, n2, n7");
  expect(places("racks", "under-replicated")).toBe("/a/n1, /a/n2, /a/n7");
  expect(places("locations", "open")).toBe("n1, n2, n5, n6, n7");
  expect(places("replicaDetails", "under-replicated")).toBe(
    "n1(LIVE), n2(STALE_NODE), n3(DEAD_NODE), n4(STALE_BLOCK_CONTENT), n5(BEING_WRITTEN), n6(BEING_RECOVERED), n7(CORRUPT)",
  );
});

test("the details tell of nodes on their way out whether they may be stopped, in the words of HDFS", () => {
  const replica = (
    node: string,
    standing: ReplicaJson["standing"],
    state: ReplicaJson["state"] = "good",
  ): ReplicaJson => ({ node, rack: "/a", standing, state });
  const replicas = [
    replica("n1", "decommissioning"),
    replica("n2", "decommissioning"),
    replica("n3", "decommissioning", "silent"),
    replica("n4", "decommissioning", "corrupt"),
    replica("n5", "inMaintenance"),
    replica("n6", "inMaintenance", "quiet"),
    replica("n7", "inMaintenance", "silent"),
    replica("n8", "inService"),
  ];
  const blocks = [{ ...group, replicas, making: [], problem: "none" as const }];
  const emptied = new Set(["n2", "n3", "n6", "n7"]);
  expect(
    pathText({ ...file, blocks }, { files: true, blocks: true, where: "replicaDetails", emptied }),
  ).toContain(
    "[n1(DECOMMISSIONING), n2(DECOMMISSIONED), n3(DEAD_NODE), n4(CORRUPT), n5(ENTERING MAINTENANCE), n6(IN MAINTENANCE), n7(IN MAINTENANCE), n8(LIVE)]",
  );
});

test("what lacks replicas tells with -maintenance how many are on nodes in it, as HDFS does, also on those that are down", () => {
  const replica = (
    node: string,
    standing: ReplicaJson["standing"],
    state: ReplicaJson["state"] = "good",
  ): ReplicaJson => ({ node, rack: "/a", standing, state });
  const replicas = [
    replica("n1", "inService"),
    replica("n2", "inMaintenance"),
    replica("n3", "inMaintenance"),
    replica("n4", "inMaintenance", "silent"),
    replica("n5", "inMaintenance", "corrupt"),
  ];
  const shown = { files: false, blocks: false, where: undefined, emptied: new Set(["n3", "n4"]) };
  const entry = { ...file, blocks: [{ ...group, replicas }] };
  const live = (count: number): string =>
    `found ${count} live replica(s), 0 decommissioned replica(s), 0 decommissioning replica(s)`;
  expect(pathText(entry, shown)).toContain(`${live(3)}.`);
  expect(pathText(entry, { ...shown, maintenance: true })).toContain(
    `${live(1)}, 1 entering maintenance replica(s) and 2 in maintenance replica(s).`,
  );
});

/** As HDFS 3.4.1 printed it of a file of 7,654,321 bytes with RS-3-2-1024k and blocks of 2 MiB. */
test("block groups are summed up in the lines of HDFS", () => {
  const text = summaryText(
    summary({ files: 1, length: 7_654_321, blocks: 2, minimal: 2, goodReplicas: 9, wantedReplicas: 9 }),
  );
  expect(text.slice(text.indexOf("Erasure"))).toBe(`Erasure Coded Block Groups:
 Total size:\t7654321 B
 Total files:\t1
 Total block groups (validated):\t2 (avg. block group size 3827160 B)
 Minimally erasure-coded block groups:\t2 (100.0 %)
 Over-erasure-coded block groups:\t0 (0.0 %)
 Under-erasure-coded block groups:\t0 (0.0 %)
 Unsatisfactory placement block groups:\t0 (0.0 %)
 Average block group size:\t4.5
 Missing block groups:\t\t0
 Corrupt block groups:\t\t0
 Missing internal blocks:\t0 (0.0 %)
 Blocks queued for replication:\t0
`);
});

test("what is lost of coded files is told beside what is lost of others", () => {
  const text = summaryText(
    summary({ files: 1, blocks: 2, minimal: 1, missing: 1, missingLength: 99, damagedFiles: 1 }),
  );
  expect(text).toMatch(/^\nStatus: CORRUPT\n/);
  expect(text).toContain("UNDER MIN ERASURE-CODED BLOCK GROUPS:\t1 (50.0 %)\n  CORRUPT FILES:\t1\n");
  expect(text).toContain("  MISSING BLOCK GROUPS:\t1\n  MISSING SIZE:\t\t99 B\n");
  expect(text).not.toContain("UNDER MIN REPL'D");
});
