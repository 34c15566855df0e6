/**
 * At the leader, one step after the other for each job: its output is staged, prepared, published or withdrawn, and what is
 * temporary removed. What is next follows from the state alone, so another leader goes on where this one stopped.
 */
import type { Clock, Logger, Timer } from "../../runtime/world.ts";
import type { QuorateError } from "../../runtime/errors.ts";
import type { JobId } from "../../mapreduce/job-spec.ts";
import type { Problem } from "./beats.ts";
import type { JobFileSystem, JobsLog } from "./doors.ts";
import type { JobsCommand } from "./jobs/commands.ts";
import type { Job } from "./jobs/job.ts";
import type { JobsMachine } from "./jobs/machine.ts";
import { propose } from "./jobs-door.ts";
import { clean, commit, isPassing, prepare, stage, sweep } from "./output-keeper.ts";

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;
/** What comes too late is swept away within this time. */
const SWEEP_MS = 600_000;

export interface JobStepsOptions {
  readonly machine: JobsMachine;
  readonly log: JobsLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly files: JobFileSystem;
}

/** Told to others, in each beat. */
const PROBLEMS_MAX = 20;
const PROBLEM_MAX = 500;

/** Goes on after a step: with what to put into the log, with nothing to do for now, or with an error that may pass. */
type Next = (command: JobsCommand | undefined, error?: QuorateError) => void;

interface Pace {
  /** A step is under way, or its pause is not over. */
  busy: boolean;
  failures: number;
  timer: Timer | undefined;
  /** What the last step failed of. */
  problem: string | undefined;
}

export class JobSteps {
  private readonly options: JobStepsOptions;
  private readonly paces = new Map<JobId, Pace>();
  /** Jobs that are to be swept, and when that was last done. */
  private sweepAtMs = -Infinity;
  private sweeping = false;
  private closed = false;

  constructor(options: JobStepsOptions) {
    this.options = options;
  }

  /** Jobs whose output does not get on. */
  problems(): readonly Problem[] {
    const problems: Problem[] = [];
    for (const [job, { problem }] of this.paces) {
      if (problem !== undefined) problems.push({ job, text: problem.slice(0, PROBLEM_MAX) });
    }
    return problems.slice(0, PROBLEMS_MAX);
  }

  /** Begins the next step of every job that is between two. */
  review(): void {
    for (const job of this.options.machine.jobs()) this.advance(job);
    for (const [id, { busy }] of this.paces) {
      if (!busy && this.options.machine.job(id) === undefined) this.paces.delete(id);
    }
    this.sweep();
  }

  close(): void {
    this.closed = true;
    for (const { timer } of this.paces.values()) timer?.cancel();
  }

  private advance(job: Job): void {
    const step = this.stepOf(job);
    if (step === undefined) return;
    const pace = this.paces.get(job.id) ?? { busy: false, failures: 0, timer: undefined, problem: undefined };
    this.paces.set(job.id, pace);
    if (pace.busy) return;
    pace.busy = true;
    step((command, error) => {
      if (this.closed) return;
      if (command === undefined) return this.rest(job, pace, error);
      propose(this.options.log, command, (_, failed) => {
        if (failed !== undefined) return this.rest(job, pace, failed);
        this.rest(job, pace, undefined);
      });
    });
  }

  private rest(job: Job, pace: Pace, error: QuorateError | undefined): void {
    pace.problem = error?.message;
    if (error === undefined) {
      pace.busy = false;
      pace.failures = 0;
      // The next step, if there is one, begins at once.
      this.options.clock.endOfTurn(() => {
        if (!this.closed && this.options.log.leadingTerm() !== undefined) this.advance(job);
      });
      return;
    }
    const pauseMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** pace.failures++);
    const { logger, clock } = this.options;
    logger.log("warn", "mapreduce.output-step-failed", {
      job: job.id,
      code: error.code,
      error: error.message,
    });
    pace.timer = clock.setTimer(pauseMs, () => {
      pace.busy = false;
      if (!this.closed && this.options.log.leadingTerm() !== undefined) this.advance(job);
    });
  }

  private stepOf(job: Job): ((next: Next) => void) | undefined {
    // A job that was replaced by a snapshot, or forgotten, is not this one any more.
    if (this.options.machine.job(job.id) !== job) return undefined;
    const { head } = job;
    switch (head.state) {
      case "running":
        if (head.prepared) return undefined;
        return head.staged === undefined
          ? (next) => this.stage(job, next)
          : (next) => this.prepare(job, next);
      case "committing":
        return (next) => this.commit(job, next);
      case "succeeded":
      case "failed":
      case "killed":
        if (head.cleaned) return undefined;
        return (next) =>
          clean(this.options.files, job, (error) => {
            next(error === undefined ? { type: "cleaned", job: job.id } : undefined, error);
          });
    }
  }

  private stage(job: Job, next: Next): void {
    const instead = job.head.staged?.marker;
    stage(this.options.files, job, (error, output) => {
      if (error !== undefined) return isPassing(error) ? next(undefined, error) : next(abandoned(job, error));
      if (output === undefined) return next(undefined);
      next({ type: "staged", job: job.id, output, instead });
    });
  }

  private prepare(job: Job, next: Next): void {
    const { marker } = job.head.staged!;
    prepare(this.options.files, job, (error, settled) => {
      if (error !== undefined) return next(undefined, error);
      switch (settled!.type) {
        case "done":
          return next({ type: "prepared", job: job.id, marker });
        case "gone":
          return this.stage(job, next);
        case "refused":
          return next(abandoned(job, settled!.error));
      }
    });
  }

  private commit(job: Job, next: Next): void {
    const { marker } = job.head.staged!;
    commit(this.options.files, job, (error, settled) => {
      if (error !== undefined) return next(undefined, error);
      if (settled!.type === "done") return next({ type: "committed", job: job.id, marker });
      next(abandoned(job, settled!.error));
    });
  }

  private sweep(): void {
    const { machine, clock, files } = this.options;
    const nowMs = clock.monotonicMs();
    if (this.sweeping || nowMs - this.sweepAtMs < SWEEP_MS) return;
    this.sweepAtMs = nowMs;
    this.sweeping = true;
    const jobs = [...machine.jobs()].filter(({ head }) => head.cleaned);
    const next = (): void => {
      const job = jobs.pop();
      if (job === undefined || this.closed) {
        this.sweeping = false;
        return;
      }
      // An error is for the next sweep to get over.
      sweep(files, job, () => next());
    };
    next();
  }
}

function abandoned(job: Job, { code, message }: QuorateError): JobsCommand {
  return { type: "abandon", job: job.id, code, message };
}
