/** How much memory nodes take while a file goes through them that is much larger. */
import { readFileSync } from "node:fs";
import type { Process } from "../processes.ts";
import type { FileServer } from "./servers.ts";
import { finish } from "./webhdfs.ts";

const SAMPLE_MS = 50;

export interface Growth {
  /** Most bytes of resident memory that any process had more than before. */
  readonly most: number;
  readonly seconds: number;
}

/** What is not given back yet counts as taken: resident memory without the pages of files. */
function residentBytes({ pid }: Process): number {
  const line = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0) * 1024;
}

export async function growthWhile(processes: readonly Process[], work: () => Promise<void>): Promise<Growth> {
  const before = processes.map(residentBytes);
  let most = 0;
  const sample = (): void => {
    for (const [at, process] of processes.entries())
      most = Math.max(most, residentBytes(process) - (before[at] ?? 0));
  };
  const timer = setInterval(sample, SAMPLE_MS);
  const startedMs = performance.now();
  try {
    await work();
    sample();
  } finally {
    clearInterval(timer);
  }
  return { most, seconds: (performance.now() - startedMs) / 1000 };
}

/** So many bytes from a pipe: nobody keeps them before they are sent, and their number is not told. */
export async function uploadStream(
  { address, user }: FileServer,
  path: string,
  bytes: number,
): Promise<void> {
  const url = `http://${address}/webhdfs/v1${path}?op=CREATE&overwrite=true&data=true&user.name=${user}`;
  const line = `head -c ${bytes} /dev/zero | curl -sS -f -o /dev/null -T - -H "Expect:" "$URL"`;
  await finish("sh", ["-c", line], { URL: url });
}
