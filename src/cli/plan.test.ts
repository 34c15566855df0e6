import { execFile } from "node:child_process";
import fs from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ClusterFile } from "./cluster-file.ts";
import { foundCluster, noteInhabited } from "./cluster-file.ts";
import type { JoinPlan, LocalPlan, MemberPlan, Settings } from "./plan.ts";
import { parseMembers, planJoin, planLocalCluster, planMember } from "./plan.ts";
import type { Ports } from "./ports.ts";
import { SYSTEM_PORTS } from "./ports.ts";

/** As it is built: other processes run it. */
const CLUSTER_FILE = new URL("../../dist/cli/cluster-file.js", import.meta.url).href;

const SETTINGS: Settings = {
  consensus: undefined,
  durability: "always",
  readMode: "barrier",
  password: undefined,
  protectedMode: true,
  secret: undefined,
  browserNames: [],
  rack: "/default-rack",
  cacheWrites: false,
  logLevel: "warn",
  logFormat: "json",
};

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "quorate-plan-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

function local(plan: Partial<LocalPlan> = {}): LocalPlan {
  const data = join(directory, "data");
  return {
    nodes: 3,
    host: "127.0.0.1",
    respPort: 0,
    httpPort: 0,
    peerPort: 0,
    data,
    settings: SETTINGS,
    ...plan,
  };
}

/** Of a machine on which nobody else takes ports: what was free once is free at the second plan too. */
function quietPorts(): Ports {
  let next = 20_000;
  return {
    freePorts: (_host, count) => Promise.resolve(Array.from({ length: count }, () => next++)),
    checkPorts: () => Promise.resolve(),
  };
}

test("three nodes get ports, directories and one identity, and find them again", async () => {
  const ports = quietPorts();
  const first = await planLocalCluster(local(), ports);
  expect(first.map(({ id }) => id)).toEqual(["n1", "n2", "n3"]);
  const chosen = first.flatMap(({ respPort, httpPort, peerPort }) => [respPort, httpPort, peerPort]);
  expect(new Set(chosen).size).toBe(9);
  for (const { dataDir } of first) expect(fs.statSync(dataDir).isDirectory()).toBe(true);
  const second = await planLocalCluster(local(), ports);
  expect(second.map(({ clusterId, members, dataDir }) => ({ clusterId, members, dataDir }))).toEqual(
    first.map(({ clusterId, members, dataDir }) => ({ clusterId, members, dataDir })),
  );
  // Peers find each other where they did; clients are told anew.
  expect(second.map(({ peerPort }) => peerPort)).toEqual(first.map(({ peerPort }) => peerPort));
  expect(second.map(({ peerPort }) => `127.0.0.1:${peerPort}`)).toEqual(Object.values(first[0]!.members));
  const clients = second.flatMap(({ respPort, httpPort }) => [respPort, httpPort]);
  expect(clients.filter((port) => chosen.includes(port))).toEqual([]);
});

test("the ports that the machine gives are all different, and each is checked before anything is written", async () => {
  const checked: number[] = [];
  const ports: Ports = {
    ...SYSTEM_PORTS,
    checkPorts: (uses) => {
      expect(fs.readdirSync(directory)).toEqual([]);
      return Promise.resolve(void checked.push(...uses.map(({ port }) => port)));
    },
  };
  const nodes = await planLocalCluster(local(), ports);
  const chosen = nodes.flatMap(({ respPort, httpPort, peerPort }) => [respPort, httpPort, peerPort]);
  expect(new Set(chosen).size).toBe(9);
  expect(new Set(checked)).toEqual(new Set(chosen));
});

test("further nodes count up from the ports that were given", async () => {
  // Ports beyond the ephemeral range's start could be taken by anybody; these are rarely used by anything.
  const nodes = await planLocalCluster(local({ respPort: 17_101, httpPort: 17_201, peerPort: 17_301 }));
  expect(nodes.map(({ respPort }) => respPort)).toEqual([17_101, 17_102, 17_103]);
  expect(nodes[2]?.members).toEqual({ n1: "127.0.0.1:17301", n2: "127.0.0.1:17302", n3: "127.0.0.1:17303" });
});

test.each([2, 4, 9])("a cluster of %i nodes is planned as one of any other number", async (count) => {
  const nodes = await planLocalCluster(local({ nodes: count }), quietPorts());
  expect(nodes.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, at) => `n${at + 1}`));
  expect(Object.keys(nodes[0]?.members ?? {})).toHaveLength(count);
});

