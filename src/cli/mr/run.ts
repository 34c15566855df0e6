/** `quorate mr run JOB.ts`: a typed job, on a cluster, on this machine alone, or on a real Hadoop. */
import { resolve } from "node:path";
import type { Submission } from "../../mapreduce/job-outline.ts";
import { moduleSubmission, specOf } from "../../mapreduce/job-outline.ts";
import type { Job } from "../../mapreduce/job.ts";
import type { CacheFile, JobSettings } from "../../mapreduce/job-spec.ts";
import { withCurrentNames } from "../../mapreduce/streaming/property-names.ts";
import { settingsOfProperties } from "../../mapreduce/streaming/property-settings.ts";
import { QuorateError } from "../../runtime/errors.ts";
import { userName } from "../../runtime/node/user-name.ts";
import type { Call } from "../verb.ts";
import type { JobModule } from "./job-module.ts";
import { openJobModule } from "./job-module.ts";
import { withCluster } from "./listing.ts";
import { pairsOf } from "./repeated.ts";
import type { Shipped } from "./streaming-job.ts";
import { planOnly, watchLocal } from "./watch-local.ts";

const MIB = 1024 * 1024;

/** What is given by flags that may be given again. */
export type Repeated = ReadonlyMap<string, readonly string[]>;

export async function run(call: Call, repeated: Repeated): Promise<number> {
  const output = call.text("output");
  if (output === undefined && !call.has("dry-run"))
    throw new QuorateError("USAGE", "mr run needs --output PATH");
  const module = await openJobModule(call.positionals[0] ?? "");
  try {
    if (call.choice("on", ["hadoop"]) !== undefined && output !== undefined && !call.has("dry-run")) {
      const { runHadoop } = await import("./hadoop.ts");
      return await runHadoop(call, repeated, module, output);
    }
    if (call.has("local")) return await runLocalJob(call, repeated, module, output ?? "/dry-run");
    return await runClusterJob(call, repeated, module, output ?? "/dry-run");
  } finally {
    module.remove();
  }
}

/** Paths are of this machine, from where it was called. */
async function runLocalJob(
  call: Call,
  repeated: Repeated,
  module: JobModule,
  output: string,
): Promise<number> {
  const cacheFiles = shippedIn(repeated).map(({ source, link }) => ({ path: resolve(source), link }));
  const about = aboutFrom(call, repeated, module, output, userName(), (path) => resolve(path), cacheFiles);
  const spec = specOf(module.job, about);
  const slots = call.integer("slots", { min: 1, max: 1024 });
  const options = { bundle: module.path, ...(slots !== undefined && { slots }) };
  const shown = { json: call.has("json") };
  return call.has("dry-run") ? planOnly(spec, options, shown) : watchLocal(spec, options, shown);
}

/** The input is planned and sampled from here for a dry run; a job is the cluster's from its submission on. */
async function runClusterJob(
  call: Call,
  repeated: Repeated,
  module: JobModule,
  output: string,
): Promise<number> {
  return withCluster(call, async (cluster) => {
    const { url, user } = cluster.place;
    const { bundle, job } = module;
    const path = (text: string): string => cluster.path(text);
    if (call.has("dry-run")) {
      const spec = specOf(job, aboutFrom(call, repeated, module, output, user, path, []));
      return planOnly(
        spec,
        { bundle: module.path, fileSystem: url.replace(/^http:/, "webhdfs:") },
        { json: call.has("json") },
      );
    }
    // What is wrong with the words is said before anything is stored.
    const about = aboutFrom(call, repeated, module, output, user, path, []);
    const cacheFiles: CacheFile[] = [];
    for (const each of shippedIn(repeated)) cacheFiles.push(await cluster.ship(each));
    const stored = await cluster.storeBundle(bundle.code, bundle.sha256);
    const submission = moduleSubmission(job, { ...about, bundle: stored, cacheFiles });
    // Nothing on this machine is needed any more, however this process ends.
    module.remove();
    return cluster.run(submission, { json: call.has("json"), background: call.has("background") });
  });
}

