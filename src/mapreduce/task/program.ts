/**
 * A program as a task runs it, on bytes: what a typed job (`module-program.ts`) and Hadoop Streaming's executables
 * (`../streaming/`) both become.
 */
import type { Framing } from "../input/format.ts";
import type { KeyOrder } from "../key-order.ts";
import type { Combine, NumericFold } from "./combine.ts";
import type { Emission } from "./emission.ts";
import type { MapOrder, ReduceOrder, SampleOrder } from "./orders.ts";
import type { TaskOutputs } from "./task-outputs.ts";
import type { Skipping } from "./skipping.ts";
import type { Records } from "./records.ts";
import type { SplitPlace } from "./split-reader.ts";
import type { TaskState } from "./task-state.ts";

/** The map function of a task, which has its records one after the other. */
export interface MapStage {
  /** The record is `bytes` from `start` to `end`, during the call. A promise is waited for before the next one. */
  record(bytes: Buffer, start: number, end: number): void | Promise<void>;
  /** After the last record. */
  end(): void | Promise<void>;
}

export interface MapStageOptions {
  readonly order: MapOrder | SampleOrder;
  /** Which of the program's inputs. */
  readonly mapper: number;
  /** Where emitted records go; undefined: the job has no reduces, they go to `outputs`. */
  readonly collector: Emission | undefined;
  readonly outputs: TaskOutputs;
  readonly place: SplitPlace;
  readonly task: TaskState;
}

export interface ReduceStageOptions {
  readonly order: ReduceOrder;
  /** Sorted, of one partition. */
  readonly records: Records;
  readonly outputs: TaskOutputs;
  readonly task: TaskState;
  /** Looks after groups that the program fails on; undefined: the first one fails the attempt, which is for the caller to see. */
  readonly skipping: Skipping | undefined;
}

export interface TaskProgram {
  /** How the input of a mapper is cut into records. */
  framing(mapper: number): Framing;
  readonly keyOrder: KeyOrder;
  readonly combine: Combine | undefined;
  readonly fold: NumericFold | undefined;
  openMap(options: MapStageOptions): Promise<MapStage>;
  /** Takes all records. */
  reduce(options: ReduceStageOptions): Promise<void>;
}
