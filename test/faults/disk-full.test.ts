/** A follower whose disk runs full: it says so at once, to clients and to who watches it, and goes on by itself with space. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { createClient } from "redis";
import { afterEach, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import { userName } from "../../src/runtime/node/user-name.ts";
import { freePorts } from "../free-ports.ts";
import { cleanUp, keptBy, launch, run, scratch, statusOf, until } from "../cli/program.ts";

const IDS = ["n1", "n2", "n3"] as const;
const clients: { destroy(): void }[] = [];
const mounts: string[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  const unmount = mounts.splice(0);
  for (const place of unmount) spawnSync("umount", ["--lazy", place]);
  await cleanUp();
});

function mountMemory(place: string, megabytes: number, ...options: string[]): boolean {
  const what = [...options, `size=${megabytes}m`].join(",");
  return spawnSync("mount", ["-t", "tmpfs", "-o", what, "tmpfs", place]).status === 0;
}

/** Only root may mount a small disk. */
function lacksMounts(): boolean {
  const place = scratch();
  const mounted = mountMemory(place, 1);
  if (mounted) spawnSync("umount", [place]);
  else console.log("skipped: no small file system can be mounted here");
  return !mounted;
}

async function clientOf(port: number | undefined) {
  const url = `redis://127.0.0.1:${port ?? 0}`;
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on("error", () => undefined);
  await client.connect();
  clients.push(client);
  return client;
}

