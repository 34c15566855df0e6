/** Child processes of the benchmark: started, watched, measured, and always ended. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

export interface Process {
  readonly name: string;
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  /** Ends it politely, by force after 5 s. */
  stop(): Promise<void>;
}

/** Those that run: an interrupted benchmark, or one whose reader went away, leaves none behind. */
const running = new Set<ChildProcess>();
process.on("exit", () => running.forEach((child) => child.kill("SIGTERM")));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));

export function run(
  name: string,
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Process {
  const child = spawn(command, args, { stdio: "ignore", env: { ...process.env, ...env } });
  if (child.pid === undefined) throw new Error(`${name}: cannot start ${command}; is it installed?`);
  running.add(child);
  child.on("exit", () => running.delete(child));
  child.on("error", (error) => console.error(`${name}: ${error.message}`));
  return { name, pid: child.pid, kill: (signal) => void child.kill(signal), stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await ended;
  clearTimeout(timer);
}

const CLOCK_TICKS_PER_SECOND = 100;

/** Processor seconds (user and system) that a process has used, and its resident memory in bytes. */
export function usage(pid: number): { cpuSeconds: number; residentBytes: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const pages = Number(fields[21]);
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND,
    residentBytes: pages * 4096,
  };
}

/** A port of the loopback interface that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

/** Asks until `condition` gives a value; fails after `deadlineMs`. */
export async function until<T>(
  what: string,
  deadlineMs: number,
  condition: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await Promise.resolve()
      .then(condition)
      .catch(() => undefined);
    if (value !== undefined) return value;
    if (performance.now() > endMs) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
