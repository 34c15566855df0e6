/** A real HDFS beside Quorate: the client's suite over it, and what must agree between the two. */
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Files } from "../../src/client/files/files.ts";
import type { Served } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { lacks } from "../engines.ts";
import type { Hdfs } from "./clients/hdfs.ts";
import { startHdfs } from "./clients/hdfs.ts";
import { hadoop, runProgram } from "./clients/program.ts";
import { attributesContract } from "./attributes-contract.ts";
import type { World } from "./contract.ts";
import { filesContract } from "./contract.ts";

const START_TIMEOUT_MS = 120_000;
const MIB = 1024 * 1024;
const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");

describe.skipIf(lacks("hadoop"))("HDFS 3.4.1", () => {
  let hdfs: Hdfs;
  let served: Served;
  let theirs: Files;
  let ours: Files;
  beforeAll(async () => {
    [hdfs, served] = await Promise.all([startHdfs(), serveMemory()]);
    theirs = connectFiles(`webhdfs://root@${hdfs.address}`);
    ours = connectFiles(`webhdfs://quorate@${served.addresses[0] ?? ""}`);
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    theirs.close();
    ours.close();
    await Promise.all([hdfs.close(), served.close()]);
  });

  const world = async (): Promise<World> => ({
    files: connectFiles(`webhdfs://root@${hdfs.address}`),
    hasReplicas: true,
    followsLinks: false,
    leavesParts: true,
    close: async () => undefined,
  });
  filesContract("over WebHDFS", world);
  attributesContract("over WebHDFS", world);

  test.each([0.5, 1, 2, 2.5, 5])(
    "gives a file of %d blocks the checksum that Quorate gives it",
    async (blocks) => {
      const bytes = Buffer.alloc(blocks * MIB, `${blocks} blocks\n`);
      for (const files of [theirs, ours])
        await files.writeFile("/sum", bytes, { blockSize: MIB, replication: 1 });
      expect(await ours.checksum("/sum")).toEqual(await theirs.checksum("/sum"));
    },
  );

  test("says the same of a file and of a directory", async () => {
    const told: unknown[] = [];
    for (const files of [theirs, ours]) {
      await files.mkdir("/same/d", { recursive: true });
      await files.writeFile("/same/f", "0123456789", { blockSize: MIB, replication: 1, mode: 0o640 });
      await files.utimes("/same/f", 1_600_000_000_000, 1_500_000_000_000);
      const entries = await files.readdir("/same", { withStats: true });
      const {
        files: count,
        directories,
        length,
        space,
        nameQuota,
        spaceQuota,
      } = await files.summary("/same");
      told.push([
        entries.map(({ name, type, size, mode, group, replication, blockSize, childCount }) => [
          name,
          type,
          size,
          mode,
          group,
          replication,
          blockSize,
          childCount,
        ]),
        entries.filter((entry) => entry.isFile()).map(({ mtimeMs, atimeMs }) => [mtimeMs, atimeMs]),
        [count, directories, length, space, nameQuota, spaceQuota],
      ]);
    }
    expect(told[1]).toEqual(told[0]);
  });

  test("fsck is told in the words of hdfs fsck", async () => {
    for (const files of [theirs, ours]) {
      await files.mkdir("/fsck/d", { recursive: true });
      await files.writeFile("/fsck/f", Buffer.alloc(2.5 * MIB), { blockSize: MIB, replication: 1 });
      await files.writeFile("/fsck/empty", "", { replication: 1 });
    }
    const settings = [`fs.defaultFS=hdfs://${hdfs.rpc}`, `dfs.namenode.http-address=${hdfs.address}`];
    const words = ["/fsck", "-files", "-blocks", "-racks"];
    const [told, said] = await Promise.all([
      hadoop("hdfs.tools.DFSck", [...settings.flatMap((each) => ["-D", each]), ...words], "root"),
      runProgram(process.execPath, [
        MAIN,
        "fs",
        "--fs",
        `webhdfs://${served.addresses[0] ?? ""}`,
        "fsck",
        ...words,
      ]),
    ]);
    expect([said.code, said.stderr]).toEqual([0, ""]);
    expect(told.code).toBe(0);
    expect(plainFsck(said.stdout)).toEqual(plainFsck(told.stdout));
  });
});

/** Without what is each one's own: names of blocks and nodes, times, and the sections that only one of them has. */
function plainFsck(text: string): readonly string[] {
  return text
    .replace(/\nErasure Coded Block Groups:\n(?: .*\n)*/, "")
    .replaceAll(/(?:BP-[\w.-]+:)?blk_\d+_\d+/g, "BLOCK")
    .replaceAll(/\[\/default-rack\/[^\]]*\]/g, "[RACK]")
    .replaceAll(/ (?:at|by|in) [\w:() ./]*\d[\w: ]*/g, "")
    .split("\n")
    .filter((line) => !/^(FSCK|Connecting| Files kept in the namespace| Default replication)/.test(line));
}
