/**
 * The same words to Hadoop Streaming and to `quorate mr streaming`: the same files, byte for byte. Hadoop runs in its local mode,
 * where sort, merge, partitioners and streaming are those of a cluster.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { lacks } from "../engines.ts";
import { filesOf, hadoop, localMode, quorate, STREAMING, writeFiles } from "./hadoop.ts";

const TIMEOUT_MS = 180_000;
const root = mkdtempSync(join(tmpdir(), "quorate-streaming-"));
afterAll(() => rmSync(root, { recursive: true }));
let runs = 0;

const WORDS = `#!/usr/bin/env python3
import sys
for line in sys.stdin:
    for word in line.split():
        print(word.lower().strip(".,;:!?") + "\\t1")
sys.stderr.write("reporter:counter:words,maps,1\\nreporter:status:done\\n")
`;
const SUM = `#!/usr/bin/env python3
import sys
last, total = None, 0
for line in sys.stdin:
    key, value = line.rstrip("\\n").split("\\t", 1)
    if key != last:
        if last is not None: print(last + "\\t" + str(total))
        last, total = key, 0
    total += int(value)
if last is not None: print(last + "\\t" + str(total))
`;

/** Real text: the license that comes with every copy of this. */
const TEXT = await import("node:fs").then((fs) =>
  fs.readFileSync(join(import.meta.dirname, "../../LICENSE")),
);

interface Case {
  readonly words: readonly string[];
  /** Generic options come first, or Hadoop does not know them. */
  readonly generic?: readonly string[];
  readonly input: string | Buffer;
  readonly inputName?: string;
  readonly files?: Readonly<Record<string, string>>;
}

/** Runs both, and gives what both gave. */
async function alike({
  words,
  generic = [],
  input,
  inputName = "in.txt",
  files = {},
}: Case): Promise<Readonly<Record<string, Buffer>>> {
  const [theirs, ours] = ["hadoop", "quorate"].map((name) => join(root, String(++runs), name));
  const outputs: Readonly<Record<string, Buffer>>[] = [];
  const paths = ["-input", "in", "-output", "out", ...words];
  for (const [directory, run] of [
    [theirs ?? "", () => hadoop(STREAMING, [...localMode(theirs ?? ""), ...generic, ...paths], theirs ?? "")],
    [ours ?? "", () => quorate(["mr", "streaming", "--local", ...generic, ...paths], ours ?? "")],
  ] as const) {
    mkdirSync(join(directory, "in"), { recursive: true });
    writeFiles(join(directory, "in"), { [inputName]: input });
    writeFiles(directory, files);
    const { code, stderr } = await run();
    expect(code, stderr).toBe(0);
    outputs.push(filesOf(join(directory, "out")));
  }
  const [first, second] = outputs;
  expect(second).toEqual(first);
  return first ?? {};
}

function textOf(files: Readonly<Record<string, Buffer>>): string {
  return Object.values(files).join("");
}

