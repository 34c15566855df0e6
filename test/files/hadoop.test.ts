/**
 * Hadoop's own shell (`hadoop fs`, the class FsShell) against the server, and `quorate fs` beside it: the same words are put to
 * two file systems alike, and both must end with the same code, print the same and complain in the same way.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Served } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { FS_COMMANDS } from "../../src/cli/fs/commands.ts";
import { lacks } from "../engines.ts";
import type { Ended } from "./clients/program.ts";
import { hadoop, runProgram } from "./clients/program.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");
const TIMEOUT_MS = 200_000;

describe.skipIf(lacks("hadoop"))("hadoop fs and quorate fs", () => {
  let ofHadoop: Served;
  let ofQuorate: Served;
  let local = "";
  beforeAll(async () => {
    const options = { nodes: 2, settings: { replication: 3 }, now: () => 1_700_000_000_000 };
    [ofHadoop, ofQuorate] = await Promise.all([serveMemory(options), serveMemory(options)]);
    local = mkdtempSync(join(tmpdir(), "quorate-hadoop-"));
    writeFileSync(join(local, "a.txt"), "hello hadoop\n");
    writeFileSync(join(local, "b.txt"), "x".repeat(5000));
  });
  afterAll(async () => {
    await Promise.all([ofHadoop.close(), ofQuorate.close()]);
    rmSync(local, { recursive: true });
  });

  /** Addresses are random; usages are each program's own. */
  const plain = ({ code, stdout, stderr }: Ended, { addresses }: Served): object => {
    const same = (text: string): string =>
      text.replaceAll(`webhdfs://${addresses[0]}`, "webhdfs://host:port");
    const lines = same(stderr)
      .split("\n")
      .filter((line) => line !== "");
    return {
      code,
      stdout: same(stdout).replaceAll(/ +/g, " "),
      complaints: code === 255 ? lines.slice(0, 1) : lines,
    };
  };

  async function alike(...args: readonly string[]): Promise<void> {
    const environment = { TZ: "UTC", HADOOP_USER_NAME: "quorate" };
    const [theirs, ours] = await Promise.all([
      hadoop("fs.FsShell", ["-fs", `webhdfs://${ofHadoop.addresses[0] ?? ""}`, ...args], "quorate"),
      runProgram(
        process.execPath,
        [MAIN, "fs", "--fs", `webhdfs://${ofQuorate.addresses[0] ?? ""}`, ...args],
        {
          environment,
        },
      ),
    ]);
    expect(plain(ours, ofQuorate), args.join(" ")).toEqual(plain(theirs, ofHadoop));
  }

  test("say and do the same with the names of files", { timeout: TIMEOUT_MS }, async () => {
    const [a, b] = [join(local, "a.txt"), join(local, "b.txt")];
    await alike("-mkdir", "-p", "/user/quorate/d");
    await alike("-mkdir", "/user");
    await alike("-put", a, b, "d");
    await alike("-put", a, "/user/quorate/d/a.txt");
    await alike("-put", join(local, "none"), "/x");
    await alike("-ls", "/user/quorate/d", "/nope", "/user/quorate/d/a.txt");
    await alike("-ls");
    await alike("-ls", "-R", "-h", "/user");
    await alike("-ls", "/user/*/d/{a,c}.t?t");
    await alike("-cp", "/user/quorate/d/a.txt", "/user/quorate/b.txt");
    await alike("-mv", "/user/quorate/b.txt", "/user/quorate/c.txt");
    await alike("-mv", "/user/quorate/c.txt", "/user/quorate/d/a.txt");
    await alike("-touchz", "/user/quorate/z");
    await alike("-rm", "/user/quorate/d", "/nope", "/user/quorate/z");
    await alike("-rmdir", "/user");
    await alike("-find", "/user", "-name", "*.txt");
    await alike("-find", "/user", "-print", "-iname", "{a,z}*", "-a", "-print0");
    await alike("-find", "/user", "-NAME", "a");
    await alike("-ls", "-C", `file://${local}`, `file:${a}`, `file://${local}/none`);
    await alike("-cp", `file://${a}`, "/user/quorate/d/from");
    await alike("-mv", `file://${a}`, "/user/quorate/d");
    await alike("-mkdir", "/user/quorate/grün ✓");
    await alike("-ls", "-C", "/user/quorate", "/user/quorate/grün*");
    await alike("-concat", "/user/none", "/user/1", "/user/2");
    await alike("-rm", "-r", "/user/quorate/d");
    await alike("-nosuch");
    await alike("-ls", "-Z", "/");
  });

  test("take the same options and words", { timeout: TIMEOUT_MS }, async () => {
    // Hadoop's usage of some tells less than they take: several sources, threads. Of replaced commands it tells nothing.
    const own = ["moveFromLocal", "getmerge", "lsr", "rmr", "dus"];
    const listed = await hadoop("fs.FsShell", ["-help"], "quorate");
    const theirs = [...listed.stdout.matchAll(/^-(\w+)(.*) :$/gm)].map(([, name = "", usage = ""]) => [
      name,
      usage.trim(),
    ]);
    const compared = theirs.filter(([name = ""]) => !own.includes(name));
    expect(compared.length).toBeGreaterThan(35);
    const ours = FS_COMMANDS.map(({ name, usage }) => [name, usage] as const);
    const usages = new Map<string, string>([...ours, ["help", "[cmd ...]"], ["usage", "[cmd ...]"]]);
    expect(compared.map(([name = ""]) => [name, usages.get(name)])).toEqual(compared);
  });

  test("say and do the same with what is in files and known of them", { timeout: TIMEOUT_MS }, async () => {
    await alike("-mkdir", "-p", "/t/e");
    await alike("-put", join(local, "a.txt"), join(local, "b.txt"), "/t");
    await alike("-appendToFile", join(local, "a.txt"), "/t/a.txt");
    await alike("-cat", "/t/a.txt", "/nope", "/t");
    await alike("-tail", "/t/b.txt");
    await alike("-checksum", "/t/a.txt", "/t/b.txt", "/t");
    await alike("-stat", "%F %a %A %u:%g %b %n %o %r %y %Y", "/t/a.txt", "/t");
    await alike("-count", "-v", "/t", "/nope");
    await alike("-count", "-q", "-h", "/t");
    await alike("-count", "-e", "-v", "/t", "/t/a.txt", "/nope");
    await alike("-du", "-h", "/t");
    await alike("-du", "-s", "-v", "/t", "/t/a.txt");
    await alike("-df", "-h");
    await alike("-chmod", "u=rw,go-r", "/t/e");
    await alike("-chmod", "-R", "g+wX,o-r", "/t");
    await alike("-chown", "ann:staff", "/t/a.txt");
    await alike("-setrep", "-w", "2", "/t");
    await alike("-touch", "-m", "-t", "20200101:000000", "/t/a.txt");
    await alike("-truncate", "-w", "5", "/t/a.txt");
    await alike("-test", "-e", "/nope");
    await alike("-test", "-e", "/nope*");
    await alike("-D", "dfs.replication=2", "-Ddfs.blocksize=2m", "-put", join(local, "a.txt"), "/t/kept");
    await alike("-Ddfs.replication=1", "-touchz", "/t/kept1");
    await alike("-stat", "%r %o %n", "/t/kept*");
    await alike("-ls", "-R", "-t", "-r", "/t");
  });

  test("distcp copies from one to the other, checksums compared", { timeout: TIMEOUT_MS }, async () => {
    const from = `webhdfs://${ofHadoop.addresses[0] ?? ""}/t/b.txt`;
    const put = await hadoop(
      "fs.FsShell",
      ["-fs", `webhdfs://${ofHadoop.addresses[0] ?? ""}`, "-put", "-f", join(local, "b.txt"), "/b"],
      "quorate",
    );
    expect(put.stderr).toBe("");
    const copied = await hadoop(
      "tools.DistCp",
      [
        "-Dmapreduce.framework.name=local",
        `-Dhadoop.tmp.dir=${local}`,
        "-update",
        from.replace("/t/b.txt", "/b"),
        `webhdfs://${ofQuorate.addresses[0] ?? ""}/copied`,
      ],
      "quorate",
    );
    expect(copied.code, copied.stderr).toBe(0);
    const { files } = ofQuorate;
    const status = await files.status("/copied", { user: "quorate", groups: [] });
    expect(status.length).toBe(5000);
  });
});
