/**
 * local: a whole job on this machine, with no cluster: the same tasks in processes of their own, on files of this machine. It
 * keeps nothing but the output, and of a job that fails, is killed or loses its machine, not that either.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { connectFiles } from "../../client/files/connect.ts";
import { unpackArchive } from "../archive/unpack.ts";
import type { JobReport } from "../job-api.ts";
import type { AttemptId, JobId, JobSpec, Split } from "../job-spec.ts";
import { splitName } from "../job-spec.ts";
import { planSplits } from "../split-plan.ts";
import type { MapOutputSource, Sample, SampleOrder } from "../task/orders.ts";
import type { AttemptParts, LocalTask } from "./attempts.ts";
import { Attempts, JobFailed } from "./attempts.ts";
import { Board } from "./board.ts";
import { OutputDirectory } from "./output-directory.ts";

export interface LocalOptions {
  /** Where the input is: what `connectFiles` takes. A plan may be made of any; a job runs on this machine's files. Default `file:///`. */
  readonly fileSystem?: string;
  /** Path of the program's bundle, when it is a module. */
  readonly bundle: string | undefined;
  /** Tasks at a time. Default: as many as this machine can run. */
  readonly slots?: number;
  /** Where what passes between maps and reduces lies; it may be as much as the input. Default: the machine's directory for that. */
  readonly temporary?: string;
  /** Ends the job: it is killed, and nothing of it is left. */
  readonly signal?: AbortSignal;
  /** Called several times a second while it runs, and when it has ended. */
  readonly onReport?: (report: JobReport) => void;
}

/** What a job would do, without a word of it being done. */
export interface LocalPlan {
  readonly splits: readonly Split[];
  readonly sample: Sample;
}

const FILE_SYSTEM = "file:///";
const REPORT_EVERY_MS = 100;
let jobs = 0;

/** All paths of the job are paths of this machine. Resolves when it has ended, however. PATH_NOT_FOUND, PATH_EXISTS, … before. */
export async function runLocally(spec: JobSpec, options: LocalOptions): Promise<JobReport> {
  const run = await LocalRun.prepare(spec, options);
  try {
    return await run.toItsEnd();
  } finally {
    await run.close();
  }
}

/** The splits of a job, and what a sample of its input says of its partitions. */
export async function planLocally(spec: JobSpec, options: LocalOptions): Promise<LocalPlan> {
  const run = await LocalRun.prepare(spec, options, false);
  try {
    return { splits: run.splits, sample: await run.sample(spec) };
  } finally {
    await run.close();
  }
}

class LocalRun {
  readonly splits: readonly Split[];
  private readonly job: JobId;
  private readonly options: LocalOptions;
  private readonly spec: JobSpec;
  private readonly directory: string;
  private readonly output: OutputDirectory | undefined;
  private readonly cache: Readonly<Record<string, string>>;
  private readonly board: Board;
  private readonly attempts: Attempts;
  private readonly signal: AbortSignal;
  private readonly sources: MapOutputSource[] = [];

  private constructor(
    spec: JobSpec,
    options: LocalOptions,
    made: Pick<LocalRun, "splits"> & {
      readonly directory: string;
      readonly output: OutputDirectory | undefined;
      readonly cache: Readonly<Record<string, string>>;
    },
  ) {
    this.job = `job_local${process.pid}_${String(++jobs).padStart(4, "0")}`;
    this.spec = spec;
    this.options = options;
    this.splits = made.splits;
    this.directory = made.directory;
    this.output = made.output;
    this.cache = made.cache;
    this.signal = options.signal ?? new AbortController().signal;
    this.board = new Board(this.job, spec, this.splits.length, spec.settings.reduces);
    this.attempts = new Attempts({
      job: this.job,
      settings: spec.settings,
      isModule: spec.program.type === "module",
      directory: this.directory,
      slots: options.slots ?? availableParallelism(),
      board: this.board,
      signal: this.signal,
    });
  }

