/** A node that lost its disk has forgotten its votes and what it acknowledged: it must not come back under its old name. */
import fs from "node:fs";
import { join } from "node:path";
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import { freePorts } from "../free-ports.ts";
import type { Running } from "./program.ts";
import { cleanUp, keptBy, launch, run, scratch, statusOf, until } from "./program.ts";

afterEach(cleanUp);

async function set(url: string, key: string): Promise<boolean> {
  const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: 2000 } });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return (await client.set(key, "x")) === "OK";
  } catch {
    return false;
  } finally {
    client.destroy();
  }
}

test.each(ALGORITHMS)(
  "%s: a wiped node is refused by a peer that has not applied anything yet, says why in one line, and ends",
  async (algorithm) => {
    const ids = ["n1", "n2", "n3"];
    const ports = await freePorts(9);
    const list = ids.map((id, at) => `${id}=127.0.0.1:${ports[at] ?? 0}`).join(",");
    const root = scratch();
    const url = (id: string): string => `redis://127.0.0.1:${ports[3 + ids.indexOf(id)] ?? 0}`;
    const begin = (
      id: string,
      how: readonly string[] = ["--cluster", list, ...keptBy(algorithm)],
    ): Running => {
      const at = ids.indexOf(id);
      const servers = ["--port", String(ports[3 + at]), "--http-port", String(ports[6 + at])];
      return launch(["start", "--name", id, ...how, ...servers, "--data", join(root, id)]);
    };
    const first = ids.map((id) => begin(id));
    await until("a write", 30_000, async () => (await set(url("n1"), "before")) || undefined);
    // Everybody has heard everybody.
    await until("the greetings", 10_000, async () => {
      const { nodes } = await statusOf(url("n1"));
      return nodes.every(({ role }) => role !== "unreachable") || undefined;
    });
    for (const program of first) program.kill("SIGTERM");
    await Promise.all(first.map((program) => program.ended));

    fs.rmSync(join(root, "n2"), { recursive: true });
    begin("n1");
    const wiped = begin("n2");
    const { code, stderr } = await wiped.ended;
    expect(code).toBe(1);
    expect(stderr.split("\n").filter((line) => line.startsWith("n2 cannot run:"))).toEqual([
      "n2 cannot run: n1 refused this node: the cluster knows n2 by another data directory; a node that lost its disk " +
        "is started with --join, and then: quorate members replace n2",
    ]);
    // Its vote did not count: n1 led nobody, and committed nothing.
    const { groups } = await statusOf(url("n1"));
    expect(groups.map(({ leader }) => leader)).toEqual([null, null, null]);
    // Its own disk knows what was chosen only in Multi-Paxos.
    if (algorithm === "raft") expect(groups.map(({ commitIndex }) => commitIndex)).toEqual([0, 0, 0]);

    begin("n3");
    await until("a write by those who kept their disks", 30_000, async () => {
      return (await set(url("n3"), "after")) || undefined;
    });

    // As that line says: it comes back as a newcomer, and takes the place of its last life.
    fs.rmSync(join(root, "n2"), { recursive: true });
    begin("n2", ["--join", url("n1"), "--peer-port", String(ports[1])]);
    const again = await until("n2 to be replaced", 30_000, async () => {
      const { code: done, stdout } = await run(["members", "replace", "n2", "--url", url("n3")]);
      return done === 0 ? stdout : undefined;
    });
    expect(again).toContain("n2 is a voter again, with its new data directory");
    expect(await set(url("n2"), "through it")).toBe(true);
  },
  120_000,
);