describe.skipIf(lacks("hadoop mapreduce", "python3"))(
  "Hadoop Streaming 3.4.2 and ours write the same",
  { timeout: TIMEOUT_MS },
  () => {
    test("of a script for Hadoop that counts the words of real text, with a combiner and three reduces", async () => {
      const files = await alike({
        generic: ["-files", "map.py,sum.py"],
        words: ["-mapper", "map.py", "-combiner", "sum.py", "-reducer", "sum.py", "-numReduceTasks", "3"],
        input: TEXT,
        files: { "map.py": WORDS, "sum.py": SUM },
      });
      expect(Object.keys(files)).toEqual(["_SUCCESS", "part-00000", "part-00001", "part-00002"]);
      expect(textOf(files)).toMatch(/^license\t\d\d$/m);
    });

    test("of lines with every kind of end, bytes that are no text, and none", async () => {
      const odd = Buffer.from("\uFEFFa\tb\nc\r\nd\re\n\n\tx\nlast\x00\xff", "latin1");
      const marked = Buffer.concat([Buffer.from("\uFEFF"), odd]);
      for (const input of [marked, Buffer.alloc(0), Buffer.from("\n")])
        await alike({ words: ["-mapper", "cat", "-reducer", "NONE"], input });
      // Values of one key come in no certain order.
      await alike({ words: ["-mapper", "cat", "-reducer", "sort"], input: marked });
    });

    test("with keys of several fields and separators of several letters", async () => {
      const lines = Array.from({ length: 200 }, (_, at) => `k${at % 7}::${at % 11}::${at}::x\n`).join("");
      for (const [name, value] of [
        ["1", "::"],
        ["2", "::"],
        ["3", ":"],
        ["9", "::"],
      ] as const)
        await alike({
          generic: [
            ["stream.map.output.field.separator", value],
            ["stream.num.map.output.key.fields", name],
            ["stream.reduce.input.field.separator", "|"],
            ["stream.reduce.output.field.separator", "|"],
            ["stream.num.reduce.output.key.fields", "2"],
            ["mapreduce.output.textoutputformat.separator", "=>"],
          ].flatMap(([key, text]) => ["-D", `${key}=${text}`]),
          words: ["-mapper", "cat", "-reducer", "sort", "-numReduceTasks", "2"],
          input: lines,
        });
    });

    test("ordered and parted by parts of their keys", async () => {
      const draw = (at: number): number => Math.imul(at + 1, 2_654_435_761) >>> 0;
      const lines = Array.from({ length: 300 }, (_, at) => {
        const number = (draw(at) % 4001) / 20 - 100;
        return `${"abc"[draw(at) % 3] ?? ""}${draw(at) % 5}.${number.toFixed(at % 3)}.${at}\n`
          .replace(".", "|")
          .replace(/\.(\d+)\n$/, "|$1\n");
      }).join("");
      for (const [order, partition] of [
        ["-k2,2n -k1,1 -k3", "-k1,1"],
        ["-k2,2nr -k3n", "-k1.2,1.2"],
        ["-r", "-k2,3"],
        ["-k1,1r -k3,3nr", "-k9"],
      ])
        await alike({
          generic: [
            "mapreduce.job.output.key.comparator.class=org.apache.hadoop.mapreduce.lib.partition.KeyFieldBasedComparator",
            `mapreduce.partition.keycomparator.options=${order ?? ""}`,
            `mapreduce.partition.keypartitioner.options=${partition ?? ""}`,
            "mapreduce.map.output.key.field.separator=|",
          ].flatMap((property) => ["-D", property]),
          words: [
            "-mapper",
            "cat",
            "-reducer",
            "cat",
            "-numReduceTasks",
            "3",
            "-partitioner",
            "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner",
          ],
          input: lines,
        });
    });

    test("of values that are aggregated", async () => {
      const types = [
        "LongValueSum",
        "LongValueMax",
        "LongValueMin",
        "DoubleValueSum",
        "StringValueMax",
        "StringValueMin",
        "UniqValueCount",
      ];
      const lines = Array.from(
        { length: 400 },
        (_, at) => `${types[at % types.length] ?? ""}:k${at % 5}\t${(at * 37) % 101}\n`,
      );
      const histogram = Array.from(
        { length: 60 },
        (_, at) => `ValueHistogram:h${at % 2}\tv${(at * at) % 9}\n`,
      );
      await alike({
        words: ["-mapper", "cat", "-reducer", "aggregate", "-numReduceTasks", "2"],
        input: [...lines, ...histogram].join(""),
      });
    });

    test("without a mapper, without a reducer, and with lines of keys and values", async () => {
      const input = "one\ttwo\nthree\n\tfour\n".repeat(30);
      await alike({ words: ["-numReduceTasks", "0"], input });
      await alike({ words: ["-mapper", "sed s/^/x/", "-numReduceTasks", "2"], input: "b\na\nc\n" });
      const keyed = ["-inputformat", "KeyValueTextInputFormat"];
      await alike({ words: [...keyed, "-mapper", "sed s/^/x/", "-reducer", "NONE"], input });
      await alike({ words: [...keyed, "-reducer", "sort"], input });
    });

    test("of commands with every kind of quotes", async () => {
      const print = `import sys\nsys.stdin.read()\nprint(sys.argv[1:])\n`;
      for (const rest of [
        `a 'b c' "d e" 'it"s' "it's" x'y z'w '' "" a`,
        `-e "s/a/ b/;s/c$/d" a\\ b 'open end`,
      ])
        await alike({
          generic: ["-files", "args.py"],
          words: ["-mapper", `python3 args.py ${rest}`, "-reducer", "NONE"],
          input: "x\n",
          files: { "args.py": print },
        });
    });

    test("of scripts that read their environment", async () => {
      const names = [
        "mapreduce_task_ismap",
        "mapreduce_task_partition",
        "mapreduce_map_input_start",
        "mapreduce_map_input_length",
        "mapred_task_is_map",
        "mapred_task_partition",
        "map_input_start",
        "map_input_length",
        "mapreduce_job_reduces",
        "mapreduce_job_name",
        "my_own_key_1",
        "stream_num_map_output_key_fields",
        "A",
        "B",
        "C",
        "D",
      ];
      const script = `import os, sys
sys.stdin.read()
for name in ${JSON.stringify(names)}: print(name, os.environ.get(name))
print(os.path.basename(os.environ["mapreduce_map_input_file"]) if "mapreduce_map_input_file" in os.environ else "none")
for name in ("mapreduce_task_id", "mapreduce_task_attempt_id", "mapred_tip_id", "mapred_task_id"): print(os.environ[name].split("_")[3:])
print(os.environ["mapreduce_task_output_dir"].split("_")[-3:])
`;
      const generic = [
        "-D",
        "mapreduce.job.name=my job",
        "-D",
        "my.own-key/1=x y",
        "-D",
        "stream.num.map.output.key.fields=2",
        "-files",
        "env.py",
      ];
      const added = ["-cmdenv", "A=1", "-cmdenv", "B=x=y C=3", "-cmdenv", "D=a b"];
      await alike({
        generic,
        words: ["-mapper", "python3 env.py", "-reducer", "NONE", ...added],
        input: "x\n",
        files: { "env.py": script },
      });
    });

    test("that pass as typed and as raw bytes", async () => {
      const typed = `import sys, struct
read = sys.stdin.buffer.read
def part():
    code = read(1)
    if not code: return None
    if code == b"\\x04": return struct.unpack(">q", read(8))[0]
    return read(struct.unpack(">i", read(4))[0])
def text(b): return b"\\x07" + struct.pack(">i", len(b)) + b
out = sys.stdout.buffer
while True:
    key = part()
    if key is None: break
    line = part()
    out.write(text(line) + b"\\x04" + struct.pack(">q", key))
    out.write(b"\\x03" + struct.pack(">i", len(line)) + b"\\x06" + struct.pack(">d", key / 7))
    out.write(b"\\x09" + text(b"a") + b"\\x02\\x01\\xff" + b"\\x0a" + struct.pack(">i", 1) + text(b"k") + b"\\x01\\xfe")
    out.write(b"\\x05" + struct.pack(">f", key / 3) + b"\\x08" + struct.pack(">i", 2) + text(b"x") + text(b"y"))
`;
      await alike({
        generic: ["-files", "typed.py"],
        words: ["-io", "typedbytes", "-mapper", "python3 typed.py", "-reducer", "NONE"],
        input: "one\ntwo words\n",
        files: { "typed.py": typed },
      });
      const raw = `import sys, struct
out = sys.stdout.buffer
for line in sys.stdin.buffer:
    line = line.rstrip(b"\\n")
    for part in (line, bytes(reversed(line))): out.write(struct.pack(">i", len(part)) + part)
`;
      await alike({
        generic: ["-D", "stream.map.output=rawbytes", "-files", "raw.py"],
        words: ["-mapper", "python3 raw.py", "-reducer", "cat", "-numReduceTasks", "2"],
        input: "one\ntwo\nthree\nfour\n",
        files: { "raw.py": raw },
      });
    });

    test("of tasks that write nothing, of reduces that get nothing, and lazily", async () => {
      await alike({
        words: ["-mapper", "cat", "-reducer", `sh -c "cat; echo end"`, "-numReduceTasks", "4"],
        input: "a\nb\n",
      });
      await alike({
        words: ["-mapper", "cat", "-reducer", "cat", "-numReduceTasks", "4", "-lazyOutput"],
        input: "a\n",
      });
    });

    test("when a mapper reads only the beginning of a little", async () => {
      await alike({ words: ["-mapper", "head -n 1", "-reducer", "NONE"], input: "a\nb\nc\n" });
      await alike({
        generic: ["-D", "stream.non.zero.exit.is.failure=false"],
        words: ["-mapper", `sh -c "cat; exit 3"`, "-reducer", "NONE"],
        input: "a\n",
      });
    });

    test("of input that is compressed", async () => {
      await alike({
        words: ["-mapper", "cat", "-reducer", "uniq -c"],
        input: gzipSync("b\na\nb\n"),
        inputName: "in.txt.gz",
      });
    });
  },
);

