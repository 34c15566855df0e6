/** The shape of one act of the tour. A further act (files, a job, a transaction) is one more file and one line in tour.ts. */
import type { Files } from "../../client/files/files.ts";
import type { Jobs } from "../../client/mapreduce/jobs.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Connection } from "./connection.ts";
import type { Library } from "./documents.ts";

/** What every act is given. */
export interface Stage {
  readonly library: Library;
  /** A connection of its own that starts at the node with this number; closed with the stage. */
  connect(node: number): Connection;
  /** The file system, beginning at the node with this number; "alone": at no other. */
  files(node: number, how?: "alone"): Files;
  /** The jobs of the cluster, asked for at the node with this number first. */
  jobs(node: number): Jobs;
  /** The whole input as one file: its path, once it is stored. */
  readonly whole: Milestone<string>;
  /** Resolves when the leaders have been killed and came back. */
  readonly faultsOver: Promise<void>;
  /** Kills a node with SIGKILL, starts it again and waits until it caught up. `why`: such as "which runs a task". */
  kill(node: NodeId, why: string): Promise<void>;
  /** RESP URLs of all nodes. */
  readonly urls: readonly string[];
  /** True once the faults are over and every act may come to its end. */
  readonly mayEnd: () => boolean;
  /** Given when the tour is interrupted. */
  readonly signal: AbortSignal;
  /** A write was acknowledged. `writer`: who, if it writes without a rest, so that its gaps are the cluster's pauses. */
  readonly acknowledged: (writer?: string) => void;
}

/** What one act reaches and another waits for. */
export interface Milestone<T> {
  readonly reached: Promise<T>;
  reach(value: T): void;
}

export function milestone<T>(): Milestone<T> {
  let reach: (value: T) => void = () => undefined;
  const reached = new Promise<T>((resolve) => (reach = resolve));
  return { reached, reach };
}

export interface Finding {
  readonly kind: "done" | "verified" | "measured";
  readonly text: string;
  /** False for a verification that failed. */
  readonly ok: boolean;
}

export interface Act {
  readonly title: string;
  /** Works until its input is used up and `mayEnd` is true. */
  run(): Promise<void>;
  /** One line for the board, and how much of it is done (0…1) when that is known. */
  progress(): { readonly text: string; readonly fraction?: number };
  /** Compares what the store holds, asked at the node with this number, behind `connection`, with this act's own record. */
  verify(connection: Connection, node: number): Promise<readonly string[]>;
  /** After `verify` over every node; `complaints` are all that it returned. */
  findings(complaints: readonly string[]): readonly Finding[];
}
