/** How many tasks and attempts are in which state: what a job is summed up to. */
import type { Field } from "../../../wire/record.ts";
import { record, uint53 } from "../../../wire/record.ts";
import type { AttemptState, TaskRecord } from "./model.ts";

/** Of tasks of one kind. `succeeded` counts winners only. */
export interface Tally {
  waiting: number;
  running: number;
  finished: number;
  attemptsRunning: number;
  succeeded: number;
  failed: number;
  killed: number;
  lost: number;
  /** Attempts begun. */
  begun: number;
}

export const TALLY: Field<Tally> = record<Tally>({
  waiting: uint53,
  running: uint53,
  finished: uint53,
  attemptsRunning: uint53,
  succeeded: uint53,
  failed: uint53,
  killed: uint53,
  lost: uint53,
  begun: uint53,
});

export function noTally(): Tally {
  return {
    waiting: 0,
    running: 0,
    finished: 0,
    attemptsRunning: 0,
    succeeded: 0,
    failed: 0,
    killed: 0,
    lost: 0,
    begun: 0,
  };
}

export type TaskState = "waiting" | "running" | "finished";

export function stateOf(task: TaskRecord): TaskState {
  if (task.winner !== undefined) return "finished";
  return task.attempts.some(({ state }) => state === "running") ? "running" : "waiting";
}

const COUNTED_AS: Readonly<Record<AttemptState, keyof Tally>> = {
  running: "attemptsRunning",
  succeeded: "succeeded",
  failed: "failed",
  killed: "killed",
  lost: "lost",
};

/** Adds a task, or takes it away with `sign` -1. */
export function count(tally: Tally, task: TaskRecord, sign: 1 | -1): void {
  tally[stateOf(task)] += sign;
  tally.begun += sign * task.attempts.length;
  for (const { state } of task.attempts) tally[COUNTED_AS[state]] += sign;
}
