/** Jobs for tests, run as tasks in processes of their own, on files of this machine. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { onTestFinished } from "vitest";
import { jobSettings } from "../job-settings.ts";
import type { JobSettings, JobSpec, Split } from "../job-spec.ts";
import type { MapOrder, MapOutputSource, ReduceOrder } from "./orders.ts";
import type { TaskEnd, TaskOptions } from "./task-process.ts";
import { startTask } from "./task-process.ts";

/** What a job's module imports. */
const DOOR = new URL("../../../dist/mapreduce/index.js", import.meta.url).href;

/** A directory that is gone when the test is over. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "quorate-task-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export type DoneEnd = Extract<TaskEnd, { readonly type: "done" }>;

export interface JobResult {
  readonly ends: readonly DoneEnd[];
  readonly outputs: Readonly<Record<string, string>>;
}

function textOf(name: string, bytes: Buffer): string {
  return (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
}

/** Of all tasks. */
export function counterOf({ ends }: JobResult, group: string, name: string): number {
  return ends.reduce((sum, { counters }) => sum + (counters[group]?.[name] ?? 0), 0);
}

/** Runs the tasks of one job, each when it is asked to. */
export class JobBench {
  readonly directory: string = scratchDirectory();
  readonly spec: JobSpec;
  readonly definition: string;
  private readonly bundle: string;
  /** Where input and output are. */
  fileSystem = "file:///";
  private attempts = 0;

  /** `definition`: the text of a job's module, with its import or with `input`, `output`, `codec`, `job`, … there. */
  constructor(definition: string, settings: Partial<JobSettings> = {}, change: Partial<JobSpec> = {}) {
    this.definition = definition;
    this.bundle = join(this.directory, "job.mjs");
    writeFileSync(this.bundle, moduleOf(definition));
    this.spec = {
      name: "test",
      user: "test",
      program: { type: "module", bundle: this.bundle, sha256: "" },
      inputs: [{ paths: [`${this.directory}/input`], mapper: 0 }],
      output: `${this.directory}/out`,
      settings: jobSettings(settings),
      properties: {},
      cacheFiles: [],
      ...change,
    };
  }

  write(name: string, content: string | Uint8Array): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  wholeSplit(path: string, mapper = 0): Split {
    return { path, start: 0, length: statSync(path).size, whole: false, mapper, nodes: [] };
  }

  /** A file cut into so many splits. */
  splits(path: string, many: number): readonly Split[] {
    const { size } = statSync(path);
    const edge = (index: number): number => Math.floor((size * index) / many);
    return Array.from({ length: many }, (_, index) => ({
      ...this.wholeSplit(path),
      start: edge(index),
      length: edge(index + 1) - edge(index),
    }));
  }

  mapOrder(split: Split, task = 0, change: Partial<MapOrder> = {}): MapOrder {
    const order: MapOrder = {
      ...this.base("map", task),
      type: "map",
      split,
      partitions: this.spec.settings.reduces,
      output: this.spec.output,
      ...change,
    };
    mkdirSync(order.directory);
    return order;
  }

  map(split: Split, task = 0, options: TaskOptions = {}, change: Partial<MapOrder> = {}): Promise<TaskEnd> {
    return startTask(this.mapOrder(split, task, change), options).ended;
  }

  sample(splits: readonly Split[]): Promise<TaskEnd> {
    const order = { ...this.base("map", 0), splits, partitions: this.spec.settings.reduces };
    mkdirSync(order.directory);
    return startTask({ ...order, type: "sample" }).ended;
  }

  reduceOrder(partition: number, sources: readonly MapOutputSource[]): ReduceOrder {
    const order: ReduceOrder = {
      ...this.base("reduce", partition),
      type: "reduce",
      partition,
      maps: sources.length,
      sources,
      output: this.spec.output,
    };
    mkdirSync(order.directory);
    return order;
  }

  reduce(
    partition: number,
    sources: readonly MapOutputSource[],
    options: TaskOptions = {},
  ): Promise<TaskEnd> {
    return startTask(this.reduceOrder(partition, sources), options).ended;
  }

  /** The output of a map that this bench ran as its attempt `attempt` of all. */
  source(map: number, attempt: number): MapOutputSource {
    return { map, attempt, file: join(this.attemptDirectory(attempt), "output") };
  }

  attemptDirectory(attempt: number): string {
    return join(this.directory, `attempt-${attempt}`);
  }

  /** Runs the whole job over these splits; what its output directory holds then, by name. */
  async run(splits: readonly Split[]): Promise<JobResult> {
    const { reduces } = this.spec.settings;
    const ends: DoneEnd[] = [];
    const sources: MapOutputSource[] = [];
    for (const [task, split] of splits.entries()) {
      const attempt = this.attempts;
      const end = await this.map(split, task);
      assertDone(end);
      ends.push(end);
      sources.push(this.source(task, attempt));
    }
    for (let partition = 0; partition < reduces; partition++) {
      const end = await this.reduce(partition, sources);
      assertDone(end);
      ends.push(end);
    }
    const files = ends.flatMap((end) => end.files);
    const contents = files.map(({ name }) => [name, readFileSync(join(this.spec.output, name))] as const);
    return {
      ends,
      outputs: Object.fromEntries(contents.map(([name, bytes]) => [name, textOf(name, bytes)])),
    };
  }

  private base(
    kind: "map" | "reduce",
    task: number,
  ): Omit<MapOrder, "type" | "split" | "partitions" | "output"> {
    return {
      spec: this.spec,
      attempt: { job: "job_20261125_0001", kind, task, attempt: 0 },
      directory: this.attemptDirectory(this.attempts++),
      fileSystem: this.fileSystem,
      bundle: this.bundle,
      cache: {},
      skip: [],
    };
  }
}

/** A whole module as a user has it, or the definition alone, with two lines before it. */
function moduleOf(definition: string): string {
  if (definition.includes(PACKAGE)) return definition.replace(PACKAGE, JSON.stringify(DOOR));
  return `import * as door from "${DOOR}";\nconst { ${NAMES} } = door;\n${definition}`;
}

const PACKAGE = '"quorate/mapreduce"';
const NAMES = "input, output, codec, job, mapOnly, mapped, sum, count, min, max, identity";

export function assertDone(end: TaskEnd): asserts end is DoneEnd {
  if (end.type !== "done") throw new Error(`the attempt ended otherwise: ${JSON.stringify(end)}`);
}
