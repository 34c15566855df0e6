/** How much memory another process holds. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";

const PAGE_BYTES = 4096;

/** Bytes; undefined: the process is gone, or nobody knows. */
export function residentBytes(pid: number): number | undefined {
  if (process.platform !== "linux") return lastKnown(pid);
  try {
    const pages = readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1];
    return Number(pages) * PAGE_BYTES;
  } catch {
    return undefined;
  }
}

/** Where there is no /proc, `ps` is asked, and its answer is that of the next time. */
const known = new Map<number, number | "asked">();

function lastKnown(pid: number): number | undefined {
  const last = known.get(pid);
  if (last === "asked") return undefined;
  known.set(pid, "asked");
  execFile("ps", ["-o", "rss=", "-p", String(pid)], { timeout: 5000 }, (error, output) => {
    if (error === null) known.set(pid, Number(output.trim()) * 1024);
    else known.delete(pid);
  });
  return last;
}
