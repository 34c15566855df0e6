/** The rows of the error table that belong to jobs. */

export type JobErrorCode =
  | "JOB_INVALID"
  | "JOB_NOT_FOUND"
  | "JOB_FAILED"
  | "JOB_KILLED"
  | "JOB_ENDED"
  | "JOBS_REFUSED";

interface JobErrorKind {
  readonly retryable: false;
  readonly outcome: "not-applied";
  readonly resp: "ERR";
  readonly exit: 1;
  readonly meaning: string;
}

function kind(meaning: string): JobErrorKind {
  return { retryable: false, outcome: "not-applied", resp: "ERR", exit: 1, meaning };
}

export const JOB_ERRORS: Readonly<Record<JobErrorCode, JobErrorKind>> = {
  JOB_INVALID: kind(
    "The job's module cannot be bundled or loaded, or its default export is no job; the message says where.",
  ),
  JOB_NOT_FOUND: kind(
    "No job, task or attempt has this name, or it ended so long ago that nothing of it is kept.",
  ),
  JOB_FAILED: kind(
    "The job failed and left no output; the error names the attempt, the split and the record.",
  ),
  JOB_KILLED: kind("The job was killed and left no output."),
  JOB_ENDED: kind("The job has ended, or its output is about to appear: it can no longer be killed."),
  JOBS_REFUSED: kind(
    "This node runs no jobs: their code is run only where the operator allowed it, at present on nodes that listen on loopback.",
  ),
};
