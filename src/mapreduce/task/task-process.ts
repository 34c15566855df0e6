/**
 * One attempt in a process of its own: started, watched, ended. A program that crashes, runs out of memory or never comes back
 * harms nobody but itself.
 */
import { fork } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { memoryPlan } from "./memory-plan.ts";
import type { MapOrder, MapOutputSource, ReduceOrder, Report } from "./orders.ts";

export interface TaskOptions {
  /** File to which the process's standard output and error are appended. Default: thrown away. */
  readonly log?: string;
  /** Called with each report but the last. */
  readonly onReport?: (report: Report) => void;
}

/** How an attempt ended. `killed`: by `kill`. */
export type TaskEnd =
  | Extract<Report, { readonly type: "done" | "failed" }>
  | { readonly type: "killed"; readonly reason: string };

export interface TaskProcess {
  readonly pid: number | undefined;
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<TaskEnd>;
  /** More map outputs for a reduce. */
  send(sources: readonly MapOutputSource[]): void;
  kill(reason: string): void;
}

/** Beside this file; where this file is run as a source, the compiled one. */
const MAIN = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "../../../dist/mapreduce/task/task-main.js" : "./task-main.js",
    import.meta.url,
  ),
);

export function startTask(order: MapOrder | ReduceOrder, options: TaskOptions = {}): TaskProcess {
  const plan = memoryPlan(order.spec.settings.memory);
  const log = options.log === undefined ? undefined : openSync(options.log, "a");
  const child = fork(MAIN, [], {
    execArgv: [`--max-old-space-size=${plan.heapMiB}`, `--max-semi-space-size=${plan.semiSpaceMiB}`],
    // A group of its own, so that what the program started ends with it.
    detached: true,
    stdio: ["ignore", log ?? "ignore", log ?? "ignore", "ipc"],
  });
  if (log !== undefined) closeSync(log);
  let end: TaskEnd | undefined;
  const ended = new Promise<TaskEnd>((resolve) => {
    child.on("message", (report: Report) => {
      if (report.type === "done" || report.type === "failed") end ??= report;
      else options.onReport?.(report);
    });
    child.on("close", (code, signal) => {
      killGroup(child.pid);
      resolve(
        end ?? {
          type: "failed",
          message: `the process ended with ${signal ?? code}`,
          stack: undefined,
          record: undefined,
          retryable: true,
        },
      );
    });
  });
  child.send(order);
  return {
    pid: child.pid,
    ended,
    send(sources) {
      child.send({ type: "sources", sources });
    },
    kill(reason) {
      end ??= { type: "killed", reason };
      killGroup(child.pid);
    },
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}