describe.skipIf(lacks("hadoop mapreduce"))("Hadoop Streaming 3.4.2 and ours", { timeout: TIMEOUT_MS }, () => {
  test("compress the same output into files of the same names", async () => {
    const generic = [
      "mapreduce.output.fileoutputformat.compress=true",
      "mapreduce.output.fileoutputformat.compress.codec=org.apache.hadoop.io.compress.GzipCodec",
    ].flatMap((property) => ["-D", property]);
    const words = [
      "-input",
      "in",
      "-output",
      "out",
      "-mapper",
      "cat",
      "-reducer",
      "uniq -c",
      "-numReduceTasks",
      "2",
    ];
    const outputs: unknown[] = [];
    for (const name of ["hadoop", "quorate"]) {
      const directory = join(root, "gzip", name);
      writeFiles(join(directory, "in"), { a: "b\na\nb\nc\n" });
      const { code, stderr } =
        name === "hadoop"
          ? await hadoop(STREAMING, [...localMode(directory), ...generic, ...words], directory)
          : await quorate(["mr", "streaming", "--local", ...generic, ...words], directory);
      expect(code, stderr).toBe(0);
      const files = Object.entries(filesOf(join(directory, "out")));
      outputs.push(
        files.map(([file, bytes]) => [file, file.endsWith(".gz") ? gunzipSync(bytes).toString() : ""]),
      );
    }
    expect(outputs[1]).toEqual(outputs[0]);
  });

  test.each([
    ["ends badly", ["-mapper", `sh -c "exit 3"`, "-reducer", "NONE"]],
    ["is not there", ["-mapper", "no-such-program", "-reducer", "NONE"]],
    ["reads only the beginning of much", ["-mapper", "head -n 1", "-reducer", "NONE"]],
  ])("fail when a mapper %s", async (_name, words) => {
    const input = `${"x".repeat(99)}\n`.repeat(20_000);
    for (const name of ["hadoop", "quorate"]) {
      const directory = join(root, `fails-${++runs}`, name);
      writeFiles(join(directory, "in"), { a: input });
      const all = ["-input", "in", "-output", "out", ...words];
      const { code } =
        name === "hadoop"
          ? await hadoop(STREAMING, [...localMode(directory), ...all], directory)
          : await quorate(["mr", "streaming", "--local", ...all], directory);
      expect(code, name).not.toBe(0);
    }
  });
});
