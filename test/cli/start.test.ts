import fs from "node:fs";
import { join } from "node:path";
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import { freePorts } from "../free-ports.ts";
import { cleanUp, isAlive, keptBy, launch, run, scratch, startCluster, statusOf, until } from "./program.ts";

const CASE_TIMEOUT_MS = 60_000;

afterEach(cleanUp);

/** One command through a connection of its own. */
async function ask(url: string, ...args: string[]): Promise<unknown> {
  const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: 2000 } });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

test.each(ALGORITHMS)(
  "%s: a node that is killed comes back within two seconds, and the cluster goes on meanwhile",
  async (algorithm) => {
    const words = ["--nodes", "3", "--data", join(scratch(), "data"), ...keptBy(algorithm)];
    const { program, urls, url } = await startCluster(words);
    expect(program.stdout()).toContain(`of 3, ${algorithm}, always`);
    const before = await statusOf(url);
    expect(before.nodes.map(({ id }) => id)).toEqual(["n1", "n2", "n3"]);
    expect(before.groups).toMatchObject([
      { name: "keyspace", algorithm, durability: "always", refusing: null },
      { name: "files", algorithm, durability: "always", refusing: null },
      { name: "jobs", algorithm, durability: "always", refusing: null },
    ]);
    for (const node of before.nodes) {
      expect(node).toMatchObject({ pid: expect.any(Number) as number, resp: expect.any(String) as string });
      expect(fs.existsSync(node.dataDir ?? "")).toBe(true);
    }
    await ask(url, "SET", "kept", "yes");

    const leader = before.nodes.find(({ id }) => id === before.groups[0]?.leader);
    const other = urls.find((each) => !each.endsWith(leader?.resp ?? "?")) ?? "";
    process.kill(leader?.pid ?? 0, "SIGKILL");
    const killedMs = performance.now();
    const revived = await until("another process of the killed node", 5000, async () => {
      const { nodes } = await statusOf(other);
      const again = nodes.find(({ id }) => id === leader?.id);
      return again?.pid !== leader?.pid && again?.role !== "unreachable" ? again : undefined;
    });
    // Two seconds for the process; the rest is what it takes to ask.
    expect(performance.now() - killedMs).toBeLessThan(4000);
    expect(isAlive(revived.pid ?? 0)).toBe(true);
    expect(program.stderr()).toContain(`${leader?.id ?? "?"} ended (SIGKILL), starting again`);
    for (const each of urls) expect(await ask(each, "GET", "kept")).toBe("yes");
  },
  CASE_TIMEOUT_MS,
);

test.each(ALGORITHMS)(
  "%s: Ctrl-C stops every process cleanly with exit code 0, and the data is there at the next start",
  async (algorithm) => {
    const data = join(scratch(), "data");
    const first = await startCluster(["--nodes", "3", "--data", data, ...keptBy(algorithm)]);
    await ask(first.url, "SET", "kept", "yes");
    const { nodes } = await statusOf(first.url);
    first.program.kill("SIGINT");
    const ended = await first.program.ended;
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stderr).toBe("stopping; once more kills\n");
    expect(nodes.map(({ pid }) => isAlive(pid ?? 0))).toEqual([false, false, false]);
    const second = await startCluster(["--nodes", "3", "--data", data]);
    expect(await ask(second.url, "GET", "kept")).toBe("yes");
    // Not said again: the directory knows.
    expect((await statusOf(second.url)).groups).toMatchObject([{ algorithm }, { algorithm }, { algorithm }]);
    second.program.kill("SIGTERM");
    expect(await second.program.ended).toMatchObject({ code: 0 });
  },
  CASE_TIMEOUT_MS,
);

test(
  "nodes do not outlive a supervisor that was killed",
  async () => {
    const { program, url } = await startCluster(["--nodes", "3", "--durability", "memory"]);
    const { nodes } = await statusOf(url);
    program.kill("SIGKILL");
    await program.ended;
    await until("the nodes to end", 10_000, () => nodes.every(({ pid }) => !isAlive(pid ?? 0)) || undefined);
  },
  CASE_TIMEOUT_MS,
);

