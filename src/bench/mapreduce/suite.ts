/** MapReduce on this machine beside what else counts words and sorts: in turn, every output checked, ratios of the same round. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  readFileSync,
  appendFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { median } from "../latency.ts";
import type { Finding, Measurement } from "../page.ts";
import { figure } from "../plot.ts";
import type { Extent } from "../suites.ts";
import type { Contender } from "./contenders.ts";
import {
  COREUTILS,
  GNU_SORT,
  hadoopWordCount,
  MAWK,
  quorate,
  sparkWordCount,
  startsOnCluster,
} from "./contenders.ts";
import { writeRecords, writeZipfText } from "./texts.ts";
import { checkCounts, checkSorted, partsOf, sumOf } from "./verdict.ts";

const GIB = 1024 ** 3;
/** Each run is long: more rounds tell no more. */
const ROUNDS_MAX = 3;
const MB = 1e6;

interface Timed {
  readonly label: string;
  readonly seconds: readonly number[];
  readonly counters: Readonly<Record<string, number>>;
}

export interface MapReduceReport {
  readonly measurement: (measurement: Measurement) => void;
  readonly finding: (finding: Finding) => void;
}

export async function mapReduce(extent: Extent, report: MapReduceReport): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "quorate-bench-mr-"));
  try {
    const rounds = Math.min(extent.rounds, ROUNDS_MAX);
    const bytes = Math.max(1024 * 1024, Math.round(GIB * extent.scale));
    await generatedText(folder, bytes, rounds, report);
    await realText(folder, bytes, rounds, report);
    await sorting(folder, bytes, rounds, report);
    await smallJob(folder, report);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function generatedText(
  folder: string,
  bytes: number,
  rounds: number,
  report: MapReduceReport,
): Promise<void> {
  const input = join(folder, "zipf.txt");
  const expected = writeZipfText(input, bytes);
  const size = statSync(input).size;
  const contenders = [
    quorate("Quorate, bytes", "bytes", ["--reduces", "2"]),
    quorate("Quorate, strings", "strings", ["--reduces", "2"]),
    MAWK,
    COREUTILS,
    ...[hadoopWordCount(), sparkWordCount()].filter((each) => each !== undefined),
  ];
  const timed = await alternate(folder, input, contenders, rounds, (output) =>
    checkCounts(partsOf(output), expected),
  );
  const distinct = expected.size.toLocaleString("en-US");
  report.measurement(
    measurementOf(
      `Word count, ${mebibytes(size)} of generated text`,
      `${distinct} distinct words, Zipf; two tasks at a time; every output is compared with the exact counts.`,
      size,
      timed,
    ),
  );
  for (const { label, counters } of timed.slice(0, 2))
    report.finding({
      title: `Word count, ${mebibytes(size)}: spilled and shuffled`,
      engine: label,
      result: bytesText(counters),
    });
  const one = await alternate(
    folder,
    input,
    [
      quorate("two tasks on two cores", "bytes", ["--reduces", "2", "--slots", "2"], "0,1"),
      // One task that is not kept to a core also uses the other one: against that, two were 1.63 times as fast.
      quorate("one on one", "bytes", ["--reduces", "2", "--slots", "1"], "0"),
    ],
    rounds,
    (output) => checkCounts(partsOf(output), expected),
  );
  report.finding({
    title: "Two tasks on two cores in place of one on one, word count by bytes",
    engine: "Quorate",
    result: `${ratioOf(one[1], one[0]).toFixed(2)} times (goal 1.7)`,
  });
  rmSync(input);
}

/**
 * What lies about on every machine that runs this: the texts of the packages that it depends on, as often one after the other
 * as `bytes` asks for.
 */
async function realText(
  folder: string,
  bytes: number,
  rounds: number,
  report: MapReduceReport,
): Promise<void> {
  const input = join(folder, "real.txt");
  writeFileSync(input, "");
  const expected = new Map<string, number>();
  const modules = resolve(import.meta.dirname, "../../../node_modules");
  const names = readdirSync(modules, { recursive: true, encoding: "utf8" });
  for (const name of names.filter((each) => /\.(md|d\.ts|[cm]?js)$/.test(each)).toSorted()) {
    const path = join(modules, name);
    if (!statSync(path).isFile()) continue;
    const words =
      readFileSync(path, "latin1")
        .toLowerCase()
        .match(/[a-z]+/g) ?? [];
    for (const word of words) expected.set(word, (expected.get(word) ?? 0) + 1);
    if (words.length > 0) appendFileSync(input, `${words.join(" ").replaceAll(/(.{60,90}) /g, "$1\n")}\n`);
  }
  const text = readFileSync(input);
  const times = Math.max(1, Math.ceil(bytes / text.length));
  for (let more = 1; more < times; more++) appendFileSync(input, text);
  for (const [word, count] of expected) expected.set(word, count * times);
  const size = statSync(input).size;
  const contenders = [
    quorate("Quorate, bytes", "bytes", ["--reduces", "2"]),
    quorate("Quorate, strings", "strings", ["--reduces", "2"]),
    MAWK,
    COREUTILS,
  ];
  const timed = await alternate(folder, input, contenders, rounds, (output) =>
    checkCounts(partsOf(output), expected),
  );
  report.measurement(
    measurementOf(
      `Word count, ${mebibytes(size)} of real text`,
      `Words of letters in the Markdown, types and code of this project's dependencies, ${expected.size.toLocaleString("en-US")} distinct, ${times} times over.`,
      size,
      timed,
    ),
  );
  rmSync(input);
}

async function sorting(
  folder: string,
  bytes: number,
  rounds: number,
  report: MapReduceReport,
): Promise<void> {
  const input = join(folder, "records.txt");
  writeRecords(input, bytes);
  const size = statSync(input).size;
  const expected = await sumOf(input);
  const contenders = [quorate("Quorate, total order", "sort", ["--reduces", "2"]), GNU_SORT];
  const timed = await alternate(folder, input, contenders, rounds, async (output) => {
    const { records, sum } = await checkSorted(partsOf(output));
    if (records !== expected.records || sum !== expected.sum)
      throw new Error(`${records} records in place of ${expected.records}, or others`);
  });
  report.measurement(
    measurementOf(
      `Sort, ${mebibytes(size)} of 100-byte records`,
      "Ten random bytes of key; our files in their order are one sorted text; order and content are checked. The same memory for both: 512 MiB.",
      size,
      timed,
    ),
  );
  report.finding({
    title: `Sort, ${mebibytes(size)}: spilled and shuffled`,
    engine: "Quorate",
    result: bytesText(timed[0]?.counters ?? {}),
  });
  rmSync(input);
}

async function smallJob(folder: string, report: MapReduceReport): Promise<void> {
  const input = join(folder, "small.txt");
  writeFileSync(input, "to be or not to be\n");
  const timed = await alternate(
    folder,
    input,
    [quorate("Quorate", "strings", [])],
    ROUNDS_MAX,
    async () => undefined,
  );
  const ms = median(timed[0]?.seconds ?? []) * 1000;
  report.finding({
    title:
      "A job of one line on this machine, from the command to its end (Node.js, bundling, two task processes)",
    engine: "Quorate",
    result: `${Math.round(ms)} ms`,
  });
  const starts = await startsOnCluster(folder, input, START_RUNS);
  const [toTask, toEnd] = [
    median(starts.map((each) => each.toTaskMs)),
    median(starts.map((each) => each.toEndMs)),
  ];
  report.finding({
    title:
      "The same on a warm cluster of three processes: from its submission in the log to its first task, and to its end",
    engine: "Quorate",
    result: `${Math.round(toTask)} ms (goal 300), ${Math.round(toEnd)} ms`,
  });
}

/** More than rounds: a start is short. The first one warms the cluster and does not count. */
const START_RUNS = 6;

async function alternate(
  folder: string,
  input: string,
  contenders: readonly Contender[],
  rounds: number,
  check: (output: string) => Promise<void>,
): Promise<readonly Timed[]> {
  const runs = contenders.map((): number[] => []);
  const counters: Readonly<Record<string, number>>[] = [];
  const broken = new Set<Contender>();
  const [temporary, output] = [join(folder, "tmp"), join(folder, "out")];
  for (let round = 0; round < rounds; round++)
    for (const [at, contender] of contenders.entries()) {
      if (broken.has(contender)) continue;
      mkdirSync(temporary);
      try {
        const startedMs = performance.now();
        counters[at] = await contender.run({ input, output, temporary });
        const seconds = (performance.now() - startedMs) / 1000;
        await check(output);
        runs[at]?.push(seconds);
        console.error(`  ${contender.label}: ${seconds.toFixed(2)} s`);
      } catch (error) {
        if (contender.optional !== true) throw error;
        broken.add(contender);
        console.error(
          `  ${contender.label} is left out: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
      for (const each of [temporary, output]) rmSync(each, { recursive: true, force: true });
    }
  return contenders.flatMap((contender, at) =>
    broken.has(contender)
      ? []
      : [{ label: contender.label, seconds: runs[at] ?? [], counters: counters[at] ?? {} }],
  );
}

/** How many times longer the first took than the second, round by round: the median. */
function ratioOf(slow: Timed | undefined, fast: Timed | undefined): number {
  return median(
    (slow?.seconds ?? []).map((seconds, round) => seconds / (fast?.seconds[round] ?? Number.NaN)),
  );
}

function measurementOf(title: string, note: string, size: number, timed: readonly Timed[]): Measurement {
  const rate = ({ seconds }: Timed): number => size / MB / median(seconds);
  return {
    title,
    unit: "MB/s",
    note,
    headings: ["program", "MB/s", "seconds", "its time / ours"],
    rows: timed.map((each, at) => [
      each.label,
      figure(rate(each)),
      median(each.seconds).toFixed(2),
      at === 0 ? "" : ratioOf(each, timed[0]).toFixed(2),
    ]),
    bars: timed.map((each) => ({ label: title, value: rate(each), series: each.label })),
  };
}

function bytesText(counters: Readonly<Record<string, number>>): string {
  const of = (name: string): string => `${figure((counters[name] ?? 0) / MB)} MB`;
  return `spilled ${of("SPILLED_BYTES")}, shuffled ${of("REDUCE_SHUFFLE_BYTES")}, written ${of("OUTPUT_BYTES")}`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2).toLocaleString("en-US")} MiB`;
}
