/** The words of operators in `quorate fs`, the program against a server in this process. */
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Served } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import type { HealthLine, ReportJson } from "../../src/wire/files-admin.ts";
import type { Ended, Options } from "./clients/program.ts";
import { runProgram } from "./clients/program.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
const ROOT = { user: "quorate", groups: [] };
let served: Served;
beforeEach(async () => {
  served = await serveMemory({
    nodes: 2,
    settings: { blockSize: 1024, inlineMaxBytes: 100, replication: 2 },
  });
});
afterEach(() => served.close());

function fs(args: readonly string[], options: Options = {}): Promise<Ended> {
  const address = `webhdfs://quorate@${served.addresses.join(",")}`;
  return runProgram(process.execPath, [MAIN, "fs", "--fs", address, ...args], {
    ...options,
    environment: { TZ: "UTC", ...options.environment },
  });
}

async function done(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await fs(args);
  expect([code, stderr], args.join(" ")).toEqual([0, ""]);
  return stdout;
}

async function write(path: string, bytes: number, replication?: number): Promise<void> {
  const writer = await served.files.create(path, ROOT, replication === undefined ? {} : { replication });
  await writer.write(Buffer.alloc(bytes, 1));
  await writer.close();
}

test("fsck says that all is well in the words of HDFS, and shows as much as it is asked for", async () => {
  await write("/d/large", 2500);
  await write("/d/small", 99);
  const plain = await done("fsck", "/d");
  expect(plain).toMatch(
    /^FSCK started by quorate for path \/d at \w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4}\n\n\nStatus: HEALTHY\n/,
  );
  expect(plain).toContain(" Total size:\t2599 B\n Total files:\t2\n Files kept in the namespace:\t1\n");
  expect(plain).toMatch(/\n\n\nThe filesystem under path '\/d' is HEALTHY\n$/);
  expect(await done("fsck", "/d", "-files")).toContain(
    [
      "/d <dir>",
      "/d/large 2500 bytes, replicated: replication=2, 3 block(s):  OK",
      "/d/small 99 bytes, replicated: replication=2, 0 block(s), kept in the namespace:  OK",
      "\n",
    ].join("\n"),
  );
  const [block] = (await served.files.locations("/d/large", ROOT, 0, 1)).blocks;
  const name = block?.segment.type === "block" ? `blk_${block.segment.id}_1001` : "";
  expect(await done("fsck", "--racks", "/d/large")).toContain(
    `0. ${name} len=1024 Live_repl=2  [/default-rack/n1, /default-rack/n2]\n`,
  );
  expect(await done("fsck", "/d/large", "-replicaDetails")).toContain("[n1(LIVE), n2(LIVE)]\n");
  expect(await done("fsck", "/d", "-maintenance")).toMatch(/is HEALTHY\n$/);
});

test("fsck tells of each block what it lacks and why; lost ones make it CORRUPT, with exit code 1", async () => {
  await write("/lacking", 1000, 3);
  const lacking = await done("fsck", "/");
  expect(lacking).toMatch(
    /\n\/lacking: {2}Under replicated blk_\d+_1001\. Target Replicas is 3 but found 2 live replica\(s\), 0 decommissioned replica\(s\), 0 decommissioning replica\(s\)\.\n {4}No other node can take one\.\n/,
  );
  expect(lacking).toContain(" Missing replicas:\t\t1 (33.333332 %)\n");
  for (const node of served.files.nodes()) Object.assign(node, { live: false });
  const lost = await fs(["fsck", "/"]);
  expect(lost).toMatchObject({ code: 1, stderr: "" });
  expect(lost.stdout).toContain("\n/lacking: MISSING 1 blocks of total size 1000 B.\n");
  expect(lost.stdout).toMatch(/\n\n\nThe filesystem under path '\/' is CORRUPT\n$/);
  const listed = await fs(["fsck", "/", "-list-corruptfileblocks"]);
  expect(listed.code).toBe(1);
  expect(listed.stdout).toMatch(
    /^The list of corrupt blocks under path '\/' are:\nblk_\d+\t3\t\/lacking\nThe filesystem under path '\/' has 1 CORRUPT blocks\n$/,
  );
  const lines = await fs(["fsck", "/", "--json"]);
  const parsed = lines.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as HealthLine);
  expect([lines.code, parsed]).toMatchObject([
    1,
    [{ path: "/lacking" }, { type: "summary", healthy: false }],
  ]);
  const removed = await fs(["fsck", "/", "-delete"]);
  expect(removed.stdout).toMatch(/\nDeleted \/lacking\n$/);
  expect(await done("fsck", "/", "-list-corruptfileblocks")).toBe(
    "The filesystem under path '/' has 0 CORRUPT blocks\n",
  );
});

