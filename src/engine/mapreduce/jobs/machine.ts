/**
 * jobs: submissions, splits, attempts, winners and counters as a deterministic state machine.
 *
 * It applies commands from the replicated log and is read by whoever schedules, runs and shows jobs. Everything it does is a
 * function of its state, the command and the entry's time. `job.ts` is one job, `state.ts` all of them, `operations/` what the
 * commands do, `history.ts` what is kept of jobs that ended, `snapshot-cut.ts` how it is written to disk.
 */
import { assert } from "../../../runtime/errors.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { AttemptId, JobId } from "../../../mapreduce/job-spec.ts";
import { decodeCommand, encodeCommand } from "./command-codec.ts";
import type { CommandType, JobsCommand } from "./commands.ts";
import { pruneDue } from "./history.ts";
import type { Job } from "./job.ts";
import type { AttemptRecord } from "./model.ts";
import { OPERATIONS } from "./operations/index.ts";
import type { Operation } from "./operations/operation.ts";
import type { JobsReply } from "./replies.ts";
import { Refusal } from "./replies.ts";
import { JobsCut } from "./snapshot-cut.ts";
import { readSnapshot } from "./snapshot-restore.ts";
import type { HistorySettings, JobsObserver } from "./state.ts";
import { DEFAULT_HISTORY, JobsState } from "./state.ts";

/** As `AppliedAt` of the group, as far as jobs use it. */
export interface AppliedAt {
  /** Log time, Unix milliseconds. */
  readonly timeMs: number;
}

/** After so long a command of upkeep that was not applied counts as lost. */
const UPKEEP_PATIENCE_MS = 1_000;
/** Between two looks at what may be pruned. */
const UPKEEP_EVERY_MS = 1_000;

/** No jobs yet. It is a `StateMachine<JobsCommand, JobsReply>`. */
export function createJobs(history: Partial<HistorySettings> = {}): JobsMachine {
  return new JobsMachine({ ...DEFAULT_HISTORY, ...history });
}

export class JobsMachine {
  private readonly history: HistorySettings;
  private state: JobsState;
  private cut: JobsCut | undefined;
  private lookedAtMs = -Infinity;
  /** When a command of upkeep was handed out, log time; -Infinity once it was applied. */
  private upkeepSinceMs = -Infinity;

  /** `history` must be the same on all replicas. */
  constructor(history: HistorySettings) {
    this.history = history;
    this.state = new JobsState(history);
  }

  /** Who is told of changes at this replica. */
  set observer(observer: JobsObserver | undefined) {
    this.state.observer = observer;
  }

  decode(bytes: Bytes): JobsCommand {
    return decodeCommand(bytes);
  }

  /** Never throws: what is wrong with a command is its reply. */
  apply(command: JobsCommand, at: AppliedAt): JobsReply {
    const { state } = this;
    state.timeMs = Math.floor(at.timeMs);
    if (command.type === "prune") this.upkeepSinceMs = -Infinity;
    let reply: JobsReply;
    try {
      reply = (OPERATIONS[command.type] as Operation<CommandType>)(state, command);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      reply = error;
    }
    state.settle();
    return reply;
  }

  upkeep(nowMs: number): Bytes | undefined {
    const sinceMs = nowMs - this.upkeepSinceMs;
    if (sinceMs >= 0 && sinceMs < UPKEEP_PATIENCE_MS) return undefined;
    if (nowMs - this.lookedAtMs < UPKEEP_EVERY_MS && nowMs >= this.lookedAtMs) return undefined;
    this.lookedAtMs = nowMs;
    const { remove, strip } = pruneDue(this.state, this.history, nowMs);
    if (remove.length + strip.length === 0) return undefined;
    this.upkeepSinceMs = nowMs;
    return encodeCommand({ type: "prune" });
  }

  /** A consistent cut of the whole state as of now. At most one is open at a time. */
  snapshot(): JobsCut {
    assert(this.cut === undefined, "one snapshot at a time");
    this.cut = new JobsCut(this.state, () => (this.cut = undefined));
    return this.cut;
  }

  /** Replaces the whole state. Throws DATA_CORRUPT when the bytes are not a whole snapshot or its digest does not fit. */
  restore(chunks: Iterable<Bytes>): void {
    const { observer } = this.state;
    const restored = readSnapshot(chunks, this.history);
    this.cut?.close();
    this.state = restored;
    this.upkeepSinceMs = -Infinity;
    this.lookedAtMs = -Infinity;
    restored.observer = observer;
    observer?.replaced();
  }

  digest(): number {
    return this.state.digest();
  }

  /** Log time of the last command. */
  get timeMs(): number {
    return this.state.timeMs;
  }

  /** In the order of their submission. */
  jobs(): IterableIterator<Job> {
    return this.state.jobs.values();
  }

  job(id: JobId): Job | undefined {
    return this.state.jobs.get(id);
  }

  attempt(id: AttemptId): AttemptRecord | undefined {
    return this.state.attempt(id);
  }

  /** Nodes on which attempts run, or map outputs lie that may still be fetched, as far as the log knows. */
  nodes(): ReadonlySet<NodeId> {
    return this.state.nodes();
  }

  runningOn(node: NodeId): Iterable<AttemptId> {
    return this.state.runningOn(node).values();
  }

  countOn(node: NodeId): number {
    return this.state.runningOn(node).size;
  }

  /** Map outputs that count and lie on a node, of jobs whose reduces may still fetch them. */
  *outputsOn(node: NodeId): Generator<AttemptId> {
    for (const id of this.state.outputsOn(node).values()) {
      if (this.state.jobs.get(id.job)?.head.state === "running") yield id;
    }
  }
}
