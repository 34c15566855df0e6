/** Tasks of a job on this machine, some at a time, each tried until an attempt succeeds or there were too many. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { QuorateError } from "../../runtime/errors.ts";
import type { JobFailure } from "../job-api.ts";
import type { AttemptId, JobId, JobSettings, TaskKind } from "../job-spec.ts";
import { attemptName } from "../job-spec.ts";
import type { MapOrder, ReduceOrder, Report, SampleOrder } from "../task/orders.ts";
import type { TaskEnd, TaskProcess } from "../task/task-process.ts";
import { startTask } from "../task/task-process.ts";
import type { Board, RunningTask } from "./board.ts";

export type Done = Extract<Report, { readonly type: "done" }>;
type Failed = Extract<Report, { readonly type: "failed" }>;

/** What an order says of its attempt. */
export interface AttemptParts {
  readonly attempt: AttemptId;
  readonly directory: string;
  readonly skip: readonly number[];
  readonly trace: boolean;
}

export interface LocalTask {
  readonly kind: TaskKind;
  readonly index: number;
  /** Of a map: as a failure names it. */
  readonly split?: string;
  order(parts: AttemptParts): MapOrder | ReduceOrder;
  /** The attempt won: its directory stays. */
  accept(name: string, directory: string, done: Done): Promise<void>;
  /** The attempt did not: nothing of it stays. */
  reject(name: string): Promise<void>;
}

export interface AttemptsOptions {
  readonly job: JobId;
  readonly settings: JobSettings;
  /** Attempts' own directories are made in it, and their logs. */
  readonly directory: string;
  /** The program is a job's module: what its records are is known here. */
  readonly isModule: boolean;
  readonly slots: number;
  readonly board: Board;
  readonly signal: AbortSignal;
}

/** Carries the failure of a job to who ends it. */
export class JobFailed extends QuorateError {
  readonly failure: JobFailure;

  constructor(failure: JobFailure) {
    super("JOB_FAILED", failure.message);
    this.failure = failure;
  }
}

/** Of an attempt's log, when there is no stack to tell more. */
const LOG_TAIL_BYTES = 2_000;

export class Attempts {
  private readonly options: AttemptsOptions;
  private readonly alive = new Set<TaskProcess>();
  private broken = false;

  constructor(options: AttemptsOptions) {
    this.options = options;
    options.signal.addEventListener("abort", this.endAll, { once: true });
  }

  /** Resolves when all tasks have won. Rejects with JobFailed, or the signal's reason; no attempt runs then. */
  async run(tasks: readonly LocalTask[]): Promise<void> {
    const waiting = [...tasks];
    const work = async (): Promise<void> => {
      for (let task = waiting.shift(); task !== undefined && !this.broken; task = waiting.shift())
        await this.tryOut(task);
    };
    const workers = Array.from({ length: Math.min(this.options.slots, tasks.length) }, work);
    const failures: unknown[] = [];
    await Promise.all(
      workers.map((worker) =>
        worker.catch((error: unknown) => {
          failures.push(error);
          this.endAll();
        }),
      ),
    );
    this.options.signal.throwIfAborted();
    if (failures.length > 0) throw failures[0];
  }

  /** Of a sample nothing is kept but what it found. */
  async sample(order: SampleOrder): Promise<Done> {
    this.options.signal.throwIfAborted();
    const end = await this.start(order, undefined, join(this.options.directory, "sample.log"));
    if (end.type === "done") return end;
    this.options.signal.throwIfAborted();
    if (end.type === "killed") throw new QuorateError("JOB_KILLED", end.reason);
    throw new JobFailed(
      this.failureOf(end, order.attempt, undefined, join(this.options.directory, "sample.log")),
    );
  }

  close(): void {
    this.options.signal.removeEventListener("abort", this.endAll);
    this.endAll();
  }

  private async tryOut(task: LocalTask): Promise<void> {
    const { job, settings, isModule, directory, board, signal } = this.options;
    const skip: number[] = [];
    let trace = false;
    for (let number = 0; ; number++) {
      if (this.broken) return;
      signal.throwIfAborted();
      const attempt: AttemptId = { job, kind: task.kind, task: task.index, attempt: number };
      const name = attemptName(attempt);
      const own = join(directory, name);
      mkdirSync(own, { recursive: true });
      const running = board.started(attempt);
      const log = `${own}.log`;
      const end = await this.start(task.order({ attempt, directory: own, skip, trace }), running, log);
      if (end.type === "done") {
        await task.accept(name, own, end);
        board.succeeded(running, end.counters, end.mapOutput);
        if (end.skipped.length > 0) board.noteSkipped(skippedIn(log));
        return;
      }
      board.unsuccessful(running, end.type);
      await task.reject(name);
      rmSync(own, { recursive: true, force: true });
      if (end.type === "killed") return;
      if (!end.retryable || number + 1 >= settings.attempts)
        throw new JobFailed(this.failureOf(end, attempt, task.split, log));
      // Where records may be skipped, the next attempt leaves out the one that this one died of.
      if (end.record !== undefined && skip.length < settings.skipRecords) skip.push(end.record.index);
      // One that died without a word does not say of which record: the next one notes where it is.
      const isSilent = end.stack === undefined && end.record === undefined;
      trace ||= isModule && (settings.skipRecords > 0 || isSilent);
    }
  }

  private async start(
    order: MapOrder | ReduceOrder | SampleOrder,
    running: RunningTask | undefined,
    log: string,
  ): Promise<TaskEnd> {
    const process = startTask(order, {
      log,
      onReport: (report) => {
        if (report.type === "progress" && running !== undefined) running.progress = report;
        // A map output of this machine's own that cannot be read: no other attempt would find another.
        if (report.type === "fetchFailed")
          process.kill(`the output of map ${report.map} cannot be read: ${report.reason}`);
      },
    });
    this.alive.add(process);
    const end = await process.ended;
    this.alive.delete(process);
    if (end.type === "killed" && !this.broken && !this.options.signal.aborted)
      return { type: "failed", message: end.reason, stack: undefined, record: undefined, retryable: true };
    return end;
  }

  private failureOf(end: Failed, attempt: AttemptId, split: string | undefined, log: string): JobFailure {
    const stack = end.stack ?? tailOf(log);
    return {
      code: "JOB_FAILED",
      message: end.message,
      attempt: attemptName(attempt),
      node: undefined,
      stack,
      split,
      record: end.record,
    };
  }

  private readonly endAll = (): void => {
    this.broken = true;
    for (const process of this.alive) process.kill("the job has ended");
  };
}

/** What a task says of each record that it skipped. */
function skippedIn(log: string): readonly string[] {
  return readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => /^skipped (record|group) \d+ /.test(line));
}

function tailOf(log: string): string | undefined {
  try {
    const text = readFileSync(log).subarray(-LOG_TAIL_BYTES).toString("utf8").trim();
    return text === "" ? undefined : text;
  } catch {
    // It did not get as far as having one.
    return undefined;
  }
}
