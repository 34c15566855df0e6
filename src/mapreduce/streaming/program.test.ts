/** Streaming jobs as tasks, in processes of their own. What real Hadoop does with the same scripts: test/mapreduce. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { JobSettings, JobSpec } from "../job-spec.ts";
import type { DoneEnd } from "../task/job-bench.testing.ts";
import { JobBench, assertDone } from "../task/job-bench.testing.ts";
import type { TaskEnd } from "../task/task-process.ts";
import type { StreamingProgram } from "./settings.ts";

interface Given {
  readonly program: Partial<StreamingProgram> & { readonly mapper: string };
  readonly properties?: Readonly<Record<string, string>>;
  readonly settings?: Partial<JobSettings>;
}

class StreamBench {
  readonly bench: JobBench;
  readonly log: string;

  constructor({ program, properties = {}, settings = {} }: Given) {
    const change: Partial<JobSpec> = {
      program: { type: "streaming", environment: {}, ...program },
      properties,
    };
    this.bench = new JobBench("", settings, change);
    this.log = join(this.bench.directory, "log");
  }

  map(text: string | Buffer): Promise<TaskEnd> {
    const path = this.bench.write("input", text);
    return this.bench.map(this.bench.wholeSplit(path), 0, { log: this.log });
  }

  /** One map and all reduces; the output by file. */
  async run(
    text: string | Buffer,
  ): Promise<{ readonly files: readonly string[]; readonly ends: readonly DoneEnd[] }> {
    const mapped = await this.map(text);
    assertDone(mapped);
    const { reduces } = this.bench.spec.settings;
    if (reduces === 0) return { files: [this.file("part-00000")], ends: [mapped] };
    const ends: DoneEnd[] = [mapped];
    for (let partition = 0; partition < reduces; partition++) {
      const reduced = await this.bench.reduce(partition, [this.bench.source(0, 0)], { log: this.log });
      assertDone(reduced);
      ends.push(reduced);
    }
    return { files: Array.from({ length: reduces }, (_, at) => this.file(`part-0000${at}`)), ends };
  }

  file(name: string): string {
    return readFileSync(join(this.bench.spec.output, name), "utf8");
  }

  logText(): string {
    return existsSync(this.log) ? readFileSync(this.log, "utf8") : "";
  }
}

const NONE = { settings: { reduces: 0 } };