test("a founding list has as many nodes as a cluster may have", () => {
  const list = (count: number): string =>
    Array.from({ length: count }, (_, at) => `n${at}=10.0.0.1:${20_000 + at}`).join(",");
  expect(Object.keys(parseMembers(list(255)))).toHaveLength(255);
  expect(() => parseMembers(list(256))).toThrow("--cluster must name 1 to 255 nodes, not 256");
});

test("a node that was at home and finds its directory empty is blank; one that never was is a founder", async () => {
  const data = join(directory, "data");
  const ports = quietPorts();
  const begin = async () => (await planLocalCluster(local(), ports)).map(({ beginsAs }) => beginsAs);
  expect(await begin()).toEqual(["founder", "founder", "founder"]);
  // Interrupted before any of them was up.
  expect(await begin()).toEqual(["founder", "founder", "founder"]);
  for (const id of ["n1", "n2"]) {
    noteInhabited(data, id);
    fs.writeFileSync(join(data, id, "identity.json"), "{}");
  }
  expect(await begin()).toEqual(["founder", "founder", "founder"]);
  fs.rmSync(join(data, "n2", "identity.json"));
  expect(await begin()).toEqual(["founder", "blank", "founder"]);
});

test("nodes that are started one by one over one directory at the same time are all noted", async () => {
  const data = join(directory, "data");
  const members = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`n${at}`, `127.0.0.1:${at + 1}`]));
  const program = (id: string): string => `
    import { foundCluster, noteInhabited } from ${JSON.stringify(CLUSTER_FILE)};
    foundCluster(${JSON.stringify(data)}, ${JSON.stringify({ clusterId: "c", members })});
    noteInhabited(${JSON.stringify(data)}, ${JSON.stringify(id)});`;
  const run = promisify(execFile);
  await Promise.all(
    Object.keys(members).map((id) => run(process.execPath, ["--input-type=module", "-e", program(id)])),
  );
  const { inhabited } = JSON.parse(fs.readFileSync(join(data, "cluster.json"), "utf8")) as ClusterFile;
  expect(inhabited?.toSorted()).toEqual(Object.keys(members));
  expect(fs.readdirSync(data)).toEqual(["cluster.json"]);
});

test("a lock whose owner died keeps nobody out for ever", () => {
  const data = join(directory, "data");
  fs.mkdirSync(data);
  fs.writeFileSync(join(data, ".cluster.json.lock"), "");
  foundCluster(data, { clusterId: "c", members: { n1: "127.0.0.1:1" } });
  expect(fs.readdirSync(data)).toEqual(["cluster.json"]);
});

test("who joins finds in its directory what it was told when it joined", async () => {
  const plan: JoinPlan = {
    name: "n4",
    host: "127.0.0.1",
    respPort: 0,
    httpPort: 0,
    peerPort: 0,
    peerAddress: undefined,
    data: join(directory, "data"),
    settings: SETTINGS,
    ask: () => Promise.resolve({ clusterId: "c", members: { n1: "127.0.0.1:1" } }),
  };
  const ports = quietPorts();
  const first = await planJoin(plan, ports);
  expect(first).toMatchObject({ clusterId: "c", members: { n1: "127.0.0.1:1" }, beginsAs: "newcomer" });
  expect(first.peerAddress).toBe(`127.0.0.1:${first.peerPort}`);
  const again = await planJoin({ ...plan, ask: () => Promise.reject(new Error("nobody is there")) }, ports);
  expect(again).toMatchObject({ clusterId: "c", members: first.members, beginsAs: "newcomer" });
  const anywhere = planJoin({ ...plan, host: "0.0.0.0" });
  await expect(anywhere).rejects.toMatchObject({ code: "USAGE" });
});

test("a taken port is found before anything is written", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await expect(planLocalCluster(local({ nodes: 1, httpPort: port }))).rejects.toMatchObject({
      code: "PORT_IN_USE",
      message: `HTTP port of n1 127.0.0.1:${port} is in use; choose another with --http-port`,
    });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
  expect(fs.readdirSync(directory)).toEqual([]);
});

test.each([
  [
    "ranges that overlap",
    { respPort: 17_101, httpPort: 17_102 },
    /RESP port of n2 and HTTP port of n1 would both be 17102/,
  ],
  ["ports that run out", { respPort: 65_535 }, /RESP port of n2 would be 65536, above 65535/],
  ["a host of another machine", { host: "192.0.2.1", respPort: 17_101 }, /cannot be listened on/],
])("%s are a usage error, and nothing is written", async (_what, plan, line) => {
  await expect(planLocalCluster(local(plan))).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringMatching(line) as string,
  });
  expect(fs.readdirSync(directory)).toEqual([]);
});

