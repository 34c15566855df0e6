/**
 * Attempts that outlived who started them, and its reaper: whoever finds their directory ends them. The process is known by its
 * number, and by a word among its arguments, because the number may be that of another process by now.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** In the attempt's directory. */
const PID_NAME = "pid";

/** `word`: an argument of the process that no other has. */
export function notePid(directory: string, pid: number, word: string): void {
  writeFileSync(join(directory, PID_NAME), `${pid} ${word}`);
}

/** Ends the processes of an attempt that is still there; false: there are none. Before its directory is removed. */
export function endLeftover(directory: string): boolean {
  const [pid, word] = noted(directory);
  if (pid === undefined || !argumentsOf(pid).includes(word)) return false;
  try {
    process.kill(-pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

function noted(directory: string): readonly [number | undefined, string] {
  try {
    const [number, word = ""] = readFileSync(join(directory, PID_NAME), "utf8").split(" ");
    const pid = Number(number);
    return [Number.isSafeInteger(pid) && pid > 1 && word !== "" ? pid : undefined, word];
  } catch {
    return [undefined, ""];
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
