/**
 * hadoop: a typed job as the executables of Hadoop Streaming. The bundle is called as `node job.mjs map`, `combine` and `reduce`;
 * what it reads and writes are lines, in which keys and values are escaped so that Hadoop sorts them as a cluster here would. Each
 * key is preceded by the name of its partition, so that the files of the output are the same ones, too.
 */
import type { Chunks } from "../../client/files/driver.ts";
import { nameExpression } from "../../client/files/glob.ts";
import { ByteSink } from "../codec/byte-sink.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Job } from "../job.ts";
import { hashBytes, partitionOfHash } from "../key-order.ts";
import type { AttemptId, Counters, JobSpec } from "../job-spec.ts";
import { foldCombine, numberCodec } from "../task/combine.ts";
import { CombineTable, INLINE_MAX_BYTES } from "../task/combine-table.ts";
import type { Emission } from "../task/emission.ts";
import { moduleProgram } from "../task/module-program.ts";
import type { MapOrder, ReduceOrder } from "../task/orders.ts";
import type { TaskProgram } from "../task/program.ts";
import type { Records } from "../task/records.ts";
import { viewOf } from "../task/records.ts";
import { mappedStack } from "../task/source-positions.ts";
import { SplitPlace } from "../task/split-reader.ts";
import { TaskOutputs } from "../task/task-outputs.ts";
import { TaskState } from "../task/task-state.ts";
import type { HadoopJob, Role } from "./hadoop-job.ts";
import { ROLES } from "./hadoop-job.ts";
import { escapeBytes, unescapeBytes } from "./line-bytes.ts";
import { NAME_END, partitionNames } from "./partition-names.ts";
import { InputLines, OutputLines, writeAll } from "./standard-streams.ts";

const [TAB, BAR, RETURN] = [9, NAME_END.charCodeAt(0), 13];
/** For numbers that are folded before they travel. */
const TABLE_BYTES = 2 * 1024 * 1024;

