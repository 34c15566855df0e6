/** What an attempt is doing: its counters, how far it is, and what it tells to who watches it. */
import type { Task } from "../job.ts";
import type { TaskKind } from "../job-spec.ts";
import { attemptName } from "../job-spec.ts";
import { TaskCounters } from "./counters.ts";
import type { Report, TaskOrder } from "./orders.ts";
import type { SplitPlace } from "./split-reader.ts";

type Progress = Extract<Report, { readonly type: "progress" }>;
export type Phase = Progress["phase"];

/** Reports come at most so often, milliseconds. */
const REPORT_EVERY_MS = 500;
const STATUS_MAX_LENGTH = 500;
/** Of a reduce, how far it is when the program has its first record, and its last. */
const REDUCE_BEGINS = 0.4;
const REDUCE_ENDS = 0.98;

/** Given to the program as its `Task`. */
export class TaskState implements Task {
  readonly attempt: string;
  readonly kind: TaskKind;
  readonly index: number;
  readonly properties: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly counters: TaskCounters = new TaskCounters();
  /** Of a map. */
  place: SplitPlace | undefined;
  /** Of a reduce: records that it is going to have. */
  expectedRecords = 0;
  private readonly report: (report: Report) => void;
  private phase: Phase;
  private fraction = 0;
  private text: string | undefined;
  private reportedAtMs = 0;

  constructor(order: TaskOrder, report: (report: Report) => void) {
    this.attempt = attemptName(order.attempt);
    this.kind = order.attempt.kind;
    this.index = order.attempt.task;
    this.properties = order.spec.properties;
    this.directory = order.directory;
    this.phase = order.type === "reduce" ? "shuffle" : "map";
    this.report = report;
  }

  get path(): string {
    return this.place?.path ?? "";
  }

  get position(): number {
    return this.place?.position ?? 0;
  }

  count(group: string, name: string, amount = 1): void {
    this.counters.add(group, name, amount);
  }

  status(text: string): void {
    this.text = text.slice(0, STATUS_MAX_LENGTH);
    this.tick();
  }

  progress(): void {
    this.tick();
  }

  /** Where the attempt is; `fraction` of all of it. */
  moved(phase: Phase, fraction: number): void {
    this.phase = phase;
    this.fraction = Math.min(1, Math.max(this.fraction, fraction));
    this.tick();
  }

  /** The attempt got on: says so, unless it did a moment ago. */
  tick(): void {
    const nowMs = performance.now();
    if (nowMs - this.reportedAtMs < REPORT_EVERY_MS) return;
    this.reportedAtMs = nowMs;
    const { expectedRecords } = this;
    if (this.phase === "reduce" && expectedRecords > 0) {
      const part = this.counters.system.REDUCE_INPUT_RECORDS / expectedRecords;
      this.fraction = REDUCE_BEGINS + (REDUCE_ENDS - REDUCE_BEGINS) * Math.min(1, part);
    }
    this.report({
      type: "progress",
      fraction: this.fraction,
      phase: this.phase,
      status: this.text,
      counters: this.counters.snapshot(),
    });
  }
}
