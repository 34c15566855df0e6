/** What an engine leaves behind in the program that closed it: nothing, at once. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "redis";
import { afterEach, expect, test, vi } from "vitest";
import type { StartOptions } from "../../src/index.ts";
import { ALGORITHMS, start } from "../../src/index.ts";

const folders: string[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const path of folders.splice(0)) fs.rmSync(path, { recursive: true });
});

function folder(): string {
  const path = fs.mkdtempSync(join(tmpdir(), "quorate-closing-"));
  folders.push(path);
  return path;
}

const DIST = new URL("../../dist/index.js", import.meta.url).href;

/**
 * What keeps a program alive that has used an engine and closed it, at the moment at which `close()` resolved. In a process of its
 * own: this one has handles that come and go.
 */
function leftBy(options: StartOptions, close: string): string[] {
  const program = `
    const { connectFiles, start } = await import(${JSON.stringify(DIST)});
    const { createClient } = await import(${JSON.stringify(import.meta.resolve("redis"))});
    const engine = await start(${JSON.stringify(options)});
    const client = createClient({ url: engine.url });
    await client.connect();
    await client.set("a", "b");
    client.destroy();
    const files = connectFiles(engine.filesUrl);
    await files.writeFile("/large", new Uint8Array(600_000));
    await files.writeFile("/small", "inline");
    await files.readFile("/large");
    files.close();
    const listing = await fetch(engine.nodes[0].httpUrl + "/webhdfs/v1/?op=LISTSTATUS", { headers: { Connection: "close" } });
    if (!(await listing.text()).includes("large")) throw new Error("nothing was stored");
    const before = process.getActiveResourcesInfo();
    ${close}
    const left = process.getActiveResourcesInfo();
    console.log(JSON.stringify({ before, left }));
    // As long as it takes to say so, and not a second.
    setTimeout(() => process.exit(3), 900).unref();`;
  // Its output goes to a file, which is no handle.
  const output = join(folder(), "output");
  const to = fs.openSync(output, "w");
  const { status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", to, to],
    timeout: 20_000,
  });
  fs.closeSync(to);
  const text = fs.readFileSync(output, "utf8");
  if (status !== 0) throw new Error(`exit code ${status}: ${text}`);
  const { before, left } = JSON.parse(text) as { before: string[]; left: string[] };
  expect(before).toContain("TCPServerWrap");
  return left;
}

const WAYS: readonly StartOptions[] = ALGORITHMS.flatMap((consensus) => [
  { consensus, nodes: 1 },
  { consensus, nodes: 3 },
  { consensus, nodes: 1, data: "directory" },
  { consensus, nodes: 3, data: "directory" },
]);

test.each([...WAYS, { nodes: 3, jobs: {} } as const])(
  "when close() resolves, no handle is left: %j",
  ({ data, ...options }) => {
    const place = data === undefined ? {} : { data: folder() };
    expect(leftBy({ ...options, ...place }, "await engine.close();")).toEqual([]);
  },
);

test("whoever closes an engine whose nodes are being ended waits too", () => {
  const close = "void engine.nodes[0].kill(); void engine.close(); await engine.close();";
  expect(leftBy({ nodes: 3, data: folder() }, close)).toEqual([]);
});

const CALLS = ["open", "close", "unlink", "rename", "fsync", "fdatasync", "write", "writev", "read"] as const;
type Call = (...values: unknown[]) => void;

/**
 * Watches the calls for what is in `directory`: how many are under way. From `fail` on its first log file takes no write any more.
 */
function watchCalls(directory: string): { underWay: () => number; fail: () => void } {
  const paths = new Map<unknown, string>();
  let underWay = 0;
  let failing = false;
  for (const name of CALLS) {
    const real = fs[name] as unknown as Call;
    const watched: Call = (...values) => {
      const done = values.pop() as Call;
      const path = typeof values[0] === "string" ? values[0] : (paths.get(values[0]) ?? "");
      if (!path.startsWith(directory)) return real(...values, done);
      if (name === "close") paths.delete(values[0]);
      underWay++;
      const end: Call = (...results) => {
        underWay--;
        if (name === "open" && results[1] !== undefined) paths.set(results[1], path);
        done(...results);
      };
      if (!failing || !name.startsWith("write") || !path.endsWith("01.log")) return real(...values, end);
      setImmediate(end, Object.assign(new Error("EIO: the disk is broken"), { code: "EIO" }));
    };
    vi.spyOn(fs, name).mockImplementation(watched as never);
  }
  return { underWay: () => underWay, fail: () => (failing = true) };
}

test.each(ALGORITHMS)(
  "%s: a node whose disk fails has nothing under way on it when it says that it ended",
  async (consensus) => {
    const data = folder();
    const calls = watchCalls(join(data, "n3"));
    const engine = await start({ consensus, nodes: 3, data, logger: { log: () => undefined } });
    // Its log's next file is being made still.
    await vi.waitUntil(() => calls.underWay() > 0, { timeout: 5_000, interval: 1 });
    calls.fail();
    const client = createClient({ url: engine.url });
    await client.connect();
    await client.set("a", "b");
    const endMs = performance.now() + 5_000;
    while (engine.nodes[2]?.running === true && performance.now() < endMs) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(engine.nodes[2]?.failure).toMatchObject({ message: expect.stringContaining("EIO") });
    expect(calls.underWay()).toBe(0);
    client.destroy();
    await engine.close();
  },
);
