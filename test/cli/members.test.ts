/** `quorate members` with real processes: a fourth node under load, a removal, and a node that lost its disk. */
import fs from "node:fs";
import { join } from "node:path";
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import type { NodeEntry } from "../../src/engine/protocol/admin/status-document.ts";
import { freePorts } from "../free-ports.ts";
import type { Ended, Running } from "./program.ts";
import { cleanUp, keptBy, launch, run, scratch, startCluster, statusOf, until } from "./program.ts";

const releases: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
  await cleanUp();
});

interface Load {
  /** Every key whose write was acknowledged. */
  readonly acknowledged: readonly string[];
  end(): Promise<void>;
}

/** Four clients write one key after the other, through whichever of these nodes answers. */
function writeThrough(urls: readonly string[]): Load {
  const acknowledged: string[] = [];
  let over = false;
  const writer = async (name: number): Promise<void> => {
    let at = 0;
    for (let turn = name; !over; turn += 1) {
      const client = createClient({
        url: urls[turn % urls.length] ?? "",
        socket: { reconnectStrategy: false },
      });
      client.on("error", () => undefined);
      try {
        await client.connect();
        for (; !over; at += 1) {
          await client.set(`w${name}:${at}`, "x");
          acknowledged.push(`w${name}:${at}`);
          await new Promise((done) => setTimeout(done, 2));
        }
      } catch {
        await new Promise((done) => setTimeout(done, 20));
      } finally {
        client.destroy();
      }
    }
  };
  const writers = [0, 1, 2, 3].map(writer);
  const end = async (): Promise<void> => {
    over = true;
    await Promise.all(writers);
  };
  releases.push(end);
  return { acknowledged, end };
}

async function missingAt(url: string, keys: readonly string[]): Promise<number> {
  const client = createClient({ url });
  client.on("error", () => undefined);
  await client.connect();
  const found = await client.exists([...keys]);
  client.destroy();
  return keys.length - found;
}

const members = (...args: string[]): Promise<Ended> => run(["members", ...args]);

async function nodeAt(url: string, id: string): Promise<NodeEntry | undefined> {
  return (await statusOf(url)).nodes.find((node) => node.id === id);
}

interface Joined {
  readonly program: Running;
  readonly url: string;
  readonly args: readonly string[];
}

async function joining(name: string, url: string, data: string): Promise<Joined> {
  const [port = 0, http = 0, peer = 0] = await freePorts(3);
  const ports = ["--port", String(port), "--http-port", String(http), "--peer-port", String(peer)];
  const args = ["start", "--name", name, "--join", url, ...ports, "--data", data];
  const program = launch(args);
  await until(`${name} to wait`, 20_000, () => /^ {2}(admit|try) /m.test(program.stdout()) || undefined);
  return { program, args, url: `redis://127.0.0.1:${port}` };
}

test.each(ALGORITHMS)(
  "%s: a fourth node joins under load and a founder leaves, and nothing acknowledged is lost",
  async (algorithm) => {
    const { urls, url } = await startCluster([
      "--nodes",
      "3",
      "--data",
      join(scratch(), "data"),
      ...keptBy(algorithm),
    ]);
    const load = writeThrough(urls);
    await until("some writes", 20_000, () => load.acknowledged.length > 200 || undefined);

    const early = await members("add", "n4", "--url", url);
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining("start it with --join first")]);
    const fourth = await joining("n4", url, join(scratch(), "data"));
    expect(fourth.program.stdout()).toContain("waits to be admitted");
    expect(fourth.program.stdout()).toContain("n4, not one of the 3 yet,");
    await until("n4 to be seen", 10_000, async () => {
      return (await members("--url", url)).stdout.includes("quorate members add n4") || undefined;
    });
    // At a node that does not lead, too: the order goes to the leader.
    const follower = (await statusOf(url)).nodes.find(({ role }) => role === "follower");
    const added = await members("add", "n4", "--url", `redis://${follower?.resp ?? ""}`, "--json");
    expect([added.code, added.stderr]).toEqual([0, ""]);
    expect(JSON.parse(added.stdout)).toMatchObject({ action: "add", node: "n4", outcome: "done" });
    expect((await members("add", "n4", "--url", url)).stderr).toContain("n4 is a member already");
    expect(await nodeAt(fourth.url, "n4")).toMatchObject({ voter: true, newcomer: false });

    expect((await statusOf(fourth.url)).groups).toMatchObject([{ algorithm }, { algorithm }, { algorithm }]);

    // The leader leaves: another takes over.
    const leader = (await statusOf(url)).nodes.find(({ role }) => role === "leader")?.id ?? "";
    const removed = await members("remove", leader, "--url", fourth.url);
    expect([removed.code, removed.stderr]).toEqual([0, ""]);
    await until("a leader among the others", 20_000, async () => {
      const { nodes, groups } = await statusOf(fourth.url);
      const isGone = nodes.every(({ id }) => id !== leader) && nodes.length === 3;
      return (isGone && groups[0]?.leader != null) || undefined;
    });
    const before = load.acknowledged.length;
    await until("writes to go on", 20_000, () => load.acknowledged.length > before + 100 || undefined);
    await load.end();
    expect(await missingAt(fourth.url, load.acknowledged)).toBe(0);

    // What joined is itself again at the next start, by the same words, also when the node that it names is gone.
    fourth.program.kill("SIGTERM");
    await fourth.program.ended;
    const at = fourth.args.indexOf("--join") + 1;
    launch(fourth.args.map((word, place) => (place === at ? "redis://127.0.0.1:1" : word)));
    await until("n4 to be itself again", 20_000, async () => {
      const found = await nodeAt(fourth.url, "n4").catch(() => undefined);
      return (found?.voter === true && !found.newcomer && found.lag === 0) || undefined;
    });
    expect(await missingAt(fourth.url, load.acknowledged)).toBe(0);
  },
  120_000,
);

