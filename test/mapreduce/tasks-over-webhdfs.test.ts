import { expect, test } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import { serveMemory } from "../../src/engine/protocol/webhdfs/served.testing.ts";
import { JobBench, assertDone } from "../../src/mapreduce/task/job-bench.testing.ts";
import { planSplits } from "../../src/mapreduce/split-plan.ts";

const BLOCK_BYTES = 1024 * 1024;

test("tasks read splits of blocks and write their outputs over WebHDFS, and count every word once", async () => {
  const served = await serveMemory({ nodes: 3, settings: { blockSize: BLOCK_BYTES } });
  const url = `webhdfs://quorate@${served.addresses.join(",")}`;
  const files = connectFiles(url);
  try {
    const lines = Array.from({ length: 60_000 }, (_, index) => `word${index % 100} and word${index % 7} é`);
    await files.writeFile("/in/text", lines.join("\n"));
    const bench = new JobBench(
      `export default job({
        input: input.textLines(),
        key: codec.text,
        value: codec.integer,
        map: (line, out) => { for (const word of line.split(" ")) out.emit(word, 1); },
        reduce: sum,
        output: output.keyValue(),
      });`,
      { reduces: 2 },
      { output: "/out", user: "quorate" },
    );
    bench.fileSystem = url;
    const { signal } = new AbortController();
    const splits = await planSplits([{ paths: ["/in"], mapper: 0 }], { files, splitSize: undefined, signal });
    expect(splits.map(({ length }) => length)).toEqual([BLOCK_BYTES, expect.any(Number)]);
    for (const [task, split] of splits.entries()) assertDone(await bench.map(split, task));
    for (const partition of [0, 1])
      assertDone(await bench.reduce(partition, [bench.source(0, 0), bench.source(1, 1)]));
    expect(await files.readdir("/out")).toEqual(["part-00000", "part-00001"]);
    const counts = new Map<string, number>();
    for (const line of lines)
      for (const word of line.split(" ")) counts.set(word, (counts.get(word) ?? 0) + 1);
    const found = new Map<string, number>();
    for (const part of ["part-00000", "part-00001"])
      for await (const line of files.lines(`/out/${part}`)) {
        const [word = "", many] = line.split("\t");
        found.set(word, Number(many));
      }
    expect(found).toEqual(counts);
  } finally {
    files.close();
    await served.close();
  }
});
