/** Programs that count words and sort records: ours, and those it stands beside, each as its users would run it. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { quorateLeader, startQuorate } from "../engines.ts";
import { until } from "../processes.ts";
import { withEngines } from "../suites.ts";

export interface Work {
  readonly input: string;
  /** Where the output goes: a directory that is not there yet. */
  readonly output: string;
  /** For what is put aside meanwhile. */
  readonly temporary: string;
}

export interface Contender {
  readonly label: string;
  /** Another engine that may be broken on this machine: it is left out then, and the others are measured. */
  readonly optional?: true;
  /** What else is told of the run: counters. */
  run(work: Work): Promise<Readonly<Record<string, number>>>;
}

const MAIN = resolve(import.meta.dirname, "../../cli/main.js");
const CLIENTS =
  process.env["QUORATE_CLIENTS"] ??
  resolve(import.meta.dirname, "../../../node_modules/.cache/quorate-clients");
const HADOOP = join(CLIENTS, "hadoop-mapreduce-3.4.2");
const PYSPARK = join(CLIENTS, "pyspark");
const READY_MS = 30_000;
/** A program that takes longer has hung. */
const RUN_MAX_MS = 20 * 60_000;
/** What a sort in memory may take, as two of our tasks may. */
const SORT_MEMORY = "512M";

const JOBS = {
  strings: `import { codec, input, job, output, sum } from "quorate/mapreduce";
export default job({
  input: input.textLines(), key: codec.text, value: codec.integer,
  map(line, out) { for (const word of line.split(" ")) out.emit(word, 1); },
  reduce: sum, output: output.keyValue(),
});`,
  bytes: `import { codec, input, job, output, sum } from "quorate/mapreduce";
export default job({
  input: input.textLines(), key: codec.text, value: codec.integer,
  mapBytes(bytes, start, end, out) {
    let from = start;
    for (let at = start; at < end; at++)
      if (bytes[at] === 32) { out.emit(bytes, from, at, 1); from = at + 1; }
    if (end > from) out.emit(bytes, from, end, 1);
  },
  reduce: sum, output: output.keyValue(),
});`,
  sort: `import { codec, identity, input, job, output } from "quorate/mapreduce";
export default job({
  input: input.textLines(), key: codec.text, value: codec.text, totalOrder: true,
  mapBytes: (bytes, start, end, out) => out.emitBytes(bytes, start, start + 10, start + 10, end),
  reduce: identity, output: output.keyValue({ separator: "" }),
});`,
} as const;

export type JobName = keyof typeof JOBS;

/** A job on this machine. `flags`: such as `--slots 1`. `cores`: which it may use, as `taskset -c` takes them; default all. */
export function quorate(label: string, name: JobName, flags: readonly string[], cores?: string): Contender {
  return {
    label,
    async run({ input, output, temporary }) {
      const path = join(temporary, `${name}.ts`);
      writeFileSync(path, JOBS[name]);
      const words = ["mr", "run", path, "--input", input, "--output", output, "--local", "--json", ...flags];
      const command = [...(cores === undefined ? [] : ["taskset", "-c", cores]), process.execPath];
      const [program = "", ...first] = command;
      const said = await finish(program, [...first, MAIN, ...words], { TMPDIR: temporary });
      return endOf(said).counters?.["Task"] ?? {};
    },
  };
}

export interface Start {
  readonly toTaskMs: number;
  readonly toEndMs: number;
}

/** Small jobs one after the other on a cluster of three, by its own clock. The first does not count. */
export async function startsOnCluster(
  folder: string,
  input: string,
  runs: number,
): Promise<readonly Start[]> {
  return withEngines(async (_, own) => {
    const engine = await own(startQuorate(join(folder, "cluster"), 3));
    const leader = await until("a leader", READY_MS, () => quorateLeader(engine.port));
    const fs = `webhdfs://${leader.http}`;
    await until("files", READY_MS, () =>
      finish(process.execPath, [MAIN, "fs", "--fs", fs, "-put", "-f", input, "/small.txt"]),
    );
    const path = join(folder, "start.ts");
    writeFileSync(path, JOBS.strings);
    const starts: Start[] = [];
    for (let run = 0; run < runs; run++) {
      const words = [
        "mr",
        "run",
        path,
        "--fs",
        fs,
        "--input",
        "/small.txt",
        "--output",
        `/out-${run}`,
        "--json",
      ];
      const said = await finish(process.execPath, [MAIN, ...words]);
      const { submittedMs, startedMs, endedMs } = endOf(said);
      if (run > 0) starts.push({ toTaskMs: startedMs - submittedMs, toEndMs: endedMs - submittedMs });
    }
    return starts;
  });
}