test.skipIf(lacksMounts()).each(ALGORITHMS)(
  "%s: a follower without space refuses writes and reads at once with the reason, shows it, and recovers by itself",
  async (algorithm) => {
    const root = scratch();
    fs.mkdirSync(join(root, "n1"));
    // The first segment, one of 64 MiB, and no other.
    expect(mountMemory(join(root, "n1"), 100)).toBe(true);
    mounts.push(join(root, "n1"));
    const ports = await freePorts(9);
    const list = IDS.map((id, at) => `${id}=127.0.0.1:${ports[at] ?? 0}`).join(",");
    IDS.forEach((id, at) => {
      const servers = ["--port", String(ports[3 + at]), "--http-port", String(ports[6 + at])];
      const place = ["--name", id, "--cluster", list, "--data", join(root, id)];
      launch(["start", ...place, ...servers, ...keptBy(algorithm)]);
    });
    const full = await until("n1 to listen", 20_000, () => clientOf(ports[3]).catch(() => undefined));
    const other = await until("n2 to listen", 20_000, () => clientOf(ports[4]).catch(() => undefined));
    await until("a leader", 20_000, () => other.set("key", "before").catch(() => undefined));
    const value = "v".repeat(1 << 20);
    for (let count = 0; count < 90; count++) await other.set(`k${count % 10}`, value);
    await other.set("key", "after");

    await expect(full.get("key")).rejects.toThrow(/^MISCONF this node's disk is full/);
    await expect(full.set("refused", "1")).rejects.toThrow(/^MISCONF no space left/);
    const healthz = await fetch(`http://127.0.0.1:${ports[6] ?? 0}/healthz`);
    expect([healthz.status, await healthz.text()]).toEqual([503, expect.stringContaining("MISCONF")]);
    const seen = await until("n2 to hear of it", 10_000, async () => {
      const { nodes } = await statusOf(`redis://127.0.0.1:${ports[4] ?? 0}`);
      return nodes.find(({ id, refusing }) => id === "n1" && refusing !== null);
    });
    expect(seen.refusing).toContain("no space left");
    expect(await other.exists("refused")).toBe(0);

    expect(mountMemory(join(root, "n1"), 600, "remount")).toBe(true);
    await until("n1 to catch up", 30_000, async () => {
      const read = await full.get("key").catch(() => undefined);
      return read === "after" || undefined;
    });
    expect(await full.set("taken", "1")).toBe("OK");
    expect((await fetch(`http://127.0.0.1:${ports[6] ?? 0}/healthz`)).status).toBe(200);
  },
  120_000,
);

test.skipIf(lacksMounts()).each(["follower", "leader"] as const)(
  "a %s of the files without space: the shell, told of it alone, goes on at another node, and so does a leader's office",
  async (role) => {
    const root = scratch();
    const ports = await freePorts(9);
    const list = IDS.map((id, at) => `${id}=127.0.0.1:${ports[at] ?? 0}`).join(",");
    IDS.forEach((id, at) => {
      fs.mkdirSync(join(root, id));
      expect(mountMemory(join(root, id), 100)).toBe(true);
      mounts.push(join(root, id));
      const servers = ["--port", String(ports[3 + at]), "--http-port", String(ports[6 + at])];
      launch(["start", "--name", id, "--cluster", list, "--data", join(root, id), ...servers]);
    });
    const urlOf = (id: string): string => `redis://127.0.0.1:${ports[3 + IDS.indexOf(id as "n1")] ?? 0}`;
    const httpOf = (id: string): string => `127.0.0.1:${ports[6 + IDS.indexOf(id as "n1")] ?? 0}`;
    const leaderOfFiles = async (at: string): Promise<string | undefined> => {
      const { groups } = await statusOf(urlOf(at));
      return groups.find(({ name }) => name === "files")?.leader ?? undefined;
    };
    const shell = async (at: string, ...words: readonly string[]): Promise<string> => {
      const authority = httpOf(at);
      const options = ["--fs", `webhdfs://${authority}`, "-D", "dfs.blocksize=1048576"];
      const { code, stdout, stderr } = await run(["fs", ...options, ...words]);
      expect([words.join(" "), code, stderr]).toEqual([words.join(" "), 0, ""]);
      return stdout;
    };
    const leader = await until("a leader of the files", 40_000, () =>
      leaderOfFiles("n1").catch(() => undefined),
    );
    const victim = role === "leader" ? leader : (IDS.find((id) => id !== leader) ?? "");
    const others = IDS.filter((id) => id !== victim);
    for (const id of others) expect(mountMemory(join(root, id), 700, "remount")).toBe(true);
    const [other = ""] = others;
    await shell(other, "-mkdir", "/before");
    const client = await clientOf(Number(new URL(urlOf(other)).port));
    const value = "v".repeat(1 << 20);
    for (let count = 0; count < 90; count++)
      await until("a write", 30_000, () => client.set(`k${count % 10}`, value).catch(() => undefined));
    const seen = await until("the disk to be full", 20_000, async () => {
      const { nodes } = await statusOf(urlOf(other));
      return nodes.find(({ id, refusing }) => id === victim && refusing !== null);
    });
    expect(seen.refusing).toContain("no space left");

    // Whoever is sent on is not sent there, though no other one may be chosen.
    const words = `op=CREATE&user.name=${userName()}&excludedatanodes=${others.map(httpOf).join(",")}`;
    const created = await fetch(`http://${httpOf(other)}/webhdfs/v1/sent?${words}`, {
      method: "PUT",
      redirect: "manual",
    });
    expect(new URL(created.headers.get("location") ?? "").host).toBe(httpOf(other));

    const local = join(root, "f");
    fs.writeFileSync(local, Buffer.alloc(3 << 20, "f"));
    for (const at of [victim, other]) {
      await shell(at, "-mkdir", `/made-${at}`);
      await shell(at, "-touchz", `/made-${at}/empty`);
      await shell(at, "-put", local, `/made-${at}/f`);
      await shell(at, "-mv", `/made-${at}/empty`, `/made-${at}/moved`);
      expect(await shell(at, "-cat", `/made-${at}/f`)).toBe("f".repeat(3 << 20));
      await shell(at, "-rm", "-skipTrash", `/made-${at}/moved`);
    }
    expect((await shell(victim, "-ls", "/")).match(/\/(before|made-n\d)$/gm)?.length).toBe(3);
    const leads = await until("another one to lead", 20_000, async () => {
      const now = await leaderOfFiles(other);
      return now !== undefined && now !== victim ? now : undefined;
    });
    expect(others).toContain(leads);
  },
  180_000,
);