/** Called by the bundle. Ends the process: with 0, or with 1 and the stack on standard error. */
export async function runOnHadoop(job: Job, about: HadoopJob): Promise<void> {
  try {
    const role = ROLES.find((each) => each === process.argv[2]);
    if (role === undefined) throw new QuorateError("USAGE", `this is called with one of ${ROLES.join(", ")}`);
    const plain = { ...job, output: { ...job.output, compress: "none" as const } };
    await new HadoopTask(plain, about, role).run();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? mappedStack(error) : String(error)}\n`);
    process.exitCode = 1;
  }
}

class HadoopTask {
  private readonly role: Role;
  private readonly about: HadoopJob;
  private readonly program: TaskProgram;
  private readonly input = new InputLines();
  private readonly output = new OutputLines();
  private readonly names: readonly string[];
  private readonly task: TaskState;
  private readonly outputs: TaskOutputs;
  private readonly orders: { readonly map: MapOrder; readonly reduce: ReduceOrder };
  private told: Counters = {};

  constructor(job: Job, about: HadoopJob, role: Role) {
    this.role = role;
    this.about = about;
    this.program = moduleProgram(job, about.ranges);
    this.names = partitionNames(about.settings.reduces);
    this.orders = ordersOf(about, role);
    const order = role === "reduce" ? this.orders.reduce : this.orders.map;
    this.task = new TaskState(order, (report) => {
      if (report.type !== "progress") return;
      this.tell(report.counters);
      if (report.status !== undefined) process.stderr.write(`reporter:status:${report.status}\n`);
    });
    this.outputs = new TaskOutputs({ write: writeToOutput }, order, this.task.counters);
  }

  async run(): Promise<void> {
    if (this.role === "map") await this.map();
    else if (this.role === "combine") this.combine();
    else await this.reduce();
    this.output.flush();
    await this.outputs.close();
    this.tell(this.task.counters.snapshot());
  }

  private async map(): Promise<void> {
    const { program, about, task, outputs, input } = this;
    const path = inputPath();
    const place = new SplitPlace(path);
    task.place = place;
    const hasReduces = about.settings.reduces > 0;
    const emission = hasReduces ? new LineEmission(program, this.names, this.output) : undefined;
    const mapper = mapperOf(about, path);
    const stage = await program.openMap({
      order: this.orders.map,
      mapper,
      collector: emission,
      outputs,
      place,
      task,
    });
    while (input.advance()) {
      const { bytes, start } = input;
      const end = input.end > start && bytes[input.end - 1] === RETURN ? input.end - 1 : input.end;
      const waits = stage.record(bytes, start, end);
      if (waits !== undefined) await waits;
      const behind = outputs.settle();
      if (behind !== undefined) await behind;
      task.tick();
    }
    await stage.end();
    emission?.end();
  }

  private combine(): void {
    const { fold, combine } = this.program;
    const records = new LineRecords(this.input);
    const target = new LineTarget(records, this.output);
    if (fold !== undefined) foldCombine(fold)(records, target);
    else combine?.(records, target);
  }

  private async reduce(): Promise<void> {
    const { program, outputs, task } = this;
    await program.reduce({
      order: this.orders.reduce,
      records: new LineRecords(this.input),
      outputs,
      task,
      skipping: undefined,
    });
  }

  /** Hadoop adds up what it is told: only what came since the last time. Its own counters it keeps itself. */
  private tell(counters: Counters): void {
    for (const [group, names] of Object.entries(counters))
      for (const [name, value] of Object.entries(names)) {
        const amount = value - (this.told[group]?.[name] ?? 0);
        if (group === "Task" || amount === 0) continue;
        process.stderr.write(`reporter:counter:${plainText(group)},${plainText(name)},${amount}\n`);
      }
    this.told = counters;
  }
}

/** A comma would part it. */
function plainText(text: string): string {
  return text.replaceAll(/[,\r\n]/g, "_");
}

/** Each stage reads of its order what is its own. */
function ordersOf(about: HadoopJob, role: Role): { readonly map: MapOrder; readonly reduce: ReduceOrder } {
  const task = Number(process.env["mapreduce_task_partition"] ?? 0);
  const kind = role === "reduce" ? "reduce" : "map";
  const [, number = "0"] = /_(\d+)$/.exec(process.env["mapreduce_task_attempt_id"] ?? "") ?? [];
  const attempt: AttemptId = {
    job: process.env["mapreduce_job_id"] ?? "job_0_0",
    kind,
    task,
    attempt: Number(number),
  };
  const spec: JobSpec = { ...about, program: { type: "module", bundle: "", sha256: "" }, cacheFiles: [] };
  const directory = process.cwd();
  const base = {
    spec,
    attempt,
    directory,
    fileSystem: "",
    bundle: undefined,
    cache: {},
    skip: [],
    output: "",
  };
  const split = { path: "", start: 0, length: 0, whole: false, mapper: 0, nodes: [] };
  return {
    map: { ...base, type: "map", split, partitions: about.settings.reduces },
    reduce: { ...base, type: "reduce", partition: task, maps: 0, sources: [] },
  };
}

/** The path of the file that this map reads, without its file system. */
function inputPath(): string {
  const url = process.env["mapreduce_map_input_file"] ?? "";
  return decodeURI(url.replace(/^[a-z][\w+.-]*:(\/\/[^/]*)?(?=\/)/i, ""));
}

/** Which of the job's inputs a file belongs to. */
function mapperOf({ inputs }: HadoopJob, path: string): number {
  if (inputs.length <= 1) return 0;
  const found = inputs.find(({ paths }) => paths.some((pattern) => fits(pattern, path)));
  if (found === undefined)
    throw new QuorateError("ARGUMENT_INVALID", `${path} belongs to none of the job's inputs`);
  return found.mapper;
}

/** A path stands for the files below it. */
function fits(pattern: string, path: string): boolean {
  const wanted = pattern
    .replace(/^[a-z][\w+.-]*:(\/\/[^/]*)?(?=\/)/i, "")
    .split("/")
    .filter(Boolean);
  const names = path.split("/").filter(Boolean);
  // A relative path is below the user's own directory: its end is what is known of it.
  const isAbsolute = /^([a-z][\w+.-]*:)?\//i.test(pattern);
  const starts = isAbsolute ? [0] : names.map((_, at) => at);
  return starts.some((at) =>
    wanted.every((name, index) => nameExpression(name).test(names[at + index] ?? "")),
  );
}

