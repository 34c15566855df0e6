/**
 * Attempts that outlived who started them. A process ends when its starter is gone, but one whose program never comes back does
 * not see that: whoever finds its directory ends it.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** In the attempt's directory. */
const PID_NAME = "pid";

export function notePid(directory: string, pid: number): void {
  writeFileSync(join(directory, PID_NAME), String(pid));
}

/** Ends the process of an attempt that is still there; false: there is none. Before its directory is removed. */
export function endLeftover(directory: string): boolean {
  const pid = pidIn(directory);
  // A number may be that of another process by now; ours have their directory as an argument.
  if (pid === undefined || !argumentsOf(pid).includes(directory)) return false;
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

function pidIn(directory: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(directory, PID_NAME), "utf8"));
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function argumentsOf(pid: number): readonly string[] {
  try {
    if (process.platform === "linux") return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8", timeout: 5000 })
      .trim()
      .split(" ");
  } catch {
    return [];
  }
}
