/** Files on three real processes, that are killed, damaged and filled up under them. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Files } from "../../src/client/files/files.ts";
import { userName } from "../../src/runtime/node/user-name.ts";
import type { StatusDocument } from "../../src/engine/protocol/admin/status-document.ts";
import { freePorts } from "../free-ports.ts";
import type { Running } from "../cli/program.ts";
import { cleanUp, launch, run, scratch, startCluster, until } from "../cli/program.ts";

const MIB = 1024 * 1024;
vi.setConfig({ testTimeout: 150_000 });
const opened: Files[] = [];
const mounts: string[] = [];

afterEach(async () => {
  for (const files of opened.splice(0)) files.close();
  for (const place of mounts.splice(0)) spawnSync("umount", ["--lazy", place]);
  await cleanUp();
});

interface Three {
  readonly data: string;
  /** "host:port" of each node's HTTP server. */
  readonly https: readonly string[];
  readonly files: Files;
}

async function three(): Promise<Three> {
  const data = scratch();
  const { program } = await startCluster(["--nodes", "3", "--data", data]);
  const https = (program.stdout().match(/http:\/\/[\d.:]+/g) ?? []).map((url) => url.slice("http://".length));
  await until("every node to keep blocks", 30_000, async () => {
    const status = await statusAt(https[0]);
    return status?.files?.liveNodes === 3 || undefined;
  });
  return { data, https, files: filesAt(https) };
}

/** n1, n2 and n3, each started by itself: nobody starts again what is killed. */
async function apart(
  dataOf: (id: string) => string,
): Promise<{ readonly https: readonly string[]; readonly nodes: readonly Running[] }> {
  const ids = ["n1", "n2", "n3"];
  const ports = await freePorts(9);
  const list = ids.map((id, at) => `${id}=127.0.0.1:${ports[at] ?? 0}`).join(",");
  const nodes = ids.map((id, at) => {
    const servers = ["--port", String(ports[3 + at]), "--http-port", String(ports[6 + at])];
    return launch(["start", "--name", id, "--cluster", list, ...servers, "--data", dataOf(id)]);
  });
  const https = ports.slice(6).map((port) => `127.0.0.1:${port}`);
  await until("every node to keep blocks", 40_000, async () => {
    return (await statusAt(https[0]))?.files?.liveNodes === 3 || undefined;
  });
  return { https, nodes };
}

function filesAt(https: readonly string[]): Files {
  const files = connectFiles(`webhdfs://${userName()}@${https.join(",")}`);
  opened.push(files);
  return files;
}

async function statusAt(http = ""): Promise<StatusDocument | undefined> {
  try {
    const answer = await fetch(`http://${http}/status`, { signal: AbortSignal.timeout(1_000) });
    return (await answer.json()) as StatusDocument;
  } catch {
    return undefined;
  }
}

async function pidOf(id: string, http: string | undefined): Promise<number> {
  return until(`the process of ${id}`, 20_000, async () => {
    const status = await statusAt(http);
    return status?.nodes.find((node) => node.id === id)?.pid ?? undefined;
  });
}

/** Bytes that can be told apart, without keeping them. */
function piece(number: number): Buffer {
  const bytes = Buffer.alloc(MIB);
  for (let at = 0; at < MIB; at += 4) bytes.writeUInt32LE((number * 0x9e3779b1 + at * 0x85ebca6b) >>> 0, at);
  return bytes;
}

async function* pieces(count: number, at: (number: number) => Promise<void> | void): AsyncGenerator<Buffer> {
  for (let number = 0; number < count; number++) {
    await at(number);
    yield piece(number);
  }
}