describe("a streaming job", () => {
  test("counts words with programs of the machine", async () => {
    const bench = new StreamBench({ program: { mapper: "tr ' ' '\n'", reducer: "uniq -c" } });
    const { files, ends } = await bench.run("to be or\nnot to be\n");
    // Lines without a tab are keys: the tab that parts them from their value is there all the same.
    expect(files).toEqual(["      2 be\t\n      1 not\t\n      1 or\t\n      2 to\t\n"]);
    expect(ends[0]?.counters["Task"]).toMatchObject({ MAP_INPUT_RECORDS: 2, MAP_OUTPUT_RECORDS: 6 });
    expect(ends[1]?.counters["Task"]).toMatchObject({ REDUCE_INPUT_RECORDS: 6, REDUCE_INPUT_GROUPS: 4 });
  });

  test("combines what a map wrote before it travels", async () => {
    const sum = `awk -F '\t' '{n[$1]+=$2} END {for (w in n) print w "\t" n[w]}'`;
    const program = { mapper: "sed 's/$/\t1/'", combiner: sum, reducer: sum };
    const { files, ends } = await new StreamBench({ program }).run("b\na\nb\na\na\n");
    expect(files[0]?.split("\n").toSorted()).toEqual(["", "a\t3", "b\t2"]);
    expect(ends[1]?.counters["Task"]).toMatchObject({ REDUCE_INPUT_RECORDS: 2 });
  });

  test("of maps only writes what they write, in their order", async () => {
    const { files } = await new StreamBench({ program: { mapper: "cat", reducer: "NONE" }, ...NONE }).run(
      "b\tx\na\n\r\nc\rd",
    );
    expect(files).toEqual(["b\tx\na\t\n\t\nc\t\nd\t\n"]);
  });

  test("cuts keys as it is told, and hands them on with the separators it is told", async () => {
    const properties = {
      "stream.map.output.field.separator": ".",
      "stream.num.map.output.key.fields": "2",
      "stream.reduce.input.field.separator": "|",
      "stream.reduce.output.field.separator": "=",
      "mapreduce.output.textoutputformat.separator": ";",
    };
    const program = { mapper: "cat", reducer: "sed 's/|/=/'" };
    const { files } = await new StreamBench({ program, properties }).run("b.2.x.y\na.1\na.1.z\n");
    expect(files).toEqual(["a.1;z\na.1;\nb.2;x.y\n".split("\n").toSorted().join("\n").trim() + "\n"]);
  });

  test("orders keys by parts of them, and parts them by others", async () => {
    const properties = {
      "mapreduce.job.output.key.comparator.class":
        "org.apache.hadoop.mapreduce.lib.partition.KeyFieldBasedComparator",
      "mapreduce.partition.keycomparator.options": "-k2,2nr",
      "mapreduce.partition.keypartitioner.options": "-k1,1",
      "stream.num.map.output.key.fields": "2",
    };
    const program = {
      mapper: "cat",
      reducer: "cat",
      partitioner: "org.apache.hadoop.mapred.lib.KeyFieldBasedPartitioner",
    };
    const { files } = await new StreamBench({ program, properties, settings: { reduces: 2 } }).run(
      "a\t9\nb\t1\na\t10\na\t100\nb\t20\n",
    );
    // "a" is 97 and goes to the second, "b" to the first.
    expect(files).toEqual(["b\t20\t\nb\t1\t\n", "a\t100\t\na\t10\t\na\t9\t\n"]);
  });

  test("puts values together without a reducer of its own", async () => {
    const program = { mapper: "sed 's/.*/LongValueSum:&\t1/'", reducer: "aggregate" };
    const { files, ends } = await new StreamBench({ program }).run("x\ny\nx\n");
    expect(files).toEqual(["x\t2\ny\t1\n"]);
    expect(ends[1]?.counters["Task"]).toMatchObject({ REDUCE_INPUT_RECORDS: 2 });
  });

  test("without a mapper gives the reduces positions and lines, in order of the numbers", async () => {
    const identity = "org.apache.hadoop.mapred.lib.IdentityMapper";
    const { files } = await new StreamBench({ program: { mapper: identity, reducer: "cat" } }).run(
      "x\n".repeat(6),
    );
    expect(files).toEqual(["0\tx\n2\tx\n4\tx\n6\tx\n8\tx\n10\tx\n"]);
    const mapsOnly = await new StreamBench({ program: { mapper: identity, reducer: "NONE" }, ...NONE }).run(
      "a\nb\n",
    );
    expect(mapsOnly.files).toEqual(["0\ta\n2\tb\n"]);
  });

  test("gives key and value of lines that have both", async () => {
    const program = { mapper: "sed 's/^/>/'", reducer: "NONE", inputFormat: "KeyValueTextInputFormat" };
    const { files } = await new StreamBench({ program, ...NONE }).run("k\tv\nalone\n");
    expect(files).toEqual([">k\tv\n>alone\t\n"]);
  });

  test("leaves the mark of UTF-8 out of the first line", async () => {
    const { files } = await new StreamBench({ program: { mapper: "cat", reducer: "NONE" }, ...NONE }).run(
      "\uFEFFa\n\uFEFFb\n",
    );
    expect(files).toEqual(["a\t\n\uFEFFb\t\n"]);
  });

  test("takes bytes that are no text", async () => {
    const bytes = Buffer.from([0xff, 0x00, 0xc3, 0x28, 10]);
    const bench = new StreamBench({ program: { mapper: "cat", reducer: "cat" } });
    await bench.run(bytes);
    expect(readFileSync(join(bench.bench.spec.output, "part-00000"))).toEqual(
      Buffer.from([0xff, 0x00, 0xc3, 0x28, 9, 10]),
    );
  });

  test("passes records as typed bytes to who asks for them", async () => {
    const script = `import sys, struct
def part():
    code = sys.stdin.buffer.read(1)
    if not code: return None
    return struct.unpack('>q', sys.stdin.buffer.read(8))[0] if code == b'\\x04' else sys.stdin.buffer.read(struct.unpack('>i', sys.stdin.buffer.read(4))[0])
while True:
    key = part()
    if key is None: break
    word = part()
    sys.stdout.buffer.write(b'\\x07' + struct.pack('>i', len(word)) + word + b'\\x03' + struct.pack('>i', key))
`;
    const bench = new StreamBench({
      program: { mapper: "python3 ../typed.py", reducer: "NONE", io: "typedbytes" },
      ...NONE,
    });
    writeFileSync(join(bench.bench.directory, "typed.py"), script);
    expect((await bench.run("ab\ncde\n")).files).toEqual(["ab\t0\ncde\t3\n"]);
  });

  test("writes no file for a task that wrote nothing, when it is told", async () => {
    const lazy = { mapper: "true", reducer: "NONE", lazyOutput: true };
    const mapped = await new StreamBench({ program: lazy, ...NONE }).map("a\n");
    expect(mapped).toMatchObject({ type: "done", files: [] });
    const eager = await new StreamBench({ program: { ...lazy, lazyOutput: false }, ...NONE }).map("a\n");
    expect(eager).toMatchObject({ type: "done", files: [{ name: "part-00000", bytes: 0 }] });
  });

  test("compresses its output when it is told", async () => {
    const properties = {
      "mapreduce.output.fileoutputformat.compress": "true",
      "mapreduce.output.fileoutputformat.compress.codec": "org.apache.hadoop.io.compress.GzipCodec",
    };
    const mapped = await new StreamBench({
      program: { mapper: "cat", reducer: "NONE" },
      properties,
      ...NONE,
    }).map("a\n");
    expect(mapped).toMatchObject({ type: "done", files: [{ name: "part-00000.gz" }] });
  });
});

