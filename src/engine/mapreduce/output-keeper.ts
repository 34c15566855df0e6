/**
 * Brings the output of a job to its place, whole or not at all, and leaves nothing else behind. Whoever leads does it, one step
 * after the other; a leader that is no more may still be at it, and any step may be done twice or late. So each step says which
 * inodes it expects, and inodes are never used twice:
 *
 *   stage     an empty `_SUCCESS`, the *marker*, with the directories above it, beside the output; its number goes into the log
 *   prepare   the staged directory becomes the output, if the marker in it is that of the log and there is no output yet
 *   commit    winners' files, the marker and what is temporary change places in one step, if the marker is that of the log
 *   abandon   what is temporary, and the marker in it, leaves the output: then no commit can happen any more
 *
 * Only `stage` makes anything from nothing. What it makes too late has a name that says of which job it is, no log that names
 * it, and is swept away (`sweep`).
 */
import type { QuorateError } from "../../runtime/errors.ts";
import type { JobFileSystem, Outcome } from "./doors.ts";
import type { Job } from "./jobs/job.ts";
import type { StagedOutput } from "./jobs/model.ts";
import { attemptDirectory, markerOf, stagingOf, temporaryOf } from "./output-paths.ts";

/** How a step ended that cannot be repeated: the output is in its place, or it can never be. */
export type Settled = { readonly type: "done" } | { readonly type: "refused"; readonly error: QuorateError };

/** The answer may be another one in a moment. */
export function isPassing(error: QuorateError): boolean {
  return error.retryable || error.outcome !== "not-applied" || error.code === "INVARIANT";
}

/** PATH_EXISTS in the staging: an earlier leader made it, and its marker is as good. */
export function stage(files: JobFileSystem, job: Job, done: Outcome<StagedOutput>): void {
  const staging = stagingOf(job);
  files.touch(job.spec.user, markerOf(staging), (error) => {
    if (error !== undefined && error.code !== "PATH_EXISTS") return done(error);
    lookAtAll(files, [staging, temporaryOf(staging), markerOf(staging)], (failed, ids) => {
      if (failed !== undefined) return done(failed);
      const [directory, temporary, marker] = ids!;
      // Another leader has moved it meanwhile: the log will say so.
      if (directory === undefined || temporary === undefined || marker === undefined)
        return done(undefined, undefined);
      done(undefined, { directory, temporary, marker });
    });
  });
}

/** "gone": the staged directory is neither where it was nor where it should be. */
export function prepare(
  files: JobFileSystem,
  job: Job,
  done: Outcome<Settled | { readonly type: "gone" }>,
): void {
  const { output, user } = job.spec;
  const { marker } = job.head.staged!;
  const staging = stagingOf(job);
  const expected = [
    { path: markerOf(staging), id: marker },
    { path: output, id: undefined },
  ];
  files.publish(user, expected, [{ from: staging, to: output }], (error) => {
    if (error === undefined) return done(undefined, { type: "done" });
    lookAtAll(files, [markerOf(output), markerOf(staging)], (failed, ids) => {
      if (failed !== undefined) return done(failed);
      const [inOutput, inStaging] = ids!;
      if (inOutput === marker) return done(undefined, { type: "done" });
      if (isPassing(error)) return done(error);
      if (inStaging !== marker) return done(undefined, { type: "gone" });
      done(undefined, { type: "refused", error });
    });
  });
}

/** The output appears, or what stands in the way is told. */
export function commit(files: JobFileSystem, job: Job, done: Outcome<Settled>): void {
  const { output, user } = job.spec;
  const { marker } = job.head.staged!;
  const moves = [
    ...winnersFiles(job),
    { from: markerOf(output), to: `${output}/_SUCCESS` },
    // With the same step: nobody sees an output that still has something temporary in it.
    { from: temporaryOf(output), to: outOfTheWay(job) },
  ];
  files.publish(user, [{ path: markerOf(output), id: marker }], moves, (error) => {
    if (error === undefined) return done(undefined, { type: "done" });
    isPublished(files, job, (failed, published) => {
      if (failed !== undefined) return done(failed);
      if (published === true) return done(undefined, { type: "done" });
      if (isPassing(error)) return done(error);
      withdraw(files, job, (unknown, withdrawn) => {
        if (unknown !== undefined) return done(unknown);
        done(undefined, withdrawn === true ? { type: "refused", error } : { type: "done" });
      });
    });
  });
}

