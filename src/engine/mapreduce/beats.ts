/**
 * What every node tells all others some times a second: that its worker lives, how much it can take, and how far its attempts
 * are. Soft state: nothing of it is in the log, all of it may be late, and every node has it, so that a new leader knows at once
 * who lives and any node can answer how far a job is.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { isQuorateError } from "../../runtime/errors.ts";
import type { Clock, Logger, NodeId, Timer } from "../../runtime/world.ts";
import type { Field } from "../../wire/record.ts";
import {
  decode,
  double,
  encode,
  flag,
  list,
  optional,
  record,
  text,
  uint32,
  uint53,
} from "../../wire/record.ts";
import type { AttemptId, JobId } from "../../mapreduce/job-spec.ts";
import { attemptName } from "../../mapreduce/job-spec.ts";
import type { JobLink } from "./doors.ts";
import { ATTEMPT_ID } from "./jobs/command-codec.ts";
import type { Counted } from "./jobs/model.ts";

export const BEAT_MS = 500;
/** A node that was silent for so long gets no new tasks, and backups of those it has are begun elsewhere. */
export const SILENT_AFTER_MS = 3_000;
/** A node that was silent for so long counts as gone: what it ran and what it holds is done again. */
export const DEAD_AFTER_MS = 10_000;

/** How far an attempt is. */
export interface Progress {
  readonly attempt: AttemptId;
  readonly phase: string;
  /** 0 to 1. */
  readonly fraction: number;
  readonly status: string | undefined;
  readonly counters: readonly Counted[];
}

export interface WorkerBeat {
  /** Greater in each life of the worker: the log time of its beginning. */
  readonly life: number;
  /** Attempts that it takes at a time. */
  readonly slots: number;
  /** Why it takes none; undefined: it does. */
  readonly refusing: string | undefined;
  /** It is about to stop. */
  readonly leaving: boolean;
  /** It decides for all, as far as it knows. */
  readonly leads: boolean;
  /** Where its map outputs are fetched: "host:port" of its HTTP server. */
  readonly http: string | undefined;
  readonly progress: readonly Progress[];
  /** Of the leader: jobs whose output does not get on, and why. */
  readonly problems: readonly Problem[];
}

export interface Problem {
  readonly job: JobId;
  readonly text: string;
}

const BEAT: Field<WorkerBeat> = record<WorkerBeat>({
  life: uint53,
  slots: uint32,
  refusing: optional(text),
  leaving: flag,
  leads: flag,
  http: optional(text),
  progress: list(
    record<Progress>({
      attempt: ATTEMPT_ID,
      phase: text,
      fraction: double,
      status: optional(text),
      counters: list(record<Counted>({ group: text, name: text, value: double })),
    }),
  ),
  problems: list(record<Problem>({ job: text, text })),
});

export type Standing = "live" | "silent" | "dead";

interface Heard {
  beat: WorkerBeat;
  atMs: number;
}

export interface BeatsOptions {
  readonly link: JobLink;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What this node tells; undefined: nothing yet. */
  readonly own: () => WorkerBeat | undefined;
}

export class Beats {
  private readonly options: BeatsOptions;
  private readonly heard = new Map<NodeId, Heard>();
  private readonly progress = new Map<string, Progress>();
  private readonly sinceMs: number;
  private timer: Timer | undefined;
  private readonly listeners: (() => void)[] = [];

  constructor(options: BeatsOptions) {
    this.options = options;
    this.sinceMs = options.clock.monotonicMs();
    options.link.onFrame((from, frame) => this.receive(from, frame));
    this.beat();
  }

  /** Tells all others now. */
  beat(): void {
    this.timer?.cancel();
    const { link, clock, own } = this.options;
    this.timer = clock.setTimer(BEAT_MS, () => this.beat());
    const beat = own();
    if (beat === undefined) return;
    this.take(link.self, beat);
    const frame = encode(BEAT, beat);
    for (const node of link.nodes()) if (node !== link.self) link.send(node, frame);
  }

  /** Calls back when a beat came. */
  onBeat(listener: () => void): void {
    this.listeners.push(listener);
  }

  of(node: NodeId): WorkerBeat | undefined {
    return this.heard.get(node)?.beat;
  }

  standing(node: NodeId): Standing {
    const heard = this.heard.get(node);
    const silentMs = this.silentMs(node);
    if (heard?.beat.leaving === true || silentMs >= DEAD_AFTER_MS) return "dead";
    return silentMs >= SILENT_AFTER_MS || heard === undefined ? "silent" : "live";
  }

  /** Since when nothing was heard of a node; one that was never heard counts from when this one began to listen. */
  silentMs(node: NodeId): number {
    return this.options.clock.monotonicMs() - (this.heard.get(node)?.atMs ?? this.sinceMs);
  }

  progressOf(attempt: AttemptId): Progress | undefined {
    return this.progress.get(attemptName(attempt));
  }

  /** Why the output of a job does not get on, by whoever leads. */
  problemOf(job: JobId): string | undefined {
    for (const { beat } of this.heard.values()) {
      const problem = beat.problems.find((each) => each.job === job);
      if (problem !== undefined) return problem.text;
    }
    return undefined;
  }

  /** Nodes that were heard, members or not. */
  nodes(): readonly NodeId[] {
    return [...this.heard.keys()];
  }

  close(): void {
    this.timer?.cancel();
  }

  private receive(from: NodeId, frame: Bytes): void {
    try {
      this.take(from, decode(BEAT, frame));
    } catch (error) {
      if (!isQuorateError(error)) throw error;
      this.options.logger.log("warn", "mapreduce.beat-refused", { from, error: error.message });
    }
  }

  private take(from: NodeId, beat: WorkerBeat): void {
    const before = this.heard.get(from);
    // A frame may be overtaken by those of a later life.
    if (before !== undefined && beat.life < before.beat.life) return;
    for (const each of before?.beat.progress ?? []) this.progress.delete(attemptName(each.attempt));
    for (const each of beat.progress) this.progress.set(attemptName(each.attempt), each);
    this.heard.set(from, { beat, atMs: this.options.clock.monotonicMs() });
    for (const listener of this.listeners) listener();
  }
}
