/** What a driver of files must do about access lists, extended attributes, snapshots and quotas, or refuse: one suite, run over each. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Files } from "../../src/client/files/files.ts";
import type { World } from "./contract.ts";

/** The user of `files` is the superuser, where there is one. */
export function attributesContract(name: string, open: () => Promise<World>): void {
  describe(`${name}: what is known of a path`, () => {
    let world: World;
    let files: Files;
    let directory = "";
    let count = 0;
    beforeAll(async () => {
      world = await open();
      files = world.files;
    }, 120_000);
    afterAll(async () => {
      files.close();
      await world.close();
    });
    beforeEach(async () => {
      directory = `/k${count++}`;
      await files.mkdir(directory);
    });
    const at = (below: string): string => `${directory}/${below}`;
    const refusal = (code: string): object => ({ name: "QuorateError", code, outcome: "not-applied" });
    const unsupported = async (calls: readonly (() => Promise<unknown>)[]): Promise<void> => {
      for (const call of calls) await expect(call()).rejects.toMatchObject(refusal("UNSUPPORTED"));
    };

    test("an access list is changed entry by entry, replaced and taken away", async () => {
      await files.mkdir(at("d"), { mode: 0o750 });
      if (!world.hasReplicas) {
        return unsupported([() => files.acl(at("d")), () => files.changeAcl(at("d"), { type: "removeAll" })]);
      }
      const texts = async (path: string): Promise<readonly string[]> =>
        (await files.acl(path)).entries.map(
          ({ isDefault, type, name: who, permission }) =>
            `${isDefault ? "default:" : ""}${type}:${who}:${permission}`,
        );
      expect(await files.acl(at("d"))).toMatchObject({ mode: 0o750, entries: [] });
      await files.changeAcl(at("d"), { type: "modify", entries: "user:ann:rwx,default:user:ann:r-x" });
      expect((await files.acl(at("d"))).mode).toBe(0o770);
      expect(await texts(at("d"))).toEqual(expect.arrayContaining(["user:ann:7", "default:user:ann:5"]));
      await files.writeFile(at("d/f"), "x");
      expect(await texts(at("d/f"))).toContain("user:ann:5");
      await files.changeAcl(at("d"), { type: "remove", entries: "user:ann" });
      expect(await texts(at("d"))).not.toContain("user:ann:7");
      await files.changeAcl(at("d"), { type: "removeDefault" });
      expect(await texts(at("d"))).not.toContain("default:user:ann:5");
      const entries = [
        { isDefault: false, type: "user", name: "", permission: 7 },
        { isDefault: false, type: "group", name: "", permission: 5 },
        { isDefault: false, type: "group", name: "staff", permission: 1 },
        { isDefault: false, type: "other", name: "", permission: 0 },
      ] as const;
      await files.changeAcl(at("d"), { type: "replace", entries });
      expect(await texts(at("d"))).toEqual(["group::5", "group:staff:1"]);
      await files.changeAcl(at("d"), { type: "removeAll" });
      expect(await files.acl(at("d"))).toMatchObject({ mode: 0o750, entries: [] });
      const wrong = (text: string): Promise<void> =>
        files.changeAcl(at("d/f"), { type: "modify", entries: text });
      await expect(wrong("nobody:x:rwx")).rejects.toMatchObject(refusal("ARGUMENT_INVALID"));
      await expect(wrong("default:user:ann:rwx")).rejects.toMatchObject(refusal("ACL_INVALID"));
      await expect(files.acl(at("none"))).rejects.toMatchObject(refusal("PATH_NOT_FOUND"));
    });

    test("extended attributes keep any bytes, and what must be there or not is looked at", async () => {
      await files.writeFile(at("f"), "x");
      if (!world.hasReplicas) {
        return unsupported([
          () => files.attributes(at("f")),
          () => files.setAttribute(at("f"), "user.a", "x"),
          () => files.removeAttribute(at("f"), "user.a"),
        ]);
      }
      const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      await files.setAttribute(at("f"), "user.text", "0x grün", { mode: "create" });
      await files.setAttribute(at("f"), "user.bytes", all);
      await files.setAttribute(at("f"), "user.empty", "");
      const found = await files.attributes(at("f"));
      expect([...found.keys()].toSorted()).toEqual(["user.bytes", "user.empty", "user.text"]);
      expect(found.get("user.text")?.toString("utf8")).toBe("0x grün");
      expect(found.get("user.bytes")?.equals(all)).toBe(true);
      expect(found.get("user.empty")).toHaveLength(0);
      await files.setAttribute(at("f"), "user.text", "new", { mode: "replace" });
      expect([...(await files.attributes(at("f"), ["user.text"]))]).toEqual([
        ["user.text", Buffer.from("new")],
      ]);
      await files.removeAttribute(at("f"), "user.text");
      // HDFS has one exception for this and for much else.
      const gone = { name: "QuorateError", outcome: "not-applied" };
      await expect(files.attributes(at("f"), ["user.text"])).rejects.toMatchObject(gone);
      await expect(files.removeAttribute(at("f"), "user.text")).rejects.toMatchObject(gone);
      const create = files.setAttribute(at("f"), "user.bytes", "", { mode: "create" });
      await expect(create).rejects.toMatchObject(gone);
      const replace = files.setAttribute(at("f"), "user.text", "", { mode: "replace" });
      await expect(replace).rejects.toMatchObject(gone);
    });

    test("a snapshot shows what was, and what changed since", async () => {
      if (!world.hasReplicas) {
        return unsupported([
          () => files.allowSnapshots(directory),
          () => files.createSnapshot(directory),
          () => files.renameSnapshot(directory, "a", "b"),
          () => files.deleteSnapshot(directory, "a"),
          () => files.snapshotDifference(directory, "a", ""),
          () => files.snapshottable(),
        ]);
      }
      await expect(files.createSnapshot(directory)).rejects.toMatchObject(refusal("SNAPSHOT_REFUSED"));
      await files.allowSnapshots(directory);
      for (const each of ["kept", "moved", "gone"]) await files.writeFile(at(each), each);
      expect(await files.createSnapshot(directory, "s1")).toBe(`${directory}/.snapshot/s1`);
      await files.rename(at("moved"), at("there"));
      await files.rm(at("gone"));
      await files.writeFile(at("new"), "new");
      expect(await files.createSnapshot(directory)).toMatch(/\/\.snapshot\/s\d{8}-\d{6}\.\d{3}$/);
      const changes = await files.snapshotDifference(directory, "s1", "");
      const sorted = changes.toSorted((left, right) => (left.path < right.path ? -1 : 1));
      expect(sorted).toEqual([
        { type: "modified", path: "", target: undefined },
        { type: "deleted", path: "gone", target: undefined },
        { type: "renamed", path: "moved", target: "there" },
        { type: "created", path: "new", target: undefined },
      ]);
      await files.renameSnapshot(directory, "s1", "before");
      expect(await files.readFile(at(".snapshot/before/gone"), { encoding: "utf8" })).toBe("gone");
      const listed = (await files.snapshottable()).filter(({ stats }) => stats.path === directory);
      expect(listed).toMatchObject([{ snapshots: 2, limit: expect.any(Number) as unknown }]);
      await expect(files.allowSnapshots(directory, false)).rejects.toMatchObject(refusal("SNAPSHOT_REFUSED"));
      for (const each of await files.readdir(at(".snapshot"))) await files.deleteSnapshot(directory, each);
      await expect(files.deleteSnapshot(directory, "before")).rejects.toMatchObject(
        refusal("SNAPSHOT_REFUSED"),
      );
      await files.allowSnapshots(directory, false);
      expect((await files.snapshottable()).some(({ stats }) => stats.path === directory)).toBe(false);
    });

    test("a quota holds until it is taken away", async () => {
      if (!world.hasReplicas) {
        return unsupported([
          () => files.quotaUsage(directory),
          () => files.setQuota(directory, { names: 5 }),
        ]);
      }
      await files.setQuota(directory, { names: 2, space: 1_000_000_000_000 });
      await files.writeFile(at("one"), "x");
      expect(await files.quotaUsage(directory)).toMatchObject({
        names: 2,
        nameQuota: 2,
        spaceQuota: 1_000_000_000_000,
      });
      await expect(files.writeFile(at("two"), "x")).rejects.toMatchObject({ name: "QuorateError" });
      await files.setQuota(directory, { names: -1 });
      await files.writeFile(at("two"), "x");
      expect(await files.quotaUsage(directory)).toMatchObject({
        names: 3,
        nameQuota: -1,
        spaceQuota: 1_000_000_000_000,
      });
      await expect(files.setQuota(at("one"), { names: 5 })).rejects.toMatchObject({ name: "QuorateError" });
    });
  });
}