test.each(ALGORITHMS)(
  "%s: a node that lost its directory waits under its supervisor, is replaced, and its vote counts again",
  async (algorithm) => {
    const root = join(scratch(), "data");
    const { urls, url } = await startCluster(["--nodes", "3", "--data", root, ...keptBy(algorithm)]);
    const load = writeThrough(urls);
    await until("some writes", 20_000, () => load.acknowledged.length > 200 || undefined);
    await until("everybody to be heard", 10_000, async () => {
      return (await statusOf(url)).nodes.every(({ role }) => role !== "unreachable") || undefined;
    });
    const refused = await members("replace", "n3", "--url", url);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("stop it first")]);

    const lost = await nodeAt(url, "n3");
    process.kill(lost?.pid ?? 0, "SIGKILL");
    fs.rmSync(join(root, "n3"), { recursive: true });
    fs.mkdirSync(join(root, "n3"));
    await until("n3 to come back with nothing", 20_000, async () => {
      return (await members("--url", url)).stdout.includes("quorate members replace n3") || undefined;
    });
    expect((await members("add", "n3", "--url", url)).stderr).toContain("replace it instead");
    // It has no say, and serves nobody, however long it waits.
    expect(await nodeAt(url, "n3")).toMatchObject({ newcomer: true });
    const replaced = await members("replace", "n3", "--url", url);
    expect([replaced.code, replaced.stderr]).toEqual([0, ""]);
    const back = await nodeAt(url, "n3");
    expect(back).toMatchObject({ voter: true, newcomer: false });
    expect(back?.directory).not.toBe(lost?.directory);

    // With another node gone, its acknowledgement is what a write needs.
    const other = (await statusOf(url)).nodes.find(({ id, role }) => id !== "n3" && role !== "leader");
    const third = urls[2] ?? "";
    process.kill(other?.pid ?? 0, "SIGSTOP");
    releases.push(() => void process.kill(other?.pid ?? 0, "SIGCONT"));
    const before = load.acknowledged.length;
    await until("writes that need n3", 20_000, () => load.acknowledged.length > before + 100 || undefined);
    process.kill(other?.pid ?? 0, "SIGCONT");
    await load.end();
    expect(await missingAt(third, load.acknowledged)).toBe(0);
  },
  120_000,
);

test("the order is refused without the password, to a page, and in a form that is none", async () => {
  const { url } = await startCluster(["--data", join(scratch(), "data"), "--password", "secret"]);
  const given = await run(["status", "--url", url, "--password", "secret", "--json"]);
  const { nodes } = JSON.parse(given.stdout) as { nodes: readonly NodeEntry[] };
  const address = `http://${nodes[0]?.http ?? ""}/members`;
  const post = async (headers: Record<string, string>, body = '{"action":"remove","node":"n1"}') => {
    const response = await fetch(address, { method: "POST", headers, body });
    return response.status;
  };
  const json = { "Content-Type": "application/json" };
  const right = { ...json, Authorization: `Basic ${Buffer.from("default:secret").toString("base64")}` };
  expect(await post(json)).toBe(401);
  expect(await post({ ...json, Authorization: "Bearer wrong" })).toBe(401);
  expect(await post({ ...right, Origin: "http://127.0.0.1" })).toBe(403);
  expect(await post({ ...right, "Content-Type": "text/plain" })).toBe(415);
  expect(await post(right, "{}")).toBe(400);
  expect(await post(right, "x".repeat(10_000))).toBe(413);
  expect((await fetch(address)).status).toBe(405);
  // With it, the answer is the cluster's own.
  expect(await post(right)).toBe(409);
  const last = await members("remove", "n1", "--url", url, "--password", "secret");
  expect([last.code, last.stderr]).toEqual([1, "quorate: refused: n1 is the only voter\n"]);
  const nonsense = await members("promote", "n1", "--url", url);
  expect([nonsense.code, nonsense.stderr]).toEqual([2, expect.stringContaining("unknown action promote")]);
}, 60_000);
