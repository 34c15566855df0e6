/** `quorate mr streaming`: executables as maps and reduces, with Hadoop Streaming's own words. */
import { basename, resolve } from "node:path";
import { jobSettings } from "../../mapreduce/job-settings.ts";
import type { CacheFile, JobSpec } from "../../mapreduce/job-spec.ts";
import { splitCommand } from "../../mapreduce/streaming/command-line.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { userName } from "../../runtime/node/user-name.ts";
import { formatTable } from "../style.ts";
import { Cluster, clusterPlace } from "./cluster.ts";
import type { StreamingWords } from "./streaming-flags.ts";
import { parseStreamingWords, STREAMING_FLAGS } from "./streaming-flags.ts";
import type { StreamingJob } from "./streaming-job.ts";
import { streamingJob } from "./streaming-job.ts";
import { planOnly, watchLocal } from "./watch-local.ts";

export async function streaming(args: readonly string[]): Promise<number> {
  if (args.length === 0 || args.some((word) => /^--?(help|info|h)$/.test(word)))
    return print(streamingHelp());
  const words = parseStreamingWords(args);
  const job = streamingJob(words);
  for (const warning of job.warnings) process.stderr.write(`quorate: ${warning}\n`);
  if (words.has("verbose")) process.stderr.write(`${JSON.stringify(job, undefined, 2)}\n`);
  return isLocal(words) ? runLocal(words, job) : runOnCluster(words, job);
}

function runLocal(words: StreamingWords, job: StreamingJob): Promise<number> {
  const spec = localSpec(job, words.text("user") ?? userName());
  const shown = { json: words.has("json") };
  return words.has("dry-run")
    ? planOnly(spec, { bundle: undefined }, shown)
    : watchLocal(spec, { bundle: undefined }, shown);
}

async function runOnCluster(words: StreamingWords, job: StreamingJob): Promise<number> {
  const fs = words.text("fs") ?? words.text("dfs");
  const cluster = new Cluster(clusterPlace(fs, words.text("user"), words.text("password")));
  try {
    const inputs = [{ paths: job.inputs.map((path) => cluster.path(path)), mapper: 0, alone: true }];
    const about = {
      name: nameOf(job),
      program: job.program,
      inputs,
      output: cluster.path(job.output),
      properties: job.properties,
    };
    const json = words.has("json");
    if (words.has("dry-run")) {
      const { user, url } = cluster.place;
      const spec: JobSpec = { ...about, user, settings: jobSettings(job.settings), cacheFiles: [] };
      return await planOnly(
        spec,
        { bundle: undefined, fileSystem: url.replace(/^http:/, "webhdfs:") },
        { json },
      );
    }
    const cacheFiles: CacheFile[] = [];
    for (const each of job.shipped) cacheFiles.push(await cluster.ship(each));
    return await cluster.run(
      { ...about, settings: job.settings, cacheFiles },
      { json, background: words.has("background") },
    );
  } finally {
    cluster.close();
  }
}

/** Whether the job is for this machine alone. */
function isLocal(words: StreamingWords): boolean {
  const fs = words.text("fs") ?? words.text("dfs");
  return (
    words.has("local") || words.text("jt") === "local" || fs?.startsWith("file:") === true || fs === "local"
  );
}

/** Paths are of this machine, from where it was called. Throws USAGE for what lies elsewhere. */
function localSpec(job: StreamingJob, user: string): JobSpec {
  return {
    name: nameOf(job),
    user,
    program: job.program,
    // Scripts ask for the name of the file that they read.
    inputs: [{ paths: job.inputs.map((path) => localPath(path)), mapper: 0, alone: true }],
    output: localPath(job.output),
    settings: jobSettings(job.settings),
    properties: job.properties,
    cacheFiles: job.shipped.map(({ source, link, archive }) => ({ path: localPath(source), link, archive })),
  };
}

function nameOf({ name, program }: StreamingJob): string {
  return name ?? basename(splitCommand(program.mapper)[0] ?? "streaming");
}

function localPath(text: string): string {
  const plain = text.replace(/^file:(\/\/)?(?=\/)/, "");
  if (/^[a-z]\w*:\/\//.test(plain))
    throw new QuorateError("USAGE", `${text} is not on this machine (--local)`);
  return resolve(plain);
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

function streamingHelp(): string {
  const rows = STREAMING_FLAGS.map(({ name, value, help }) => [
    `  -${name}${value === undefined ? "" : ` ${value}`}`,
    help,
  ]);
  return [
    "executables as maps and reduces, as Hadoop Streaming runs them",
    "",
    "  quorate mr streaming -input PATH -output PATH -mapper CMD -reducer CMD [-files FILE,…] [-D NAME=VALUE]",
    "  quorate mr streaming --local -files map.py -input ./books -output ./counts -mapper map.py -reducer 'uniq -c'",
    "",
    formatTable(rows),
    "",
    "One dash or two. Commands are words and quotes, without a shell. docs/mapreduce.md has the contract.",
  ].join("\n");
}
