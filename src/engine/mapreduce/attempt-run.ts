/**
 * One attempt on this node, from the moment the log gave it to this worker to the moment the log says how it ended. It may be
 * told to stop at any time; what it left behind then counts for nothing.
 */
import type { Clock, Timer } from "../../runtime/world.ts";
import type { AttemptId, Counters } from "../../mapreduce/job-spec.ts";
import { attemptName } from "../../mapreduce/job-spec.ts";
import type { MapOrder, MapOutputSource, ReduceOrder, Report } from "../../mapreduce/task/orders.ts";
import type { Progress } from "./beats.ts";
import type {
  JobFileSystem,
  JobPrograms,
  JobsLog,
  LocalProgram,
  Outcome,
  OutputPlaces,
  RunningTask,
  TaskEnd,
  TaskStarter,
  WorkArea,
} from "./doors.ts";
import type { JobsCommand } from "./jobs/commands.ts";
import type { Job } from "./jobs/job.ts";
import type { JobsMachine } from "./jobs/machine.ts";
import type { Counted, TaskRecord } from "./jobs/model.ts";
import { MESSAGE_MAX, RECORD_TEXT_MAX, STACK_MAX } from "./jobs/model.ts";
import { Refusal } from "./jobs/replies.ts";
import { persist, propose } from "./jobs-door.ts";
import { isPassing } from "./output-keeper.ts";
import { attemptDirectory } from "./output-paths.ts";

/** How long an attempt waits for what it needs to begin. */
const PREPARE_MAX_MS = 30_000;
const PREPARE_RETRY_MS = 300;
/** The process's own watch comes first: it knows which record was at hand. */
const SILENCE_GRACE_MS = 2_000;

export interface AttemptSurroundings {
  readonly machine: JobsMachine;
  readonly log: JobsLog;
  readonly clock: Clock;
  readonly files: JobFileSystem;
  readonly area: WorkArea;
  readonly programs: JobPrograms;
  readonly tasks: TaskStarter;
  readonly places: OutputPlaces;
  /** The file system that tasks write to, as `connectFiles` takes it. */
  readonly fileSystem: (user: string) => string;
}

export class AttemptRun {
  readonly id: AttemptId;
  readonly name: string;
  private readonly first: Job;
  private readonly around: AttemptSurroundings;
  private readonly stopped: (run: AttemptRun) => void;
  private task: RunningTask | undefined;
  /** The process runs, or is being started. */
  private busy = true;
  /** The log needs it no more. */
  private unwanted: string | undefined;
  private reported: Progress | undefined;
  private silence: Timer | undefined;
  private endReport: (() => void) | undefined;
  /** By map: the attempt whose output the process was told of. */
  private readonly told = new Map<number, number>();
  private readonly complaints = new Map<string, number>();

  /** `stopped`: nothing of it runs any more. */
  constructor(id: AttemptId, job: Job, around: AttemptSurroundings, stopped: (run: AttemptRun) => void) {
    this.id = id;
    this.name = attemptName(id);
    this.first = job;
    this.around = around;
    this.stopped = stopped;
    this.prepare();
  }

  /** A snapshot may have put another object in its place. */
  private get job(): Job {
    return this.around.machine.job(this.id.job) ?? this.first;
  }

  get progress(): Progress {
    return (
      this.reported ?? { attempt: this.id, phase: "start", fraction: 0, status: undefined, counters: [] }
    );
  }

  /** The log says that it has ended: whatever it does, it does no more. */
  stop(reason: string): void {
    if (this.unwanted !== undefined) return;
    this.unwanted = reason;
    this.endReport?.();
    if (!this.busy) return this.finish();
    this.task?.kill(reason);
  }

  /** Tells a reduce of map outputs that it does not know. */
  tellSources(): void {
    if (this.id.kind !== "reduce" || this.task === undefined || this.unwanted !== undefined) return;
    const sources = this.newSources();
    if (sources.length > 0) this.task.send(sources);
  }