  static async prepare(spec: JobSpec, options: LocalOptions, writes = true): Promise<LocalRun> {
    const signal = options.signal ?? new AbortController().signal;
    const files = connectFiles(options.fileSystem ?? FILE_SYSTEM, { user: spec.user });
    const splits = await planSplits(spec.inputs, { files, splitSize: spec.settings.splitSize, signal });
    files.close();
    const output = writes ? await OutputDirectory.prepare(spec.output) : undefined;
    const directory = await mkdtemp(join(options.temporary ?? tmpdir(), "quorate-job-"));
    try {
      const cache = await fetchCache(spec, directory);
      return new LocalRun(spec, options, { splits, directory, output, cache });
    } catch (error) {
      await output?.remove();
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  async toItsEnd(): Promise<JobReport> {
    const { onReport } = this.options;
    const timer = setInterval(() => onReport?.(this.board.report()), REPORT_EVERY_MS);
    try {
      await this.work();
      this.board.finish("succeeded");
    } catch (error) {
      this.bury(error);
    } finally {
      clearInterval(timer);
    }
    const report = this.board.report();
    onReport?.(report);
    return report;
  }

  async close(): Promise<void> {
    this.attempts.close();
    await this.output?.remove();
    await rm(this.directory, { recursive: true, force: true });
  }

  async sample(spec: JobSpec): Promise<Sample> {
    const attempt: AttemptId = { job: this.job, kind: "map", task: 0, attempt: 0 };
    const order: SampleOrder = {
      ...this.base(spec, {
        attempt,
        directory: await mkdtemp(join(this.directory, "sample-")),
        skip: [],
        trace: false,
      }),
      type: "sample",
      splits: this.splits,
      partitions: spec.settings.reduces,
    };
    const { sample } = await this.attempts.sample(order);
    if (sample === undefined) throw new Error("a sample without what it found");
    return sample;
  }

  private async work(): Promise<void> {
    const { settings } = this.spec;
    const spec = await this.withRanges();
    await this.attempts.run(this.splits.map((split, index) => this.mapTask(spec, split, index)));
    const partitions = Array.from({ length: settings.reduces }, (_, partition) => partition);
    await this.attempts.run(partitions.map((partition) => this.reduceTask(spec, partition)));
    this.signal.throwIfAborted();
    this.board.state = "committing";
    await this.output?.publish();
  }

  /** A total order takes ranges, as many as there are reduces. */
  private async withRanges(): Promise<JobSpec> {
    const { spec } = this;
    if (spec.totalOrder !== true || spec.ranges !== undefined) return spec;
    const { ranges } = await this.sample(spec);
    return ranges === undefined ? spec : { ...spec, ranges };
  }

  private mapTask(spec: JobSpec, split: Split, index: number): LocalTask {
    const { output } = this;
    return {
      kind: "map",
      index,
      split: splitName(split),
      order: (parts) => ({
        ...this.base(spec, parts),
        type: "map",
        split,
        partitions: spec.settings.reduces,
        output: output?.attempt(nameOf(parts)) ?? "",
      }),
      accept: async (name, directory, { files, mapOutput }) => {
        await output?.take(name, files);
        if (mapOutput !== undefined)
          this.sources.push({
            map: index,
            attempt: Number(name.slice(name.lastIndexOf("_") + 1)),
            file: join(directory, "output"),
          });
      },
      reject: (name) => output?.drop(name) ?? Promise.resolve(),
    };
  }

  private reduceTask(spec: JobSpec, partition: number): LocalTask {
    const { output } = this;
    return {
      kind: "reduce",
      index: partition,
      order: (parts) => ({
        ...this.base(spec, parts),
        type: "reduce",
        partition,
        maps: this.splits.length,
        sources: this.sources,
        output: output?.attempt(nameOf(parts)) ?? "",
      }),
      accept: async (name, directory, { files }) => {
        await output?.take(name, files);
        await rm(directory, { recursive: true, force: true });
      },
      reject: (name) => output?.drop(name) ?? Promise.resolve(),
    };
  }

  private base(
    spec: JobSpec,
    { attempt, directory, skip, trace }: AttemptParts,
  ): Omit<SampleOrder, "type" | "splits" | "partitions"> {
    const { bundle, fileSystem = FILE_SYSTEM } = this.options;
    return { spec, attempt, directory, fileSystem, bundle, cache: this.cache, skip, trace };
  }

  private bury(error: unknown): void {
    if (this.signal.aborted) {
      this.board.killed = "killed by who started it";
      this.board.finish("killed");
    } else if (error instanceof JobFailed) {
      this.board.failure = error.failure;
      this.board.finish("failed");
    } else throw error;
  }
}

function nameOf({ directory }: AttemptParts): string {
  return directory.slice(directory.lastIndexOf("/") + 1);
}

/** Local paths of the cache files by link; archives are unpacked once for all tasks. */
async function fetchCache(spec: JobSpec, directory: string): Promise<Readonly<Record<string, string>>> {
  const cache: Record<string, string> = {};
  for (const { path, link, archive = false } of spec.cacheFiles) {
    cache[link] = path;
    if (!archive) continue;
    cache[link] = join(directory, "archives", link);
    await unpackArchive(path, path, cache[link]);
  }
  return cache;
}
