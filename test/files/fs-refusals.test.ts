/** What `quorate fs` says where something cannot be, as `hadoop fs` of 3.4.1 says it beside a real HDFS. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Served } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { runProgram } from "./clients/program.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
let served: Served;
let local = "";
let url = "";
beforeEach(async () => {
  served = await serveMemory();
  url = `webhdfs://${served.addresses[0] ?? ""}`;
  local = mkdtempSync(join(tmpdir(), "quorate-refusals-"));
  writeFileSync(join(local, "a.txt"), "hello\n");
});
afterEach(async () => {
  await served.close();
  rmSync(local, { recursive: true });
});

async function said(user: string, ...args: readonly string[]): Promise<readonly [number | null, string]> {
  const words = [MAIN, "fs", "--fs", url, "--user", user, ...args];
  const { code, stdout, stderr } = await runProgram(process.execPath, words, { directory: local });
  return [code, `${stdout}${stderr.split("\nUsage")[0] ?? ""}`.trim()];
}
const fs = (...args: readonly string[]) => said("quorate", ...args);

test("a place that is not there, or is inside of what goes there, is named in full", async () => {
  await fs("-mkdir", "-p", "/w/d", "/user/quorate");
  expect(await fs("-put", "a.txt")).toEqual([0, ""]);
  expect(await fs("-mkdir", "/w/no/d")).toEqual([1, `mkdir: \`${url}/w/no': No such file or directory`]);
  for (const [command, ...words] of [
    ["put", "a.txt"],
    ["cp", "a.txt"],
    ["mv", "a.txt"],
    ["touchz"],
    ["touch"],
  ]) {
    const missing = `\`/w/no/x': No such file or directory: \`${url}/w/no/x'`;
    expect(await fs(`-${command}`, ...words, "/w/no/x")).toEqual([1, `${command}: ${missing}`]);
  }
  const slash = `mv: \`/w/new/': No such file or directory: \`${url}/w/new'`;
  expect(await fs("-mv", "a.txt", "/w/new/")).toEqual([1, slash]);
  for (const command of ["cp", "mv"]) {
    const inside = `${command}: \`/w' to \`/w/d/w': is a subdirectory of itself`;
    expect(await fs(`-${command}`, "/w", "/w/d")).toEqual([1, inside]);
    const same = `${command}: \`/w/d' to \`${url}/w/d': are identical`;
    expect(await fs(`-${command}`, "/w/d", "/w")).toEqual([1, same]);
  }
  await fs("-put", "a.txt", "/w/b.txt");
  await fs("-put", "a.txt", "/w/c.txt");
  expect(await fs("-mv", "/w/*.txt", "/w/e")).toEqual([1, "mv: `/w/e': No such file or directory"]);
  expect(await fs("-df", "/nope")).toEqual([1, "df: `/nope': No such file or directory"]);
});

test("commands of Hadoop that were replaced are taken, and say by what", async () => {
  await fs("-mkdir", "-p", "/w/d");
  await fs("-put", "a.txt", "/w/d/a");
  const [code, listed] = await fs("-lsr", "/w");
  expect(code).toBe(0);
  expect(listed).toMatch(/\/w\/d\/a\nlsr: DEPRECATED: Please use 'ls -R' instead\.$/);
  expect((await fs("-dus", "/w"))[1]).toMatch(/^6 +\d+ +\/w\ndus: DEPRECATED: Please use 'du -s' instead\.$/);
  const removed = "Deleted /w/d\nrmr: DEPRECATED: Please use '-rm -r' instead.";
  expect(await fs("-rmr", "/w/d")).toEqual([0, removed]);
});

test("files are joined by concat, checksums and listings tell how they are kept", async () => {
  await fs("-mkdir", "/w");
  for (const name of ["a", "b", "c"]) await fs("-put", "a.txt", `/w/${name}`);
  expect((await fs("-concat", "/w/a", "/w/b"))[1]).toMatch(
    /^concat: The number of source paths is less than 2\./,
  );
  const target = `concat: Target path ${url}/w/x does not exist or is not file.`;
  expect(await fs("-concat", "/w/x", "/w/b", "/w/c")).toEqual([1, target]);
  expect(await fs("-concat", "/w/a", "/w/b", "/w/c")).toEqual([0, ""]);
  expect(await fs("-cat", "/w/a")).toEqual([0, "hello\nhello\nhello"]);
  expect((await fs("-checksum", "-v", "/w/a"))[1]).toMatch(/\tBlockSize=\d+$/);
  expect((await fs("-ls", "-e", "/w/a"))[1]).toMatch(/ supergroup Replicated +18 /);
  await fs("-put", "-l", "a.txt", "/w/lazy");
  expect(await fs("-stat", "%r %z", "/w/lazy")).toEqual([0, "1 z"]);
  expect(await fs("-test", "-e", "-d", "/w")).toEqual([255, "-test: Only one test flag is allowed"]);
  const large = "-truncate: Cannot truncate to a larger file size. Current size: 18, truncate size: 99.";
  expect(await fs("-truncate", "99", "/w/a")).toEqual([255, large]);
});

test("who lacks a right is told what for", async () => {
  await fs("-mkdir", "-p", "/w/private", "/w/public");
  await fs("-put", "a.txt", "/w/f");
  await fs("-chmod", "700", "/w/private");
  const chmod = await said("bob", "-chmod", "777", "/w/f");
  expect(chmod[1]).toMatch(/^chmod: changing permissions of '\/w\/f': /);
  expect((await said("bob", "-chown", "bob", "/w/f"))[1]).toMatch(/^chown: changing ownership of '\/w\/f': /);
  expect((await said("bob", "-test", "-e", "/w/private/x"))[1]).toMatch(/^test: Permission denied/);
});

test("an empty word is no path: nothing is read, moved or removed for it", async () => {
  await fs("-mkdir", "-p", "/w/d");
  const refusal = [255, "Can not create a Path from an empty string"] as const;
  for (const command of ["ls", "cat", "rm", "put", "moveFromLocal", "copyFromLocal", "get", "du", "mkdir"]) {
    const [code, text] = refusal;
    expect(await fs(`-${command}`, ""), command).toEqual([code, `-${command}: ${text}`]);
  }
  expect(await fs("-mv", "", "/w/d")).toEqual([255, `-mv: ${refusal[1]}`]);
  expect(await fs("-put", "a.txt", "")).toEqual([255, `-put: ${refusal[1]}`]);
  expect(await fs("-chmod", "755", "")).toEqual([255, `-chmod: ${refusal[1]}`]);
  expect(await fs("-find", "", "-name", "f")).toEqual([255, `-find: ${refusal[1]}`]);
  expect(existsSync(join(local, "a.txt"))).toBe(true);
});

test("what lies below a file, and the root inside of itself, are refused in Hadoop's words", async () => {
  await fs("-mkdir", "-p", "/w/d", "/w/dir/in");
  await fs("-put", "a.txt", "/w/f");
  for (const command of ["ls", "cat", "stat", "du", "count"]) {
    const missing = `${command}: \`/w/f/below': No such file or directory`;
    expect(await fs(`-${command}`, "/w/f/below")).toEqual([1, missing]);
  }
  expect(await fs("-mkdir", "-p", "/w/f/below")).toEqual([1, "mkdir: /w/f (is not a directory)"]);
  expect(await fs("-touchz", "/w/f/below")).toEqual([1, "touchz: /w/f (is not a directory)"]);
  expect(await fs("-rmdir", "/w/f")).toEqual([1, "rmdir: `/w/f': Is not a directory"]);
  expect(await fs("-rm", "-r", "/")).toEqual([1, "rm: the root directory cannot be removed"]);
  expect(await fs("-createSnapshot", "/w/f")).toEqual([1, "createSnapshot: `/w/f': Is not a directory"]);
  expect(await fs("-mkdir", "/w/f")).toEqual([1, "mkdir: `/w/f': Is not a directory"]);
  expect(await fs("-mkdir", "/w/d/")).toEqual([1, "mkdir: `/w/d': File exists"]);
  expect(await fs("-mv", "/w/dir", "/w/f")).toEqual([1, "mv: `/w/f': File exists"]);
  expect(await fs("-cp", "/w/dir", "/w/f")).toEqual([1, "cp: `/w/f': File exists"]);
  expect(await fs("-cp", "-f", "/w/dir", "/w/f")).toEqual([1, "cp: `/w/f': Is not a directory"]);
  expect(await fs("-cp", "/", "/w/root")).toEqual([1, "cp: `/' to `/w/root': is a subdirectory of itself"]);
  expect(await fs("-mv", "/", "/w/d")).toEqual([1, "mv: `/' to `/w/d/': is a subdirectory of itself"]);
  expect((await fs("-ls", "/w/../w/./dir"))[1]).toMatch(/ \/w\/dir\/in$/);
});

test("words that Hadoop takes are taken, and what it refuses is refused with its codes", async () => {
  await fs("-mkdir", "/w");
  await fs("-put", "-t", "0", "a.txt", "/w/a");
  await fs("-put", "a.txt", "/w/b");
  expect(await fs("-appendToFile", "-n", "a.txt", "/w/a")).toEqual([0, ""]);
  expect(await fs("-test", "-e", "/w/*")).toEqual([0, ""]);
  expect(await fs("-test", "-d", "/w/*")).toEqual([1, ""]);
  expect(await fs("-test", "-e", "/w/none*")).toEqual([1, "test: `/w/none*': No such file or directory"]);
  for (const command of ["mkdir", "touch", "touchz"])
    expect(await fs(`-${command}`, "/w/none*")).toEqual([
      1,
      `${command}: \`/w/none*': No such file or directory`,
    ]);
  expect((await fs("-mkdir", "/w/*"))[1].split("\n")).toEqual([
    "mkdir: `/w/a': Is not a directory",
    "mkdir: `/w/b': Is not a directory",
  ]);
  expect(await fs("-getmerge", "/w/*", "made/by/it")).toEqual([0, ""]);
  expect(readFileSync(join(local, "made/by/it"), "utf8")).toBe("hello\nhello\nhello\n");
  expect(await fs("-appendToFile")).toEqual([1, "appendToFile: missing destination argument"]);
  expect((await fs("-concat"))[0]).toBe(1);
  // First what is expected, as of a word; then what Java makes of it, as of the command.
  const length =
    'truncate: Illegal length, a non-negative integer expected\n-truncate: For input string: "1.5"';
  expect(await fs("-truncate", "1.5", "/w/a")).toEqual([255, length]);
  const count = "setrep: Illegal replication, a positive integer expected\n-setrep: ";
  expect(await fs("-setrep", "x", "/w/a")).toEqual([255, `${count}For input string: "x"`]);
  const range = 'Value out of range. Value:"99999" Radix:10';
  expect(await fs("-setrep", "99999", "/w/a")).toEqual([255, `${count}${range}`]);
  expect(await fs("-setrep", "0", "/w/a")).toEqual([255, "-setrep: replication must be >= 1"]);
  expect(await fs("-chgrp", ":g", "/w/a")).toEqual([
    255,
    "-chgrp: ':g' does not match expected pattern for group",
  ]);
  expect(await fs("-chown", ":", "/w/a")).toEqual([255, "-chown: ':' does not specify owner or group."]);
  expect(await fs("-usage", "nosuch")).toEqual([255, "-usage: `nosuch': Unknown command"]);
});

test("cp -p keeps what its letters name", async () => {
  await fs("-mkdir", "/w");
  await fs("-put", "a.txt", "/w/a");
  await fs("-setfattr", "-n", "user.x", "-v", "1", "/w/a");
  await fs("-setfacl", "-m", "user:ann:rw-", "/w/a");
  await fs("-chown", "bob:staff", "/w/a");
  await fs("-touch", "-t", "20200102:030405", "/w/a");
  expect(await fs("-cp", "-ptopax", "/w/a", "/w/all")).toEqual([0, ""]);
  expect(await fs("-cp", "-pt", "/w/a", "/w/times")).toEqual([0, ""]);
  const stats = async (path: string): Promise<string> => (await fs("-stat", "%u %g %a %y", path))[1];
  expect(await stats("/w/all")).toBe(await stats("/w/a"));
  expect((await fs("-getfacl", "/w/all"))[1]).toContain("user:ann:rw-");
  expect((await fs("-getfattr", "-d", "/w/all"))[1]).toContain('user.x="1"');
  expect(await stats("/w/times")).toMatch(/^quorate supergroup 644 2020-01-0/);
  expect((await fs("-getfattr", "-d", "/w/times"))[1]).not.toContain("user.x");
  expect(await fs("-cp", "-pz", "/w/a", "/w/z")).toEqual([255, "-cp: Illegal option -pz"]);
});
