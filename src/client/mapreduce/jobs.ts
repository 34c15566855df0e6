/**
 * mapreduce: jobs as a program sees them: submit, follow, look at, kill, over HTTP, at any node of a cluster.
 *
 *     const jobs = connectJobs("http://localhost:9870");
 *     const run = await jobs.run(wordCount, { input: "/books", output: "/counts", signal });
 *     for await (const { progress } of run) console.log(progress);
 *     const { counters } = await run.result;
 *
 * where `wordCount` is the default export of a module, which is bundled and stored with the first run.
 *
 * A change of the leader, or the death of the node that it talks to, is not noticed.
 */
import { randomBytes } from "node:crypto";
import type {
  JobAccepted,
  JobList,
  JobPlan,
  JobReport,
  JobState,
  JobSubmission,
  JobSummary,
  NodeList,
  TaskList,
  TaskReport,
} from "../../mapreduce/job-api.ts";
import type { JobId, TaskKind } from "../../mapreduce/job-spec.ts";
import type { Job } from "../../mapreduce/job.ts";
import { connectFiles } from "../files/connect.ts";
import type { CallOptions, JobNodes } from "./job-nodes.ts";
import { JobRun } from "./job-run.ts";
import type { JobOptions } from "./shipped-job.ts";
import { shippedJob } from "./shipped-job.ts";
import { StagedFiles } from "./staged-files.ts";

/** Splits of many files are planned, and a total order is sampled, before a submission is answered. */
const SUBMIT_PATIENCE_MS = 120_000;
const SUBMIT_TIMEOUT_MS = 300_000;
const PAGE = 1_000;
const GIVEN_UP = "whoever submitted it gave it up";

export interface ListOptions extends CallOptions {
  /** Default: all. */
  readonly states?: readonly JobState[];
  /** Default 100, at most 1,000. */
  readonly limit?: number;
  /** Older than this one. */
  readonly before?: JobId;
}

export interface LogOptions extends CallOptions {
  /** Negative: so many bytes before the end. Default 0. */
  readonly offset?: number;
  /** Default 1 MiB, at most 64 MiB. */
  readonly length?: number;
}

/** A submission by the user of this connection. */
export type OwnSubmission = Omit<JobSubmission, "user"> & { readonly user?: string };

export class Jobs {
  readonly user: string;
  private readonly nodes: JobNodes;

  constructor(nodes: JobNodes, user: string) {
    this.nodes = nodes;
    this.user = user;
  }

  /**
   * Bundles the job's module, stores it, submits it, and gives what follows the job. When the signal fires the job is killed.
   * JOB_INVALID: the module cannot be found or bundled; ARGUMENT_INVALID, PATH_NOT_FOUND (input), PATH_EXISTS (output),
   * JOBS_REFUSED, ACCESS_DENIED, NO_QUORUM.
   */
  run(job: Job, options: JobOptions): Promise<JobRun>;
  /** The same of a program that is stored already, or of executables. */
  run(submission: OwnSubmission, options?: CallOptions): Promise<JobRun>;
  async run(given: Job | OwnSubmission, options: JobOptions | CallOptions = {}): Promise<JobRun> {
    const submission = "quorateJob" in given ? await this.ship(given, options as JobOptions) : given;
    const { signal, timeoutMs } = options;
    signal?.throwIfAborted();
    const submitted = this.submit(submission, timeoutMs === undefined ? {} : { timeoutMs });
    const { job } = await (signal === undefined ? submitted : this.unlessGivenUp(submitted, signal));
    return new JobRun(job.id, this.nodes, submission.user ?? this.user, signal);
  }

  /** The same, without following it. A submission whose answer was lost is sent again, and is one job none the less. */
  async submit(submission: OwnSubmission, options: CallOptions = {}): Promise<JobAccepted> {
    const body: JobSubmission = {
      submission: randomBytes(16).toString("hex"),
      user: this.user,
      ...submission,
    };
    const accepted = await this.nodes.ask<JobAccepted>(
      { method: "POST", path: "/jobs", body, patienceMs: SUBMIT_PATIENCE_MS },
      { timeoutMs: SUBMIT_TIMEOUT_MS, ...options },
    );
    this.nodes.learn(accepted.nodes);
    return accepted;
  }

