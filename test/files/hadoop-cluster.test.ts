/** Hadoop's own programs on three nodes, with files of several blocks, while one of the nodes ends. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Engine } from "../../src/engine/start.ts";
import { start } from "../../src/engine/start.ts";
import { lacks } from "../engines.ts";
import { hadoop } from "./clients/program.ts";

const TIMEOUT_MS = 200_000;

describe.skipIf(lacks("hadoop"))("Hadoop on three nodes", () => {
  let engine: Engine;
  let local = "";
  beforeAll(async () => {
    const settings = { superuser: "ann", blockSize: 1024 * 1024 };
    engine = await start({ nodes: 3, files: { settings }, logger: { log: () => undefined } });
    local = mkdtempSync(join(tmpdir(), "quorate-hadoop-"));
    const isReady = (): boolean => engine.nodes.every((node) => node.status()?.files?.liveNodes === 3);
    for (const endMs = performance.now() + 20_000; !isReady();) {
      if (performance.now() > endMs) throw new Error("the nodes do not find each other");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }, 30_000);
  afterAll(async () => {
    await engine.close();
    rmSync(local, { recursive: true });
  });
  const at = (node: number): string => {
    return `webhdfs://${engine.nodes[node]?.httpUrl.slice("http://".length) ?? ""}`;
  };
  const shell = async (node: number, ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await hadoop("fs.FsShell", ["-fs", at(node), ...args], "ann");
    expect([code, stderr], args.join(" ")).toEqual([0, ""]);
    return stdout;
  };

  test(
    "files are put at one node and read at another, and their checksums are HDFS's own",
    { timeout: TIMEOUT_MS },
    async () => {
      const bytes = randomBytes(3_500_000);
      const [there, back] = [join(local, "f"), join(local, "back")];
      writeFileSync(there, bytes);
      await shell(0, "-mkdir", "-p", "/user/ann/d");
      await shell(0, "-put", there, "d/f");
      expect(await shell(1, "-ls", "d")).toMatch(/-rw-r--r-- +3 ann supergroup +3500000 .* d\/f\n/);
      await shell(2, "-get", "/user/ann/d/f", back);
      expect(readFileSync(back).equals(bytes)).toBe(true);
      await shell(1, "-appendToFile", there, "d/f");
      expect(await shell(0, "-count", "/user/ann/d")).toMatch(/ 1 +1 +7000000 /);
      // FileChecksum of Hadoop prints its class and its bytes.
      const files = connectFiles(engine.filesUrl, { user: "ann" });
      const { algorithm, bytes: sum } = await files.checksum("/user/ann/d/f");
      files.close();
      expect(await shell(2, "-checksum", "/user/ann/d/f")).toBe(`/user/ann/d/f\t${algorithm}\t${sum}\n`);
      await shell(1, "-setrep", "-w", "2", "/user/ann/d/f");
      await shell(1, "-truncate", "-w", "1500000", "/user/ann/d/f");
      const cut = join(local, "cut");
      await shell(0, "-get", "/user/ann/d/f", cut);
      expect(readFileSync(cut).equals(bytes.subarray(0, 1_500_000))).toBe(true);
    },
  );

  test(
    "distcp copies with checksums compared, and what is there is there without one of the nodes",
    { timeout: TIMEOUT_MS },
    async () => {
      const bytes = randomBytes(5_000_000);
      writeFileSync(join(local, "g"), bytes);
      await shell(0, "-put", join(local, "g"), "/g");
      const words = ["-Dmapreduce.framework.name=local", `-Dhadoop.tmp.dir=${local}`, "-update"];
      const copied = await hadoop("tools.DistCp", [...words, `${at(0)}/g`, `${at(1)}/h`], "ann");
      expect(copied.code, copied.stderr).toBe(0);
      await engine.nodes[2]?.kill();
      await shell(1, "-get", "/h", join(local, "h"));
      expect(readFileSync(join(local, "h")).equals(bytes)).toBe(true);
      await shell(0, "-put", join(local, "g"), "/i");
      await shell(1, "-rm", "-skipTrash", "/g");
      expect(await shell(0, "-ls", "-C", "/")).toBe("/h\n/i\n/user\n");
    },
  );
});
