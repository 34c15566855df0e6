/** `quorate fs` as a person uses it, the program against a server in this process. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Served } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { startNode } from "../../src/engine/start-node.ts";
import type { Ended, Options } from "./clients/program.ts";
import { runProgram } from "./clients/program.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
const QUORATE = { user: "quorate", groups: [] };
let served: Served;
let local = "";
beforeEach(async () => {
  served = await serveMemory();
  local = mkdtempSync(join(tmpdir(), "quorate-fs-"));
});
afterEach(async () => {
  await served.close();
  rmSync(local, { recursive: true });
});

function fs(args: readonly string[], options: Options = {}): Promise<Ended> {
  const address = `webhdfs://quorate@${served.addresses[0] ?? ""}`;
  return runProgram(process.execPath, [MAIN, "fs", "--fs", address, ...args], {
    directory: local,
    ...options,
  });
}

async function done(args: readonly string[], options: Options = {}): Promise<string> {
  const { code, stdout, stderr } = await fs(args, options);
  expect([code, stderr], args.join(" ")).toEqual([0, ""]);
  return stdout;
}

const names = async (path: string): Promise<readonly string[]> =>
  (await served.files.list(path, QUORATE, "")).entries.map((entry) => entry.path);

test("a directory goes up and comes back whole, and nothing unfinished is left", async () => {
  const contents = new Map<string, Buffer>();
  for (let each = 0; each < 40; each++)
    contents.set(`books/${each % 7}/f ${each}.txt`, randomBytes(each * 991));
  for (const [name, bytes] of contents) {
    mkdirSync(join(local, name, ".."), { recursive: true });
    writeFileSync(join(local, name), bytes);
  }
  expect(await done(["put", "books", "/books"])).toBe("");
  expect(await done(["get", "/books", "back"])).toBe("");
  for (const [name, bytes] of contents) {
    expect(readFileSync(join(local, name.replace("books", "back"))).equals(bytes), name).toBe(true);
  }
  const all = await done(["find", "/", "-name", "*._COPYING_"]);
  expect(all).toBe("");
  expect(await done(["count", "/books"])).toMatch(/^ +8 +40 +\d+ \/books\n$/);
});

test("standard input and output stand for a dash, whatever the bytes", async () => {
  const bytes = randomBytes(300_000);
  await done(["put", "-", "/in"], { input: bytes });
  expect((await served.files.status("/in", QUORATE)).length).toBe(bytes.length);
  await done(["appendToFile", "-", "/text"], { input: "one\n" });
  await done(["append", "-", "/text"], { input: "two\n" });
  expect(await done(["get", "/text", "-"])).toBe("one\ntwo\n");
  expect(await done(["cat", "/text", "/text"])).toBe("one\ntwo\none\ntwo\n");
  await done(["put", "-", "/packed"], { input: gzipSync("unpacked\n") });
  expect(await done(["text", "/packed"])).toBe("unpacked\n");
});

test("a FIFO or a socket below a directory is refused, not waited for, and the rest goes up", async () => {
  mkdirSync(join(local, "d"));
  for (const name of ["a", "z"]) writeFileSync(join(local, "d", name), name);
  expect(spawnSync("mkfifo", [join(local, "d/pipe")]).status).toBe(0);
  symlinkSync("pipe", join(local, "d/to-pipe"));
  const listener = createServer().listen(join(local, "d/socket"));
  await once(listener, "listening");
  try {
    const { code, stderr } = await fs(["put", "d", "/d"]);
    const refused = (name: string): string =>
      `put: \`${join(local, "d", name)}': Is a FIFO, socket or device, which is not copied`;
    const toPipe = `put: ${join(local, "d/to-pipe")} is not a file`;
    expect([code, stderr.trimEnd().split("\n").toSorted()]).toEqual([
      1,
      [refused("pipe"), refused("socket"), toPipe].toSorted(),
    ]);
    expect(await names("/d")).toEqual(["/d/a", "/d/z"]);
    expect((await fs(["put", "d/pipe", "/p"])).code).toBe(1);
    expect((await fs(["appendToFile", "d/pipe", "/p"])).code).toBe(1);
    expect((await fs(["moveFromLocal", "d", "/m"])).code).toBe(1);
    expect(readFileSync(join(local, "d/a"), "utf8")).toBe("a");
  } finally {
    listener.close();
  }
});

test("what is there is not written over without -f", async () => {
  writeFileSync(join(local, "f"), "new");
  await done(["put", "-", "/f"], { input: "old" });
  expect(await fs(["put", "f", "/f"])).toMatchObject({ code: 1, stderr: "put: `/f': File exists\n" });
  await done(["put", "-f", "f", "/f"]);
  expect(await done(["cat", "/f"])).toBe("new");
  expect(await fs(["get", "/f", "f"])).toMatchObject({ code: 1, stderr: "get: `f': File exists\n" });
  expect(await fs(["put", "f", "/none/f"])).toMatchObject({ code: 1 });
  expect(await fs(["put", "f", "f", "/none"])).toMatchObject({ code: 1 });
});

test.each([
  [1_000_000, "SIGINT", 130],
  [1, "SIGINT", 130],
  [1_000_000, "SIGKILL", null],
] as const)(
  "a put that is ended behind %d bytes by %s leaves nothing behind",
  async (bytes, signal, code) => {
    const address = `webhdfs://quorate@${served.addresses[0] ?? ""}`;
    const child = spawn(process.execPath, [MAIN, "fs", "--fs", address, "put", "-", "/big"]);
    child.stdin.on("error", () => undefined);
    child.stdin.write(Buffer.alloc(bytes));
    await until(() => served.files.openStreams === 1);
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill(signal);
    expect(await ended).toBe(code);
    await until(() => served.files.openStreams === 0);
    expect(await names("/")).toEqual([]);
  },
);

test("two sources of one name go one after the other: the last stays, or is refused", async () => {
  for (const each of ["one", "two"]) {
    mkdirSync(join(local, each));
    writeFileSync(join(local, each, "x"), each.repeat(700_000));
  }
  await done(["mkdir", "/same", "/other"]);
  await done(["put", "-f", "one/x", "two/x", "/same"]);
  expect(await done(["cat", "/same/x"])).toBe("two".repeat(700_000));
  const refused = await fs(["put", "one/x", "two/x", "/other"]);
  expect([refused.code, refused.stderr]).toEqual([1, "put: `/other/x': File exists\n"]);
  expect(await done(["cat", "/other/x"])).toBe("one".repeat(700_000));
});

test("patterns name what they fit; what fits nothing is reported, and the rest is done", async () => {
  for (const name of ["a1", "a2", "b1", ".hidden"]) await done(["touchz", `/${name}`]);
  await done(["put", "-", "/[x]"]);
  await done(["mkdir", "-p", "/d/e"]);
  const listed = async (pattern: string): Promise<readonly string[]> =>
    (await done(["ls", "-C", "-d", pattern])).split("\n").filter((line) => line !== "");
  expect(await listed("/a*")).toEqual(["/a1", "/a2"]);
  expect(await listed("/?1")).toEqual(["/a1", "/b1"]);
  expect(await listed("/[ab]1")).toEqual(["/a1", "/b1"]);
  expect(await listed("/[^a]1")).toEqual(["/b1"]);
  expect(await listed("/{a2,b*,d/e}")).toEqual(["/a2", "/b1", "/d/e"]);
  expect(await listed(String.raw`/\[x\]`)).toEqual(["/[x]"]);
  expect(await fs(["rm", "/z*", "/a*"])).toMatchObject({
    code: 1,
    stdout: "Deleted /a1\nDeleted /a2\n",
    stderr: "rm: `/z*': No such file or directory\n",
  });
  expect(await fs(["ls", "/[a"])).toMatchObject({ code: 1, stderr: "ls: a bracket is not closed: [a\n" });
});

test("rm moves into the trash where there is one, and never over what is in it", async () => {
  await served.close();
  served = await serveMemory({ settings: { trashIntervalMs: 3_600_000 } });
  for (let each = 0; each < 2; each++) {
    await done(["put", "-", "/f"], { input: String(each) });
    expect((await fs(["rm", "/f"])).stderr).toMatch(
      /^Moved: '\/f' to trash at: \/user\/quorate\/\.Trash\/Current\/f/,
    );
  }
  expect(await names("/user/quorate/.Trash/Current")).toHaveLength(2);
  expect(await done(["rm", "-r", "/user/quorate/.Trash/Current"])).toBe(
    "Deleted /user/quorate/.Trash/Current\n",
  );
  await done(["put", "-", "/f"], { input: "x" });
  expect(await done(["rm", "-skipTrash", "/f"])).toBe("Deleted /f\n");
  expect((await fs(["rm", "-r", "/user"])).code).toBe(1);
  expect(await done(["rm", "-f", "/none"])).toBe("");
});

test("an operator gives rm a trash, and expunge empties it", async () => {
  expect(await done(["settings"])).toContain("\ntrashIntervalMs=0\n");
  expect(await done(["settings", "trashIntervalMs=3600000", "blockSize=1048576"])).toBe(
    "blockSize=1048576\ntrashIntervalMs=3600000\n",
  );
  await done(["put", "-", "/f"], { input: "kept" });
  expect((await fs(["rm", "/f"])).stderr).toContain("Moved: '/f' to trash");
  // Checkpoints that are younger than the interval stay.
  await done(["expunge"]);
  const [checkpoint = ""] = await names("/user/quorate/.Trash");
  expect(checkpoint).toMatch(/^\/user\/quorate\/\.Trash\/\d+$/);
  expect((await fs(["expunge", "-immediate"])).stderr).toBe(`Deleted trash checkpoint: ${checkpoint}\n`);
  expect(await names("/user/quorate/.Trash")).toEqual([]);
});

test("settings that do not exist, do not fit, or are not one's own to change are refused", async () => {
  const refused = async (...words: readonly string[]): Promise<unknown> => {
    const { code, stderr } = await fs(words);
    return [code, stderr.split("\n", 1)[0]];
  };
  expect(await refused("settings", "nothing")).toEqual([
    255,
    '-settings: a setting is name=value, not "nothing"',
  ]);
  expect(await refused("settings", "safeMode=true")).toEqual([
    1,
    expect.stringContaining('settings: no setting is called "safeMode"; there are superuser,'),
  ]);
  expect(await refused("settings", "blockSize=large")).toEqual([
    1,
    "settings: the setting blockSize is a number",
  ]);
  expect(await refused("--user", "ann", "settings", "replication=1")).toEqual([
    1,
    expect.stringContaining("settings: Superuser privilege is required"),
  ]);
});

test("rm -safely asks before many files go, and takes silence for a no", async () => {
  await done(["mkdir", "/few", "/many"]);
  const change = { caller: QUORATE, mode: 0o755, unmaskedMode: undefined, createParents: true } as const;
  for (let file = 0; file < 101; file++) await (await served.files.create(`/many/${file}`, QUORATE)).close();
  await served.files.change({ type: "mkdir", path: "/few/d", ...change });
  expect(await done(["rm", "-r", "-safely", "/few"])).toBe("Deleted /few\n");
  for (const input of ["", "N\n", "x\n"]) {
    const { code, stderr } = await fs(["rm", "-r", "-safely", "/many"], { input });
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining("Proceed deleting /many with 101 files? (Y or N)"),
    ]);
  }
  expect((await fs(["rm", "-r", "-safely", "/many"], { input: "y\n" })).stdout).toBe("Deleted /many\n");
});

test("text unpacks gzip, and says of one that is not whole that it is not", async () => {
  const packed = gzipSync("packed\n");
  writeFileSync(join(local, "whole.gz"), packed);
  writeFileSync(join(local, "half.gz"), packed.subarray(0, -10));
  await done(["put", "whole.gz", "half.gz", "/"]);
  expect(await done(["text", "/whole.gz"])).toBe("packed\n");
  expect(await fs(["text", "/half.gz"])).toMatchObject({
    code: 1,
    stderr: "text: `/half.gz': Not a whole gzip file (unexpected end of file)\n",
  });
});

test("tail -f goes on as the file grows", async () => {
  await done(["put", "-", "/log"], { input: "first\n" });
  const address = `webhdfs://quorate@${served.addresses[0] ?? ""}`;
  const child = spawn(process.execPath, [MAIN, "fs", "--fs", address, "tail", "-f", "-s", "10", "/log"]);
  let seen = "";
  let complaints = "";
  child.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  await until(() => seen === "first\n");
  await done(["append", "-", "/log"], { input: "second\n" });
  await until(() => seen === "first\nsecond\n");
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGINT");
  await ended;
  // It has looked dozens of times by then, and Node.js complains of listeners that pile up.
  expect(complaints).toBe("");
});

test("files are made with the replicas and the block size that -D names, as Hadoop's shell takes them", async () => {
  const sized = ["-D", "dfs.replication=2", "-Ddfs.blocksize=2m"];
  await done([...sized, "-put", "-", "/stream"], { input: "x" });
  writeFileSync(join(local, "small"), "x");
  await done([...sized, "-put", "small", "/small"]);
  await done(["-Ddfs.replication=1", "-touchz", "/empty"]);
  await done([...sized, "-cp", "/empty", "/copy"]);
  expect(await done(["-stat", "%n %r %o", "/stream", "/small", "/copy"])).toBe(
    "stream 2 2097152\nsmall 2 2097152\ncopy 2 2097152\n",
  );
  expect(await done(["-stat", "%r", "/empty"])).toBe("1\n");
  for (const odd of ["dfs.replication=0", "dfs.blocksize=much", "fs.trash.interval=5", "dfs.replication", ""])
    expect(await fs(["-D", odd, "-ls", "/"]), odd).toMatchObject({ code: 255, stdout: "" });
});

test("users are those who ask, and relative paths are in their homes", async () => {
  await done(["mkdir", "-p", "/user/ann"]);
  await done(["chown", "ann", "/user/ann"]);
  await done(["--user", "ann", "put", "-", "mine"], { input: "x" });
  expect(await done(["ls", "-C", "/user/ann"])).toBe("/user/ann/mine\n");
  const environment = { HADOOP_USER_NAME: "eve" };
  expect(await fs(["rm", "/user/ann/mine"], { environment })).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^rm: Permission denied: user=eve, access=WRITE/) as unknown,
  });
  expect((await fs(["test", "-w", "/user/ann/mine"], { environment })).code).toBe(1);
  expect((await fs(["test", "-r", "/user/ann/mine"], { environment })).code).toBe(0);
});

test("help names every command, and a wrong one is told from a right one", async () => {
  const help = await done(["help"]);
  for (const name of ["ls", "put", "get", "setrep", "checksum", "find"]) expect(help).toContain(`  ${name} `);
  expect(await done(["help", "setrep"])).toContain("quorate fs setrep [-R] [-w] <rep> <path> ...");
  expect(await fs(["lss"])).toMatchObject({
    code: 255,
    stderr: expect.stringContaining("did you mean ls?") as unknown,
  });
  expect((await fs(["cp", "/a"])).code).toBe(255);
  expect((await fs([])).code).toBe(255);
  expect((await runProgram(process.execPath, [MAIN, "fs", "--fs", "hdfs://x", "ls"])).code).toBe(255);
  const overall = await runProgram(process.execPath, [MAIN, "help", "fs"]);
  expect(overall.stdout).toContain("quorate fs [--fs webhdfs://host:port]");
});

test("nobody there, and a node without files, are one clear error each", async () => {
  const dead = await runProgram(process.execPath, [MAIN, "fs", "--fs", "webhdfs://127.0.0.1:1", "ls", "/"]);
  expect(dead).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("ECONNREFUSED 127.0.0.1:1") as unknown,
  });
  const node = await startNode({
    id: "n1",
    clusterId: "c",
    members: { n1: "127.0.0.1:0" },
    dataDir: "memory",
    host: "127.0.0.1",
    respPort: 0,
    httpPort: 0,
    durability: "memory",
    logger: { log: () => undefined },
  });
  try {
    const address = `webhdfs://127.0.0.1:${node.httpPort ?? 0}`;
    const refused = await runProgram(process.execPath, [MAIN, "fs", "--fs", address, "ls", "/"]);
    expect(refused).toMatchObject({ code: 1, stderr: "ls: this node serves no files\n" });
  } finally {
    await node.stop({ handOver: false });
  }
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("waited ten seconds in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a directory is given an erasure coding policy in the words of hdfs ec", async () => {
  await done(["mkdir", "/d"]);
  expect(await done(["ec", "-getPolicy", "-path", "/d"])).toBe(
    "The erasure coding policy of /d is unspecified\n",
  );
  const policies = await done(["ec", "-listPolicies"]);
  expect(policies).toMatch(/^Erasure Coding Policies:\n/);
  expect(policies).toContain(
    "ErasureCodingPolicy=[Name=RS-3-2-1024k, Schema=[ECSchema=[Codec=rs, numDataUnits=3, numParityUnits=2]], CellSize=1048576, Id=2], State=ENABLED\n",
  );
  expect(policies).toContain("Name=XOR-2-1-1024k");
  expect(await done(["ec", "-setPolicy", "-path", "/d", "-policy", "RS-3-2-1024k"])).toBe(
    "Set RS-3-2-1024k erasure coding policy on /d\n",
  );
  expect(await done(["ec", "-setPolicy", "-path", "/d"])).toBe(
    "Set RS-6-3-1024k erasure coding policy on /d\n",
  );
  expect(await done(["ec", "-getPolicy", "-path", "/d"])).toBe("RS-6-3-1024k\n");
  await done(["touchz", "/d/f"]);
  const { code, stdout, stderr } = await fs(["ec", "-unsetPolicy", "-path", "/d"]);
  expect([code, stdout]).toEqual([0, "Unset erasure coding policy from /d\n"]);
  expect(stderr).toBe(
    "Warning: files that are below /d already stay as they are, and will not be replicated\n",
  );
  expect(await done(["ec", "-getPolicy", "-path", "/d/f"])).toBe("RS-6-3-1024k\n");
  expect(await done(["setrep", "2", "/d/f"])).toBe(
    "Did not set replication for: /d/f, because it's an erasure coded file.\n",
  );
  expect(await fs(["ec", "-setPolicy", "-path", "/d", "-policy", "RS-1-1"])).toMatchObject({ code: 1 });
  expect(await fs(["ec", "-setPolicy", "-policy", "RS-3-2-1024k"])).toMatchObject({ code: 255 });
  expect(await fs(["ec", "-getPolicy", "-listPolicies"])).toMatchObject({ code: 255 });
  expect(await fs(["ec", "-getPolicy", "-path", "/none"])).toMatchObject({ code: 1 });
});
