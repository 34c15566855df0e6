/** Access lists, extended attributes, snapshots and quotas in `quorate fs`, the program against a node with a disk of its own. */
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Files } from "../../src/client/files/files.ts";
import type { ServedNode } from "../../src/engine/protocol/webhdfs/served-node.testing.ts";
import { serveNode } from "../../src/engine/protocol/webhdfs/served-node.testing.ts";
import type { Ended } from "./clients/program.ts";
import { runProgram } from "./clients/program.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
let served: ServedNode;
let files: Files;
beforeAll(async () => {
  served = await serveNode();
  files = connectFiles(`webhdfs://quorate@${served.address}`);
});
afterAll(async () => {
  files.close();
  await served.close();
});

function fs(...args: readonly string[]): Promise<Ended> {
  const address = `webhdfs://${served.address}`;
  return runProgram(process.execPath, [MAIN, "fs", "--fs", address, "--user", "quorate", ...args]);
}

async function done(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await fs(...args);
  expect([code, stderr], args.join(" ")).toEqual([0, ""]);
  return stdout;
}

test("an access list lets in whom it names, and is taken away from a whole tree", async () => {
  await files.mkdir("/acl/d", { recursive: true });
  await files.writeFile("/acl/d/f", "secret", { mode: 0o600 });
  const reads = async (): Promise<number | null> => (await fs("--user", "ann", "cat", "/acl/d/f")).code;
  expect(await reads()).toBe(1);
  expect(await done("setfacl", "-m", "user:ann:r--", "/acl/d/f")).toBe("");
  expect(await reads()).toBe(0);
  expect(await done("getfacl", "/acl/d/f")).toBe(
    "# file: /acl/d/f\n# owner: quorate\n# group: supergroup\nuser::rw-\nuser:ann:r--\ngroup::---\nmask::r--\nother::---\n\n",
  );
  // Files have no default list: below a directory theirs is not asked for.
  await done("setfacl", "-R", "-m", "default:user:ann:rwx,user:eve:r-x", "/acl");
  expect((await done("getfacl", "-R", "/acl")).match(/^(?:default:)?user:\w+:.*$/gm)).toEqual([
    "user:eve:r-x",
    "default:user:ann:rwx",
    "user:eve:r-x",
    "default:user:ann:rwx",
    "user:ann:r--",
    "user:eve:r-x",
  ]);
  await done("setfacl", "-R", "-k", "/acl");
  expect(await done("getfacl", "-R", "/acl")).not.toContain("default:");
  await done("setfacl", "-R", "-b", "/acl");
  expect(await done("getfacl", "-R", "/acl")).not.toMatch(/user:\w/);
  expect(await reads()).toBe(1);
  expect(await fs("--user", "ann", "setfacl", "-m", "user:ann:rwx", "/acl/d/f")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^setfacl: Permission denied/) as unknown,
  });
});

test("an attribute is set, printed as it is asked for, and what lacks it is told without ending the rest", async () => {
  await files.mkdir("/attributes/d", { recursive: true });
  await files.writeFile("/attributes/d/f", "x");
  expect(await done("setfattr", "-n", "user.origin", "-v", "0x67c3bc", "/attributes/d/f")).toBe("");
  expect(await done("getfattr", "-n", "user.origin", "/attributes/d/f")).toBe(
    '# file: /attributes/d/f\nuser.origin="gü"\n',
  );
  const { code, stdout, stderr } = await fs(
    "getfattr",
    "-R",
    "-n",
    "user.origin",
    "-e",
    "base64",
    "/attributes",
  );
  expect([code, stdout]).toEqual([
    1,
    "# file: /attributes\n# file: /attributes/d\n# file: /attributes/d/f\nuser.origin=0sZ8O8\n",
  ]);
  expect(stderr.match(/At least one of the attributes provided was not found/g)).toHaveLength(2);
  await done("setfattr", "-x", "user.origin", "/attributes/d/f");
  expect(await done("getfattr", "-d", "/attributes/d/f")).toBe("# file: /attributes/d/f\n");
  expect(await fs("setfattr", "-n", "user.a", "-v", "0x1", "/attributes/d/f")).toMatchObject({ code: 1 });
  expect(await fs("setfattr", "-n", "nowhere.a", "/attributes/d/f")).toMatchObject({ code: 1 });
});

test("a snapshot is allowed, taken, compared, named anew and deleted", async () => {
  await files.mkdir("/kept");
  expect((await fs("createSnapshot", "/kept")).code).toBe(1);
  expect((await fs("--user", "ann", "allowSnapshot", "/kept")).code).toBe(1);
  expect(await done("allowSnapshot", "/kept")).toBe("Allowing snapshot on /kept succeeded\n");
  await files.writeFile("/kept/f", "old");
  expect(await done("createSnapshot", "/kept", "s1")).toBe("Created snapshot /kept/.snapshot/s1\n");
  await files.rename("/kept/f", "/kept/g");
  await files.writeFile("/kept/h", "new");
  expect(await done("snapshotDiff", "/kept", "s1", ".")).toBe(
    "Difference between snapshot s1 and current directory under directory /kept:\nM\t.\nR\t./f -> ./g\n+\t./h\n\n",
  );
  expect(await done("lsSnapshottableDir")).toMatch(
    /^drwxr-xr-x 0 quorate supergroup 0 [\d-]+ [\d:]+ 1 \d+ \/kept\n$/,
  );
  expect(await done("renameSnapshot", "/kept", "s1", "first")).toContain(
    "Renamed snapshot s1 to first under ",
  );
  expect(await done("cat", "/kept/.snapshot/first/f")).toBe("old");
  expect((await fs("disallowSnapshot", "/kept")).code).toBe(1);
  expect(await done("deleteSnapshot", "/kept", "first")).toContain("Deleted snapshot first under ");
  expect(await done("disallowSnapshot", "/kept")).toBe("Disallowing snapshot on /kept succeeded\n");
  expect((await fs("snapshotDiff", "/kept", "s1")).code).toBe(255);
  expect((await fs("snapshotDiff", "/kept", "s1", ".")).code).toBe(1);
});