test("a directory that holds something else is left as it is", async () => {
  const data = join(directory, "data");
  fs.mkdirSync(data);
  fs.writeFileSync(join(data, "thesis.txt"), "years of work");
  await expect(planLocalCluster(local())).rejects.toMatchObject({ code: "DATA_DIRECTORY_FOREIGN" });
  expect(fs.readdirSync(data)).toEqual(["thesis.txt"]);
});

test("a directory of a cluster of another size is refused and left as it is", async () => {
  const ports = quietPorts();
  await planLocalCluster(local(), ports);
  const before = fs.readFileSync(join(directory, "data", "cluster.json"), "utf8");
  await expect(planLocalCluster(local({ nodes: 1 }), ports)).rejects.toMatchObject({
    code: "DATA_DIRECTORY_FOREIGN",
    message: expect.stringMatching(/belongs to a cluster of 3 \(n1, n2, n3\), not of 1/) as string,
  });
  expect(fs.readFileSync(join(directory, "data", "cluster.json"), "utf8")).toBe(before);
});

test("a cluster keeps the algorithm that it was founded with, asked for or not", async () => {
  const ports = quietPorts();
  const asked = { settings: { ...SETTINGS, consensus: "raft" } } as const;
  expect((await planLocalCluster(local(asked), ports)).map(({ consensus }) => consensus)).toEqual(
    Array(3).fill("raft"),
  );
  expect((await planLocalCluster(local(), ports))[0]?.consensus).toBe("raft");
  const path = join(directory, "data", "cluster.json");
  const found = JSON.parse(fs.readFileSync(path, "utf8")) as object;
  const rewrite = (consensus: string | undefined): void =>
    fs.writeFileSync(path, JSON.stringify({ ...found, consensus }));
  // A file from before there was a choice is Raft's.
  rewrite(undefined);
  expect((await planLocalCluster(local(asked), ports))[0]?.consensus).toBe("raft");
  rewrite("of a later version");
  await expect(planLocalCluster(local(asked), ports)).rejects.toMatchObject({
    code: "DATA_DIRECTORY_FOREIGN",
    message: expect.stringMatching(/belongs to another algorithm: of a later version, not raft/) as string,
  });
  await expect(planLocalCluster(local(), ports)).rejects.toMatchObject({ code: "UNSUPPORTED" });
});

test("a path that cannot be a directory is one clear error", async () => {
  fs.writeFileSync(join(directory, "file"), "");
  for (const data of [join(directory, "file"), join(directory, "file", "below")]) {
    await expect(planLocalCluster(local({ data }))).rejects.toMatchObject({
      code: "DATA_DIRECTORY_UNUSABLE",
    });
  }
});

test("in memory nothing is written at all", async () => {
  const [node] = await planLocalCluster(local({ nodes: 1, data: "memory" }));
  expect(node?.dataDir).toBe("memory");
  expect(fs.readdirSync(directory)).toEqual([]);
});

function member(plan: Partial<MemberPlan> = {}): MemberPlan {
  return {
    ...local({ respPort: 17_401, httpPort: 17_402, peerPort: undefined }),
    host: undefined,
    name: "n1",
    cluster: "n1=127.0.0.1:17403,n2=10.0.0.2:16379,n3=10.0.0.3:16379",
    ...plan,
  };
}

test("nodes of several machines agree on the cluster's identity without talking, whatever the order of the list", async () => {
  const one = await planMember(member());
  expect(one).toMatchObject({
    id: "n1",
    host: "127.0.0.1",
    peerPort: 17_403,
    dataDir: join(directory, "data", "n1"),
  });
  const other = await planMember(
    member({
      name: "n1",
      cluster: "n3=10.0.0.3:16379,n1=127.0.0.1:17403,n2=10.0.0.2:16379",
      data: join(directory, "elsewhere"),
    }),
  );
  expect(other.clusterId).toBe(one.clusterId);
  await expect(planMember(member({ cluster: "n1=127.0.0.1:17403" }))).rejects.toMatchObject({
    code: "DATA_DIRECTORY_FOREIGN",
  });
  await expect(planMember(member({ name: "n9" }))).rejects.toMatchObject({ code: "USAGE" });
});

test.each([
  "",
  "n1",
  "n1=",
  "n1=host",
  "n1=host:99999",
  "n1=a:1,n1=b:1",
  "n1=a:1,n2=a:1",
  "n 1=a:1",
  "n1=a:1=b",
])("the list %j is refused", (list) => {
  expect(() => parseMembers(list)).toThrow(/--cluster|is not host:port/);
});