async function writeToOutput(path: string, chunks: Chunks): Promise<void> {
  const isFirst = /\/part-[^/]*$/.test(path);
  for await (const chunk of chunks) {
    if (!isFirst)
      throw new QuorateError("UNSUPPORTED", "Hadoop Streaming takes one output: this job has named ones");
    writeAll(chunk);
  }
}

/** What a map emits, as lines. */
class LineEmission implements Emission {
  private readonly program: TaskProgram;
  private readonly names: readonly string[];
  private readonly output: OutputLines;
  private readonly table: CombineTable | undefined;
  private readonly scratch = new ByteSink(16);

  constructor(program: TaskProgram, names: readonly string[], output: OutputLines) {
    this.program = program;
    this.names = names;
    this.output = output;
    this.table = program.fold === undefined ? undefined : new CombineTable(program.fold.fold, TABLE_BYTES);
  }

  add(
    keyBytes: Buffer,
    keyStart: number,
    keyEnd: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const { sink } = this.output;
    sink.text(this.names[this.partitionOf(keyBytes, keyStart, keyEnd)] ?? "");
    sink.byte(BAR);
    escapeBytes(keyBytes, keyStart, keyEnd, sink);
    sink.byte(TAB);
    escapeBytes(valueBytes, valueStart, valueEnd, sink);
    this.output.endLine();
  }

  fold(bytes: Buffer, start: number, end: number, value: number): void {
    const { table } = this;
    if (table === undefined) this.putNumber(bytes, start, end, value);
    else if (end - start <= INLINE_MAX_BYTES) {
      if (!table.add(bytes, start, end, value)) this.end();
    } else if (!table.addLong(bytes, start, end, value)) {
      this.end();
      // It may be too long for any table.
      if (!table.addLong(bytes, start, end, value)) this.putNumber(bytes, start, end, value);
    }
  }

  /** What was folded goes on its way. */
  end(): void {
    this.table?.forEach((bytes, start, end, value) => this.putNumber(bytes, start, end, value));
    this.table?.clear();
  }

  private putNumber(bytes: Buffer, start: number, end: number, value: number): void {
    numberCodec(this.program.fold?.codec ?? "number").write(value, this.scratch.clear());
    this.add(bytes, start, end, this.scratch.bytes, 0, this.scratch.length);
  }

  private partitionOf(bytes: Buffer, start: number, end: number): number {
    const { partition } = this.program.keyOrder;
    const partitions = this.names.length;
    if (partition !== undefined) return partition(bytes, start, end, partitions);
    return partitionOfHash(hashBytes(bytes, start, end), partitions);
  }
}

/** Sorted lines as records. */
class LineRecords implements Records {
  bytes: Buffer = Buffer.alloc(0);
  view: DataView = viewOf(this.bytes);
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  /** The name of the partition with what ends it, of the record at hand. */
  name: Buffer = Buffer.alloc(0);
  private readonly input: InputLines;
  private readonly sink = new ByteSink(256);

  constructor(input: InputLines) {
    this.input = input;
  }

  next(): boolean {
    const { input, sink } = this;
    if (!input.advance()) return false;
    const line = input.bytes.subarray(input.start, input.end);
    const key = line.indexOf(BAR) + 1;
    const tab = line.indexOf(TAB, key);
    if (key === 0 || tab < 0)
      throw new QuorateError("PROTOCOL", `not a line of this job: ${line.toString("latin1", 0, 200)}`);
    this.name = Buffer.from(line.subarray(0, key));
    sink.clear();
    unescapeBytes(line, key, tab, sink);
    this.keyEnd = this.valueStart = sink.length;
    unescapeBytes(line, tab + 1, line.length, sink);
    this.valueEnd = sink.length;
    if (this.bytes !== sink.bytes) this.view = viewOf(sink.bytes);
    this.bytes = sink.bytes;
    return true;
  }
}

/** What a combiner makes of records: lines of the same partition. */
class LineTarget {
  private readonly records: LineRecords;
  private readonly output: OutputLines;

  constructor(records: LineRecords, output: OutputLines) {
    this.records = records;
    this.output = output;
  }

  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const { sink } = this.output;
    sink.raw(this.records.name);
    escapeBytes(keyBytes, keyStart, keyEnd, sink);
    sink.byte(TAB);
    escapeBytes(valueBytes, valueStart, valueEnd, sink);
    this.output.endLine();
  }
}