/**
 * Takes away what is temporary of a job that has ended. For one that did not succeed that is everything: also the output
 * directory, when it is the one that the job made and nobody has put anything into it.
 */
export function clean(files: JobFileSystem, job: Job, done: Outcome): void {
  const staging = stagingOf(job);
  const { staged, state } = job.head;
  // First of all, or an earlier leader could still make an output of it.
  files.remove(staging, true, (error) => {
    if (error !== undefined || staged === undefined || state === "succeeded") return done(error);
    withdraw(files, job, (failed) => {
      if (failed !== undefined) return done(failed);
      files.remove(staging, true, (left) => {
        if (left !== undefined) return done(left);
        removeOutput(files, job, staged, done);
      });
    });
  });
}

/** What came too late to be cleaned up with its job. */
export function sweep(files: JobFileSystem, job: Job, done: Outcome): void {
  files.remove(stagingOf(job), true, done);
}

function winnersFiles(job: Job): { readonly from: string; readonly to: string }[] {
  const moves: { from: string; to: string }[] = [];
  for (const kind of ["map", "reduce"] as const) {
    for (const [task, { winner, attempts }] of job.table(kind).tasks.entries()) {
      if (winner === undefined) continue;
      const directory = attemptDirectory(job, { job: job.id, kind, task, attempt: winner });
      for (const { name } of attempts[winner]!.files) {
        moves.push({ from: `${directory}/${name}`, to: `${job.spec.output}/${name}` });
      }
    }
  }
  return moves;
}

function isPublished(files: JobFileSystem, job: Job, done: Outcome<boolean>): void {
  files.look(`${job.spec.output}/_SUCCESS`, (error, id) => {
    done(error, error === undefined && id === job.head.staged!.marker);
  });
}

/** Moves what is temporary out of the output, and the marker with it. False: the output has been published. */
function withdraw(files: JobFileSystem, job: Job, done: Outcome<boolean>): void {
  const { output } = job.spec;
  const expected = [{ path: temporaryOf(output), id: job.head.staged!.temporary }];
  files.publish(undefined, expected, [{ from: temporaryOf(output), to: outOfTheWay(job) }], (error) => {
    if (error === undefined) return done(undefined, true);
    if (isPassing(error)) return done(error);
    // Moved before, or removed by somebody: it is where the marker is that counts.
    const { marker } = job.head.staged!;
    lookAtAll(files, [`${output}/_SUCCESS`, markerOf(output)], (failed, ids) => {
      if (failed !== undefined) return done(failed);
      if (ids![1] === marker) return done(error);
      done(undefined, ids![0] !== marker);
    });
  });
}

/** In the staging, under a name that no late `stage` makes. */
function outOfTheWay(job: Job): string {
  return `${stagingOf(job)}/out-${job.head.staged!.marker}`;
}

function removeOutput(files: JobFileSystem, job: Job, { directory }: StagedOutput, done: Outcome): void {
  const { output } = job.spec;
  files.look(output, (error, id) => {
    if (error !== undefined || id !== directory) return done(error);
    files.remove(output, false, (failed) =>
      done(failed?.code === "DIRECTORY_NOT_EMPTY" ? undefined : failed),
    );
  });
}

function lookAtAll(
  files: JobFileSystem,
  paths: readonly string[],
  done: Outcome<readonly (number | undefined)[]>,
  found: readonly (number | undefined)[] = [],
): void {
  const path = paths[found.length];
  if (path === undefined) return done(undefined, found);
  files.look(path, (error, id) => {
    if (error !== undefined) return done(error);
    lookAtAll(files, paths, done, [...found, id]);
  });
}