function aboutFrom(
  call: Call,
  repeated: Repeated,
  { job, bundle, path }: JobModule,
  output: string,
  user: string,
  place: (path: string) => string,
  cacheFiles: readonly CacheFile[],
): Submission {
  const properties = pairsOf("-D", repeated.get("define") ?? []);
  const name = call.text("name");
  return {
    moduleName: bundle.name,
    user: call.text("user") ?? user,
    bundle: path,
    sha256: bundle.sha256,
    inputs: inputsOf(job, repeated.get("input") ?? []).map((paths) => paths.map((each) => place(each))),
    output: place(output),
    settings: settingsOf(call, properties),
    properties,
    cacheFiles,
    ...(name !== undefined && { name }),
  };
}

/**
 * Paths of each of the job's inputs. A job with several takes `--input 0=PATH --input 1=PATH`, or as many paths as it has inputs,
 * in their order. Throws USAGE.
 */
export function inputsOf(job: Pick<Job, "inputs">, given: readonly string[]): readonly (readonly string[])[] {
  const count = job.inputs.length;
  if (given.length === 0)
    throw new QuorateError(
      "USAGE",
      `mr run needs --input PATH${count > 1 ? ` for each of ${count} inputs` : ""}`,
    );
  if (count === 1) return [given];
  const inputs: string[][] = job.inputs.map(() => []);
  const numbered = given.map((text) => /^(\d+)=(.+)$/.exec(text));
  if (numbered.every((match) => match === null) && given.length === count) return given.map((path) => [path]);
  for (const [at, match] of numbered.entries()) {
    const [, number = "", path = ""] = match ?? [];
    const input = inputs[Number(number)];
    if (match === null || input === undefined)
      throw new QuorateError(
        "USAGE",
        `the job has ${count} inputs: --input 0=PATH to --input ${count - 1}=PATH, not "${given[at] ?? ""}"`,
      );
    input.push(path);
  }
  const missing = inputs.findIndex((paths) => paths.length === 0);
  if (missing >= 0) throw new QuorateError("USAGE", `no --input ${missing}=PATH was given`);
  return inputs;
}

/** What flags say of settings, before what properties say. Throws USAGE. */
export function settingsOf(call: Call, properties: Readonly<Record<string, string>>): Partial<JobSettings> {
  const reduces = call.integer("reduces", { min: 0, max: 9000 });
  const attempts = call.integer("attempts", { min: 1, max: 100 });
  const memoryMiB = call.integer("memory", { min: 128, max: 1024 * 1024 });
  const splitMiB = call.integer("split-size", { min: 1, max: 1024 * 1024 });
  const skipRecords = call.integer("skip-records", { min: 0, max: 10_000 });
  const timeoutS = call.integer("timeout", { min: 1, max: 7 * 24 * 3600 });
  const compress = call.choice("compress", ["none", "gzip"]);
  return {
    ...settingsOfProperties(withCurrentNames(properties)),
    ...(reduces !== undefined && { reduces }),
    ...(attempts !== undefined && { attempts }),
    ...(memoryMiB !== undefined && { memory: memoryMiB * MIB }),
    ...(splitMiB !== undefined && { splitSize: splitMiB * MIB }),
    ...(skipRecords !== undefined && { skipRecords }),
    ...(timeoutS !== undefined && { progressTimeoutMs: timeoutS * 1000 }),
    ...(compress !== undefined && { compress }),
    ...(call.has("no-backup") && { speculative: false }),
  };
}

/** `FILE` or `FILE#LINK`: in the directory of every task. */
function shippedIn(repeated: Repeated): readonly Shipped[] {
  return (repeated.get("file") ?? []).map((text) => {
    const hash = text.lastIndexOf("#");
    const source = hash < 0 ? text : text.slice(0, hash);
    const link = hash < 0 ? source.slice(source.lastIndexOf("/") + 1) : text.slice(hash + 1);
    return { source, link, archive: false };
  });
}
