import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimDirectory, markFounded, markFounder } from "./directory-identity.ts";
import type { DirectoryOwner } from "./directory-identity.ts";
import { lockDirectory } from "./directory-lock.ts";

const OWNER: DirectoryOwner = { node: "n1", cluster: "c1", algorithm: "raft" };

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "quorate-directory-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

test("an empty directory gets an identity of its own, which stays", () => {
  const first = claimDirectory(directory, OWNER);
  expect(first).toMatchObject({
    directory: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    founded: false,
  });
  markFounded(directory, OWNER, first);
  const founded = { directory: first.directory, founded: true, newcomer: false };
  expect(claimDirectory(directory, OWNER)).toEqual(founded);
  // What it began as stays too.
  expect(claimDirectory(directory, OWNER, true)).toEqual(founded);
});

test("a newcomer is one over restarts, until it is known to be a founder", () => {
  const first = claimDirectory(directory, OWNER, true);
  markFounded(directory, OWNER, first);
  expect(claimDirectory(directory, OWNER)).toMatchObject({ founded: true, newcomer: true });
  markFounder(directory, OWNER, first);
  expect(claimDirectory(directory, OWNER)).toEqual({
    directory: first.directory,
    founded: true,
    newcomer: false,
  });
});

test.each([
  [{ ...OWNER, node: "n2" }, /belongs to another node: n1, not n2/],
  [{ ...OWNER, cluster: "c2" }, /belongs to another cluster: c1, not c2/],
  [{ ...OWNER, algorithm: "paxos" }, /belongs to another algorithm: raft, not paxos/],
] as const)("a directory of somebody else is refused and left as it is", (stranger, line) => {
  claimDirectory(directory, OWNER);
  const before = fs.readFileSync(join(directory, "identity.json"), "utf8");
  expect(() => claimDirectory(directory, stranger)).toThrow(
    expect.objectContaining({
      code: "DATA_DIRECTORY_FOREIGN",
      message: expect.stringMatching(line) as string,
    }) as Error,
  );
  expect(fs.readFileSync(join(directory, "identity.json"), "utf8")).toBe(before);
});

test("a directory that holds files and no identity is not taken over", () => {
  fs.writeFileSync(join(directory, "log-1"), "");
  expect(() => claimDirectory(directory, OWNER)).toThrow(
    expect.objectContaining({ code: "DATA_DIRECTORY_FOREIGN" }) as Error,
  );
  expect(fs.readdirSync(directory)).toEqual(["log-1"]);
});

test("a crash while the first identity was written leaves a directory that can still be founded", () => {
  fs.writeFileSync(join(directory, "identity.json.new"), '{"form');
  expect(claimDirectory(directory, OWNER).founded).toBe(false);
});

test.each(["", "{", "{}", '{"format":1,"node":"n1","cluster":"c1","algorithm":"raft","directory":"x"}'])(
  "a damaged identity (%j) stops the node instead of founding it anew",
  (content) => {
    fs.writeFileSync(join(directory, "identity.json"), content);
    expect(() => claimDirectory(directory, OWNER)).toThrow(
      expect.objectContaining({ code: "DATA_CORRUPT" }) as Error,
    );
    expect(fs.readFileSync(join(directory, "identity.json"), "utf8")).toBe(content);
  },
);

test("an identity of a newer version is said to be one, not to be damaged", () => {
  fs.writeFileSync(join(directory, "identity.json"), '{"format":2}');
  expect(() => claimDirectory(directory, OWNER)).toThrow(
    expect.objectContaining({
      code: "UNSUPPORTED",
      message: expect.stringMatching(/identity\.json has format 2; this version reads 1/) as string,
    }) as Error,
  );
});

test("no byte of an identity can change without being noticed", () => {
  markFounded(directory, OWNER, claimDirectory(directory, OWNER));
  const path = join(directory, "identity.json");
  const whole = fs.readFileSync(path);
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at] = damaged.readUInt8(at) ^ (1 << (at & 7));
    fs.writeFileSync(path, damaged);
    expect(() => claimDirectory(directory, OWNER), `byte ${at}`).toThrow(/damaged|has format/);
  }
});

test("a directory that is not there is one clear error", () => {
  expect(() => claimDirectory(join(directory, "absent"), OWNER)).toThrow(
    expect.objectContaining({ code: "DATA_DIRECTORY_UNUSABLE" }) as Error,
  );
});

test("a directory has one user at a time, by whatever path, and is free again afterwards", async () => {
  const other = join(directory, "link");
  fs.symlinkSync(directory, other);
  const release = await lockDirectory(directory);
  for (const path of [directory, other]) {
    await expect(lockDirectory(path)).rejects.toMatchObject({
      code: "DATA_DIRECTORY_IN_USE",
      message: `another process (pid ${process.pid}) uses ${path}`,
    });
  }
  await release();
  await (
    await lockDirectory(other)
  )();
});
