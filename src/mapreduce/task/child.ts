/** The process of an attempt, from the outside: forked for one, or a while before there is one. */
import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { memoryPlan } from "./memory-plan.ts";
import { EARLY } from "./orders.ts";
import { endWithThis, hasEnded } from "./reaper.ts";

export interface TaskChild {
  readonly process: ChildProcess;
  /** Among its arguments, and those of no other. */
  readonly word: string;
}

/** Beside this file; where this file is run as a source, the compiled one. */
const MAIN = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "../../../dist/mapreduce/task/task-main.js" : "./task-main.js",
    import.meta.url,
  ),
);

/**
 * `memory`: bytes of the whole process. `log`: what it prints is appended to this file; undefined: thrown away. `early`: there is
 * no order for it yet. Throws what the machine throws when the log cannot be opened.
 */
export function forkTask(memory: number, log: string | undefined, early = false): TaskChild {
  const plan = memoryPlan(memory);
  const file = log === undefined ? undefined : openSync(log, "a");
  const output = file ?? "ignore";
  const word = `quorate-${randomBytes(8).toString("hex")}`;
  const child = fork(MAIN, early ? [word, EARLY] : [word], {
    execArgv: [`--max-old-space-size=${plan.heapMiB}`, `--max-semi-space-size=${plan.semiSpaceMiB}`],
    // A group of its own, so that what the program started ends with it.
    detached: true,
    stdio: ["ignore", output, output, "ipc"],
    env: inherited(),
  });
  if (file !== undefined) closeSync(file);
  const { pid } = child;
  if (pid !== undefined) {
    endWithThis(pid);
    child.once("exit", () => {
      // Before its number is free for others, as far as that can be had: what it started goes with it.
      killGroup(pid);
      hasEnded(pid);
    });
  }
  return { process: child, word };
}

/** What a program may know of the node that runs it: no password or token that the node was started with is among it. */
const INHERITED = ["PATH", "HOME", "USER", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"];

function inherited(): NodeJS.ProcessEnv {
  const known = INHERITED.map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(known.filter(([, value]) => value !== undefined));
}

export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}
