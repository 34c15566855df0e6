/** Two groups on three real nodes in one process: the keyspace, and a tally (`tally.testing.ts`) as group 1 beside it. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import type { Algorithm } from "../../src/index.ts";
import { ALGORITHMS } from "../../src/index.ts";
import { roundOf } from "../../src/consensus/paxos/ballot.ts";
import type { GroupDoor } from "../../src/engine/cluster/hosted-group.ts";
import { forceNewCluster } from "../../src/engine/force-new-cluster.ts";
import type { Tally } from "../../src/engine/group/tally.testing.ts";
import { createTally, encodeToken } from "../../src/engine/group/tally.testing.ts";
import { furtherGroup } from "../../src/engine/node-groups.ts";
import type { Beginning } from "../../src/engine/node-storage.ts";
import type { StatusDocument } from "../../src/engine/protocol/admin/status-document.ts";
import type { RunningNode, StartNodeOptions } from "../../src/engine/start-node.ts";
import { startNode } from "../../src/engine/start-node.ts";
import { createLocalHub } from "../../src/runtime/node/local-network.ts";

const QUIET = { log: () => undefined };
const CLUSTER = "0123456789abcdef";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "quorate-groups-"));
  closers.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface Host {
  readonly id: string;
  node: RunningNode | undefined;
  tally: Tally;
  door: GroupDoor<string, number>;
}

/** Nodes that host both groups, with what a test does to them. */
class Trio {
  readonly hosts = new Map<string, Host>();
  readonly hub = createLocalHub();
  private readonly consensus: Algorithm;
  private readonly data: string;

  constructor(consensus: Algorithm, data: string) {
    this.consensus = consensus;
    this.data = data;
    closers.push(() => Promise.all([...this.hosts.keys()].map((id) => this.kill(id))));
  }

  static async started(consensus: Algorithm, data: string): Promise<Trio> {
    const trio = new Trio(consensus, data);
    for (const id of ["n1", "n2", "n3"]) await trio.start(id);
    return trio;
  }

  async start(
    id: string,
    beginsAs: Beginning = "founder",
    more: Partial<StartNodeOptions> = {},
  ): Promise<Host> {
    const tally = createTally();
    const opened: { door?: GroupDoor<string, number> } = {};
    const tuning = { snapshotEveryBytes: 2_000, snapshotTrailingBytes: 200 };
    const group = furtherGroup({ id: 1, name: "tally", machine: tally, tuning }, (door) => {
      opened.door = door;
    });
    const dataDir = this.directory(id);
    if (dataDir !== "memory") mkdirSync(dataDir, { recursive: true });
    const node = await startNode({
      id,
      clusterId: CLUSTER,
      members: { n1: "local", n2: "local", n3: "local" },
      beginsAs,
      dataDir,
      host: "127.0.0.1",
      respPort: 0,
      httpPort: 0,
      network: this.hub.join(id),
      durability: dataDir === "memory" ? "memory" : "always",
      consensus: this.consensus,
      furtherGroups: [group],
      logger: QUIET,
      onEnd: () => undefined,
      ...more,
    });
    const host: Host = { id, node, tally, door: opened.door as GroupDoor<string, number> };
    this.hosts.set(id, host);
    return host;
  }

  directory(id: string): string {
    return this.data === "memory" ? "memory" : join(this.data, id);
  }

  host(id: string): Host {
    return this.hosts.get(id) as Host;
  }

  async kill(id: string): Promise<void> {
    const host = this.host(id);
    const { node } = host;
    host.node = undefined;
    await node?.stop({ handOver: false });
  }

  /** As `/status` of the node tells it. */
  async status(id: string): Promise<StatusDocument> {
    const response = await fetch(`http://127.0.0.1:${this.host(id).node?.httpPort}/status`);
    return (await response.json()) as StatusDocument;
  }

