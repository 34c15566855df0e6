/** One job as a program follows it: progress as it comes, and the result. */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { JobFailure, JobReport } from "../../mapreduce/job-api.ts";
import { recordWord } from "../../mapreduce/job-api.ts";
import type { Counters, JobId } from "../../mapreduce/job-spec.ts";
import type { JobNodes } from "./job-nodes.ts";

/** How often a node tells that nothing has changed, milliseconds. */
const WAIT_MS = 10_000;
/** What is temporary of a job that did not succeed is waited for no longer than this: its output may be asked for again. */
const CLEANING_MAX_MS = 10_000;
/** Without any answer for so long, the job is followed no further; it goes on by itself. */
const SILENCE_MAX_MS = 600_000;

export interface JobResult {
  readonly id: JobId;
  /** Where the output is. */
  readonly output: string;
  /** Each task counts once. */
  readonly counters: Counters;
  readonly report: JobReport;
}

/** The job failed (JOB_FAILED), or a step of it was refused: `failure` names the attempt, the split and the record. */
export class JobFailedError extends QuorateError {
  readonly failure: JobFailure;

  constructor(report: JobReport, failure: JobFailure) {
    super(failure.code, describe(report, failure));
    this.failure = failure;
    // Where the user's code failed tells more than where this was made.
    if (failure.stack !== undefined) this.stack = `${this.name}: ${this.message}\n${failure.stack}`;
  }
}

function describe({ id }: JobReport, failure: JobFailure): string {
  const { message, split, record } = failure;
  const where = split === undefined ? "" : ` (split ${split})`;
  const what = record === undefined ? "" : `; ${recordWord(failure)} ${record.index}: ${record.text}`;
  return `${id} failed: ${message}${where}${what}`;
}

/**
 * A job that was submitted. It goes on whether it is followed or not; `for await` gives a report at each change, the last one
 * when it has ended, and those in between may be left out when the loop is slow.
 */
export class JobRun implements AsyncIterable<JobReport> {
  readonly id: JobId;
  private readonly nodes: JobNodes;
  private readonly user: string;
  private readonly signal: AbortSignal | undefined;
  private latest: JobReport | undefined;
  private following: Promise<JobReport> | undefined;
  private wake: (() => void)[] = [];

  /** `signal`: when it fires, the job is killed. */
  constructor(id: JobId, nodes: JobNodes, user: string, signal?: AbortSignal) {
    this.id = id;
    this.nodes = nodes;
    this.user = user;
    this.signal = signal;
  }

  /**
   * Resolves when the output is there. Rejects with JobFailedError, JOB_KILLED, JOB_NOT_FOUND (nothing of it is kept any more), the
   * signal's reason, or NO_QUORUM when no node has answered for ten minutes.
   */
  get result(): Promise<JobResult> {
    return this.follow().then(resultOf);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<JobReport, void> {
    const end = this.follow();
    let ended = false;
    end.then(
      () => (ended = true),
      () => (ended = true),
    );
    for (let shown: JobReport | undefined; !ended;) {
      if (this.latest !== undefined && this.latest !== shown) {
        shown = this.latest;
        // The last one comes below.
        if (!hasEnded(shown)) yield shown;
        continue;
      }
      await Promise.race([
        new Promise<void>((resolve) => this.wake.push(resolve)),
        end.catch(() => undefined),
      ]);
    }
    yield await end;
  }

  /** JOB_ENDED: it is too late. */
  async kill(reason?: string): Promise<void> {
    await this.nodes.ask({
      method: "POST",
      path: `/jobs/${this.id}/kill`,
      body: { user: this.user, ...(reason === undefined ? {} : { reason }) },
    });
  }

  /** One loop for all who follow. */
  private follow(): Promise<JobReport> {
    if (this.following === undefined) {
      this.following = this.loop();
      // Whoever looks at it gets the error; that nobody may look is no failure of the program.
      this.following.catch(() => undefined);
    }
    return this.following;
  }

  private async loop(): Promise<JobReport> {
    const { signal } = this;
    try {
      let endedMs = Infinity;
      for (let after = ""; ;) {
        const report = await this.nodes.ask<JobReport>(
          { method: "GET", path: `/jobs/${this.id}${after}`, patienceMs: WAIT_MS * 2 },
          { ...(signal === undefined ? {} : { signal }), timeoutMs: SILENCE_MAX_MS },
        );
        this.nodes.learn(report.nodes);
        this.latest = report;
        if (hasEnded(report)) {
          endedMs = Math.min(endedMs, performance.now());
          const isClean = report.cleaned || report.state === "succeeded";
          if (isClean || performance.now() - endedMs > CLEANING_MAX_MS) return report;
        }
        for (const wake of this.wake.splice(0)) wake();
        after = `?after=${encodeURIComponent(report.cursor)}&waitMs=${WAIT_MS}`;
      }
    } catch (error) {
      if (signal?.aborted === true) await this.killQuietly();
      throw error;
    } finally {
      for (const wake of this.wake.splice(0)) wake();
    }
  }

  private async killQuietly(): Promise<void> {
    try {
      await this.kill("whoever submitted it gave it up");
    } catch (error) {
      // It has ended, or nobody can be reached: the signal's reason is what counts.
      if (!isQuorateError(error)) throw error;
    }
  }
}

function hasEnded({ state }: JobReport): boolean {
  return state === "succeeded" || state === "failed" || state === "killed";
}

function resultOf(report: JobReport): JobResult {
  const { id, output, counters, failure, killed, state } = report;
  if (state === "failed" && failure !== undefined) throw new JobFailedError(report, failure);
  if (state !== "succeeded")
    throw new QuorateError("JOB_KILLED", `${id} was killed ${killed ?? ""}`.trimEnd());
  return { id, output, counters, report };
}
