/** What must be known of a job's module before it is submitted, and the submission made of it. */
import { QuorateError } from "../runtime/errors.ts";
import { isSplittable } from "./input/format.ts";
import type { JobSubmission } from "./job-api.ts";
import type { Job } from "./job.ts";
import { JOB_VERSION } from "./job.ts";
import { jobSettings } from "./job-settings.ts";
import type { CacheFile, JobSettings, JobSpec } from "./job-spec.ts";

/** The job that a module exports. Throws ARGUMENT_INVALID when it is none, UNSUPPORTED when it is of another version. */
export function jobOf(exported: unknown): Job {
  const job = exported as Partial<Job> | null | undefined;
  if (typeof job !== "object" || job === null || job.quorateJob === undefined)
    throw new QuorateError("ARGUMENT_INVALID", "the default export of the module is not a job({ … })");
  if (job.quorateJob !== JOB_VERSION)
    throw new QuorateError(
      "UNSUPPORTED",
      `the job is of version ${job.quorateJob} of the interface, this one runs version ${JOB_VERSION}`,
    );
  return job as Job;
}

/** What whoever submits a job says about it. */
export interface Submission {
  /** Used when neither this nor the job has another. */
  readonly moduleName: string;
  readonly name?: string;
  readonly user: string;
  readonly bundle: string;
  readonly sha256: string;
  /** Paths of each of the job's inputs, in their order. */
  readonly inputs: readonly (readonly string[])[];
  readonly output: string;
  readonly settings?: Partial<JobSettings>;
  readonly properties?: Readonly<Record<string, string>>;
  readonly cacheFiles?: readonly CacheFile[];
}

/** A job as it is submitted. Throws ARGUMENT_INVALID when paths and inputs do not fit, or a setting is out of its range. */
export function specOf(job: Job, submission: Submission): JobSpec {
  const { user, bundle, sha256, output, cacheFiles = [] } = submission;
  if (submission.inputs.length !== job.inputs.length || submission.inputs.some((paths) => paths.length === 0))
    throw new QuorateError(
      "ARGUMENT_INVALID",
      `the job has ${job.inputs.length} inputs, and paths were given for ${submission.inputs.length}`,
    );
  const settings = jobSettings(job.settings ?? {}, submission.settings ?? {});
  if (job.shuffle !== undefined && settings.reduces === 0)
    throw new QuorateError("ARGUMENT_INVALID", "the job has a reduce: it takes at least one reduce task");
  return {
    name: submission.name ?? job.name ?? submission.moduleName,
    user,
    program: { type: "module", bundle, sha256 },
    inputs: submission.inputs.map((paths, mapper) => {
      const framing = job.inputs[mapper]?.input.framing;
      const whole = framing !== undefined && !isSplittable(framing, "");
      return { paths, mapper, ...(whole && { whole }) };
    }),
    output,
    settings: job.shuffle === undefined ? { ...settings, reduces: 0 } : settings,
    properties: { ...job.properties, ...submission.properties },
    cacheFiles,
    ...(job.shuffle?.totalOrder === true && { totalOrder: true }),
  };
}

/** The same as a cluster is asked for it: what nobody said is for the cluster to choose. Throws as `specOf` does. */
export function moduleSubmission(job: Job, submission: Submission): JobSubmission {
  const { name, user, program, inputs, output, properties, cacheFiles, totalOrder } = specOf(job, submission);
  return {
    name,
    user,
    program,
    inputs,
    output,
    settings: { ...job.settings, ...submission.settings, ...(job.shuffle === undefined && { reduces: 0 }) },
    properties,
    cacheFiles,
    ...(totalOrder === true && { totalOrder }),
  };
}
