/** The examples, each run as their users run them, on the texts of this project, and checked against a plain count of the same. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { lacks } from "../engines.ts";
import { hadoopCommand, localMode, quorate, STREAMING } from "./hadoop.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const TEXTS = ["README.md", "CHANGELOG.md", "docs/guarantees.md", "LICENSE"].map((name) => join(ROOT, name));
const folder = mkdtempSync(join(tmpdir(), "quorate-examples-"));
afterAll(() => rmSync(folder, { recursive: true }));
const TIMEOUT_MS = 180_000;

const textOf = (path: string): string => readFileSync(path, "utf8");
const linesOf = (path: string): readonly string[] =>
  textOf(path)
    .split("\n")
    .filter((_, at, all) => at < all.length - 1 || all[at] !== "");

const MAPS_ONLY = `import { input, mapOnly, output } from "quorate/mapreduce";
export default mapOnly({
  input: input.textLines(),
  map(line, out) { if (line.length > 100) out.emit(line); },
  output: output.text({ compress: "gzip" }),
});`;

async function run(name: string, inputs: readonly string[], ...flags: readonly string[]): Promise<void> {
  const words = [
    "mr",
    "run",
    resolve(ROOT, "examples", name),
    ...inputs.flatMap((path) => ["--input", path]),
    ...flags,
  ];
  const { code, stderr } = await quorate(words, folder);
  expect(code, stderr).toBe(0);
}

function output(directory: string, prefix = "part-"): readonly string[] {
  const names = readdirSync(join(folder, directory)).filter((name) => name.startsWith(prefix));
  return names.toSorted().flatMap((name) =>
    textOf(join(folder, directory, name))
      .split("\n")
      .slice(0, -1),
  );
}

/** Words of all texts with how often they occur, in the order of their bytes, as lines. */
function counted(pattern: RegExp): readonly string[] {
  const counts = new Map<string, number>();
  for (const path of TEXTS)
    for (const word of textOf(path).toLowerCase().match(pattern) ?? [])
      counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${word}\t${count}`).toSorted();
}

describe("the examples do what they say", { timeout: TIMEOUT_MS }, () => {
  test("word-count.ts counts words", async () => {
    await run("word-count.ts", TEXTS, "--output", "counts", "--reduces", "2", "--local");
    expect(output("counts").toSorted()).toEqual(counted(/[\p{L}\p{N}]+/gu));
  });

  test("word-count-bytes.ts counts words of letters", async () => {
    await run("word-count-bytes.ts", TEXTS, "--output", "bytes", "--local");
    expect(output("bytes").toSorted()).toEqual(counted(/[a-z]+/g));
  });

  test("inverted-index.ts tells where each word is", async () => {
    await run("inverted-index.ts", TEXTS, "--output", "index", "--reduces", "2", "--local");
    const found = output("index").map(
      (line) =>
        JSON.parse(line) as {
          readonly word: string;
          readonly files: readonly { readonly file: string; readonly count: number }[];
        },
    );
    const quorum = found.find(({ word }) => word === "majority");
    const expected = TEXTS.map((path) => ({
      file: basename(path),
      count: (
        textOf(path)
          .toLowerCase()
          .match(/\p{L}{3,}/gu) ?? []
      ).filter((word) => word === "majority").length,
    }));
    expect(quorum?.files.toSorted((left, right) => (left.file < right.file ? -1 : 1))).toEqual(
      expected.filter(({ count }) => count > 0).toSorted((left, right) => (left.file < right.file ? -1 : 1)),
    );
    expect(new Set(found.map(({ word }) => word)).size).toBe(found.length);
  });

  test("join.ts joins, and puts aside what has no partner", async () => {
    writeFileSync(join(folder, "customers.csv"), 'id,name\n1,"Lovelace, Ada"\n2,Grace\n3,Edsger\n');
    const orders = [
      { id: "a", customer: "2", amount: 5 },
      { id: "b", customer: "1", amount: 7 },
      { id: "c", customer: "9", amount: 1 },
      { id: "d", customer: "2", amount: 2 },
    ];
    writeFileSync(join(folder, "orders.jsonl"), orders.map((order) => JSON.stringify(order)).join("\n"));
    await run("join.ts", ["0=customers.csv", "1=orders.jsonl"], "--output", "joined", "--local");
    const joined = output("joined").map((line) => JSON.parse(line) as { readonly id: string });
    expect(joined.toSorted((left, right) => (left.id < right.id ? -1 : 1))).toEqual([
      { customer: "2", name: "Grace", id: "a", amount: 5 },
      { customer: "1", name: "Lovelace, Ada", id: "b", amount: 7 },
      { customer: "2", name: "Grace", id: "d", amount: 2 },
    ]);
    expect(output("joined", "orphans-")).toEqual([JSON.stringify(orders[2])]);
  });

  test("top-per-group.ts finds the longest lines of each file", async () => {
    await run("top-per-group.ts", TEXTS, "--output", "longest", "-D", "top=2", "--local");
    const found = output("longest").map(
      (line) => JSON.parse(line) as { readonly file: string; readonly position: number },
    );
    for (const path of TEXTS) {
      const own = found
        .filter(({ file }) => file === basename(path))
        .map(({ position }) => {
          const bytes = readFileSync(path).subarray(position);
          return bytes.subarray(0, bytes.indexOf("\n")).toString("utf8").length;
        });
      const lengths = linesOf(path)
        .map((line) => line.length)
        .toSorted((left, right) => right - left);
      expect(own, path).toEqual(lengths.slice(0, 2));
    }
  });

  test("secondary-sort.ts sees readings in the order of time", async () => {
    const rows = [
      "station,time,temperature",
      "n,2026-01-02T00:00Z,5",
      "s,2026-01-01T00:00Z,1.5",
      "n,2026-01-01T00:00Z,-3",
      "n,2026-01-03T00:00Z,",
      "s,2026-01-02T00:00Z,1",
    ];
    writeFileSync(join(folder, "readings.csv"), rows.join("\n"));
    await run("secondary-sort.ts", ["readings.csv"], "--output", "rises", "--local");
    expect(output("rises")).toEqual(["n\t2 readings, rise 8.0", "s\t2 readings, rise 0.0"]);
  });

  test("total-order-sort.ts gives one sorted text", async () => {
    await run("total-order-sort.ts", TEXTS, "--output", "sorted", "--reduces", "3", "--local");
    const all = TEXTS.flatMap((path) => linesOf(path));
    expect(output("sorted")).toEqual(
      all.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))),
    );
    expect(readdirSync(join(folder, "sorted")).filter((name) => name.startsWith("part-"))).toHaveLength(3);
  });

  test.skipIf(lacks("python3"))("streaming/*.py count words, as they would on Hadoop", async () => {
    const scripts = ["map", "reduce"].map((part) => join(ROOT, `examples/streaming/word_count_${part}.py`));
    const programs = [
      "-mapper",
      "word_count_map.py",
      "-combiner",
      "word_count_reduce.py",
      "-reducer",
      "word_count_reduce.py",
    ];
    const words = [
      "mr",
      "streaming",
      "--local",
      "-files",
      scripts.join(","),
      "-input",
      ...TEXTS,
      "-output",
      "python",
      ...programs,
    ];
    const { code, stderr } = await quorate(words, folder);
    expect(code, stderr).toBe(0);
    expect(output("python").toSorted()).toEqual(counted(/[\p{L}\p{N}\p{M}_]+/gu));
  });
});

describe.skipIf(lacks("hadoop mapreduce"))(
  "on a real Hadoop the examples write the same files",
  { timeout: TIMEOUT_MS },
  () => {
    test.each([
      ["word-count.ts", 3],
      ["word-count-bytes.ts", 2],
      ["inverted-index.ts", 2],
      ["total-order-sort.ts", 3],
    ])("%s, with %d reduces", async (name, reduces) => {
      const command = [...hadoopCommand(STREAMING), ...localMode(folder)].join(" ");
      const flags = ["--reduces", String(reduces), "--output"];
      await run(name, TEXTS, ...flags, `here-${name}`, "--local");
      await run(
        name,
        TEXTS,
        ...flags,
        `hadoop-${name}`,
        "--on",
        "hadoop",
        "--fs",
        "file:///",
        "--hadoop",
        command,
      );
      for (const file of readdirSync(join(folder, `here-${name}`)))
        expect(textOf(join(folder, `hadoop-${name}`, file)), file).toBe(
          textOf(join(folder, `here-${name}`, file)),
        );
    });

    test("of maps only, compressed", async () => {
      const path = join(folder, "long.ts");
      writeFileSync(path, MAPS_ONLY);
      const command = [...hadoopCommand(STREAMING), ...localMode(folder)].join(" ");
      const inputs = TEXTS.slice(0, 1);
      await run(path, inputs, "--output", "long-here", "--local");
      await run(path, inputs, "--output", "long-hadoop", "--on", "hadoop", "--hadoop", command);
      const [here, there] = ["long-here", "long-hadoop"].map((output) =>
        gunzipSync(readFileSync(join(folder, output, "part-00000.gz"))).toString(),
      );
      expect(there).toBe(here);
      expect(here?.split("\n").length).toBeGreaterThan(10);
    });

    test("what Hadoop Streaming cannot do is refused, with the reason", async () => {
      const words = [
        "mr",
        "run",
        join(ROOT, "examples/secondary-sort.ts"),
        "--input",
        "readings.csv",
        "--output",
        "x",
        "--on",
        "hadoop",
      ];
      const { code, stderr } = await quorate(words, folder);
      expect(code).toBe(1);
      expect(stderr).toMatch(/Hadoop Streaming gives its maps lines: the input format "csv" needs more/);
    });
  },
);
