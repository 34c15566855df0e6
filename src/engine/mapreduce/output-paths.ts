/** Where a job's output is at each stage. Names that begin with "_" are no input of any job. */
import type { AttemptId } from "../../mapreduce/job-spec.ts";
import { attemptName } from "../../mapreduce/job-spec.ts";
import type { Job } from "./jobs/job.ts";

/**
 * Where the output directory comes to be before it has its name, and where what is temporary goes at the end. Beside the
 * output: it inherits what its directory hands down.
 */
export function stagingOf({ id, spec }: Job): string {
  const slash = spec.output.lastIndexOf("/");
  return `${spec.output.slice(0, slash)}/_temporary-${id}`;
}

/** In the staging, then in the output: all attempts write below it. */
export function temporaryOf(directory: string): string {
  return `${directory}/_temporary`;
}

/** Lies in the temporary directory until it is published with the output. */
export function markerOf(directory: string): string {
  return `${temporaryOf(directory)}/_SUCCESS`;
}

export function attemptDirectory(job: Job, attempt: AttemptId): string {
  return `${temporaryOf(job.spec.output)}/${attemptName(attempt)}`;
}