test("what is not there, or may not be seen, and wrong words end fsck with a clear error", async () => {
  const [absent, both, strange] = await Promise.all([
    fs(["fsck", "/none"]),
    fs(["fsck", "/", "-racks", "-locations"]),
    fs(["fsck", "/", "-move"]),
  ]);
  expect(absent).toMatchObject({ code: 1, stdout: "", stderr: "fsck: File does not exist: /none\n" });
  expect(both).toMatchObject({ code: 255, stderr: expect.stringContaining("one of -locations") as unknown });
  expect(strange).toMatchObject({
    code: 255,
    stderr: expect.stringContaining("Illegal option -move") as unknown,
  });
});

test("report shows every node, to people and to scripts, at whichever node answers", async () => {
  await write("/large", 2500);
  Object.assign(served.files.nodes()[1] ?? {}, { live: false, stale: true, silentMs: 65_000 });
  served.servers[0]?.close();
  served.servers[0]?.closeAllConnections();
  const text = await done("report");
  expect(text).toMatch(/^Configured Capacity: \d+ \(100\.00 GB\)\n/);
  expect(text).toContain("\nLive datanodes (1):\n\nName: 127.0.0.1:");
  expect(text).toContain("\nDead datanodes (1):\n");
  expect(text).toMatch(/Last contact: .* UTC \d{4} \(65 s ago, stale\)\n/);
  expect(await done("report", "-dead")).not.toContain("Live datanodes");
  const parsed = JSON.parse(await done("report", "--json")) as ReportJson;
  expect(parsed).toMatchObject({
    node: "n2",
    blocks: { total: 3 },
    nodes: [{ live: true }, { live: false }],
  });
});

test("safe mode is asked for, begun, ended, and waited for", async () => {
  expect(await done("safemode", "get")).toBe("Safe mode is OFF\n");
  expect(await fs(["safemode", "enter"])).toEqual({
    code: 0,
    stdout: "Safe mode is ON\n",
    stderr: "It was turned on by hand.\n",
  });
  const waiting = fs(["safemode", "wait"]);
  await until(() => served.requests.flat().some((each) => each.startsWith("GET /files/v1/safemode")));
  expect(await fs(["--user", "ann", "safemode", "leave"])).toMatchObject({ code: 1, stdout: "" });
  expect(await done("safemode", "leave")).toBe("Safe mode is OFF\n");
  expect(await waiting).toEqual({ code: 0, stdout: "Safe mode is OFF\n", stderr: "" });
  expect(await fs(["safemode", "off"])).toMatchObject({ code: 255 });
});

test("nodes are taken out of service and back by the superuser; a slip of the pen is refused", async () => {
  await write("/large", 1000);
  expect(await done("decommission", "n2", "-w")).toBe("n2: Decommissioned\n");
  expect(served.files.settings().decommissioning).toEqual(["n2"]);
  expect(await done("fsck", "/large", "-replicaDetails")).toContain("[n1(LIVE), n2(DECOMMISSIONED)]\n");
  expect(await done("maintenance", "n2", "n1")).toBe("n2: In Maintenance\nn1: In Maintenance\n");
  expect(served.files.settings()).toMatchObject({ decommissioning: [], inMaintenance: ["n2", "n1"] });
  expect(await done("fsck", "/large", "-replicaDetails")).toContain(
    "[n1(IN MAINTENANCE), n2(IN MAINTENANCE)]\n",
  );
  expect(await done("recommission", "n2")).toBe("n2: Normal\n");
  expect(await done("commission", "n1")).toBe("n1: Normal\n");
  const slip = await fs(["decommission", "m2", "n2"]);
  expect(slip).toMatchObject({ code: 1, stdout: "n2: Decommissioned\n" });
  expect(slip.stderr).toBe("decommission: no node is called m2; there are n1, n2\n");
  expect(await fs(["--user", "ann", "maintenance", "n1"])).toMatchObject({ code: 1, stdout: "" });
  expect(served.files.settings()).toMatchObject({ decommissioning: ["n2"], inMaintenance: [] });
});