test(
  "a second Ctrl-C kills what does not stop",
  async () => {
    const { program, url } = await startCluster(["--nodes", "3", "--durability", "memory"]);
    const { nodes } = await statusOf(url);
    const stuck = nodes.find(({ role }) => role === "follower")?.pid ?? 0;
    process.kill(stuck, "SIGSTOP");
    program.kill("SIGINT");
    await until(
      "the first Ctrl-C to be heard",
      5000,
      () => program.stderr().includes("stopping") || undefined,
    );
    program.kill("SIGINT");
    const killedMs = performance.now();
    expect((await program.ended).code).toBe(130);
    expect(performance.now() - killedMs).toBeLessThan(3000);
    expect(nodes.map(({ pid }) => isAlive(pid ?? 0))).toEqual([false, false, false]);
  },
  CASE_TIMEOUT_MS,
);

test(
  "in memory only, the cluster goes on when its leader dies, and the leader's next process takes its place",
  async () => {
    const { program, url, urls } = await startCluster(["--nodes", "3", "--durability", "memory"]);
    for (let turn = 0; turn < 20; turn++) await ask(url, "SET", `key ${turn}`, "x");
    const { nodes } = await statusOf(url);
    const victim = nodes.find(({ role }) => role === "leader");
    process.kill(victim?.pid ?? 0, "SIGKILL");
    const other = urls.find((each) => !each.endsWith(victim?.resp ?? "?")) ?? "";
    const own = urls.find((each) => each.endsWith(victim?.resp ?? "?")) ?? "";
    await until("the others to go on", 10_000, async () => {
      const value = await ask(other, "GET", "key 19").catch(() => undefined);
      return value === "x" || undefined;
    });
    await until("the new process to answer", 15_000, async () => {
      const value = await ask(own, "GET", "key 19").catch(() => undefined);
      return value === "x" || undefined;
    });
    expect(program.stderr()).toContain(`${victim?.id ?? "?"} ended (SIGKILL), starting again`);
  },
  CASE_TIMEOUT_MS,
);

test(
  "one data directory is not used twice",
  async () => {
    const data = join(scratch(), "data");
    const { program, url } = await startCluster(["--data", data]);
    const { nodes } = await statusOf(url);
    const [free = 0] = await freePorts(1);
    const other = ["start", "--data", data, "--port", "0", "--http-port", "0"];
    // Whatever else would be wrong with it, that the directory is in use comes first.
    for (const words of [[], ["--peer-port", String(free)], ["--peer-port", "0"], ["--nodes", "3"]]) {
      expect(await run([...other, ...words])).toMatchObject({
        code: 1,
        stdout: "",
        stderr: `quorate: ${data} is in use: its n1 runs already (pid ${nodes[0]?.pid ?? 0})\n`,
      });
    }
    program.kill("SIGTERM");
    await program.ended;
    expect((await run([...other, "--peer-port", String(free)])).stderr).toMatch(
      /^quorate: .+ was founded with peer port \d+ for n1; leave --peer-port out\n$/,
    );
  },
  CASE_TIMEOUT_MS,
);

test(
  "three starts with --name and --cluster, as on three machines, are one cluster",
  async () => {
    const ports = await freePorts(9);
    const list = ["n1", "n2", "n3"].map((id, at) => `${id}=127.0.0.1:${ports[at] ?? 0}`).join(",");
    const root = scratch();
    for (const [at, id] of ["n1", "n2", "n3"].entries()) {
      const place = [
        "--port",
        String(ports[3 + at]),
        "--http-port",
        String(ports[6 + at]),
        "--data",
        join(root, id),
      ];
      launch(["start", "--name", id, "--cluster", list, ...place]);
    }
    const urls = ports.slice(3, 6).map((port) => `redis://127.0.0.1:${port}`);
    await until("a write through every node", 30_000, async () => {
      const replies = await Promise.all(urls.map((url) => ask(url, "SET", url, "x").catch(() => undefined)));
      return replies.every((reply) => reply === "OK") || undefined;
    });
    const { nodes } = await statusOf(urls[0] ?? "");
    expect(nodes.map(({ id, role }) => [id, role === "unreachable"])).toEqual([
      ["n1", false],
      ["n2", false],
      ["n3", false],
    ]);
  },
  CASE_TIMEOUT_MS,
);

