/**
 * Hadoop's own shell and `quorate fs`, each at an engine of its own: access lists, extended attributes, snapshots, quotas. Both must
 * end with the same code, print the same and complain in the same way.
 */
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Files } from "../../src/client/files/files.ts";
import type { Engine } from "../../src/engine/start.ts";
import { start } from "../../src/engine/start.ts";
import { lacks } from "../engines.ts";
import { startHdfs } from "./clients/hdfs.ts";
import type { Ended } from "./clients/program.ts";
import { hadoop, runProgram } from "./clients/program.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
const TIMEOUT_MS = 240_000;

describe.skipIf(lacks("hadoop"))("hadoop fs and quorate fs", () => {
  let engines: readonly Engine[] = [];
  let both: readonly Files[] = [];
  beforeAll(async () => {
    const open = (): Promise<Engine> =>
      start({ nodes: 1, files: { settings: { superuser: "quorate" } }, logger: { log: () => undefined } });
    engines = await Promise.all([open(), open()]);
    both = engines.map(({ filesUrl }) => connectFiles(filesUrl, { user: "quorate" }));
    for (const files of both) {
      await files.mkdir("/d/e", { recursive: true });
      await files.writeFile("/d/f", "x");
      await files.mkdir("/d/tmp", { mode: 0o1777 });
      await files.mkdir("/snap");
      await files.allowSnapshots("/snap");
    }
  }, 60_000);
  afterAll(async () => {
    for (const files of both) files.close();
    await Promise.all(engines.map((engine) => engine.close()));
  });

  /** Addresses are random, a usage is each program's own, and Hadoop prints attributes in the order of a hash. */
  const plain = ({ code, stdout, stderr }: Ended, engine: Engine | undefined): object => {
    const url = engine?.filesUrl ?? "";
    const lines = stderr.split("\n").filter((line) => line !== "");
    const output = stdout.replaceAll(url, "webhdfs://host:port").replaceAll(/s\d{8}-\d{6}\.\d{3}/g, "sTIME");
    return { code, stdout: output, complaints: code === 255 ? lines.slice(0, 1) : lines };
  };

  async function alike(...args: readonly string[]): Promise<string> {
    const [theirs, ours] = await Promise.all([
      hadoop("fs.FsShell", ["-fs", engines[0]?.filesUrl ?? "", ...args], "quorate"),
      runProgram(process.execPath, [MAIN, "fs", "--fs", engines[1]?.filesUrl ?? "", ...args], {
        environment: { TZ: "UTC", HADOOP_USER_NAME: "quorate" },
      }),
    ]);
    expect(plain(ours, engines[1]), args.join(" ")).toEqual(plain(theirs, engines[0]));
    return ours.stdout;
  }

  test("say and do the same with access control lists", { timeout: TIMEOUT_MS }, async () => {
    await alike("-getfacl", "/d/f");
    await alike("-getfacl", "/d/tmp");
    await alike("-setfacl", "-m", "user:ann:rwx,group:staff:r-x,group:all:-w-", "/d/f");
    await alike("-setfacl", "-m", "default:user:ann:rwx,default:mask::r--,mask::r-x", "/d");
    expect(await alike("-getfacl", "-R", "/d")).toContain("#effective:r--");
    await alike("-setfacl", "-m", "mask::--x", "/d/f");
    expect(await alike("-getfacl", "/d/f")).toContain("#effective:--x");
    await alike("-setfacl", "-x", "user:ann,group:staff", "/d/f");
    await alike("-setfacl", "-R", "-m", "USER:bob:r-x,default:group:all:r--", "/d");
    await alike("-setfacl", "-R", "-x", "default:group:all,user:bob", "/d");
    await alike("-setfacl", "-k", "/d");
    await alike("-setfacl", "--set", "user::rw-,group::r--,other::---,user:eve:r--", "/d/f");
    await alike("-getfacl", "-R", "/d");
    await alike("-setfacl", "-R", "-b", "/d");
    await alike("-getfacl", "-R", "/d");
    for (const [option, spec, path] of [
      ["-m", "default:user:ann:rwx", "/d/f"],
      ["-m", "user:ann:rwx", "/none"],
      ["-m", "bad:x:rwx", "/d"],
      ["-m", "user:ann:rwz", "/d"],
      ["-m", "user:ann", "/d"],
      ["-m", "default", "/d"],
      ["-m", ",", "/d"],
      ["-x", "user:ann:rwx", "/d/f"],
      ["--set", "user::rwx", "/d/f"],
    ] as const)
      await alike("-setfacl", option, spec, path);
    await alike("-setfacl", "-b", "-k", "/d");
    await alike("-setfacl", "-m", "/d");
    await alike("-setfacl", "/d");
    await alike("-getfacl");
    await alike("-getfacl", "/d", "/d/f");
    await alike("-getfacl", "/none");
  });

  test("say and do the same with extended attributes", { timeout: TIMEOUT_MS }, async () => {
    await alike("-setfattr", "-n", "user.a", "-v", "text", "/d/f");
    expect(await alike("-getfattr", "-d", "/d/f")).toBe('# file: /d/f\nuser.a="text"\n');
    await alike("-setfattr", "-n", "user.a", "-v", "0x0102fF", "/d/f");
    for (const encoding of ["text", "hex", "BASE64"])
      await alike("-getfattr", "-n", "user.a", "-e", encoding, "/d/f");
    await alike("-setfattr", "-n", "user.a", "-v", "0sAQID", "/d/f");
    await alike("-getfattr", "-R", "-d", "-e", "hex", "/d");
    await alike("-setfattr", "-n", "user.a", "-v", '"in quotes"', "/d/f");
    await alike("-getfattr", "-d", "/d/f");
    await alike("-setfattr", "-n", "user.a", "/d/f");
    await alike("-getfattr", "-d", "/d/f");
    await alike("-getfattr", "-n", "user.none", "/d/f");
    await alike("-setfattr", "-x", "user.a", "/d/f");
    await alike("-setfattr", "-x", "user.a", "/d/f");
    await alike("-setfattr", "-n", "user.a", "-x", "user.a", "/d/f");
    await alike("-setfattr", "-v", "x", "/d/f");
    await alike("-setfattr", "-n", "user.a");
    await alike("-setfattr", "-n", "user.a", "/d", "/d/f");
    await alike("-getfattr", "-d", "-e", "octal", "/d/f");
    await alike("-getfattr", "/d");
    await alike("-getfattr", "-d", "/none");
  });

  test("say and do the same with snapshots and quotas", { timeout: TIMEOUT_MS }, async () => {
    await alike("-createSnapshot", "/d");
    await alike("-createSnapshot", "/snap", "s1");
    await alike("-createSnapshot", "/snap", "s1");
    await alike("-createSnapshot", "/snap/");
    await alike("-createSnapshot", "/d/f");
    await alike("-createSnapshot", "/none");
    await alike("-createSnapshot");
    await alike("-createSnapshot", "/snap", "a", "b");
    await alike("-renameSnapshot", "/snap", "s1", "s2");
    await alike("-renameSnapshot", "/snap", "s1", "s2");
    await alike("-renameSnapshot", "/snap", "s1");
    await alike("-deleteSnapshot", "/snap", "s2");
    await alike("-deleteSnapshot", "/snap", "s2");
    await alike("-deleteSnapshot", "/snap");
    for (const files of both) await files.setQuota("/d/e", { names: 5, space: 1_000_000 });
    for (const options of [["-q"], ["-q", "-h"], ["-u"], ["-u", "-h"], ["-q", "-u"]])
      await alike("-count", ...options, "-v", "/d/e", "/d", "/none");
    await alike("-count", "-u", "/d/f");
    for (const options of [
      ["-q", "-u", "-e", "-h"],
      ["-q", "-e", "-s"],
      ["-u", "-e", "-s"],
      ["-s", "-h"],
      ["-x"],
      ["-x", "-q"],
      ["-q", "-t"],
      ["-u", "-t", "ssd,DISK", "-h"],
      ["-q", "-t", "all", "-s"],
      ["-t", "DISK"],
    ])
      await alike("-count", ...options, "-v", "/d/e", "/d", "/snap");
    expect((await alike("-count", "-q", "-t", "ARCHIVE", "/d")).trim()).toMatch(/^none +inf \/d$/);
  });

  test(
    "say the same as hdfs dfsadmin, snapshotDiff and lsSnapshottableDir",
    { timeout: TIMEOUT_MS },
    async () => {
      const hdfs = await startHdfs();
      const theirs = connectFiles(`webhdfs://quorate@${hdfs.address}`);
      const [, ours] = both;
      if (ours === undefined) throw new Error("there is no engine");
      const same = async (program: string, flag: string, ...words: readonly string[]): Promise<string> => {
        const command = program === "DFSAdmin" ? [`-${flag}`, ...words] : words;
        const [told, said] = await Promise.all([
          hadoop(`hdfs.tools.${program}`, ["-fs", `hdfs://${hdfs.rpc}`, ...command], "quorate"),
          runProgram(process.execPath, [MAIN, "fs", "--fs", engines[1]?.filesUrl ?? "", flag, ...words], {
            environment: { TZ: "UTC", HADOOP_USER_NAME: "quorate" },
          }),
        ]);
        // What changed comes in the order of names here, of what was done to it there.
        const lines = (text: string): readonly string[] =>
          text
            .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d/g, "TIME")
            .split("\n")
            .toSorted();
        expect([said.code, said.stderr, lines(said.stdout)], flag).toEqual([
          told.code,
          "",
          lines(told.stdout),
        ]);
        return said.stdout;
      };
      try {
        for (const name of await ours.readdir("/snap/.snapshot")) await ours.deleteSnapshot("/snap", name);
        await ours.allowSnapshots("/snap", false);
        await same("snapshot.LsSnapshottableDir", "lsSnapshottableDir");
        for (const files of [theirs, ours]) await files.mkdir("/q/d", { recursive: true });
        await same("DFSAdmin", "allowSnapshot", "/q");
        for (const files of [theirs, ours]) {
          for (const name of ["a", "d/kept", "moved", "gone"]) await files.writeFile(`/q/${name}`, name);
          await files.createSnapshot("/q", "s1");
          await files.rename("/q/moved", "/q/d/there");
          await files.rm("/q/gone");
          await files.appendFile("/q/a", "more");
          await files.createSnapshot("/q", "s2");
          await files.writeFile("/q/d/new", "new");
        }
        for (const [from, to] of [
          ["s1", "s2"],
          ["s2", "s1"],
          ["s1", "."],
          ["s2", ".snapshot/s2"],
        ] as const)
          await same("snapshot.SnapshotDiff", "snapshotDiff", "/q", from, to);
        expect(await same("snapshot.LsSnapshottableDir", "lsSnapshottableDir")).toMatch(/ 2 65536 \/q\n$/);
        await same("DFSAdmin", "setQuota", "30", "/q", "/q/d");
        await same("DFSAdmin", "setSpaceQuota", "2g", "/q");
        const quotas = { nameQuota: 30, spaceQuota: 2 * 1024 ** 3 };
        for (const files of [theirs, ours]) expect(await files.quotaUsage("/q")).toMatchObject(quotas);
        await same("DFSAdmin", "clrQuota", "/q");
        await same("DFSAdmin", "clrSpaceQuota", "/q");
        for (const files of [theirs, ours])
          expect(await files.quotaUsage("/q")).toMatchObject({ nameQuota: -1, spaceQuota: -1 });
        for (const files of [theirs, ours])
          for (const name of ["s1", "s2"]) await files.deleteSnapshot("/q", name);
        await same("DFSAdmin", "disallowSnapshot", "/q");
      } finally {
        theirs.close();
        await hdfs.close();
      }
    },
  );
});