/** Reads the file and compares it with the first so many pieces; `at` is told how many are read. */
async function expectPieces(
  files: Files,
  path: string,
  count: number,
  at: (number: number) => Promise<void> | void = () => undefined,
): Promise<void> {
  let length = 0;
  let rest = Buffer.alloc(0);
  for await (const bytes of files.readable(path)) {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= MIB) {
      const number = Math.floor(length / MIB);
      if (!rest.subarray(0, MIB).equals(piece(number)))
        throw new Error(`piece ${number} of ${path} is wrong`);
      rest = rest.subarray(MIB);
      length += MIB;
      await at(number + 1);
    }
  }
  expect([length, rest.length]).toEqual([count * MIB, 0]);
}

/** How many nodes hold each block, as WebHDFS tells it. */
async function holders(http: string | undefined, path: string): Promise<number[]> {
  const url = `http://${http ?? ""}/webhdfs/v1${path}?op=GETFILEBLOCKLOCATIONS&user.name=${userName()}`;
  const answer = (await (await fetch(url)).json()) as {
    BlockLocations: { BlockLocation: { hosts: string[] }[] };
  };
  return answer.BlockLocations.BlockLocation.map(({ hosts }) => hosts.length);
}

function wellKept(http: string | undefined, path: string, count: number): Promise<true> {
  return until(`${count} replicas of every block of ${path}`, 60_000, async () => {
    try {
      return (await holders(http, path)).every((held) => held === count) || undefined;
    } catch {
      return undefined;
    }
  });
}

function blockFiles(data: string, node: string): string[] {
  const directory = join(data, node, "blocks");
  return fs
    .readdirSync(directory)
    .flatMap((name) => (name.endsWith(".block") ? [join(directory, name)] : []));
}

test("the words of the shell work on a cluster: what is put is listed, read at any node, and gone when removed", async () => {
  const { https } = await three();
  const local = join(scratch(), "f");
  const content = Buffer.concat([piece(1), piece(2), Buffer.from("end")]);
  fs.writeFileSync(local, content);
  const [first, second, third] = https.map((http) => ["fs", "--fs", `webhdfs://${http}`]) as [
    string[],
    string[],
    string[],
  ];
  expect(await run([...first, "put", local, "/f"])).toMatchObject({ code: 0, stderr: "" });
  expect((await run([...second, "ls", "/"])).stdout).toMatch(
    new RegExp(`-rw-r--r-- {3}3 ${userName()} supergroup +2097155 .* /f\n`),
  );
  const back = join(scratch(), "back");
  expect((await run([...third, "get", "/f", back])).code).toBe(0);
  expect(fs.readFileSync(back).equals(content)).toBe(true);
  expect((await run([...second, "cat", "/f"])).stdout.endsWith("end")).toBe(true);
  // What -w has waited for can be written on at once.
  expect(await run([...second, "truncate", "-w", "1000", "/f"])).toMatchObject({ code: 0, stderr: "" });
  expect(await run([...third, "append", local, "/f"])).toMatchObject({ code: 0, stderr: "" });
  expect((await run([...first, "stat", "%b", "/f"])).stdout).toBe(`${1000 + content.length}\n`);
  expect((await run([...first, "rm", "-skipTrash", "/f"])).code).toBe(0);
  expect((await run([...third, "test", "-e", "/f"])).code).toBe(1);
});

test("a node is killed while a file is written, and while it is read: the writer and the reader go on", async () => {
  const { https, files } = await three();
  const [, second] = https;
  const atSecond = filesAt(https.slice(1));
  const victim = await pidOf("n1", second);
  await atSecond.writeFile(
    "/written",
    pieces(40, (number) => {
      if (number === 20) process.kill(victim, "SIGKILL");
    }),
  );
  await expectPieces(atSecond, "/written", 40);
  await wellKept(second, "/written", 3);
  const third = await pidOf("n3", second);
  let isKilled = false;
  await expectPieces(filesAt([https[2] ?? "", ...https.slice(0, 2)]), "/written", 40, (number) => {
    if (number < 10 || isKilled) return;
    isKilled = true;
    process.kill(third, "SIGKILL");
  });
  expect(isKilled).toBe(true);
  await wellKept(second, "/written", 3);
  await expectPieces(files, "/written", 40);
});