  /** A job that was submitted before, by whomever. */
  follow(id: JobId, options: Pick<CallOptions, "signal"> = {}): JobRun {
    return new JobRun(id, this.nodes, this.user, options.signal);
  }

  /** What a job would be made of; nothing is done. */
  plan(submission: OwnSubmission, options: CallOptions = {}): Promise<JobPlan> {
    const body: JobSubmission = { user: this.user, ...submission };
    return this.nodes.ask({ method: "POST", path: "/plan", body, patienceMs: SUBMIT_PATIENCE_MS }, options);
  }

  /** Newest first. */
  list({ states, limit, before, ...options }: ListOptions = {}): Promise<JobList> {
    return this.nodes.ask(
      { method: "GET", path: `/jobs${queryOf({ state: states?.join(","), limit, before })}` },
      options,
    );
  }

  /** Those that have ended, newest first. */
  history({ limit, before, ...options }: Omit<ListOptions, "states"> = {}): Promise<JobList> {
    return this.nodes.ask({ method: "GET", path: `/history${queryOf({ limit, before })}` }, options);
  }

  /** JOB_NOT_FOUND. */
  report(id: JobId, options: CallOptions = {}): Promise<JobReport> {
    return this.nodes.ask({ method: "GET", path: `/jobs/${encodeURIComponent(id)}` }, options);
  }

  /** Tasks with their attempts, in order. Of a job that ended long ago there are none. */
  async *tasks(
    id: JobId,
    kind: TaskKind,
    { state, ...options }: CallOptions & { readonly state?: TaskReport["state"] } = {},
  ): AsyncGenerator<TaskReport> {
    for (let from: number | undefined = 0; from !== undefined;) {
      const path = `/jobs/${encodeURIComponent(id)}/tasks${queryOf({ kind, state, from, limit: PAGE })}`;
      const page: TaskList = await this.nodes.ask<TaskList>({ method: "GET", path }, options);
      yield* page.tasks;
      from = page.next;
    }
  }

  /** What the process of an attempt wrote to standard output and error, from whatever node has it. */
  log(id: JobId, attempt: string, { offset, length, ...options }: LogOptions = {}): Promise<string> {
    const place = `/jobs/${encodeURIComponent(id)}/attempts/${encodeURIComponent(attempt)}/log`;
    return this.nodes.text({ method: "GET", path: place + queryOf({ offset, length }) }, options);
  }

  /** JOB_NOT_FOUND, JOB_ENDED, ACCESS_DENIED. */
  kill(id: JobId, reason?: string, options: CallOptions = {}): Promise<JobSummary> {
    const body = { user: this.user, ...(reason === undefined ? {} : { reason }) };
    return this.nodes.ask({ method: "POST", path: `/jobs/${encodeURIComponent(id)}/kill`, body }, options);
  }

  /** The nodes that run tasks, as one of them sees them. */
  async nodesOf(options: CallOptions = {}): Promise<NodeList> {
    const list = await this.nodes.ask<NodeList>({ method: "GET", path: "/nodes" }, options);
    this.nodes.learn(list.nodes.flatMap(({ http }) => (http === undefined ? [] : [http])));
    return list;
  }

  private async ship(job: Job, options: JobOptions): Promise<OwnSubmission> {
    const files = connectFiles(`webhdfs://${this.nodes.urls.join(",")}`, { user: this.user });
    try {
      return await shippedJob(job, options, this.user, new StagedFiles(files, this.user));
    } finally {
      files.close();
    }
  }

  /** A submission that is given up before its answer has come may be a job all the same: that is killed when it is known. */
  private async unlessGivenUp(submitted: Promise<JobAccepted>, signal: AbortSignal): Promise<JobAccepted> {
    let giveUp = (): void => undefined;
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = () => reject(signal.reason as Error);
      signal.addEventListener("abort", giveUp, { once: true });
    });
    try {
      return await Promise.race([submitted, givenUp]);
    } catch (error) {
      if (signal.aborted)
        // Refused, or ended by itself: nothing runs.
        submitted.then(({ job }) => this.kill(job.id, GIVEN_UP)).catch(() => undefined);
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }
}

function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