  async order(at: string, action: string, node: string): Promise<{ outcome: string; message: string }> {
    const url = `http://127.0.0.1:${this.host(at).node?.httpPort}/members`;
    const headers = { "content-type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ action, node }) });
    return (await response.json()) as { outcome: string; message: string };
  }

  leaderOf(group: number): string | undefined {
    const states = [...this.hosts.values()].flatMap(({ id, node }) => {
      const status = node?.status();
      const consensus =
        group === 0 ? status?.consensus : status?.furtherGroups?.find((each) => each.id === group)?.consensus;
      return consensus?.role === "leader" ? [{ id, term: consensus.term }] : [];
    });
    return states.sort((left, right) => right.term - left.term)[0]?.id;
  }
}

/** n1 knows of the new n3, and who leads each group after the old one, which may have led it. */
async function newcomerIsSeen(trio: Trio): Promise<void> {
  await eventually("n1 to see n3, and a leader of each group", async () => {
    const { nodes, groups } = await trio.status("n1");
    const isLed = groups.every(({ leader }) => leader === "n1" || leader === "n2");
    return isLed && nodes.some(({ id, newcomer }) => id === "n3" && newcomer);
  });
}

let given = 0;
/** Gives tokens through a node until one is acknowledged; resolves with its place. */
async function count(host: Host): Promise<number> {
  const endMs = performance.now() + 20_000;
  for (;;) {
    const token = `token ${(given += 1)}`;
    const place = await new Promise<number | undefined>((resolve) => {
      host.door.propose(token, encodeToken(token), (reply) => resolve(reply));
    });
    if (place !== undefined) {
      expect(host.tally.tokens[place - 1]).toBe(token);
      return place;
    }
    if (performance.now() > endMs) throw new Error(`${host.id} counts nothing`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function redis(host: Host) {
  const client = createClient({ url: `redis://127.0.0.1:${host.node?.respPort}` });
  client.on("error", () => undefined);
  closers.push(() => client.destroy());
  return client.connect();
}

async function written(host: Host, key: string): Promise<void> {
  const client = await redis(host);
  await eventually(`${host.id} to write`, async () => (await client.set(key, key).catch(() => "")) === "OK");
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const alike = (trio: Trio, ...ids: string[]) =>
  eventually("the same tally everywhere", () => {
    const [first, ...others] = ids.map((id) => trio.host(id).tally.tokens.join());
    return others.every((each) => each === first);
  });

test.each(ALGORITHMS)(
  "%s: what both groups acknowledged survives the kill of every node, from logs and snapshots of their own",
  async (consensus) => {
    const data = folder();
    const trio = await Trio.started(consensus, data);
    for (let round = 0; round < 60; round++) await count(trio.host(`n${(round % 3) + 1}`));
    await written(trio.host("n1"), "kept");
    const names = (): string[] => readdirSync(trio.directory("n1"));
    await eventually("a snapshot of the tally", () =>
      names().some((name) => name.startsWith("snapshot-0000000001-")),
    );
    // The keyspace has written too little for one.
    expect(names().some((name) => name.startsWith("snapshot-0000000000-"))).toBe(false);
    const { groups, nodes } = await trio.status("n1");
    expect(groups.map(({ id, name }) => [id, name])).toEqual([
      ["g0", "keyspace"],
      ["g1", "tally"],
    ]);
    expect(groups[1]).toMatchObject({ algorithm: consensus, leader: trio.leaderOf(1), refusing: null });
    expect(groups[1]?.commitIndex).toBeGreaterThan(60);
    expect(nodes).toHaveLength(3);
    const metrics = await fetch(`http://127.0.0.1:${trio.host("n1").node?.httpPort}/metrics`);
    expect(await metrics.text()).toMatch(/quorate_commit_index\{group="g0"\} \d+\n.*\{group="g1"\} \d+\n/);
    for (const id of ["n1", "n2", "n3"]) await trio.kill(id);
    for (const id of ["n1", "n2", "n3"]) await trio.start(id);
    expect(await count(trio.host("n2"))).toBeGreaterThan(60);
    const client = await redis(trio.host("n3"));
    await eventually("the key", async () => (await client.get("kept").catch(() => "")) === "kept");
    await alike(trio, "n1", "n2", "n3");
  },
  60_000,
);

test.each(ALGORITHMS)(
  "%s: a node that is cut off counts nothing and holds nobody up; let in again, it has what it missed",
  async (consensus) => {
    const trio = await Trio.started(consensus, "memory");
    await count(trio.host("n1"));
    const cut = trio.leaderOf(1) as string;
    const others = ["n1", "n2", "n3"].filter((id) => id !== cut) as [string, string];
    trio.hub.isolate(cut);
    for (let round = 0; round < 30; round++) await count(trio.host(others[round % 2] as string));
    await written(trio.host(others[0]), "meanwhile");
    const refused = await new Promise<string | undefined>((resolve) => {
      trio.host(cut).door.propose("lost", encodeToken("lost"), (_, error) => resolve(error?.code));
    });
    expect(["NO_QUORUM", "OUTCOME_UNKNOWN"]).toContain(refused);
    trio.hub.heal(cut);
    await count(trio.host(cut));
    await alike(trio, "n1", "n2", "n3");
  },
  60_000,
);

test.each(ALGORITHMS)(
  "%s: a node that stops hands over every group that it leads",
  async (consensus) => {
    const trio = await Trio.started(consensus, "memory");
    await count(trio.host("n1"));
    await written(trio.host("n1"), "key");
    const leader = trio.leaderOf(1) as string;
    const { node } = trio.host(leader);
    const other = ["n1", "n2", "n3"].find((id) => id !== leader) as string;
    const termsBefore = (await trio.status(other)).groups.map(({ term }) => term);
    // A term of Paxos is a round and who runs it.
    const roundIn = (term: number): number => (consensus === "paxos" ? roundOf(term) : term);
    const led = [0, 1].filter((group) => trio.leaderOf(group) === leader);
    trio.host(leader).node = undefined;
    await node?.stop({ handOver: true });
    // It gave them away before it went: there are leaders at once, each in the next term of its group.
    const { groups } = await trio.status(other);
    for (const group of led) {
      expect(groups[group]?.leader).not.toBe(leader);
      expect(roundIn(groups[group]?.term ?? 0)).toBe(roundIn(termsBefore[group] ?? 0) + 1);
    }
  },
  60_000,
);

test.each(ALGORITHMS)(
  "%s: nodes that keep nothing are killed one after the other, and neither group loses anything",
  async (consensus) => {
    const trio = await Trio.started(consensus, "memory");
    for (const id of ["n1", "n2", "n3"]) {
      await count(trio.host("n1"));
      await written(trio.host("n2"), `before ${id}`);
      await trio.kill(id);
      await trio.start(id);
      await eventually(`${id} to vote in both groups`, () => {
        const status = trio.host(id).node?.status();
        return [status?.consensus, ...(status?.furtherGroups ?? []).map((group) => group.consensus)].every(
          (each) => each?.newcomer !== true && each?.membership.voters.includes(id) === true,
        );
      });
    }
    const client = await redis(trio.host("n1"));
    await eventually("all keys", async () => {
      return (await client.exists(["before n1", "before n2", "before n3"]).catch(() => 0)) === 3;
    });
    expect(await count(trio.host("n1"))).toBeGreaterThanOrEqual(4);
  },
  60_000,
);

test.each(ALGORITHMS)(
  "%s: a member whose directory is lost is replaced in both groups by one order, and the last one goes on alone by force",
  async (consensus) => {
    const data = folder();
    const trio = await Trio.started(consensus, data);
    for (let round = 0; round < 10; round++) await count(trio.host("n1"));
    await trio.kill("n3");
    rmSync(trio.directory("n3"), { recursive: true });
    await trio.start("n3", "newcomer");
    await newcomerIsSeen(trio);
    expect(await trio.order("n1", "replace", "n3")).toMatchObject({ outcome: "done" });
    await trio.kill("n1");
    expect(await count(trio.host("n3"))).toBeGreaterThan(10);
    await written(trio.host("n3"), "after");
    // Two of three are lost for good now.
    const tokens = trio.host("n2").tally.tokens.length;
    for (const id of ["n2", "n3"]) await trio.kill(id);
    const place = { id: "n2", dataDir: trio.directory("n2"), clusterId: CLUSTER, address: "local" };
    const { clusterId } = await forceNewCluster({ ...place, logger: QUIET });
    const alone = { clusterId, members: { n2: "local" }, network: createLocalHub().join("n2") };
    const survivor = await trio.start("n2", "founder", alone);
    expect(await count(survivor)).toBeGreaterThan(tokens);
    await written(survivor, "alone");
  },
  60_000,
);

test.each(ALGORITHMS)(
  "%s: a cluster from before is given a second group, and keeps what it had",
  async (consensus) => {
    const trio = new Trio(consensus, folder());
    const without = { furtherGroups: [] };
    for (const id of ["n1", "n2", "n3"]) await trio.start(id, "founder", without);
    await written(trio.host("n1"), "before");
    expect((await trio.status("n1")).groups.map(({ id }) => id)).toEqual(["g0"]);
    for (const id of ["n1", "n2", "n3"]) await trio.kill(id);
    // One after the other: those that do not host it yet go on without.
    await trio.start("n1");
    for (const id of ["n2", "n3"]) await trio.start(id, "founder", without);
    await written(trio.host("n2"), "meanwhile");
    expect(trio.leaderOf(1)).toBeUndefined();
    await trio.kill("n2");
    await trio.start("n2");
    expect(await count(trio.host("n2"))).toBe(1);
    const client = await redis(trio.host("n1"));
    await eventually("all keys", async () => {
      return (await client.exists(["before", "meanwhile"]).catch(() => 0)) === 2;
    });
  },
  60_000,
);

test.each(ALGORITHMS)(
  "%s: a survivor that once was a replacement can be given a second group after it went on alone by force",
  async (consensus) => {
    const trio = new Trio(consensus, folder());
    const without = { furtherGroups: [] };
    for (const id of ["n1", "n2", "n3"]) await trio.start(id, "founder", without);
    await written(trio.host("n1"), "before");
    await trio.kill("n3");
    rmSync(trio.directory("n3"), { recursive: true });
    await trio.start("n3", "newcomer", without);
    await newcomerIsSeen(trio);
    expect(await trio.order("n1", "replace", "n3")).toMatchObject({ outcome: "done" });
    for (const id of ["n1", "n2", "n3"]) await trio.kill(id);
    const place = { id: "n3", dataDir: trio.directory("n3"), clusterId: CLUSTER, address: "local" };
    const { clusterId } = await forceNewCluster({ ...place, logger: QUIET });
    const alone = { clusterId, members: { n3: "local" }, network: createLocalHub().join("n3") };
    const survivor = await trio.start("n3", "founder", alone);
    expect(await count(survivor)).toBe(1);
    const client = await redis(survivor);
    await eventually("the key", async () => (await client.get("before").catch(() => "")) === "before");
  },
  60_000,
);

test("a directory that holds a second group is not opened without it", async () => {
  const data = folder();
  const trio = await Trio.started("raft", data);
  await count(trio.host("n1"));
  await trio.kill("n1");
  const opening = trio.start("n1", "founder", { furtherGroups: [] });
  await expect(opening).rejects.toMatchObject({
    code: "UNSUPPORTED",
    message: expect.stringContaining("holds group 1, which this node does not host") as string,
  });
});