test("the node that takes an upload is killed: the file goes up anew, and nothing half-written is left", async () => {
  const { https, files } = await three();
  const local = join(scratch(), "f");
  const large = fs.openSync(local, "w");
  for (let number = 0; number < 200; number++) fs.writeSync(large, piece(number));
  fs.closeSync(large);
  // The shell is told of one node only, and has it killed when a block is there.
  const victim = await pidOf("n1", https[1]);
  const put = run(["fs", "--fs", `webhdfs://${https[0] ?? ""}`, "put", local, "/f"]);
  await until(
    "the upload to be under way",
    30_000,
    async () => (await files.exists("/f._COPYING_")) || undefined,
  );
  process.kill(victim, "SIGKILL");
  expect(await put).toMatchObject({ code: 0, stderr: "" });
  await expectPieces(files, "/f", 200);
  expect(await files.readdir("/")).toEqual(["f"]);
});

test("the only node that the shell was told of dies for good: what runs for long goes on at the others", async () => {
  const data = scratch();
  const { https, nodes } = await apart((id) => join(data, id));
  const [first = "", ...others] = https;
  const files = filesAt(others);
  await files.writeFile("/log", "begins\n");
  const local = join(scratch(), "d");
  fs.mkdirSync(local);
  for (let number = 0; number < 2_000; number++) fs.writeFileSync(join(local, `f${number}`), `${number}\n`);
  const shell = ["fs", "--fs", `webhdfs://${first}`];
  const tail = launch([...shell, "tail", "-f", "-s", "200", "/log"]);
  const put = launch([...shell, "put", "-t", "1", local, "/d"]);
  const beganMs = performance.now();
  let isOver = false;
  void put.ended.then(() => (isOver = true));
  await until("both are under way, and know who else is there", 60_000, async () => {
    const isKnowing = performance.now() - beganMs > 4_000 && tail.stdout().includes("begins\n");
    return (isKnowing && (await files.exists("/d/f1"))) || undefined;
  });
  expect(isOver).toBe(false);
  nodes[0]?.kill("SIGKILL");
  expect(await put.ended).toMatchObject({ code: 0, stderr: "" });
  await files.appendFile("/log", "goes on\n");
  await until("what was appended is shown", 30_000, () => tail.stdout().includes("goes on\n") || undefined);
  expect([tail.stdout(), tail.stderr()]).toEqual(["begins\ngoes on\n", ""]);
  expect(await files.summary("/d")).toMatchObject({ directories: 1, files: 2_000 });
});

test("from when a node is killed no client is sent to it, long before its silence says so", async () => {
  const data = scratch();
  const { https, nodes } = await apart((id) => join(data, id));
  const [first = "", ...others] = https;
  const files = filesAt([first]);
  const names = Array.from({ length: 8 }, (_, at) => `/f${at}`);
  // Each of them at the node that is killed, and at another one.
  for (const name of names) await files.writeFile(name, Buffer.alloc(MIB), { replication: 2 });
  await files.writeFile("/alone", Buffer.alloc(MIB), { replication: 1 });
  const locationAt = async (http: string, path: string, query: string, method: string): Promise<string> => {
    const url = `http://${http}/webhdfs/v1${path}?op=${query}&noredirect=true&user.name=${userName()}`;
    const answer = await fetch(url, { method });
    const { Location = "" } = (await answer.json()) as { readonly Location?: string };
    return Location === "" ? "" : new URL(Location).host;
  };
  const ask = async (): Promise<readonly string[]> => {
    const asked = others.flatMap((http, at) => [
      ...[...names, "/alone"].map((path) => locationAt(http, path, "OPEN", "GET")),
      locationAt(http, "/new", "CREATE", "PUT"),
      locationAt(http, "/new", `CREATE&excludedatanodes=${others[at] ?? ""}`, "PUT"),
    ]);
    return Promise.all(asked);
  };
  await until("every holder to be known", 20_000, async () => {
    return (await ask()).filter((host) => host === first).length >= 2 || undefined;
  });
  nodes[0]?.kill("SIGKILL");
  await nodes[0]?.ended;
  // What is asked before the system has told a node of the broken link is answered as before.
  await until("the broken links to be known", 500, async () => {
    return (await ask()).every((host) => host !== first) || undefined;
  });
  const named: string[] = [];
  for (const endMs = performance.now() + 3_000; performance.now() < endMs;) {
    named.push(...(await ask()));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((host) => host === first)).toHaveLength(0);
});

