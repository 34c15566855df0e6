/**
 * Runs the attempts that the log gives to this node. What should run is read from the state, what runs is compared with it
 * after every change: so it does not matter how the worker came to know, by one command or by a snapshot.
 *
 * An attempt belongs to one life of a worker. A later life reports those of its earlier ones as lost, and says which map
 * outputs it still has: those need not be made again.
 */
import type { Logger, NodeId, Timer } from "../../runtime/world.ts";
import type { AttemptId, JobId } from "../../mapreduce/job-spec.ts";
import { attemptName } from "../../mapreduce/job-spec.ts";
import { AttemptRun } from "./attempt-run.ts";
import type { AttemptSurroundings } from "./attempt-run.ts";
import type { Progress } from "./beats.ts";
import type { Job } from "./jobs/job.ts";
import { persist } from "./jobs-door.ts";

/** Between two looks at which map outputs reduces may be told of. */
const SOURCES_MS = 100;
const BARRIER_RETRY_MS = 500;
/** Attempts in one command that reports losses. */
const LOST_MAX = 500;

export interface WorkerOptions extends AttemptSurroundings {
  readonly self: NodeId;
  readonly logger: Logger;
  /** The worker has begun, or has more room: what it tells others has changed. */
  readonly changed: () => void;
}

export class Worker {
  private readonly options: WorkerOptions;
  private readonly runs = new Map<string, AttemptRun>();
  /** Map outputs that are here and count, or may come to count. */
  private readonly outputs = new Map<string, AttemptId>();
  private readonly reporting = new Set<() => void>();
  private currentLife: number | undefined;
  private timer: Timer | undefined;
  private scheduled = false;
  private closed = false;

  constructor(options: WorkerOptions) {
    this.options = options;
    for (const output of options.area.held()) this.outputs.set(attemptName(output), output);
    this.begin();
    this.tick();
  }

  /** Undefined: it has not begun. */
  get life(): number | undefined {
    return this.currentLife;
  }

  get progress(): readonly Progress[] {
    return [...this.runs.values()].map((run) => run.progress);
  }

  /** Whether the output of a map attempt is here. */
  holds(attempt: AttemptId): boolean {
    return this.outputs.has(attemptName(attempt));
  }

  /** The state has changed. */
  review(): void {
    if (this.scheduled || this.closed) return;
    this.scheduled = true;
    this.options.clock.endOfTurn(() => {
      this.scheduled = false;
      if (!this.closed) this.reconcile();
    });
  }

  /** Ends all processes; what they did is lost, and others are told so by the beats. */
  close(): void {
    this.closed = true;
    this.timer?.cancel();
    for (const end of this.reporting) end();
    for (const run of this.runs.values()) run.stop("the node is stopping");
  }

  /**
   * The state may be far behind at first. When it holds what was committed before this life began, attempts that run here by
   * its word belong to earlier lives.
   */
  private begin(): void {
    const { log, clock } = this.options;
    log.barrier((error) => {
      if (this.closed) return;
      if (error !== undefined) {
        this.timer = clock.setTimer(BARRIER_RETRY_MS, () => this.begin());
        return;
      }
      this.currentLife = Math.floor(log.logTimeMs()) + 1;
      this.reportLostOutputs();
      this.reconcile();
      this.options.changed();
    });
  }

  private tick(): void {
    this.options.clock.setTimer(SOURCES_MS, () => {
      if (this.closed) return;
      for (const run of this.runs.values()) run.tellSources();
      this.tick();
    });
  }

  private reconcile(): void {
    const { machine, self } = this.options;
    if (this.currentLife === undefined) return;
    const wanted = new Set<string>();
    const orphans: AttemptId[] = [];
    for (const id of machine.runningOn(self)) {
      const name = attemptName(id);
      const attempt = machine.attempt(id)!;
      if (attempt.life < this.currentLife) orphans.push(id);
      if (attempt.life !== this.currentLife) continue;
      wanted.add(name);
      if (!this.runs.has(name)) this.start(id, machine.job(id.job)!);
    }
    for (const [name, run] of this.runs) if (!wanted.has(name)) run.stop("the log has its end");
    if (orphans.length > 0) this.reportLost(orphans, `the worker of ${self} was started again`);
    this.tidy();
  }

  private start(id: AttemptId, job: Job): void {
    const run = new AttemptRun(id, job, this.options, (ended) => this.onStopped(ended));
    this.runs.set(run.name, run);
  }

  private onStopped(run: AttemptRun): void {
    const { area, machine, changed } = this.options;
    this.runs.delete(run.name);
    const keepOutput = this.mayCount(run.id, machine.job(run.id.job));
    if (keepOutput) this.outputs.set(run.name, run.id);
    area.end(run.id, keepOutput);
    if (!this.closed) changed();
  }

  /** A winner's map output, as long as reduces may fetch it. */
  private mayCount({ kind, task, attempt }: AttemptId, job: Job | undefined): boolean {
    if (kind !== "map" || job?.head.state !== "running" || job.reduce.tasks.length === 0) return false;
    return job.task("map", task)?.winner === attempt;
  }

  /** Removes what no job needs any more. */
  private tidy(): void {
    const { area, machine } = this.options;
    for (const [name, output] of this.outputs) {
      const job = machine.job(output.job);
      if (job?.head.state === "running" && this.mayCount(output, job)) continue;
      this.outputs.delete(name);
      area.end(output, false);
    }
    for (const id of area.working()) {
      if (machine.job(id)?.live !== true && !this.isRunning(id)) area.dropJob(id);
    }
    for (const id of area.logged()) {
      if (machine.job(id)?.detailed !== true && !this.isRunning(id)) area.forgetJob(id);
    }
  }

  private isRunning(job: JobId): boolean {
    for (const run of this.runs.values()) if (run.id.job === job) return true;
    return false;
  }

  /** Winners by the log whose output is not here any more. */
  private reportLostOutputs(): void {
    const { machine, self } = this.options;
    const gone = [...machine.outputsOn(self)].filter((id) => !this.outputs.has(attemptName(id)));
    if (gone.length > 0) this.reportLost(gone, `${self} does not have its output any more`);
  }

  private reportLost(attempts: readonly AttemptId[], reason: string): void {
    const { log, clock, machine } = this.options;
    for (let from = 0; from < attempts.length; from += LOST_MAX) {
      const part = attempts.slice(from, from + LOST_MAX);
      const stands = (id: AttemptId): boolean => {
        const state = machine.attempt(id)?.state;
        return state === "running" || state === "succeeded";
      };
      const end = persist(
        log,
        clock,
        { type: "lost", attempts: part, reason },
        () => part.some(stands),
        () => {
          this.reporting.delete(end);
        },
      );
      this.reporting.add(end);
    }
  }
}
