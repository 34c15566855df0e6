/** `quorate fs` over several file systems: words that are URLs lead to this machine, or to another server. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { deflateSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Served } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { runProgram } from "./clients/program.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
let served: readonly Served[] = [];
let local = "";
let [url, other] = ["", ""];
beforeEach(async () => {
  served = await Promise.all([serveMemory(), serveMemory()]);
  [url = "", other = ""] = served.map(({ addresses }) => `webhdfs://${addresses[0] ?? ""}`);
  local = mkdtempSync(join(tmpdir(), "quorate-places-"));
  mkdirSync(join(local, "d/e"), { recursive: true });
  writeFileSync(join(local, "a.txt"), "hello\n");
  writeFileSync(join(local, "d/e/b.txt"), "below\n");
});
afterEach(async () => {
  await Promise.all(served.map((each) => each.close()));
  rmSync(local, { recursive: true });
});

async function fs(...args: readonly string[]): Promise<readonly [number | null, string]> {
  const words = [MAIN, "fs", "--fs", url, "--user", "quorate", ...args];
  const { code, stdout, stderr } = await runProgram(process.execPath, words, { directory: local });
  return [code, `${stdout}${stderr.split("\nUsage")[0] ?? ""}`.trim()];
}

test("the URL of a file of this machine is taken wherever a path is, and shown as a URL", async () => {
  const here = `file://${local}`;
  expect(await fs("-cat", `${here}/a.txt`, `file:${local}/d/e/b.txt`)).toEqual([0, "hello\nbelow"]);
  expect(await fs("-ls", "-C", `${here}/*.txt`)).toEqual([0, `${here}/a.txt`]);
  expect(await fs("-ls", "-C", `file:${local}`)).toEqual([0, `${here}/a.txt\n${here}/d`]);
  expect((await fs("-count", `${here}/d`))[1]).toMatch(new RegExp(`^2 +1 +6 ${here}/d$`));
  expect((await fs("-du", "-s", `${here}/d`))[1]).toMatch(new RegExp(`^6 +6 +${here}/d$`));
  const missing = `No such file or directory`;
  expect(await fs("-cat", `${here}/none`)).toEqual([1, `cat: \`${here}/none': ${missing}`]);
  expect(await fs("-mkdir", "-p", `${here}/m/n`)).toEqual([0, ""]);
  expect(await fs("-rmdir", `${here}/m`)).toEqual([1, `rmdir: \`${here}/m': Directory is not empty`]);
  expect(await fs("-touchz", `${here}/m/z`)).toEqual([0, ""]);
  expect(await fs("-test", "-z", `${here}/m/z`)).toEqual([0, ""]);
  expect(await fs("-mv", `${here}/m/z`, `${here}/m/y`)).toEqual([0, ""]);
  expect(await fs("-rm", "-r", `${here}/m`)).toEqual([0, `Deleted ${here}/m`]);
  expect(await fs("-checksum", `${here}/a.txt`)).toEqual([0, `${here}/a.txt\tNONE`]);
  expect((await fs("-getfacl", `${here}/a.txt`))[1]).toMatch(/\nuser::rw-\ngroup::r--\nother::r--$/);
});

test("what is copied comes from, and goes to, the file system of its URL", async () => {
  const here = `file://${local}`;
  expect(await fs("-cp", `${here}/d`, "/d")).toEqual([0, ""]);
  expect(await fs("-cp", "/d", `${other}/copy`)).toEqual([0, ""]);
  expect(await fs("-cat", `${other}/copy/e/b.txt`)).toEqual([0, "below"]);
  expect(await fs("-ls", "-C", `${other}/copy/*`)).toEqual([0, `${other}/copy/e/b.txt`]);
  expect(await fs("-cp", `${other}/copy/e/b.txt`, `${here}/back`)).toEqual([0, ""]);
  expect(readFileSync(join(local, "back"), "utf8")).toBe("below\n");
  expect(await fs("-put", "a.txt", `${here}/put`)).toEqual([0, ""]);
  expect(await fs("-get", `${other}/copy/e/b.txt`, "got")).toEqual([0, ""]);
  expect(await fs("-getmerge", `${other}/copy/e`, `${here}/a.txt`, `${here}/merged`)).toEqual([0, ""]);
  expect(readFileSync(join(local, "merged"), "utf8")).toBe("below\nhello\n");
  const moved = `mv: \`${other}/copy': Does not match target filesystem`;
  expect(await fs("-mv", `${other}/copy`, "/x")).toEqual([1, moved]);
  const same = url.replace("127.0.0.1", "localhost");
  expect(await fs("-mv", `${same}/d/e`, "/d/f")).toEqual([0, ""]);
  const within = `cp: \`/d' to \`${same}/d/f/d': is a subdirectory of itself`;
  expect(await fs("-cp", "/d", `${same}/d/f`)).toEqual([1, within]);
});

test("a URL of a kind that is not known, and what is no URL, are refused", async () => {
  expect(await fs("-ls", "s3a://bucket/x")).toEqual([1, `ls: No FileSystem for scheme "s3a"`]);
  expect((await fs("-ls", "a:b"))[1]).toMatch(/Relative path in absolute URI: a:b$/);
  expect(await fs("-mkdir", "file://host/x")).toEqual([
    255,
    "-mkdir: Wrong FS: file://host/x, expected: file:///",
  ]);
  writeFileSync(join(local, "a:b"), "colon\n");
  expect(await fs("-put", "a:b", "/colon")).toEqual([0, ""]);
  expect(await fs("-cat", "/colon")).toEqual([0, "colon"]);
});

test("an expression of find is done in order, until one of it says no", async () => {
  const here = `file://${local}`;
  await fs("-put", "d", "a.txt", "/");
  const found = async (...expression: readonly string[]) => (await fs("-find", "/d", ...expression))[1];
  expect(await found("-name", "{b,x}*")).toBe("/d/e/b.txt");
  expect(await found("-print", "-name", "e", "-a", "-print")).toBe("/d\n/d/e\n/d/e\n/d/e/b.txt");
  expect(await found("-iname", "B*", ")", "(", "-print0")).toBe("/d/e/b.txt\0");
  expect(await fs("-find", "/d", "-NAME", "b")).toEqual([1, "find: Unexpected argument: -NAME"]);
  for (const wrong of [["-name"], ["-a"], ["-name", "b*", "-a"], ["-name", "["], ["-name", "{a"]])
    expect((await fs("-find", "/d", ...wrong))[0], wrong.join(" ")).toBe(255);
  symlinkSync(local, join(local, "d/e/up"));
  symlinkSync("nowhere", join(local, "d/e/lost"));
  symlinkSync(join(local, "d"), join(local, "to-d"));
  const names = async (...words: readonly string[]) =>
    (await fs("-find", ...words))[1].replaceAll(`${here}/`, "").split("\n").toSorted();
  expect(await names(`${here}/d`, "-name", "*t")).toEqual(["d/e/b.txt", "d/e/lost"]);
  expect(await names("-L", here, "-name", "[ab].txt")).toEqual([
    `Infinite loop ignored: d/e/up -> ${local}`,
    `Infinite loop ignored: to-d/e/up -> ${local}`,
    "a.txt",
    "d/e/b.txt",
    "to-d/e/b.txt",
  ]);
});

test("help tells of each command that is named, and ends where one is not there", async () => {
  const usage = ["Usage: quorate fs head <file>", "Usage: quorate fs usage [cmd ...]"];
  expect(await fs("-usage", "head", "usage")).toEqual([0, usage.join("\n")]);
  const { code, stdout, stderr } = await runProgram(process.execPath, [MAIN, "fs", "-help", "mv", "nosuch"]);
  expect([code, stdout.split("\n")[0]]).toEqual([255, "Usage: quorate fs mv <src> ... <dst>"]);
  expect(stderr).toBe("-help: `nosuch': Unknown command\nUsage: quorate fs help [cmd ...]\n");
});

test("text unpacks what it can, and says so of what it cannot", async () => {
  writeFileSync(join(local, "x.deflate"), deflateSync("flat\n"));
  writeFileSync(join(local, "x.bz2"), "BZh91AY&SY");
  const here = `file://${local}`;
  expect(await fs("-text", `${here}/x.deflate`)).toEqual([0, "flat"]);
  const refused = `text: \`${here}/x.bz2': Is bzip2, which is not unpacked here`;
  expect(await fs("-text", `${here}/x.bz2`)).toEqual([1, refused]);
});

test("what is moved onto itself is refused and stays, also where a link leads back to it", async () => {
  const same = [`file://${local}/d`, `file://${local}/to-d`, `file://${local}/up/d`];
  symlinkSync(join(local, "d"), join(local, "to-d"));
  symlinkSync(local, join(local, "up"));
  const source = join(local, "d/e");
  for (const target of same) {
    const shown = `${target}/e`;
    expect((await fs("-moveFromLocal", "-f", source, target))[1]).toMatch(/': are identical$/);
    expect(await fs("-moveFromLocal", "-f", `${source}/b.txt`, shown)).toEqual([
      1,
      `moveFromLocal: \`${source}/b.txt' to \`${shown}/b.txt': are identical`,
    ]);
    expect((await fs("-moveFromLocal", "-f", `${source}/b.txt`, `${shown}/b.txt`))[0]).toBe(1);
  }
  expect(readFileSync(join(source, "b.txt"), "utf8")).toBe("below\n");
});

test("a move removes what it copied, and what no copy was made of stays", async () => {
  writeFileSync(join(local, "d/e/.other._COPYING_"), "not listed\n");
  expect((await fs("-moveFromLocal", "d", "/moved"))[1]).toMatch(/Directory is not empty/);
  expect(await fs("-cat", "/moved/e/b.txt")).toEqual([0, "below"]);
  expect(readFileSync(join(local, "d/e/.other._COPYING_"), "utf8")).toBe("not listed\n");
  expect(existsSync(join(local, "d/e/b.txt"))).toBe(false);
  mkdirSync(join(local, "x/y"), { recursive: true });
  writeFileSync(join(local, "x/y/f"), "f\n");
  symlinkSync(join(local, "x"), join(local, "to-x"));
  expect(await fs("-moveFromLocal", "to-x", "/linked")).toEqual([0, ""]);
  expect(existsSync(join(local, "to-x"))).toBe(false);
  expect(await fs("-moveFromLocal", "a.txt", "x", `file://${local}/d`)).toEqual([0, ""]);
  expect([existsSync(join(local, "x")), existsSync(join(local, "a.txt"))]).toEqual([false, false]);
  expect(readFileSync(join(local, "d/x/y/f"), "utf8")).toBe("f\n");
});

test("a directory that goes into itself by another name is copied once or refused, and never without an end", async () => {
  const alias = url.replace("webhdfs://", "webhdfs://quorate@");
  await fs("-put", "d", "/");
  expect(await fs("-cp", "/d", `${alias}/d/e/new`)).toEqual([0, ""]);
  const copy = ["/d", "/d/e", "/d/e/b.txt", "/d/e/new", "/d/e/new/e", "/d/e/new/e/b.txt"];
  expect((await fs("-find", "/d"))[1].split("\n").toSorted()).toEqual(copy);
  // The one that is there goes along, as it was.
  expect(await fs("-cp", "/d", `${alias}/d/e`)).toEqual([0, ""]);
  const again = copy.map((each) => `/d/e/d${each.slice(2)}`);
  expect((await fs("-find", "/d"))[1].split("\n").toSorted()).toEqual([...copy, ...again].toSorted());
  const caller = { user: "quorate", groups: [] };
  for (const [path, target] of [
    ["/to-e", "d/e"],
    ["/on", "to-e"],
  ] as const)
    await served[0]?.files.change({ type: "symlink", path, target, caller, createParents: true });
  for (const target of ["/to-e", "/to-e/more", "/on/more"]) {
    const shown = target === "/to-e" ? "/to-e/d" : target;
    const refusal = `cp: \`/d' to \`${shown}': is a subdirectory of itself`;
    expect(await fs("-cp", "/d", target)).toEqual([1, refusal]);
  }
  // Below what is copied, too: the target has a link that leads back.
  await fs("-mkdir", "-p", "/t/d");
  const back = { path: "/t/d/e", target: "/d/e/new", caller, createParents: false };
  await served[0]?.files.change({ type: "symlink", ...back });
  expect((await fs("-cp", "/d", "/t"))[1]).toBe("cp: `/d/e' to `/t/d/e': is a subdirectory of itself");
  expect((await fs("-find", "/d"))[1].split("\n")).toHaveLength(copy.length + again.length);
  symlinkSync(join(local, "d/e"), join(local, "to-e"));
  for (const target of [`file://${local}/to-e`, `file://${local}/to-e/new`])
    expect((await fs("-cp", `file://${local}/d`, target))[1]).toMatch(/': is a subdirectory of itself$/);
  expect(readdirSync(join(local, "d/e"))).toEqual(["b.txt"]);
});

test("links at the target that lead in circles are told of one by one, and the rest is copied", async () => {
  const caller = { user: "quorate", groups: [] };
  for (const each of ["sub", "ring", "more"]) {
    mkdirSync(join(local, "src", each), { recursive: true });
    writeFileSync(join(local, "src", each, "f"), each);
  }
  await fs("-put", "src", "/");
  await fs("-mkdir", "-p", "/dst/src");
  for (const [path, target] of [
    ["/dst/src/sub", "sub"],
    ["/dst/src/ring", "/dst/src/back/x"],
    ["/dst/src/back", "/dst/src/ring/y"],
  ] as const)
    await served[0]?.files.change({ type: "symlink", path, target, caller, createParents: false });
  const [code, text] = await fs("-cp", "/src", "/dst");
  const told = ["ring", "sub"].map((name) => expect.stringMatching(`^cp: /dst/src/${name}`) as unknown);
  expect([code, text.split("\n").toSorted()]).toEqual([1, told]);
  expect(await fs("-cat", "/dst/src/more/f")).toEqual([0, "more"]);
  expect(await fs("-ls", "-C", "/dst/src/more")).toEqual([0, "/dst/src/more/f"]);
});

test("the root of this machine is shown as a URL", async () => {
  expect(await fs("-ls", "-d", "-C", "file:///")).toEqual([0, "file:///"]);
});