interface End {
  readonly counters?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly submittedMs: number;
  readonly startedMs: number;
  readonly endedMs: number;
}

/** The last line of JSON. */
function endOf(said: string): End {
  return JSON.parse(said.trimEnd().split("\n").at(-1) ?? "{}") as End;
}

/** A line of shell, in the C locale; \`$IN\`, \`$OUT\` (a file) and \`$TMPDIR\` are there. */
function shell(label: string, line: string): Contender {
  return {
    label,
    async run({ input, output, temporary }) {
      const OUT = join(output, "part-0");
      await finish("sh", ["-c", `mkdir "${output}" && ${line}`], {
        LC_ALL: "C",
        IN: input,
        OUT,
        TMPDIR: temporary,
      });
      return {};
    },
  };
}

export const MAWK: Contender = shell(
  "mawk",
  `mawk '{ for (at = 1; at <= NF; at++) count[$at]++ } END { for (word in count) print word "\\t" count[word] }' "$IN" > "$OUT"`,
);
export const COREUTILS: Contender = shell(
  "tr, sort, uniq -c",
  `tr -s ' ' '\\n' < "$IN" | sort --parallel=2 -S ${SORT_MEMORY} | uniq -c > "$OUT"`,
);
export const GNU_SORT: Contender = shell(
  "GNU sort --parallel=2",
  `sort --parallel=2 -S ${SORT_MEMORY} "$IN" > "$OUT"`,
);

/** Hadoop's own word count, in its local mode with two maps at a time. Undefined: it is not here. */
export function hadoopWordCount(): Contender | undefined {
  if (!existsSync(HADOOP) || spawnSync("java", ["-version"]).status !== 0) return undefined;
  const jars = readdirSync(HADOOP).map((name) => join(HADOOP, name));
  return {
    label: "Hadoop 3.4.2, local mode",
    optional: true,
    async run({ input, output, temporary }) {
      const settings = [
        "mapreduce.framework.name=local",
        "mapreduce.local.map.tasks.maximum=2",
        `hadoop.tmp.dir=${temporary}/hadoop`,
      ];
      await finish("java", [
        "-Xmx2g",
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "-cp",
        jars.join(":"),
        "org.apache.hadoop.examples.ExampleDriver",
        "wordcount",
        ...settings.flatMap((each) => ["-D", each]),
        input,
        output,
      ]);
      return {};
    },
  };
}

/** Spark's word count on two threads of this machine. Undefined: it is not here. */
export function sparkWordCount(): Contender | undefined {
  const environment = { PYTHONPATH: PYSPARK };
  if (
    spawnSync("python3", ["-c", "import pyspark"], { env: { ...process.env, ...environment } }).status !== 0
  )
    return undefined;
  const script = `import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.driver.memory", "2g").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
lines = spark.read.text(sys.argv[1])
from pyspark.sql.functions import concat_ws, explode, split, col
words = lines.select(explode(split("value", " ")).alias("word")).where("word != ''").groupBy("word").count()
words.select(concat_ws("\\t", col("word"), col("count").cast("string"))).write.text(sys.argv[2])
spark.stop()
`;
  return {
    label: "Spark local[2]",
    optional: true,
    async run({ input, output, temporary }) {
      const path = join(temporary, "count.py");
      writeFileSync(path, script);
      await finish("python3", [path, input, output], environment);
      return {};
    },
  };
}

/** Runs it to its end; gives its standard output. Rejects with the end of what it complained about. */
async function finish(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(command, args, {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: RUN_MAX_MS,
    killSignal: "SIGKILL",
  });
  let [said, complained] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stderr
    .setEncoding("utf8")
    .on("data", (text: string) => (complained = (complained + text).slice(-4000)));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${complained}`);
  return said;
}
