/** A majority is lost for good: one node is made a cluster of its own, by an operator who accepts what that costs. */
import { join } from "node:path";
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import { freePorts } from "../free-ports.ts";
import type { Running } from "./program.ts";
import { cleanUp, keptBy, launch, run, scratch, statusOf, until } from "./program.ts";

afterEach(cleanUp);

test.each(ALGORITHMS)(
  "%s: the last of three goes on alone with what it held, takes others in, and the old ones cannot come back",
  async (algorithm) => {
    const ids = ["n1", "n2", "n3"];
    const ports = await freePorts(12);
    const list = ids.map((id, at) => `${id}=127.0.0.1:${ports[at] ?? 0}`).join(",");
    const root = scratch();
    const urlAt = (at: number): string => `redis://127.0.0.1:${ports[3 + at] ?? 0}`;
    const begin = (id: string): Running => {
      const at = ids.indexOf(id);
      const servers = ["--port", String(ports[3 + at]), "--http-port", String(ports[6 + at])];
      const place = ["start", "--name", id, "--cluster", list, "--data", join(root, id)];
      return launch([...place, ...servers, ...keptBy(algorithm)]);
    };
    const all = ids.map((id) => begin(id));
    await until("all to be heard", 30_000, async () => {
      const nodes = await statusOf(urlAt(0)).then(
        (status) => status.nodes,
        () => [],
      );
      return (nodes.length === 3 && nodes.every(({ role }) => role !== "unreachable")) || undefined;
    });
    const client = createClient({ url: urlAt(0) });
    client.on("error", () => undefined);
    await client.connect();
    for (let at = 0; at < 100; at += 1) await client.set(`k${at}`, "x");
    // n1 has heard that all of it is committed.
    expect(await client.exists("k99")).toBe(1);
    client.destroy();

    const force = ["members", "--force-new-cluster", "--name", "n1", "--data", join(root, "n1")];
    const running = await run([...force, "--accept-loss"]);
    expect([running.code, running.stderr]).toEqual([1, expect.stringContaining("uses")]);
    for (const program of all) program.kill("SIGKILL");
    await Promise.all(all.map((program) => program.ended));

    // n2 and n3 are lost. The nodes end with their supervisors, which were killed.
    const unsaid = await until("the directory to be free", 10_000, async () => {
      const tried = await run(force);
      return tried.stderr.includes("say --accept-loss") ? tried : undefined;
    });
    expect(unsaid.code).toBe(2);
    const forced = await until("the directory to be free", 10_000, async () => {
      const tried = await run([...force, "--accept-loss"]);
      return tried.code === 0 ? tried : undefined;
    });
    expect(forced.stdout).toContain("n1 is the only member of the new cluster");

    // The same words start it again.
    begin("n1");
    await until("n1 to lead alone", 30_000, async () => {
      const status = await statusOf(urlAt(0)).catch(() => undefined);
      return status?.groups[0]?.leader === "n1" || undefined;
    });
    const after = createClient({ url: urlAt(0) });
    after.on("error", () => undefined);
    await after.connect();
    expect(await after.exists(Array.from({ length: 100 }, (_, at) => `k${at}`))).toBe(100);
    await after.set("after", "1");

    // One that was thought lost is no member of this cluster, and leads nobody.
    const old = begin("n2");
    // It ends when it hears that it has no place here, and is started again: what counts is what it says while it is up.
    const status = await until("n2 to be up", 20_000, () => statusOf(urlAt(1)).catch(() => undefined));
    expect(status.groups).toMatchObject([{ leader: null }, { leader: null }, { leader: null }]);
    expect((await statusOf(urlAt(0))).nodes.map(({ id }) => id)).toEqual(["n1"]);
    old.kill("SIGKILL");
    await old.ended;

    const joining = ["start", "--name", "n4", "--join", urlAt(0), "--data", join(root, "n4")];
    const [port, http, peer] = ports.slice(9);
    launch([...joining, "--port", `${port}`, "--http-port", `${http}`, "--peer-port", `${peer}`]);
    await until("n4 to be added", 30_000, async () => {
      const { code } = await run(["members", "add", "n4", "--url", urlAt(0)]);
      return code === 0 || undefined;
    });
    expect((await statusOf(`redis://127.0.0.1:${port}`)).nodes).toMatchObject([
      { id: "n1", voter: true },
      { id: "n4", voter: true },
    ]);
    expect(await after.set("with two", "1")).toBe("OK");
    after.destroy();
  },
  120_000,
);