test("a node dies with what goes up through it: in seconds every file is ended, and what has no finished name says so", async () => {
  const { https } = await three();
  const [first = "", second = ""] = https;
  const victim = await pidOf("n1", second);
  const large = join(scratch(), "f");
  fs.writeFileSync(large, "");
  fs.truncateSync(large, 4096 * MIB);
  const put = launch(["fs", "--fs", `webhdfs://${first}`, "put", large, "/f"]);
  // A client of another make writes to the name itself, and does not come again.
  const url = `http://${first}/webhdfs/v1/foreign?op=CREATE&data=true&user.name=${userName()}`;
  const upload = { method: "PUT", headers: { "Content-Type": "application/octet-stream" }, duplex: "half" };
  const body = ReadableStream.from(pieces(10_000, () => new Promise((done) => setTimeout(done, 20))));
  const foreign = fetch(url, { ...upload, body } as RequestInit).then(
    ({ status }) => status,
    () => "broken off",
  );
  const atSecond = filesAt([second]);
  for (const path of ["/f._COPYING_", "/foreign"]) {
    await until(`${path} is there`, 30_000, async () => (await atSecond.exists(path)) || undefined);
  }
  put.kill("SIGKILL");
  process.kill(victim, "SIGKILL");
  expect(await foreign).toBe("broken off");
  // The soft limit is a minute, the hard one twenty.
  await until("every file is closed", 50_000, async () => {
    return (await statusAt(second))?.files?.openFiles === 0 || undefined;
  });
  expect(await atSecond.exists("/f")).toBe(false);
  const { size } = await atSecond.stat("/foreign");
  const whole = Math.floor(size / MIB);
  const parts: Uint8Array[] = [];
  for await (const bytes of atSecond.readable("/foreign")) parts.push(bytes);
  const read = Buffer.concat(parts);
  expect(read.length).toBe(size);
  for (let number = 0; number < whole; number++) {
    expect(read.subarray(number * MIB, (number + 1) * MIB).equals(piece(number))).toBe(true);
  }
});

test("a byte that changed on a disk is never read: the replica is told of, and replaced", async () => {
  const { data, https, files } = await three();
  await files.writeFile(
    "/f",
    pieces(3, () => undefined),
  );
  await wellKept(https[0], "/f", 3);
  const [damaged] = blockFiles(data, "n2") as [string];
  const file = fs.openSync(damaged, "r+");
  fs.writeSync(file, Buffer.from([0xff, 0x00, 0xff]), 0, 3, 1_234_567);
  fs.closeSync(file);
  await expectPieces(filesAt([https[1] ?? ""]), "/f", 3);
  await until("the damaged replica is replaced", 60_000, () => {
    const [now] = blockFiles(data, "n2");
    if (now === undefined) return undefined;
    return fs.readFileSync(now).equals(Buffer.concat([piece(0), piece(1), piece(2)])) || undefined;
  });
  await wellKept(https[0], "/f", 3);
});

