import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { pour } from "./combine.ts";
import { JobBench, assertDone } from "./job-bench.testing.ts";
import { writeIndex } from "./map-output.ts";
import type { MapOutputSource, ReduceOrder, Report } from "./orders.ts";
import { recordsOf, textOf, textsOf } from "./records.testing.ts";
import { RunReader } from "./run-reader.ts";
import { RunWriter } from "./run-writer.ts";
import { Shuffle } from "./shuffle.ts";
import { TaskState } from "./task-state.ts";
import { startTask } from "./task-process.ts";

const bench = (): JobBench => new JobBench("export default 1;");

/** A map output of one partition with one record, `map` its key. */
function writeOutput(directory: string, map: number, valueBytes = 10): string {
  const path = join(directory, `output-${map}`);
  const writer = new RunWriter(path, "none");
  pour(recordsOf([{ key: Buffer.from(String(map)), value: Buffer.alloc(valueBytes, 7) }]), writer);
  writeIndex(path, [writer.endRun()]);
  writer.close();
  return path;
}

type Answer = (request: IncomingMessage, response: ServerResponse, map: number) => void;

/** A server that answers `/MAP`; its address, and how often each map was asked for. */
async function serve(answer: Answer): Promise<{ readonly url: string; readonly asked: Map<number, number> }> {
  const asked = new Map<number, number>();
  const server: Server = createServer((request, response) => {
    const map = Number(request.url?.slice(1));
    asked.set(map, (asked.get(map) ?? 0) + 1);
    answer(request, response, map);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

function shuffleOf(
  order: ReduceOrder,
  memoryBytes = 1 << 20,
): { readonly shuffle: Shuffle; readonly reports: Report[] } {
  const reports: Report[] = [];
  const report = (each: Report): void => void reports.push(each);
  return { shuffle: new Shuffle(order, memoryBytes, new TaskState(order, report), report), reports };
}

function urls(url: string, maps: number): MapOutputSource[] {
  return Array.from({ length: maps }, (_, map) => ({
    map,
    attempt: 0,
    url: `${url}/${map}`,
    authorization: "Bearer secret",
  }));
}

async function fetched(shuffle: Shuffle): Promise<readonly string[]> {
  const runs = await shuffle.all();
  return runs.flatMap(({ place, name }) => textsOf(new RunReader(place, name)));
}

function expectedOf(maps: number, valueBytes = 10): readonly string[] {
  return Array.from({ length: maps }, (_, map) =>
    textOf({ key: Buffer.from(String(map)), value: Buffer.alloc(valueBytes, 7) }),
  );
}

test("outputs are fetched from nodes, with the job's authorization, into memory and to disk", async () => {
  const test = bench();
  const sizes = 3000;
  const paths = Array.from({ length: 12 }, (_, map) => writeOutput(test.directory, map, sizes));
  const { url, asked } = await serve((request, response, map) => {
    expect(request.headers.authorization).toBe("Bearer secret");
    const bytes = readFileSync(paths[map]!);
    response.writeHead(200, { "Content-Length": bytes.length }).end(bytes);
  });
  const { shuffle, reports } = shuffleOf(test.reduceOrder(0, urls(url, 12)), 4 * 4096);
  const runs = await shuffle.all();
  expect(runs.map(({ place }) => place.type)).toContain("memory");
  expect(runs.map(({ place }) => place.type)).toContain("file");
  const texts = runs.flatMap(({ place, name }) => textsOf(new RunReader(place, name)));
  expect(texts).toEqual(expectedOf(12, sizes));
  expect([...asked.values()]).toEqual(Array.from({ length: 12 }, () => 1));
  expect(reports.filter(({ type }) => type === "fetchFailed")).toEqual([]);
});

test("a fetch that fails, ends early, is refused or brings damaged bytes is tried again", async () => {
  const test = bench();
  const paths = [0, 1, 2, 3].map((map) => writeOutput(test.directory, map));
  const tries = new Map<number, number>();
  const { url } = await serve((request, response, map) => {
    const bytes = readFileSync(paths[map]!);
    const before = tries.get(map) ?? 0;
    tries.set(map, before + 1);
    const head = { "Content-Length": bytes.length };
    if (before > 0) response.writeHead(200, head).end(bytes);
    else if (map === 0) request.socket.destroy();
    else if (map === 1)
      response.writeHead(200, head).write(bytes.subarray(0, 5), () => request.socket.destroy());
    else if (map === 2) response.writeHead(503).end("busy");
    else {
      bytes[30] = (bytes[30] ?? 0) ^ 1;
      response.writeHead(200, head).end(bytes);
    }
  });
  const { shuffle } = shuffleOf(test.reduceOrder(0, urls(url, 4)));
  expect(await fetched(shuffle)).toEqual(expectedOf(4));
  expect(tries).toEqual(new Map([0, 1, 2, 3].map((map) => [map, 2])));
});

test("an output that is gone is given back, and fetched from where its map ran again", async () => {
  const test = bench();
  const paths = [0, 1].map((map) => writeOutput(test.directory, map));
  const { url, asked } = await serve((_request, response, map) => {
    if (map === 1) response.writeHead(404).end("no such output");
    else {
      const bytes = readFileSync(paths[0]!);
      response.writeHead(200, { "Content-Length": bytes.length }).end(bytes);
    }
  });
  const { shuffle, reports } = shuffleOf(test.reduceOrder(0, urls(url, 2)));
  const all = fetched(shuffle);
  await expect
    .poll(() => reports.filter(({ type }) => type === "fetchFailed"), { timeout: 10_000 })
    .toEqual([
      { type: "fetchFailed", map: 1, attempt: 0, reason: "it was answered with 404: no such output" },
    ]);
  expect(asked.get(1)).toBe(1);
  shuffle.add([{ map: 1, attempt: 1, file: paths[1]! }]);
  expect(await all).toEqual(expectedOf(2));
});

test("a node that is away makes its maps run again, after some tries", async () => {
  const test = bench();
  const path = writeOutput(test.directory, 0);
  const { url, asked } = await serve((request) => void request.socket.destroy());
  const { shuffle, reports } = shuffleOf(test.reduceOrder(0, urls(url, 1)));
  const all = fetched(shuffle);
  await expect.poll(() => reports.some(({ type }) => type === "fetchFailed"), { timeout: 20_000 }).toBe(true);
  expect(asked.get(0)).toBe(5);
  shuffle.add([{ map: 0, attempt: 1, file: path }]);
  expect(await all).toEqual(expectedOf(1));
});

const COUNT = `export default job({
  input: input.textLines(),
  key: codec.text,
  value: codec.integer,
  map: (line, out) => out.emit(line, 1),
  reduce: sum,
  output: output.keyValue(),
});`;

test("a map output that is damaged on disk fails the reduce, names its map and writes nothing wrong", async () => {
  const test = new JobBench(COUNT);
  const path = test.write("input", Array.from({ length: 50_000 }, (_, index) => `line ${index}`).join("\n"));
  for (const [task, split] of test.splits(path, 2).entries()) assertDone(await test.map(split, task));
  const output = join(test.attemptDirectory(1), "output");
  const bytes = readFileSync(output);
  bytes[bytes.length - 5000] = (bytes[bytes.length - 5000] ?? 0) ^ 16;
  writeFileSync(output, bytes);
  const reports: Report[] = [];
  const end = await test.reduce(0, [test.source(0, 0), test.source(1, 1)], {
    onReport: (report) => reports.push(report),
  });
  expect(end).toMatchObject({
    type: "failed",
    message: "the output of map 1 is damaged: a block does not fit its checksum",
    retryable: true,
  });
  expect(reports).toContainEqual({
    type: "fetchFailed",
    map: 1,
    attempt: 1,
    reason: "the output of map 1 is damaged: a block does not fit its checksum",
  });
  expect(existsSync(`${test.spec.output}/part-00000`)).toBe(false);
});

test("a reduce begins when the last map output is told of, and is no failure while it waits", async () => {
  const test = new JobBench(COUNT, { progressTimeoutMs: 5000 });
  const split = test.wholeSplit(test.write("input", "a\nb\na\n"));
  assertDone(await test.map(split));
  const order = { ...test.reduceOrder(0, []), maps: 1 };
  const reports: Report[] = [];
  const task = startTask(order, { onReport: (report) => reports.push(report) });
  // One each second.
  await expect.poll(() => reports.length, { timeout: 20_000 }).toBeGreaterThan(6);
  task.send([test.source(0, 0)]);
  assertDone(await task.ended);
  expect(readFileSync(`${test.spec.output}/part-00000`, "utf8")).toBe("a\t2\nb\t1\n");
});