test("who waits for a node to be out of service is told when the order is withdrawn", async () => {
  const found = served.files.report.bind(served.files);
  let looks = 0;
  served.files.report = async (...args) => {
    const report = await found(...args);
    looks++;
    // A heartbeat goes by before it is known; then there is always something left to do.
    const nodes = report.nodes.map((each) => ({
      ...each,
      ...(looks === 1 && { node: { ...each.node, standing: "inService" as const } }),
      remaining: 1,
    }));
    return { ...report, nodes };
  };
  const waiting = fs(["maintenance", "-w", "n2", "n1"]);
  await until(() => looks > 2);
  await served.files.change({ type: "setStanding", caller: ROOT, node: "n2", standing: "inService" });
  await served.files.change({ type: "setStanding", caller: ROOT, node: "n1", standing: "decommissioning" });
  const { code, stdout, stderr } = await waiting;
  expect([code, stdout.split("\n")[0]]).toEqual([1, "n2: Entering Maintenance, 1 blocks to go."]);
  expect(stderr).toMatch(/^maintenance: `n2': the order was withdrawn: it is Normal\n/);
  // Behind it comes n1, which was never seen to have taken the order.
  expect(stderr).toMatch(
    /\nmaintenance: `n1': the order was withdrawn, or the node does not hear of it: it is Decommission in progress\n$/,
  );
}, 60_000);

test("an order for a silent node may be withdrawn as well", async () => {
  const found = served.files.report.bind(served.files);
  let looks = 0;
  served.files.report = async (...args) => {
    const report = await found(...args);
    looks++;
    const silent = { live: false, stale: true, silentMs: 60_000 };
    const nodes = report.nodes.map((each) => ({ ...each, node: { ...each.node, ...silent } }));
    return { ...report, nodes };
  };
  const waiting = fs(["maintenance", "-w", "n2"]);
  await until(() => looks > 2);
  await served.files.change({ type: "setStanding", caller: ROOT, node: "n2", standing: "inService" });
  const { code, stderr } = await waiting;
  expect([code, stderr.split(":").slice(0, 3).join(":")]).toEqual([
    1,
    "maintenance: `n2': the order was withdrawn",
  ]);
}, 60_000);

test("balance goes on until nothing is to be moved, and ends at Ctrl-C", async () => {
  expect(await done("balance")).toMatch(/The cluster is balanced\. Exiting\.\.\.\n$/);
  const rounds: unknown[] = [];
  served.files.balance = async (_, options) => {
    rounds.push(options?.threshold);
    return { ordered: 0, orderedBytes: 0, pending: 1, pendingBytes: 2048 };
  };
  const address = `webhdfs://${served.addresses[0] ?? ""}`;
  const child = spawn(process.execPath, [MAIN, "fs", "--fs", address, "balance", "--threshold=5"]);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise((resolve) => child.once("close", resolve));
  await until(() => output.split("\n").length > 3);
  child.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(output).toMatch(/\n {9}0 +0 B +0 B +2\.00 KB {2}n1 10\.0 %, n2 10\.0 %\n/);
  expect(new Set(rounds)).toEqual(new Set([0.05]));
  expect(await fs(["balance", "-threshold", "0"])).toMatchObject({ code: 255 });
});

test("a server of another kind is told from one that is not there", async () => {
  const other = createServer((_, response) =>
    response.writeHead(404, { "Content-Type": "text/html" }).end("<html>"),
  );
  await new Promise<void>((listening) => other.listen(0, "127.0.0.1", listening));
  const { port } = other.address() as AddressInfo;
  const run = (at: number): Promise<Ended> =>
    runProgram(process.execPath, [MAIN, "fs", "--fs", `webhdfs://127.0.0.1:${at}`, "report"]);
  expect(await run(port)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("this is no node of Quorate: for HDFS itself use hdfs fsck") as unknown,
  });
  other.close();
  other.closeAllConnections();
  expect(await run(port)).toMatchObject({ code: 4 });
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("waited twenty seconds in vain");
    await new Promise((after) => setTimeout(after, 5));
  }
}