  private prepare(): void {
    const { area, programs, files } = this.around;
    this.patiently<string>(
      (done) => area.begin(this.id, done),
      (directory) =>
        this.patiently<LocalProgram>(
          (done) => programs.ready(this.job, done),
          (program) =>
            // In a directory that is there: once the job is cleaned up, no attempt that comes late makes another one.
            this.patiently<undefined>(
              (done) => files.makeDirectory(this.job.spec.user, attemptDirectory(this.job, this.id), done),
              () => this.start(directory, program),
            ),
        ),
    );
  }

  /**
   * A step of the preparation. What may pass (a file system in safe mode, no majority) is waited for a while, and does not count
   * against the task; a full disk is left to another node.
   */
  private patiently<T>(step: (done: Outcome<T>) => void, then: (value: T) => void): void {
    const { clock } = this.around;
    const untilMs = clock.monotonicMs() + PREPARE_MAX_MS;
    const attempt = (): void => {
      step((error, value) => {
        if (this.unwanted !== undefined) return this.finish();
        if (error === undefined) return then(value as T);
        if (isPassing(error) && error.code !== "DISK_FULL" && clock.monotonicMs() < untilMs) {
          clock.setTimer(PREPARE_RETRY_MS, () => (this.unwanted === undefined ? attempt() : this.finish()));
          return;
        }
        this.ended({
          type: "failed",
          message: `it could not begin: ${error.message}`,
          stack: undefined,
          record: undefined,
          retryable: true,
        });
      });
    };
    attempt();
  }

  private start(directory: string, program: LocalProgram): void {
    const { tasks } = this.around;
    const order = this.order(directory, program);
    this.listen();
    this.task = tasks.start(order, {
      report: (report) => this.onReport(report),
      end: (end) => this.ended(end),
    });
    // What was finished while the order was on its way.
    this.tellSources();
  }

  private order(directory: string, { bundle, cache }: LocalProgram): MapOrder | ReduceOrder {
    const { id, job, around } = this;
    const { spec } = job;
    const task = job.task(id.kind, id.task)!;
    const base = {
      spec,
      attempt: id,
      directory,
      fileSystem: around.fileSystem(spec.user),
      bundle,
      cache,
      skip: task.skip,
      trace: isTraced(job, task),
      output: attemptDirectory(job, id),
    };
    if (id.kind === "map") {
      return { type: "map", ...base, split: job.splits[id.task]!, partitions: spec.settings.reduces };
    }
    const maps = job.map.tasks.length;
    return { type: "reduce", ...base, partition: id.task, maps, sources: this.newSources() };
  }

  private newSources(): MapOutputSource[] {
    const { job, around } = this;
    const sources: MapOutputSource[] = [];
    for (const [map, { winner, attempts }] of job.map.tasks.entries()) {
      if (winner === undefined || this.told.get(map) === winner) continue;
      const place = around.places(attempts[winner]!.node);
      if (place === undefined) continue;
      this.told.set(map, winner);
      const name = attemptName({ job: job.id, kind: "map", task: map, attempt: winner });
      sources.push({
        map,
        attempt: winner,
        url: `http://${place}/mapreduce/v1/outputs/${name}?partition=${this.id.task}`,
        authorization: `Bearer ${job.head.token}`,
      });
    }
    return sources;
  }

  private onReport(report: Report): void {
    if (this.unwanted !== undefined) return;
    this.listen();
    if (report.type === "progress") {
      const { phase, fraction, status, counters } = report;
      this.reported = {
        attempt: this.id,
        phase,
        fraction: Math.min(1, Math.max(0, fraction)),
        status: status === undefined ? undefined : clean(status, MESSAGE_MAX),
        counters: countedOf(counters),
      };
    } else if (report.type === "fetchFailed") {
      this.complain(report.map, report.attempt, report.reason);
    }
  }

