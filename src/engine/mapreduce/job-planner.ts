/** From a spec to what goes into the log: the splits of the input, and the ranges of a total order. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { QuorateError } from "../../runtime/errors.ts";
import { connectFiles } from "../../client/files/connect.ts";
import type { JobSpec, Split } from "../../mapreduce/job-spec.ts";
import { planSplits } from "../../mapreduce/split-plan.ts";
import type { Sample, SampleOrder } from "../../mapreduce/task/orders.ts";
import { startTask } from "../../mapreduce/task/task-process.ts";
import type { FileSystem } from "../files/file-system.ts";
import type { LocalProgram } from "./doors.ts";
import type { NodePrograms } from "./node-programs.ts";

export interface JobPlannerOptions {
  readonly files: FileSystem;
  readonly programs: NodePrograms;
  /** For what sampling needs for a moment. */
  readonly directory: string;
  /** As `connectFiles` takes it. */
  readonly fileSystem: (user: string) => string;
}

export interface PlannedJob {
  /** With ranges, when it wants a total order. */
  readonly spec: JobSpec;
  readonly splits: readonly Split[];
}

export class JobPlanner {
  private readonly options: JobPlannerOptions;

  constructor(options: JobPlannerOptions) {
    this.options = options;
  }

  /**
   * PATH_NOT_FOUND: an input fits no file. PATH_EXISTS: the output is there already. JOB_FAILED: sampling failed. ACCESS_DENIED,
   * and whatever else the file system says.
   */
  async plan(spec: JobSpec, signal: AbortSignal): Promise<PlannedJob> {
    await this.checkOutput(spec, signal);
    const splits = await this.splits(spec, signal);
    if (spec.totalOrder !== true || spec.ranges !== undefined || spec.settings.reduces < 2)
      return { spec, splits };
    const { ranges } = await this.sample(spec, splits, signal);
    return { spec: ranges === undefined ? spec : { ...spec, ranges }, splits };
  }

  async splits({ inputs, settings, user }: JobSpec, signal: AbortSignal): Promise<readonly Split[]> {
    const { files } = this.options;
    const connected = connectFiles(this.options.fileSystem(user), { user });
    try {
      return await planSplits(inputs, {
        files: connected,
        splitSize: settings.splitSize,
        signal,
        locate: async ({ path, size }) => {
          const { blocks } = await files.locations(path, { user, groups: [] }, 0, size, { signal });
          return blocks.map(({ segment: { offset, length }, replicas }) => ({
            offset,
            length,
            nodes: replicas.map(({ node }) => node),
          }));
        },
      });
    } finally {
      connected.close();
    }
  }

  /** Early, for whoever submits: what counts is decided when the output is prepared. */
  private async checkOutput({ output, user }: JobSpec, signal: AbortSignal): Promise<void> {
    const connected = connectFiles(this.options.fileSystem(user), { user });
    try {
      if (await connected.exists(output, { signal }))
        throw new QuorateError("PATH_EXISTS", `the output directory ${output} already exists`);
    } finally {
      connected.close();
    }
  }

  private async sample(spec: JobSpec, splits: readonly Split[], signal: AbortSignal): Promise<Sample> {
    const { programs } = this.options;
    const scratch = await mkdtemp(join(this.options.directory, "sample-"));
    try {
      const local = await programs.prepare(spec, () => join(scratch, "cache"));
      const directory = join(scratch, "work");
      await mkdir(directory);
      return await this.runSample(spec, splits, { ...local, directory }, signal);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  private async runSample(
    spec: JobSpec,
    splits: readonly Split[],
    local: LocalProgram & { readonly directory: string },
    signal: AbortSignal,
  ): Promise<Sample> {
    const order: SampleOrder = {
      type: "sample",
      spec,
      attempt: { job: "job_00000000_0000", kind: "map", task: 0, attempt: 0 },
      ...local,
      fileSystem: this.options.fileSystem(spec.user),
      skip: [],
      splits,
      partitions: spec.settings.reduces,
    };
    const process = startTask(order);
    const stop = (): void => process.kill("the submission was given up");
    signal.addEventListener("abort", stop, { once: true });
    try {
      const end = await process.ended;
      signal.throwIfAborted();
      if (end.type === "done" && end.sample !== undefined) return end.sample;
      const why = end.type === "failed" ? end.message : "it ended without what it found";
      throw new QuorateError("JOB_FAILED", `the input could not be sampled: ${why}`);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }
}
