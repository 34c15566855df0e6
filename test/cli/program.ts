/** Runs the built program `quorate` as a person does, and cleans up what it leaves. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Algorithm } from "../../src/consensus/algorithms.ts";
import { lockDirectory } from "../../src/engine/cluster/directory-lock.ts";
import { isQuorateError } from "../../src/runtime/errors.ts";
import type { StatusDocument } from "../../src/engine/protocol/admin/status-document.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/cli/main.js");

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the process has ended. */
  readonly ended: Promise<Ended>;
}

const running = new Set<ChildProcess>();
const directories: string[] = [];

/** `under`: words of a command that runs another one, such as `ip netns exec NAME`; it must not leave a process of its own. */
export function launch(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  under: readonly string[] = [],
): Running {
  const [command = process.execPath, ...words] = [...under, process.execPath, MAIN, ...args];
  const child = spawn(command, words, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", ...environment },
  });
  running.add(child);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<Ended>((done) => {
    child.once("close", (code) => {
      running.delete(child);
      done({ code, stdout, stderr });
    });
  });
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal) => void child.kill(signal),
    ended,
  };
}

export function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return launch(args, environment).ended;
}

/** An empty directory of this test, removed by `cleanUp`. */
export function scratch(): string {
  const directory = fs.mkdtempSync(join(tmpdir(), "quorate-test-"));
  directories.push(directory);
  return directory;
}

/**
 * Ends what still runs and removes the directories. Nodes whose supervisor was killed take their time to end in order: what one
 * still writes to cannot be removed, and the next directory, which may get the same inode, would seem to be its own.
 */
export async function cleanUp(): Promise<void> {
  const ends = [...running].map((child) => new Promise<void>((done) => child.once("close", () => done())));
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(ends);
  for (const directory of directories.splice(0)) {
    for (const each of foldersOf(directory, 2)) await unused(each);
    fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function foldersOf(directory: string, depth: number): readonly string[] {
  const below = fs.readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  if (depth === 0) return [directory];
  return [directory, ...below.flatMap(({ name }) => foldersOf(join(directory, name), depth - 1))];
}

/** Kills the node that has it as its data directory. */
function unused(directory: string): Promise<true> {
  return until(`${directory} to be left by its node`, 20_000, async () => {
    try {
      await (
        await lockDirectory(directory)
      )();
      return true;
    } catch (error) {
      if (!isQuorateError(error) || error.code !== "DATA_DIRECTORY_IN_USE") throw error;
      const pid = Number(/pid (\d+)/.exec(error.message)?.[1]);
      if (pid !== process.pid && isAlive(pid)) process.kill(pid, "SIGKILL");
      return undefined;
    }
  });
}

export interface Cluster {
  readonly program: Running;
  /** RESP URL of the first node. */
  readonly url: string;
  readonly urls: readonly string[];
}

/** The words that choose an algorithm. */
export function keptBy(algorithm: Algorithm): readonly string[] {
  return ["--consensus", algorithm];
}

/** `quorate start` on free ports; waits for its five lines. */
export async function startCluster(args: readonly string[]): Promise<Cluster> {
  const ports = ["--port", "0", "--http-port", "0", "--peer-port", "0"];
  const program = launch(["start", ...ports, ...args]);
  let over: Ended | undefined;
  void program.ended.then((ended) => (over = ended));
  await until("the five lines", 20_000, () => {
    if (over) throw new Error(`start ended with ${over.code ?? "a signal"}: ${over.stderr}`);
    return /^ {2}try /m.test(program.stdout()) || undefined;
  });
  const urls = program.stdout().match(/redis:\/\/[\d.:]+/g) ?? [];
  return { program, url: urls[0] ?? "", urls };
}

export async function statusOf(url: string): Promise<StatusDocument> {
  const { code, stdout, stderr } = await run(["status", "--url", url, "--json"]);
  if (code !== 0) throw new Error(`status ended with ${code ?? "a signal"}: ${stderr}`);
  return JSON.parse(stdout) as StatusDocument;
}

/** Asks until there is an answer; fails after the deadline. */
export async function until<T>(
  what: string,
  withinMs: number,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** True while a process with this id exists and is no zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