  private complain(map: number, attempt: number, reason: string): void {
    const key = `${map}/${attempt}`;
    const round = (this.complaints.get(key) ?? 0) + 1;
    this.complaints.set(key, round);
    const { log, clock, machine } = this.around;
    const command: JobsCommand = {
      type: "complain",
      reducer: this.id,
      map,
      attempt,
      round,
      reason: clean(reason, MESSAGE_MAX),
    };
    const stillMatters = (): boolean =>
      this.unwanted === undefined && machine.job(this.job.id)?.task("map", map)?.winner === attempt;
    persist(log, clock, command, stillMatters, () => {
      // It is still the output that counts: the process is to try again.
      if (this.told.get(map) === attempt) this.told.delete(map);
      this.tellSources();
    });
  }

  /** An attempt that says nothing for long is ended. */
  private listen(): void {
    this.silence?.cancel();
    const { progressTimeoutMs } = this.job.spec.settings;
    this.silence = this.around.clock.setTimer(progressTimeoutMs + SILENCE_GRACE_MS, () => {
      this.timedOut = true;
      this.task?.kill(`it said nothing for ${progressTimeoutMs} ms`);
    });
  }

  private timedOut = false;

  private ended(end: TaskEnd): void {
    this.busy = false;
    this.task = undefined;
    this.silence?.cancel();
    if (this.unwanted !== undefined) return this.finish();
    const command = this.outcome(end);
    const { log, clock, machine } = this.around;
    const isAwaited = (): boolean => machine.attempt(this.id)?.state === "running";
    this.endReport = persist(log, clock, command, isAwaited, (reply) => {
      this.endReport = undefined;
      // The log could not take what it said: it is told so as a failure instead.
      if (reply instanceof Refusal) this.refuse(reply.message);
    });
  }

  private refuse(message: string): void {
    const { log } = this.around;
    propose(log, {
      type: "failed",
      attempt: this.id,
      message: clean(message, MESSAGE_MAX),
      stack: undefined,
      record: undefined,
      retryable: true,
    });
  }

  private outcome(end: TaskEnd): JobsCommand {
    switch (end.type) {
      case "done": {
        const { counters, mapOutput, files, skipped } = end;
        const records = mapOutput?.records ?? files.map((file) => file.records);
        return {
          type: "finished",
          attempt: this.id,
          counters: countedOf(counters),
          partitions: mapOutput?.partitions,
          outputRecords: records.reduce((sum, each) => sum + each, 0),
          files,
          skipped,
        };
      }
      case "failed": {
        const { message, stack, record, retryable } = end;
        return {
          type: "failed",
          attempt: this.id,
          message: clean(message, MESSAGE_MAX),
          stack: stack === undefined ? undefined : clean(stack, STACK_MAX),
          record:
            record === undefined
              ? undefined
              : { index: record.index, text: clean(record.text, RECORD_TEXT_MAX) },
          retryable,
        };
      }
      case "killed": {
        const { progressTimeoutMs } = this.job.spec.settings;
        const message = this.timedOut
          ? `it said nothing for ${progressTimeoutMs} ms and was ended; task.progress() says that a task lives`
          : `its process was ended: ${end.reason}`;
        return {
          type: "failed",
          attempt: this.id,
          message: clean(message, MESSAGE_MAX),
          stack: undefined,
          record: undefined,
          retryable: true,
        };
      }
    }
  }

  /** Nothing of it runs, and the log has its end. */
  private finish(): void {
    this.busy = false;
    this.silence?.cancel();
    this.stopped(this);
  }
}

function countedOf(counters: Counters): Counted[] {
  const counted: Counted[] = [];
  for (const [group, names] of Object.entries(counters)) {
    for (const [name, value] of Object.entries(names)) {
      counted.push({ group: clean(group, 200), name: clean(name, 200), value });
    }
  }
  return counted;
}

/** An attempt that died without a word does not say of which record: the next one notes where it is. */
function isTraced({ spec }: Job, { attempts }: TaskRecord): boolean {
  if (spec.program.type !== "module") return false;
  const isCareful = spec.settings.skipRecords > 0;
  return attempts.some(
    ({ state, stack, record }) =>
      state === "failed" && (isCareful || (stack === undefined && record === undefined)),
  );
}

/** What the log can hold: well-formed, and not too long. */
function clean(text: string, max: number): string {
  return Buffer.from(text.slice(0, max), "utf8").toString("utf8").slice(0, max);
}