describe("what an executable says", () => {
  test("counts, tells its status, and the rest is in the log", async () => {
    const script = `echo reporter:counter:words,long,3 >&2; echo reporter:counter:words,long,4 >&2; echo reporter:counter:bad >&2; echo hello >&2; cat`;
    const bench = new StreamBench({ program: { mapper: `sh -c "${script}"`, reducer: "NONE" }, ...NONE });
    const { ends } = await bench.run("a\n");
    expect(ends[0]?.counters["words"]).toEqual({ long: 7 });
    expect(bench.logText()).toBe("not understood: reporter:counter:bad\nhello\n");
  });

  test("of a reducer with nothing to read counts for nothing", async () => {
    const program = {
      mapper: "cat",
      reducer: `sh -c "echo reporter:counter:a,b,1 >&2; echo here >&2; echo output"`,
    };
    const bench = new StreamBench({ program });
    const { files, ends } = await bench.run("");
    expect(files).toEqual([""]);
    expect(ends[1]?.counters["a"]).toBeUndefined();
    expect(bench.logText()).toContain("here");
  });

  test("finds its environment", async () => {
    const names = [
      "task_id",
      "task_attempt_id",
      "task_partition",
      "task_ismap",
      "map_input_start",
      "map_input_length",
      "job_id",
    ];
    const variables = [
      ...names.map((name) => `mapreduce_${name}`),
      "mapred_task_id",
      "own_key",
      "GIVEN",
      "QUORATE_X",
    ];
    process.env["QUORATE_X"] = "secret";
    const bench = new StreamBench({
      program: {
        mapper: `sh -c "for n in ${variables.join(" ")}; do eval echo $n=\\$$n; done; basename $mapreduce_map_input_file; test $TMPDIR = $PWD && echo home"`,
        reducer: "NONE",
        environment: { GIVEN: "yes" },
      },
      properties: { "own.key": "1" },
      ...NONE,
    });
    const { files } = await bench.run("abc\n");
    delete process.env["QUORATE_X"];
    expect(files[0]?.replaceAll("\t\n", "\n").trim().split("\n")).toEqual([
      "mapreduce_task_id=task_20261125_0001_m_000000",
      "mapreduce_task_attempt_id=attempt_20261125_0001_m_000000_0",
      "mapreduce_task_partition=0",
      "mapreduce_task_ismap=true",
      "mapreduce_map_input_start=0",
      "mapreduce_map_input_length=4",
      "mapreduce_job_id=job_20261125_0001",
      "mapred_task_id=attempt_20261125_0001_m_000000_0",
      "own_key=1",
      "GIVEN=yes",
      "QUORATE_X=",
      "input",
      "home",
    ]);
  });
});

