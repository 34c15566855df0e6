/**
 * Records that the program fails on. Where a job allows some to be skipped, what a record emits and counts is held back until
 * the program is done with it, so that a bad record leaves nothing behind.
 */
import type { StagedEmission } from "./emission.ts";
import type { RecordAtHand } from "./failure.ts";
import { BadRecord, TaskFault, placeText } from "./failure.ts";
import type { TaskOrder } from "./orders.ts";
import { mappedStack } from "./source-positions.ts";
import type { TaskOutputs } from "./task-outputs.ts";
import type { TaskState } from "./task-state.ts";
import { Trace } from "./trace.ts";

export class Skipping {
  /** Indices of records that were left out, ascending. */
  readonly skipped: number[] = [];
  private readonly known: ReadonlySet<number>;
  private readonly allowed: number;
  private readonly task: TaskState;
  private readonly outputs: TaskOutputs;
  private readonly staged: StagedEmission | undefined;
  private readonly trace: Trace | undefined;

  constructor(order: TaskOrder, task: TaskState, outputs: TaskOutputs, staged: StagedEmission | undefined) {
    this.known = new Set(order.skip);
    this.allowed = order.spec.settings.skipRecords;
    this.task = task;
    this.outputs = outputs;
    this.staged = staged;
    this.trace = order.trace === true ? new Trace(order.directory) : undefined;
    if (this.allowed > 0) task.counters.begin();
  }

  /** Whether a record is looked after at all. Without, nothing is paid for it. */
  static isNeeded({ spec, skip, trace }: TaskOrder): boolean {
    return spec.settings.skipRecords > 0 || skip.length > 0 || trace === true;
  }

  /** Whether the record is one that earlier attempts died of. Else it is noted as the one at hand. */
  passesOver(index: number, atHand: () => RecordAtHand): boolean {
    if (this.known.has(index)) {
      this.note(atHand(), "earlier attempts ended at it");
      return true;
    }
    this.trace?.note(atHand());
    return false;
  }

  /** The program is done with the record. */
  good(): void {
    if (this.allowed === 0) return;
    this.staged?.keep();
    this.outputs.keep();
    this.task.counters.keep();
  }

  /** The program failed on it. Throws when no more may be skipped, or when it was not the record's fault. */
  bad(record: RecordAtHand, error: unknown): void {
    if (error instanceof TaskFault) throw error;
    if (this.skipped.length >= this.allowed) throw new BadRecord(record, error);
    this.staged?.drop();
    this.outputs.drop();
    this.task.counters.takeBack();
    this.note(record, error instanceof Error ? mappedStack(error) : String(error));
  }

  /** Its number is in the attempt's report, the rest in its log. */
  private note(record: RecordAtHand, why: string): void {
    const { index, text } = record;
    this.skipped.push(index);
    const what = this.task.kind === "map" ? "record" : "group";
    console.error(`skipped ${what} ${index}${placeText(record)} (${text}): ${why}`);
  }
}
