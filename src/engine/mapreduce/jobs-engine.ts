/** The engine of jobs on one node, put together: what runs attempts, and what decides when this node leads. */
import type { Clock, Logger, NodeId } from "../../runtime/world.ts";
import type { AttemptId, JobId } from "../../mapreduce/job-spec.ts";
import type { SchedulingSettings } from "./assignments.ts";
import { DEFAULT_SCHEDULING } from "./assignments.ts";
import { Beats } from "./beats.ts";
import type { JobFileSystem, JobLink, JobPrograms, JobsLog, TaskStarter, WorkArea } from "./doors.ts";
import type { Job } from "./jobs/job.ts";
import type { JobsMachine } from "./jobs/machine.ts";
import { Scheduler } from "./scheduler.ts";
import { Worker } from "./worker.ts";

export interface JobsEngineOptions {
  readonly machine: JobsMachine;
  readonly log: JobsLog;
  readonly link: JobLink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly files: JobFileSystem;
  readonly area: WorkArea;
  readonly programs: JobPrograms;
  readonly tasks: TaskStarter;
  /** Attempts at a time on this node. */
  readonly slots: number;
  /** Why this node runs none; undefined: it does. */
  readonly refusing: () => string | undefined;
  /** Where this node's map outputs are fetched: "host:port". */
  readonly http: () => string | undefined;
  readonly fileSystem: (user: string) => string;
  readonly settings?: Partial<SchedulingSettings>;
}

/** Changes of a job at this node, for whoever waits for one. */
export type JobListener = (job: JobId) => void;

export class JobsEngine {
  readonly machine: JobsMachine;
  readonly beats: Beats;
  readonly scheduler: Scheduler;
  readonly worker: Worker;
  private readonly options: JobsEngineOptions;
  private readonly listeners = new Set<JobListener>();
  private leaving = false;

  constructor(options: JobsEngineOptions) {
    this.options = options;
    this.machine = options.machine;
    const { machine, link, clock, logger } = options;
    let worker: Worker | undefined;
    let scheduler: Scheduler | undefined;
    this.beats = new Beats({
      link,
      clock,
      logger,
      own: () =>
        worker?.life === undefined
          ? undefined
          : {
              life: worker.life,
              slots: options.slots,
              refusing: options.refusing(),
              leaving: this.leaving,
              leads: scheduler?.leads ?? false,
              http: options.http(),
              progress: worker.progress,
              problems: scheduler?.problems ?? [],
            },
    });
    worker = new Worker({
      ...options,
      self: link.self,
      places: (node) => this.beats.of(node)?.http,
      changed: () => this.beats.beat(),
    });
    this.worker = worker;
    scheduler = new Scheduler({
      ...options,
      beats: this.beats,
      settings: { ...DEFAULT_SCHEDULING, ...options.settings },
    });
    this.scheduler = scheduler;
    machine.observer = {
      changed: (job: Job) => this.changed(job.id),
      removed: (job) => this.changed(job),
      replaced: () => this.changed(undefined),
    };
  }

  get self(): NodeId {
    return this.options.link.self;
  }

  /** Calls back at each change of any job, until the returned function is called. */
  onChange(listener: JobListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Whether the output of a map attempt can be fetched here. */
  holds(attempt: AttemptId): boolean {
    return this.worker.holds(attempt);
  }

  /** Ends what runs here; the others are told, so that they need not wait to be sure. */
  close(): void {
    if (this.leaving) return;
    this.leaving = true;
    this.beats.beat();
    this.machine.observer = undefined;
    this.worker.close();
    this.scheduler.close();
    this.beats.close();
  }

  private changed(job: JobId | undefined): void {
    this.worker.review();
    this.scheduler.review();
    for (const listener of this.listeners) listener(job ?? "");
  }
}
