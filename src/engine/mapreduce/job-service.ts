/** Jobs as clients of a node see them: what the HTTP door of jobs asks for. Every node answers everything. */
import { randomBytes } from "node:crypto";
import { QuorateError } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import type {
  JobAccepted,
  JobList,
  JobPlan,
  JobReport,
  JobState,
  JobSummary,
  NodeList,
  NodeReport,
  TaskList,
} from "../../mapreduce/job-api.ts";
import type { AttemptId, JobId, TaskKind } from "../../mapreduce/job-spec.ts";
import { attemptNamed } from "../../mapreduce/job-spec.ts";
import type { Surroundings } from "../../mapreduce/job-settings.ts";
import { jobSpecOf, submissionOf } from "../../mapreduce/job-submission.ts";
import type { JobsLog } from "./doors.ts";
import { explain } from "./explanation.ts";
import { reportOf, summaryOf, taskReportOf } from "./job-views.ts";
import type { JobPlanner } from "./job-planner.ts";
import { propose } from "./jobs-door.ts";
import type { Job } from "./jobs/job.ts";
import type { JobsCommand } from "./jobs/commands.ts";
import { Refusal } from "./jobs/replies.ts";
import { stateOf } from "./jobs/tally.ts";
import type { JobsEngine } from "./jobs-engine.ts";

export interface JobServiceOptions {
  readonly engine: JobsEngine;
  readonly log: JobsLog;
  readonly planner: JobPlanner;
  /** Why this node takes no jobs; undefined: it does. */
  readonly refusing: () => string | undefined;
  /** May do everything. */
  readonly superuser: () => string;
  readonly nodes: () => readonly NodeId[];
}

export const LIST_MAX = 1_000;
export const WAIT_MAX_MS = 30_000;
/** Changes that come close together are one. */
const GATHER_MS = 100;

export class JobService {
  private readonly options: JobServiceOptions;
  private readonly waiting = new Set<(job: JobId) => void>();
  /** Beats heard: what they tell of running attempts may be new. */
  private beats = 0;

  constructor(options: JobServiceOptions) {
    this.options = options;
    const tell = (job: JobId): void => {
      for (const listener of this.waiting) listener(job);
    };
    options.engine.onChange(tell);
    options.engine.beats.onBeat(() => {
      this.beats++;
      tell("");
    });
  }

  /** ARGUMENT_INVALID, JOBS_REFUSED, PATH_NOT_FOUND, PATH_EXISTS, and what the log says. */
  async submit(submitted: unknown, signal: AbortSignal): Promise<JobAccepted> {
    this.checkAllowed();
    const submission = submissionOf(submitted) ?? randomBytes(16).toString("hex");
    const given = jobSpecOf(submitted, this.surroundings());
    await this.barrier();
    // A submission that is sent again finds its output there, and the job that makes it.
    const known = [...this.machine.jobs()].find(({ head }) => head.submission === submission);
    if (known !== undefined) return this.accepted(known);
    const { spec, splits } = await this.options.planner.plan(given, signal);
    const token = randomBytes(24).toString("hex");
    const { job } = (await this.put({
      type: "submit",
      submission,
      token,
      spec: JSON.stringify(spec),
      splits,
    })) as { readonly job: JobId };
    return this.accepted(this.find(job));
  }

  /** What a submission would become; nothing is done. */
  async plan(submitted: unknown, signal: AbortSignal): Promise<JobPlan> {
    this.checkAllowed();
    const spec = jobSpecOf(submitted, this.surroundings());
    const splits = await this.options.planner.splits(spec, signal);
    const rooms = this.options.engine.scheduler.rooms();
    const live = new Set(rooms.map(({ node }) => node));
    const files = new Set<string>();
    let bytes = 0;
    let largestSplitBytes = 0;
    for (const { path, length, also = [] } of splits) {
      const size = also.reduce((sum, piece) => sum + piece.length, length);
      for (const each of [path, ...also.map((piece) => piece.path)]) files.add(each);
      bytes += size;
      largestSplitBytes = Math.max(largestSplitBytes, size);
    }
    return {
      files: files.size,
      bytes,
      maps: splits.length,
      reduces: spec.settings.reduces,
      largestSplitBytes,
      localMaps: splits.filter(({ nodes }) => nodes.some((node) => live.has(node))).length,
      settings: spec.settings,
      slots: rooms.reduce((sum, { slots }) => sum + slots, 0),
    };
  }

  /** Newest first; `before`: older than this one. */
  async list(
    states: ReadonlySet<JobState> | undefined,
    limit: number,
    before: JobId | undefined,
  ): Promise<JobList> {
    await this.barrier();
    const jobs: JobSummary[] = [];
    let isBehind = before === undefined;
    for (const job of [...this.machine.jobs()].reverse()) {
      if (isBehind && (states === undefined || states.has(job.head.state))) {
        if (jobs.length === limit) return { jobs, next: jobs.at(-1)!.id };
        jobs.push(summaryOf(job));
      }
      if (job.id === before) isBehind = true;
    }
    return { jobs, next: undefined };
  }

