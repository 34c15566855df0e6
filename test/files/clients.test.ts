/** Clients that know nothing of Quorate, unchanged, against the server: curl, Python's hdfs and fsspec, npm's webhdfs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { start } from "../../src/engine/start.ts";
import type { Served } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { lacks, WEBHDFS_CLIENTS } from "../engines.ts";
import { runProgram } from "./clients/program.ts";

type Place = Pick<Served, "addresses" | "url" | "close">;

const settings = { superuser: "quorate", blockSize: 1024 * 1024, replication: 2 };

/** The whole thing: three nodes, each with its share of the log and of the blocks. */
async function serveEngine(): Promise<Place> {
  const engine = await start({ nodes: 3, files: { settings }, logger: { log: () => undefined } });
  const addresses = engine.nodes.map(({ httpUrl }) => httpUrl.slice("http://".length));
  const url = `http://${addresses[0] ?? ""}/webhdfs/v1`;
  const isReady = (): boolean => engine.nodes.every((node) => node.status()?.files?.liveNodes === 3);
  for (const endMs = performance.now() + 10_000; !isReady();) {
    if (performance.now() > endMs) throw new Error("the nodes do not find each other");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { addresses, url, close: () => engine.close() };
}

let served: Place;
const PLACES: readonly (readonly [string, () => Promise<Place>])[] = [
  ["files in memory", () => serveMemory({ nodes: 2, settings })],
  ["three nodes", serveEngine],
];

describe.each(PLACES)("at %s", (_, serve) => {
  beforeEach(async () => {
    served = await serve();
  });
  afterEach(() => served.close());

  /** What a program told, step by step. */
  async function toldBy(
    command: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
  ): Promise<object> {
    const { code, stdout, stderr } = await runProgram(command, [...args, served.addresses[0] ?? ""], {
      environment,
    });
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    const lines = stdout.split("\n").filter((line) => line !== "");
    return Object.fromEntries(lines.map((line) => JSON.parse(line) as [string, unknown]));
  }

  describe.skipIf(lacks("curl"))("curl", () => {
    let local = "";
    beforeEach(() => void (local = mkdtempSync(join(tmpdir(), "quorate-curl-"))));
    afterEach(() => rmSync(local, { recursive: true }));
    const curl = async (...args: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await runProgram("curl", ["-sS", "-L", ...args]);
      expect([code, stderr], args.join(" ")).toEqual([0, ""]);
      return stdout;
    };

    test("follows to the node and back, with a file of any length", async () => {
      const bytes = randomBytes(3_000_000);
      writeFileSync(join(local, "f"), bytes);
      const url = (path: string, query: string): string => `${served.url}${path}?${query}&user.name=quorate`;
      const code = await curl("-w", "%{http_code}", "-T", join(local, "f"), url("/c/f", "op=CREATE"));
      expect(code).toBe("201");
      await curl("-o", join(local, "back"), url("/c/f", "op=OPEN"));
      expect(readFileSync(join(local, "back")).equals(bytes)).toBe(true);
      await curl("-r", "1000-1999", "-o", join(local, "part"), url("/c/f", "op=OPEN"));
      expect(readFileSync(join(local, "part")).equals(bytes.subarray(1000, 2000))).toBe(true);
      await curl("-C", "1000", "-o", join(local, "rest"), url("/c/f", "op=OPEN"));
      expect(readFileSync(join(local, "rest")).subarray(-100).equals(bytes.subarray(-100))).toBe(true);
      await curl("-X", "POST", "-T", join(local, "part"), url("/c/f", "op=APPEND"));
      expect(JSON.parse(await curl(url("/c/f", "op=GETFILESTATUS")))).toMatchObject({
        FileStatus: { length: 3_001_000 },
      });
      expect(JSON.parse(await curl("-X", "DELETE", url("/c", "op=DELETE&recursive=true")))).toEqual({
        boolean: true,
      });
    });
  });

  describe.skipIf(lacks("hdfs and fsspec of Python"))("Python", () => {
    const environment = { PYTHONPATH: join(WEBHDFS_CLIENTS, "python"), PYTHONDONTWRITEBYTECODE: "1" };
    const steps = (name: string): string => join(import.meta.dirname, "clients", name);

    test("hdfs does all that it does with HDFS", async () => {
      expect(await toldBy("python3", [steps("hdfscli.py")], environment)).toEqual({
        lines: ["grün", "more999", 1001],
        range: "more0",
        status: { length: 1_400_000, type: "FILE", permission: "644", owner: "quorate" },
        list: ["a.txt", "b.bin"],
        missing: null,
        exists: ["FileAlreadyExistsException", true],
        content: 1_400_004,
        changed: ["600", 1_500_000_000_000],
        checksum: "MD5-of-0MD5-of-512CRC32C",
        acl: "quorate",
        walk: [
          ["/py", ["d"], []],
          ["/py/d", [], ["b.bin", "c.txt"]],
        ],
        upload: "/py/up.py",
        delete: [true, false],
        "not empty": "PathIsNotEmptyDirectoryException",
        recursive: true,
      });
    });

    test("fsspec writes in parts to one location, seeks and lists", async () => {
      expect(await toldBy("python3", [steps("fsspec_steps.py")], environment)).toEqual({
        size: 13_000_000,
        seek: ["0b0b0b", 1_999_997],
        cat: "hello fsspec\n",
        range: "fsspec",
        ls: ["/spec/d/a.txt", "/spec/d/big"],
        exists: [true, false],
        missing: "FileNotFoundError",
        checksum: "MD5-of-0MD5-of-512CRC32C",
        home: "/user/quorate",
        replication: 2,
        summary: 2,
        gone: false,
      });
    });
  });

  describe.skipIf(lacks("webhdfs of npm"))("npm", () => {
    test("webhdfs reads, writes, appends and streams", async () => {
      const steps = join(import.meta.dirname, "clients/npm-webhdfs.cjs");
      expect(await toldBy(process.execPath, [steps, join(WEBHDFS_CLIENTS, "npm")])).toEqual({
        read: "hello npm",
        appended: "hello npm again",
        list: ["a.txt"],
        stat: 15,
        stream: "streamed",
        exists: true,
        missing: expect.stringContaining("does not exist") as unknown,
        gone: false,
      });
    });
  });
});
