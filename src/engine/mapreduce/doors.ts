/**
 * mapreduce: the engine of jobs. `jobs/` is what is replicated; `scheduler.ts` decides at the leader, `worker.ts` runs attempts
 * on every node, `output-keeper.ts` brings outputs to their place, `beats.ts` is what passes as soon as it is told.
 *
 * This file is what all of them need of the outside, as narrow doors: the simulator stands behind them as well as a node does.
 * Calls take a callback, which comes once and later, never during the call.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import type { QuorateError } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { AttemptId, JobId } from "../../mapreduce/job-spec.ts";
import type { MapOrder, MapOutputSource, ReduceOrder, Report } from "../../mapreduce/task/orders.ts";
import type { JobsCommand } from "./jobs/commands.ts";
import type { Job } from "./jobs/job.ts";
import type { JobsReply } from "./jobs/replies.ts";

export type Outcome<T = undefined> = (error: QuorateError | undefined, value?: T) => void;

/** The way into the log of jobs: the door of a hosted group. */
export interface JobsLog {
  propose(
    command: JobsCommand,
    encoded: Bytes,
    done: (reply: JobsReply | undefined, error: QuorateError | undefined) => void,
  ): void;
  /** Calls back when this node's state holds everything that was committed before the call. */
  barrier(done: (error: QuorateError | undefined) => void): void;
  /** The term in which this node leads the group, as far as it knows; undefined: it does not. */
  leadingTerm(): number | undefined;
  logTimeMs(): number;
}

/** Frames between the nodes' engines of jobs: best effort, small. */
export interface JobLink {
  readonly self: NodeId;
  /** The nodes of the cluster, this one too. */
  nodes(): readonly NodeId[];
  /** To a peer. */
  send(to: NodeId, frame: Bytes): void;
  onFrame(receive: (from: NodeId, frame: Bytes) => void): void;
}

/** An inode that something is expected to be, or undefined: nothing may be there. */
export interface Expected {
  readonly path: string;
  readonly id: number | undefined;
}

/** What the outputs of jobs need of the file system. `user`: on whose behalf; undefined: the superuser. */
export interface JobFileSystem {
  /** Makes an empty file, with the directories above. PATH_EXISTS. */
  touch(user: string | undefined, path: string, done: Outcome): void;
  /** Makes a directory in one that is there. PATH_NOT_FOUND. It may be there already. */
  makeDirectory(user: string | undefined, path: string, done: Outcome): void;
  /** The inode at a path; undefined: there is nothing. */
  look(path: string, done: Outcome<number | undefined>): void;
  /** Many renames, all or none, and only if everything is as expected. Replaces nothing; makes directories above targets. */
  publish(
    user: string | undefined,
    expected: readonly Expected[],
    moves: readonly { readonly from: string; readonly to: string }[],
    done: Outcome,
  ): void;
  /** No error when there is nothing. DIRECTORY_NOT_EMPTY. */
  remove(path: string, recursive: boolean, done: Outcome): void;
}

/** Directories of this machine in which attempts work. They outlive the process: what it finds at its start is `held`. */
export interface WorkArea {
  /** Map outputs that were kept here when this process started. */
  held(): readonly AttemptId[];
  /** An empty directory for an attempt. DISK_FULL. */
  begin(attempt: AttemptId, done: Outcome<string>): void;
  /** Removes what the attempt worked with. With `keepOutput` the map output stays, and may be fetched. */
  end(attempt: AttemptId, keepOutput: boolean): void;
  /** Removes the map outputs of a job, and what it had here besides logs. */
  dropJob(job: JobId): void;
  /** Removes the logs of a job. */
  forgetJob(job: JobId): void;
  /** Jobs that have something here besides logs. */
  working(): Iterable<JobId>;
  /** Jobs that have logs here. */
  logged(): Iterable<JobId>;
}

/** The local copies of what a job's attempts run. */
export interface JobPrograms {
  /** Ready, or an error that says what is missing: then the attempt fails. */
  ready(job: Job, done: Outcome<LocalProgram>): void;
}

export interface LocalProgram {
  readonly bundle: string | undefined;
  /** Local paths by link. */
  readonly cache: Readonly<Record<string, string>>;
}

/** How the process of an attempt ended. */
export type TaskEnd =
  | Extract<Report, { readonly type: "done" | "failed" }>
  | { readonly type: "killed"; readonly reason: string };

export interface RunningTask {
  /** More map outputs for a reduce. */
  send(sources: readonly MapOutputSource[]): void;
  /** `onEnd` is called none the less. */
  kill(reason: string): void;
}

/** Starts attempts in processes of their own. */
export interface TaskStarter {
  start(
    order: MapOrder | ReduceOrder,
    on: { readonly report: (report: Report) => void; readonly end: (end: TaskEnd) => void },
  ): RunningTask;
}

/** Where a node's map outputs are fetched, "host:port"; undefined: not known at present. */
export type OutputPlaces = (node: NodeId) => string | undefined;