test.each(ALGORITHMS)(
  "%s: a node that is the only one of its machine hands over what it leads before it stops",
  async (algorithm) => {
    const ids = ["n1", "n2", "n3"];
    const ports = await freePorts(9);
    const list = ids.map((id, at) => `${id}=127.0.0.1:${ports[at] ?? 0}`).join(",");
    const urls = ports.slice(3, 6).map((port) => `redis://127.0.0.1:${port}`);
    const programs = ids.map((id, at) => {
      const servers = ["--port", String(ports[3 + at]), "--http-port", String(ports[6 + at])];
      const place = ["--cluster", list, ...servers, "--durability", "memory", "--log-level", "info"];
      return launch(["start", "--name", id, ...place, ...keptBy(algorithm)]);
    });
    await until("a write through every node", 30_000, async () => {
      const replies = await Promise.all(urls.map((url) => ask(url, "SET", url, "x").catch(() => undefined)));
      return replies.every((reply) => reply === "OK") || undefined;
    });
    // What the leader itself says last of who leads the keyspace: it knew its successor when it ended.
    const { groups } = await statusOf(urls[0] ?? "");
    const leader = groups[0]?.leader ?? "";
    const program = programs[ids.indexOf(leader)]!;
    program.kill("SIGTERM");
    const { code, stderr } = await program.ended;
    expect(code).toBe(0);
    const views = stderr
      .match(/(?<=\| )\{.*"event":"role".*\}$/gm)
      ?.map((line) => JSON.parse(line) as object);
    expect(views?.findLast((view) => !("group" in view))).toMatchObject({
      role: "follower",
      leader: expect.stringMatching(/^n[123]$/) as string,
    });
    // The two that are left stop as well, the last one without anybody to hand over to.
    for (const other of programs) {
      other.kill("SIGTERM");
      expect((await other.ended).code).toBe(0);
    }
  },
  CASE_TIMEOUT_MS,
);

test(
  "local nodes tell clients the host that --advertise-host gives them, and find each other as before",
  async () => {
    const hosts = ["--host", "0.0.0.0", "--advertise-host", "127.0.0.2", "--protected-mode", "no"];
    const { url, urls } = await startCluster(["--nodes", "3", "--durability", "memory", ...hosts]);
    const { nodes } = await until("all to have told of themselves", 30_000, async () => {
      const status = await statusOf(url);
      return status.nodes.every(({ http }) => http !== null) ? status : undefined;
    });
    expect(nodes.map(({ resp }) => `redis://${resp}`)).toEqual(urls);
    expect(urls.every((each) => each.startsWith("redis://127.0.0.2:"))).toBe(true);
    expect(nodes.every(({ http }) => http?.startsWith("127.0.0.2:"))).toBe(true);
    expect(nodes.every(({ peer }) => peer.startsWith("127.0.0.1:"))).toBe(true);
    const slots = JSON.stringify(await ask(url, "CLUSTER", "SLOTS"));
    expect(slots).toContain("127.0.0.2");
    expect(slots).not.toMatch(/0\.0\.0\.0|127\.0\.0\.1/);
  },
  CASE_TIMEOUT_MS,
);

test(
  "nodes that listen on every address tell clients the hosts of their peer addresses",
  async () => {
    const ids = ["n1", "n2", "n3"];
    const ports = await freePorts(9);
    const hosts = ["127.0.0.1", "127.0.0.2", "localhost"];
    const list = ids.map((id, at) => `${id}=${hosts[at]}:${ports[at] ?? 0}`).join(",");
    const resps = hosts.map((host, at) => `${host}:${ports[3 + at] ?? 0}`);
    const https = hosts.map((host, at) => `${host}:${ports[6 + at] ?? 0}`);
    for (const [at, id] of ids.entries()) {
      const servers = [
        "--host",
        "0.0.0.0",
        "--port",
        String(ports[3 + at]),
        "--http-port",
        String(ports[6 + at]),
      ];
      launch(["start", "--name", id, "--cluster", list, ...servers, "--durability", "memory"]);
    }
    const url = `redis://${resps[0] ?? ""}`;
    await until("all to have told of themselves", 30_000, async () => {
      const status = await statusOf(url).catch(() => undefined);
      const isKnown = status?.nodes.every(({ http, role }) => http !== null && role !== "unreachable");
      return (isKnown === true && status?.groups[0]?.leader != null) || undefined;
    });
    const { nodes, groups } = await statusOf(url);
    expect(nodes.map(({ resp }) => resp)).toEqual(resps);
    expect(nodes.map(({ http }) => http)).toEqual(https);
    expect(JSON.stringify(await ask(url, "CLUSTER", "SLOTS"))).not.toContain("0.0.0.0");
    expect(String(await ask(url, "CLUSTER", "NODES"))).toContain(` ${resps[1] ?? ""}@`);
    const leader = ids.indexOf(groups[0]?.leader ?? "");
    const follower = resps.find((_, at) => at !== leader) ?? "";
    const role = (await ask(`redis://${follower}`, "ROLE")) as unknown[];
    expect(role.slice(0, 3)).toEqual(["slave", hosts[leader], ports[3 + leader]]);
  },
  CASE_TIMEOUT_MS,
);

