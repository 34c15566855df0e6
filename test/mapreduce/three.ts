/** A cluster of three real processes that runs jobs, and what tests do with it. */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Files } from "../../src/client/files/files.ts";
import { connectJobs } from "../../src/client/mapreduce/connect.ts";
import type { JobRun } from "../../src/client/mapreduce/job-run.ts";
import type { Jobs } from "../../src/client/mapreduce/jobs.ts";
import type { StatusDocument } from "../../src/engine/protocol/admin/status-document.ts";
import { bundleModule } from "../../src/mapreduce/bundle/bundle.ts";
import type { JobReport, JobSubmission } from "../../src/mapreduce/job-api.ts";
import { jobOf, specOf } from "../../src/mapreduce/job-outline.ts";
import type { JobSettings } from "../../src/mapreduce/job-spec.ts";
import { userName } from "../../src/runtime/node/user-name.ts";
import { cleanUp, scratch, startCluster, until } from "../cli/program.ts";

export interface Three {
  readonly data: string;
  /** "host:port" of each node's HTTP server. */
  readonly https: readonly string[];
  readonly files: Files;
  readonly jobs: Jobs;
}

const opened: Files[] = [];

export async function endThree(): Promise<void> {
  for (const files of opened.splice(0)) files.close();
  await cleanUp();
}

/** Ready when every node takes tasks. */
export async function three(...flags: readonly string[]): Promise<Three> {
  const data = scratch();
  const { program } = await startCluster(["--nodes", "3", "--data", data, ...flags]);
  const https = (program.stdout().match(/http:\/\/[\d.:]+/g) ?? []).map((url) => url.slice("http://".length));
  const files = connectFiles(`webhdfs://${userName()}@${https.join(",")}`);
  opened.push(files);
  const jobs = connectJobs(`http://${https[0]}`);
  await until("every node to take tasks", 60_000, async () => {
    const { nodes } = await jobs.nodesOf();
    const ready = nodes.length === 3 && nodes.every(({ state }) => state === "live");
    return (ready && nodes.some(({ leader }) => leader)) || undefined;
  });
  return { data, https, files, jobs };
}

export async function pidOf(id: string, https: readonly string[]): Promise<number> {
  return until(`the process of ${id}`, 30_000, async () => {
    for (const http of https) {
      try {
        const answer = await fetch(`http://${http}/status`, { signal: AbortSignal.timeout(1_000) });
        const { nodes } = (await answer.json()) as StatusDocument;
        const pid = nodes.find((node) => node.id === id)?.pid;
        if (pid !== undefined && pid !== null) return pid;
      } catch {
        // Another one knows.
      }
    }
    return undefined;
  });
}

/** The node that decides where tasks run. */
export function schedulerOf(jobs: Jobs): Promise<string> {
  return until("a scheduler", 30_000, async () => {
    const { nodes } = await jobs.nodesOf();
    return nodes.find(({ leader }) => leader)?.id;
  });
}

/** Text of which every part is different, and its length. */
export function textOf(lines: number, seed: number): string {
  const words = ["whale", "sea", "ship", "white", "harpoon", "captain", "the", "of", "and", "a"];
  let state = seed >>> 0;
  const next = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 8;
  const parts: string[] = [];
  for (let line = 0; line < lines; line++) {
    const length = 5 + (next() % 8);
    const some = Array.from({ length }, () => words[next() % words.length]);
    parts.push(`${some.join(" ")} w${next() % 2_000}\n`);
  }
  return parts.join("");
}

/** A submission of one of the test's modules, its bundle stored. */
export async function submissionOf(
  files: Files,
  module: string,
  given: {
    readonly input: string;
    readonly output: string;
    readonly settings?: Partial<JobSettings>;
    readonly properties?: Readonly<Record<string, string>>;
  },
): Promise<JobSubmission> {
  const path = resolve(import.meta.dirname, module);
  const bundle = await bundleModule(path);
  const local = join(scratch(), "job.mjs");
  fs.writeFileSync(local, bundle.code);
  const job = jobOf(((await import(pathToFileURL(local).href)) as { default: unknown }).default);
  const user = userName();
  const stored = `/user/${user}/.staging/${bundle.sha256}.mjs`;
  await files.writeFile(stored, fs.readFileSync(local));
  return specOf(job, {
    moduleName: bundle.name,
    user,
    bundle: stored,
    sha256: bundle.sha256,
    inputs: job.inputs.map(() => [given.input]),
    output: given.output,
    ...(given.settings && { settings: given.settings }),
    ...(given.properties && { properties: given.properties }),
  });
}

/** Follows a job to its end; `at` is called once for each name, when its condition holds the first time. */
export async function followWith(
  run: JobRun,
  at: Readonly<Record<string, readonly [(report: JobReport) => boolean, () => Promise<void>]>>,
): Promise<JobReport> {
  const left = new Map(Object.entries(at));
  let last: JobReport | undefined;
  for await (const report of run) {
    last = report;
    for (const [name, [holds, act]] of left) {
      if (!holds(report)) continue;
      left.delete(name);
      await act();
    }
  }
  if (left.size > 0) throw new Error(`it never came to: ${[...left.keys()].join(", ")}`);
  if (last === undefined) throw new Error("no report came");
  return last;
}

/** Of names and contents of all files of an output. */
export async function checksumOf(files: Files, output: string): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await files.readdir(output)).toSorted()) {
    hash.update(`${name}\0`);
    hash.update(await files.readFile(`${output}/${name}`));
  }
  return hash.digest("hex");
}

/** Names of everything below a directory, or of nothing that is there. */
export async function everything(files: Files, path: string): Promise<readonly string[]> {
  return files.readdir(path, { recursive: true });
}