  /** With `after`: when something is different from then, or after `waitMs`. JOB_NOT_FOUND. */
  async report(
    id: JobId,
    after: string | undefined,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<JobReport> {
    await this.barrier();
    if (after !== undefined) await this.change(id, after, Math.min(waitMs, WAIT_MAX_MS), signal);
    const job = this.find(id);
    const { engine, log } = this.options;
    const rooms = engine.scheduler.rooms();
    const nowMs = Math.max(this.machine.timeMs, Math.floor(log.logTimeMs()));
    return reportOf(job, {
      beats: engine.beats,
      nowMs,
      cursor: this.cursorOf(job),
      explanation: explain(job, { beats: engine.beats, rooms, nowMs }),
      slots: rooms.reduce((sum, { slots }) => sum + slots, 0),
      nodes: this.addresses(),
    });
  }

  async tasks(
    id: JobId,
    kind: TaskKind,
    state: string | undefined,
    from: number,
    limit: number,
  ): Promise<TaskList> {
    await this.barrier();
    const job = this.find(id);
    const { tasks: records } = job.table(kind);
    const tasks = [];
    for (let task = from; task < records.length; task++) {
      if (state !== undefined && stateOf(records[task]!) !== state) continue;
      if (tasks.length === limit) return { tasks, next: task, kept: true };
      tasks.push(taskReportOf(job, kind, task));
    }
    return { tasks, next: undefined, kept: job.detailed };
  }

  /** JOB_NOT_FOUND, JOB_ENDED, ACCESS_DENIED. */
  async kill(id: JobId, user: string, reason: string): Promise<JobSummary> {
    await this.barrier();
    const { spec } = this.find(id);
    if (user !== spec.user && user !== this.options.superuser()) {
      throw new QuorateError("ACCESS_DENIED", `${id} is a job of ${spec.user}, and ${user} may not kill it`);
    }
    await this.put({ type: "kill", job: id, reason: reason === "" ? `by ${user}` : `by ${user}: ${reason}` });
    return summaryOf(this.find(id));
  }

  /** The attempt, and the address of the node that ran it; undefined: that is this one. JOB_NOT_FOUND. */
  async placeOf(
    job: JobId,
    name: string,
  ): Promise<{ readonly attempt: AttemptId; readonly http: string | undefined }> {
    await this.barrier();
    const attempt = attemptNamed(name);
    const record = attempt?.job === job ? this.machine.attempt(attempt) : undefined;
    if (attempt === undefined || record === undefined) {
      this.find(job);
      throw new QuorateError("JOB_NOT_FOUND", `${job} has no attempt ${name.slice(0, 100)}`);
    }
    const { engine } = this.options;
    if (record.node === engine.self) return { attempt, http: undefined };
    const http = engine.beats.of(record.node)?.http;
    if (http === undefined || engine.beats.standing(record.node) === "dead")
      throw new QuorateError("NO_QUORUM", `${record.node}, which has the log, cannot be reached at present`);
    return { attempt, http };
  }

  nodes(): NodeList {
    const { engine } = this.options;
    const { beats } = engine;
    const leader = this.options.nodes().find((node) => this.leads(node));
    const nodes = this.options.nodes().map((id): NodeReport => {
      const beat = beats.of(id);
      const standing = beats.standing(id);
      const refusing = beat?.refusing;
      return {
        id,
        http: beat?.http,
        state: refusing !== undefined && standing !== "dead" ? "refusing" : standing,
        reason: refusing,
        slots: beat?.slots ?? 0,
        running: this.machine.countOn(id),
        leader: id === leader,
      };
    });
    return { nodes };
  }

  private get machine(): JobsEngine["machine"] {
    return this.options.engine.machine;
  }

  private leads(node: NodeId): boolean {
    const { engine } = this.options;
    return node === engine.self ? engine.scheduler.leads : engine.beats.of(node)?.leads === true;
  }

  private checkAllowed(): void {
    const refusing = this.options.refusing();
    if (refusing !== undefined) throw new QuorateError("JOBS_REFUSED", refusing);
  }

  private surroundings(): Surroundings {
    const nodes = this.options.nodes();
    const hosts = nodes.map((node) => this.options.engine.beats.of(node)?.http?.replace(/:\d+$/, ""));
    return { nodes: nodes.length, oneMachine: new Set(hosts).size <= 1 };
  }

  private addresses(): readonly string[] {
    const { engine, nodes } = this.options;
    return nodes()
      .map((node) => engine.beats.of(node)?.http)
      .filter((http) => http !== undefined);
  }

  private accepted(job: Job): JobAccepted {
    return { job: summaryOf(job), nodes: this.addresses() };
  }

  private find(id: JobId): Job {
    const job = this.machine.job(id);
    if (job === undefined) throw new QuorateError("JOB_NOT_FOUND", `there is no job ${id.slice(0, 100)}`);
    return job;
  }

  private cursorOf(job: Job): string {
    // Beats tell nothing new of what has ended.
    return job.live ? `${job.head.version}-${this.beats}` : `${job.head.version}`;
  }

  private async change(id: JobId, after: string, waitMs: number, signal: AbortSignal): Promise<void> {
    const isSame = (): boolean => {
      const job = this.machine.job(id);
      return job !== undefined && this.cursorOf(job) === after;
    };
    if (!isSame()) return;
    await new Promise<void>((resolve) => {
      const timers: NodeJS.Timeout[] = [];
      const end = (): void => {
        for (const timer of timers) clearTimeout(timer);
        this.waiting.delete(look);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const look = (job: JobId): void => {
        if ((job !== id && job !== "") || isSame()) return;
        // What has ended is told at once; the rest with what comes right behind it.
        if (this.machine.job(id)?.live !== true) end();
        else if (timers.length === 1) timers.push(setTimeout(end, GATHER_MS));
      };
      timers.push(setTimeout(end, waitMs));
      signal.addEventListener("abort", end, { once: true });
      this.waiting.add(look);
    });
    signal.throwIfAborted();
  }

  private barrier(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.options.log.barrier((error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  private put(command: JobsCommand): Promise<unknown> {
    return new Promise((resolve, reject) => {
      propose(this.options.log, command, (reply, error) => {
        if (error !== undefined) reject(error);
        else if (reply instanceof Refusal) reject(new QuorateError(reply.code, reply.message));
        else resolve(reply);
      });
    });
  }
}