test("what a dead node alone had is a clear error to curl, the shell and a program, and the rest of the file is read", async () => {
  const root = scratch();
  const { https, nodes } = await apart((id) => join(root, id));
  const at = (index: number): Files => filesAt([https[index] ?? ""]);
  // The first block on n2, the second one on n3, nowhere else.
  const first = pieces(4, () => undefined);
  await at(1).writeFile("/f", first, { blockSize: 4 * MIB, replication: 1 });
  await at(2).appendFile("/f", Buffer.concat([piece(4), piece(5)]));
  expect(blockFiles(join(root, "n3"), "n3").length).toBe(1);
  await until("n1 to have heard of both", 10_000, async () => {
    const found = await fetch(`http://${https[0] ?? ""}/webhdfs/v1/f?op=GETFILEBLOCKLOCATIONS`);
    const text = await found.text();
    return https.slice(1).every((each) => text.includes(each)) || undefined;
  });
  nodes[2]?.kill("SIGKILL");
  await until("n3 to count as dead", 30_000, async () => {
    return (await statusAt(https[0]))?.files?.liveNodes === 2 || undefined;
  });
  const byte = 4 * MIB;
  const why = /no live node has a replica of block \d+ \(n3 has been silent for \d+ s\)/;
  const url = `http://${https[0] ?? ""}/webhdfs/v1/f?op=OPEN&user.name=${userName()}`;
  const answer = await fetch(`${url}&offset=${byte + 5}`);
  expect(answer.status).toBe(403);
  const { RemoteException } = (await answer.json()) as { RemoteException: Record<string, string> };
  expect(RemoteException["exception"]).toBe("BlockMissingException");
  expect(RemoteException["message"]).toMatch(`/f cannot be read from byte ${byte + 5}: `);
  expect(RemoteException["message"]).toMatch(why);
  const short = await fetch(url);
  expect([short.status, short.headers.get("content-length")]).toEqual([200, String(6 * MIB)]);
  await expect(short.arrayBuffer()).rejects.toThrow();
  const startMs = performance.now();
  const error = await at(0)
    .readFile("/f")
    .catch((thrown: unknown) => thrown);
  expect(performance.now() - startMs).toBeLessThan(10_000);
  expect(error).toMatchObject({ name: "QuorateError", code: "BLOCK_MISSING" });
  expect((error as Error).message).toMatch(`/f cannot be read from byte ${byte}: `);
  await expect(at(0).checksum("/f")).rejects.toMatchObject({ code: "BLOCK_MISSING" });
  const local = join(root, "got");
  for (const words of [
    ["cat", "/f"],
    ["get", "/f", local],
    ["tail", "/f"],
    ["checksum", "/f"],
  ]) {
    const { code, stderr } = await run(["fs", "--fs", `webhdfs://${https[0] ?? ""}`, ...words]);
    expect(code, words[0]).toBe(1);
    expect(stderr, words[0]).toMatch(/^\w+: .*\/f (cannot be read from byte \d+|has no checksum): /);
    expect(stderr, words[0]).toMatch(why);
  }
  expect(fs.existsSync(local)).toBe(false);
  const read = await at(0).readFile("/f", { length: byte });
  expect(read.equals(Buffer.concat([piece(0), piece(1), piece(2), piece(3)]))).toBe(true);
});

function mountMemory(place: string, megabytes: number): boolean {
  return spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", place]).status === 0;
}

/** Only root may mount a small disk. */
function lacksMounts(): boolean {
  const place = scratch();
  const mounted = mountMemory(place, 1);
  if (mounted) spawnSync("umount", [place]);
  else console.log("skipped: no small file system can be mounted here");
  return !mounted;
}

