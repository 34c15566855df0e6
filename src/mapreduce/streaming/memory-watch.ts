/** How much memory the executables of a task hold, all that they started included: a bound that holds the node up. */
import { readdirSync, readFileSync } from "node:fs";

const PAGE_BYTES = 4096;
const EVERY_MS = 1_000;
const MIB = 1024 * 1024;
/** Hadoop's default of a container. A job that asks for more memory for its tasks has that for its executables, too. */
const LEAST_LIMIT_BYTES = 1024 * MIB;

export function memoryLimit(taskBytes: number): number {
  return Math.max(LEAST_LIMIT_BYTES, taskBytes);
}

/** Calls `exceeded` once with a sentence; returns what ends it. On Linux; elsewhere nothing is watched. */
export function watchMemory(limitBytes: number, exceeded: (message: string) => void): () => void {
  const timer = setInterval(() => {
    const bytes = groupBytes();
    if (bytes === undefined || bytes <= limitBytes) return;
    clearInterval(timer);
    const [held, allowed] = [bytes, limitBytes].map((each) => Math.ceil(each / MIB));
    exceeded(`the executables hold ${held} MiB, more than ${allowed} MiB (mapreduce.map.memory.mb)`);
  }, EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Resident bytes of the processes in the group of this one, without this one. Undefined: the machine does not tell. */
export function groupBytes(): number | undefined {
  try {
    const own = fieldsOf(process.pid);
    const group = own?.[GROUP];
    let bytes = 0;
    for (const name of readdirSync("/proc")) {
      const pid = Number(name);
      if (!Number.isInteger(pid) || pid === process.pid) continue;
      const fields = fieldsOf(pid);
      if (fields !== undefined && fields[GROUP] === group) bytes += Number(fields[RESIDENT]) * PAGE_BYTES;
    }
    return bytes;
  } catch {
    return undefined;
  }
}

/** Behind the name in /proc/PID/stat. */
const [GROUP, RESIDENT] = [2, 21] as const;

function fieldsOf(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}