describe("an attempt fails", () => {
  const failed = (message: RegExp): object => ({
    type: "failed",
    message: expect.stringMatching(message) as string,
  });

  test("when its executable ends with another code than 0, and says what it said last", async () => {
    const program = { mapper: `sh -c "cat >/dev/null; echo KeyError: x >&2; exit 3"`, reducer: "NONE" };
    expect(await new StreamBench({ program, ...NONE }).map("a\n")).toMatchObject(
      failed(/ended with code 3: KeyError: x/),
    );
    const properties = { "stream.non.zero.exit.is.failure": "false" };
    expect(await new StreamBench({ program, properties, ...NONE }).map("a\n")).toMatchObject({
      type: "done",
    });
  });

  test("when its executable is not there", async () => {
    const program = { mapper: "no-such-mapper", reducer: "NONE" };
    expect(await new StreamBench({ program, ...NONE }).map("a\n")).toMatchObject(
      failed(/"no-such-mapper" cannot be started/),
    );
  });

  test("when its executable reads no more though there is much more", async () => {
    const program = { mapper: "head -n 1", reducer: "NONE" };
    const text = `${"x".repeat(99)}\n`.repeat(20_000);
    expect(await new StreamBench({ program, ...NONE }).map(text)).toMatchObject(
      failed(/before it had read all of its input/),
    );
    // Of the last 128 KiB nobody minds, as in Hadoop.
    const few = new StreamBench({ program, ...NONE });
    expect((await few.run("a\nb\nc\n")).files).toEqual(["a\t\n"]);
    const properties = { "stream.minRecWrittenToEnableSkip_": "1" };
    expect(await new StreamBench({ program, properties, ...NONE }).map(text)).toMatchObject({ type: "done" });
  });

  test("when its combiner fails", async () => {
    const program = { mapper: "cat", combiner: `sh -c "echo broken >&2; exit 4"`, reducer: "cat" };
    expect(await new StreamBench({ program }).map("a\n")).toMatchObject(
      failed(/the combiner .* ended with code 4: broken/),
    );
  });

  test("when it counts what cannot be counted", async () => {
    const program = { mapper: `sh -c "echo reporter:counter:Task,X,1 >&2; sleep 60"`, reducer: "NONE" };
    expect(await new StreamBench({ program, ...NONE }).map("a\n")).toMatchObject(
      failed(/"Task" are the system's/),
    );
  });

  test.runIf(process.platform === "linux")(
    "when its executables hold more memory than they may",
    async () => {
      const hog = `node -e "const held = []; setInterval(() => held.push(Buffer.alloc(1 << 27, 1)), 10)"`;
      const ended = await new StreamBench({
        program: { mapper: `sh -c '${hog}'`, reducer: "NONE" },
        ...NONE,
      }).map("a\n");
      expect(ended).toMatchObject(failed(/the executables hold \d+ MiB, more than 1024 MiB/));
    },
  );

  test("when it is asked for what is not there", async () => {
    for (const [program, message] of [
      [
        { mapper: "cat", inputFormat: "SequenceFileInputFormat" },
        /-inputformat SequenceFileInputFormat is not there/,
      ],
      [{ mapper: "cat", partitioner: "com.example.Mine" }, /-partitioner com.example.Mine is not there/],
    ] as const)
      expect(await new StreamBench({ program }).map("a\n")).toMatchObject(failed(message));
  });
});

test(
  "an executable that writes more than it is given, and one that writes less, come to their end",
  { timeout: 60_000 },
  async () => {
    const text = `${"word ".repeat(40)}\n`.repeat(20_000);
    const more = new StreamBench({
      program: { mapper: `awk '{for (i = 0; i < 8; i++) print}'`, reducer: "wc -l" },
    });
    expect((await more.run(text)).files).toEqual(["160000\t\n"]);
    const less = new StreamBench({ program: { mapper: `awk 'END {print NR}'`, reducer: "cat" } });
    expect((await less.run(text)).files).toEqual(["20000\t\n"]);
  },
);

test("what an executable started is gone when its attempt is", async () => {
  const bench = new StreamBench({
    program: { mapper: `sh -c "sleep 300 >/dev/null 2>&1 & echo $!; cat"`, reducer: "NONE" },
    ...NONE,
  });
  const { files } = await bench.run("a\n");
  const pid = Number(files[0]?.split("\t")[0]);
  await expect.poll(() => isRunning(pid)).toBe(false);
});

function isRunning(pid: number): boolean {
  try {
    // A process that nobody has waited for yet is no more.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