test.skipIf(lacksMounts())(
  "a disk that has no room is passed over, all full disks are one clear error, and what was written stays",
  async () => {
    const root = scratch();
    const ids = ["n1", "n2", "n3"];
    for (const [at, id] of ids.entries()) {
      fs.mkdirSync(join(root, id, id), { recursive: true });
      // Room for the log's first file, for what blocks leave to the log, and for 30 MB of blocks; n3 has none for blocks.
      expect(mountMemory(join(root, id), at === 2 ? 200 : 400)).toBe(true);
      mounts.push(join(root, id));
    }
    const { https } = await apart((id) => join(root, id));
    const files = filesAt(https);
    let refusal: unknown;
    let count = 0;
    for (; refusal === undefined && count < 30; count++) {
      try {
        await files.writeFile(
          `/f${count}`,
          pieces(5, () => undefined),
          { blockSize: MIB },
        );
      } catch (error) {
        refusal = error;
      }
    }
    expect(refusal).toMatchObject({ code: "NO_TARGETS" });
    expect((refusal as Error).message).toMatch(/bytes free/);
    expect(count).toBeGreaterThan(3);
    expect(await files.exists(`/f${count - 1}`)).toBe(false);
    for (let number = 0; number < count - 1; number++) await expectPieces(files, `/f${number}`, 5);
    expect(await holders(https[0], "/f0")).toEqual([2, 2, 2, 2, 2]);
    await files.rm("/f0");
    await files.rm("/f1");
    await until("there is room again", 30_000, async () => {
      try {
        await files.writeFile(
          "/again",
          pieces(5, () => undefined),
          { blockSize: MIB },
        );
        return true;
      } catch {
        return undefined;
      }
    });
    await expectPieces(files, "/again", 5);
  },
);

/** Undefined when it has just gone. */
function contentOf(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

test("a coded directory takes half of what replicas would, and bears a killed node and a byte that changed", async () => {
  const { data, https, files } = await three();
  const [, second] = https;
  await files.mkdir("/ec");
  await files.setErasureCoding("/ec", "RS-6-3-1024k");
  const atSecond = filesAt(https.slice(1));
  const victim = await pidOf("n1", second);
  await atSecond.writeFile(
    "/ec/f",
    pieces(40, (number) => {
      if (number === 20) process.kill(victim, "SIGKILL");
    }),
  );
  await expectPieces(atSecond, "/ec/f", 40);
  // Six data shards of ten stripes at most, and three of parity.
  const shards = (): string[] => ["n1", "n2", "n3"].flatMap((node) => blockFiles(data, node));
  const isWhole = (): true | undefined => {
    // One that is surplus may go between the list and the look at it.
    const sizes = shards().map((file) => fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0);
    return (
      (sizes.length === 9 && sizes.reduce((sum, size) => sum + size, 0) === (40 + 3 * 7) * MIB) || undefined
    );
  };
  await until("all shards are there again", 90_000, isWhole);
  // The last shard is on the disk a moment before its node tells of it.
  await until("fsck finds all shards", 30_000, async () => {
    const { stdout } = await run([
      "fs",
      "--fs",
      `webhdfs://${second ?? ""}`,
      "fsck",
      "/ec",
      "-files",
      "-blocks",
    ]);
    const isWell = stdout.includes("erasure-coded: policy=RS-6-3-1024k, 1 block(s):  OK\n");
    return (isWell && stdout.includes("Live_repl=9\n")) || undefined;
  });
  const third = await pidOf("n3", second);
  process.kill(third, "SIGKILL");
  await expectPieces(atSecond, "/ec/f", 40);
  await pidOf("n3", https[2]);
  await until(
    "n3 reports",
    30_000,
    async () => (await statusAt(second))?.files?.liveNodes === 3 || undefined,
  );
  // What was made anew while it was away is surplus now, and goes.
  await until("all shards are there once", 90_000, isWhole);
  const [damaged] = blockFiles(data, "n2") as [string];
  const content = fs.readFileSync(damaged);
  const file = fs.openSync(damaged, "r+");
  fs.writeSync(file, Buffer.from([0xff, 0x00, 0xff]), 0, 3, 1_234_567);
  fs.closeSync(file);
  expect(fs.readFileSync(damaged).equals(content)).toBe(false);
  await expectPieces(files, "/ec/f", 40);
  await until("the damaged shard is made anew", 90_000, () => {
    if (isWhole() === undefined) return undefined;
    const again = shards().find((name) => name.endsWith(damaged.slice(damaged.lastIndexOf("/"))));
    return (again !== undefined && contentOf(again)?.equals(content)) || undefined;
  });
  await expectPieces(files, "/ec/f", 40);
});