test(
  "with --no-restart a node that dies stays dead, and nothing left to supervise is exit code 1",
  async () => {
    const { program, url } = await startCluster(["--durability", "memory", "--no-restart"]);
    const { nodes } = await statusOf(url);
    process.kill(nodes[0]?.pid ?? 0, "SIGKILL");
    const { code, stderr } = await program.ended;
    expect(code).toBe(1);
    expect(stderr).toContain("n1 ended (SIGKILL), not started again");
  },
  CASE_TIMEOUT_MS,
);

test.each(
  ALGORITHMS.flatMap((made) =>
    ALGORITHMS.filter((asked) => asked !== (made as string)).map((asked) => ({ made, asked })),
  ),
)(
  "a data directory made with $made refuses $asked in one line, and is not touched",
  async ({ made, asked }) => {
    const data = join(scratch(), "data");
    const { program } = await startCluster(["--data", data, ...keptBy(made)]);
    program.kill("SIGTERM");
    await program.ended;
    const look = () => [data, join(data, "n1")].map((folder) => fs.readdirSync(folder));
    const before = look();
    const ports = ["--port", "0", "--http-port", "0"];
    const refused = await run(["start", "--data", data, ...ports, ...keptBy(asked)]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      new RegExp(`^quorate: .+ belongs to another algorithm: ${made}, not ${asked}; .+\n$`),
    );
    // Also where only the node's own directory knows.
    const file = join(data, "cluster.json");
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace(`"${made}"`, `"${asked}"`));
    const again = await run(["start", "--data", data, ...ports]);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(`belongs to another algorithm: ${made}, not ${asked}
`);
    expect(look()).toEqual(before);
  },
  CASE_TIMEOUT_MS,
);

test(
  "a node's directory that was put into another cluster is refused and not touched",
  async () => {
    const root = scratch();
    for (const name of ["one", "two"]) {
      const { program } = await startCluster(["--data", join(root, name)]);
      program.kill("SIGTERM");
      await program.ended;
    }
    fs.rmSync(join(root, "two", "n1"), { recursive: true });
    fs.cpSync(join(root, "one", "n1"), join(root, "two", "n1"), { recursive: true });
    const before = fs.readdirSync(join(root, "two", "n1"));
    const ports = ["--port", "0", "--http-port", "0"];
    const { code, stderr } = await run(["start", "--data", join(root, "two"), ...ports]);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/another|belongs/);
    expect(fs.readdirSync(join(root, "two", "n1"))).toEqual(before);
  },
  CASE_TIMEOUT_MS,
);

test(
  "a password is asked of every client, and is not shown in the list of processes",
  async () => {
    const { url } = await startCluster(["--durability", "memory", "--password", "open sesame"]);
    const refused = await run(["status", "--url", url]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/wants a password: give it with --password/);
    const wrong = await run(["status", "--url", url, "--password", "open"]);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("wants another password") });
    const allowed = await run(["status", "--url", url, "--json"], { QUORATE_PASSWORD: "open sesame" });
    expect(allowed.code).toBe(0);
    const { nodes } = JSON.parse(allowed.stdout) as { nodes: { pid: number }[] };
    expect(fs.readFileSync(`/proc/${nodes[0]?.pid ?? 0}/cmdline`, "utf8")).not.toContain("sesame");
  },
  CASE_TIMEOUT_MS,
);

test(
  "health, metrics and status are at the HTTP address that is printed",
  async () => {
    const { program } = await startCluster(["--durability", "memory"]);
    const [http = ""] = program.stdout().match(/http:\/\/[\d.:]+/) ?? [];
    expect((await fetch(`${http}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${http}/metrics`)).text()).toContain(
      'quorate_role{group="g0",role="leader"} 1',
    );
    expect(await (await fetch(`${http}/status`)).json()).toMatchObject({ askedNode: "n1" });
  },
  CASE_TIMEOUT_MS,
);