test("what changed in a renamed directory is listed for Hadoop's clients, from the earlier snapshot on", async () => {
  await files.mkdir("/moved/dir", { recursive: true });
  await files.allowSnapshots("/moved");
  for (const name of ["x", "gone"]) await files.writeFile(`/moved/dir/${name}`, name);
  await files.createSnapshot("/moved", "s0");
  await files.rename("/moved/dir", "/moved/dir2");
  await files.appendFile("/moved/dir2/x", "more");
  await files.rm("/moved/dir2/gone");
  await files.writeFile("/moved/dir2/new", "new");
  await files.createSnapshot("/moved", "s1");
  const asked = async (path: string, query: string): Promise<Record<string, Record<string, unknown>>> => {
    const answer = await fetch(`http://${served.address}/webhdfs/v1/moved${path}?${query}&user.name=quorate`);
    return (await answer.json()) as Record<string, Record<string, unknown>>;
  };
  const [x, made, dir] = await Promise.all(
    ["/dir2/x", "/dir2/new", "/dir2"].map(
      async (path) => (await asked(path, "op=GETFILESTATUS"))["FileStatus"]?.["fileId"],
    ),
  );
  expect([x, made, dir]).not.toContain(undefined);
  const listing = (from: string, to: string): Promise<unknown> =>
    asked("", `op=GETSNAPSHOTDIFFLISTING&oldsnapshotname=${from}&snapshotname=${to}`);
  const lists = {
    createList: expect.arrayContaining([
      expect.objectContaining({ sourcePath: "dir/new", fileId: made, dirId: dir, isReference: false }),
      expect.objectContaining({ sourcePath: "dir2", fileId: dir, isReference: true }),
    ]) as unknown,
    deleteList: expect.arrayContaining([
      expect.objectContaining({ sourcePath: "dir/gone", dirId: dir }),
      expect.objectContaining({ sourcePath: "dir", targetPath: "dir2", fileId: dir }),
    ]) as unknown,
    modifyList: expect.arrayContaining([
      expect.objectContaining({ sourcePath: "dir/x", fileId: x, dirId: dir }),
      expect.objectContaining({ sourcePath: "dir", fileId: dir }),
    ]) as unknown,
  };
  for (const [from, to, isFromEarlier] of [
    ["s0", "s1", true],
    ["s1", "s0", false],
    ["s0", "", true],
    ["", "s0", false],
  ] as const) {
    expect(await listing(from, to)).toMatchObject({ SnapshotDiffReportListing: { ...lists, isFromEarlier } });
  }
});

test("quotas are set for several directories, hold, are counted, and are taken away", async () => {
  for (const path of ["/q1", "/q2"]) await files.mkdir(path);
  expect(await done("setQuota", "2", "/q1", "/q2")).toBe("");
  expect(await done("setSpaceQuota", "1m", "/q1")).toBe("");
  expect(await done("touchz", "/q1/f")).toBe("");
  expect(await fs("touchz", "/q1/g")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/quota/i) as unknown,
  });
  expect(await done("count", "-u", "-h", "-v", "/q1", "/q2")).toBe(
    [
      "       QUOTA       REM_QUOTA     SPACE_QUOTA REM_SPACE_QUOTA PATHNAME",
      "           2               0             1 M             1 M /q1",
      "           2               1            none             inf /q2",
      "",
    ].join("\n"),
  );
  await done("clrQuota", "/q1", "/q2");
  await done("touchz", "/q1/g");
  await done("clrSpaceQuota", "/q1");
  expect(await done("count", "-q", "/q1")).toMatch(/^ +none +inf +none +inf +1 +2 +0 \/q1\n$/);
  expect(await fs("setQuota", "0", "/q1")).toMatchObject({
    code: 255,
    stderr: expect.stringContaining('"0" is not a valid value for a quota.') as unknown,
  });
  expect(await fs("setSpaceQuota", "1.5g", "/q1")).toMatchObject({ code: 255 });
  expect(await fs("setQuota", "5", "/none", "/q2")).toMatchObject({
    code: 1,
    stderr: "setQuota: `/none': No such file or directory\n",
  });
  expect((await files.quotaUsage("/q2")).nameQuota).toBe(5);
  expect(await fs("--user", "ann", "setQuota", "5", "/q1")).toMatchObject({ code: 1 });
});
