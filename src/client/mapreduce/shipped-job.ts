/** A job that a program has, made one that a cluster takes: its module bundled and stored, its paths those of the cluster. */
import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { CacheFile, JobSettings } from "../../mapreduce/job-spec.ts";
import type { JobSubmission } from "../../mapreduce/job-api.ts";
import type { Job } from "../../mapreduce/job.ts";
import { moduleSubmission } from "../../mapreduce/job-outline.ts";
import { pathOfModule, placeOfJob } from "../../mapreduce/job-place.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { CallOptions } from "./job-nodes.ts";
import type { StagedFiles } from "./staged-files.ts";

/** What a program says of a run of a job that it has. */
export interface JobOptions extends CallOptions {
  /**
   * Files, directories and globs of the cluster; relative ones are below `/user/NAME`. A job with several inputs takes an entry for
   * each, in their order, which may be a list.
   */
  readonly input: string | readonly (string | readonly string[])[];
  /** A directory that does not exist yet. */
  readonly output: string;
  /** Default: the job's name, or that of its module. */
  readonly name?: string;
  readonly settings?: Partial<JobSettings>;
  readonly properties?: Readonly<Record<string, string>>;
  /** Files of the cluster, for the directory of every task. */
  readonly cacheFiles?: readonly CacheFile[];
  /** The module whose default export is the job. Default: the one in which it was made. */
  readonly module?: string | URL;
}

/** A module that waits for its own job has not been evaluated by then. */
const EVALUATED_WITHIN_MS = 10_000;

/**
 * Bundles the job's module and stores it. JOB_INVALID: where the job was made is not known or is the program itself, the module
 * cannot be bundled, or its default export is not this job. ARGUMENT_INVALID: inputs and paths do not fit.
 */
export async function shippedJob(
  job: Job,
  options: JobOptions,
  user: string,
  staged: StagedFiles,
): Promise<JobSubmission> {
  const { output, name, settings, properties, cacheFiles, signal } = options;
  const place = (path: string): string => placeOf(path, user);
  const inputs = inputsOf(job, options.input).map((paths) => paths.map((path) => place(path)));
  const module = await moduleOf(job, options.module);
  const { bundleModule } = await import("../../mapreduce/bundle/bundle.ts");
  const bundle = await bundleModule(module);
  signal?.throwIfAborted();
  return moduleSubmission(job, {
    moduleName: bundle.name,
    user,
    bundle: await staged.bundle(bundle.code, bundle.sha256),
    sha256: bundle.sha256,
    inputs,
    output: place(output),
    ...(name !== undefined && { name }),
    ...(settings !== undefined && { settings }),
    ...(properties !== undefined && { properties }),
    ...(cacheFiles !== undefined && { cacheFiles }),
  });
}

function placeOf(path: string, user: string): string {
  return path.startsWith("/") ? path : `/user/${user}/${path.replace(/^\.\//, "")}`;
}

function inputsOf(job: Job, given: JobOptions["input"]): readonly (readonly string[])[] {
  const list = typeof given === "string" ? [given] : given;
  return job.inputs.length === 1
    ? [list.flat()]
    : list.map((paths) => (typeof paths === "string" ? [paths] : paths));
}

/** The path of the job's module. */
async function moduleOf(job: Job, said: string | URL | undefined): Promise<string> {
  if (said !== undefined) return pathOfModule(said);
  const place = placeOfJob(job);
  if (place === undefined)
    throw invalid("where the job was made is not known: name its module, { module: new URL(…) }");
  const path = pathOfModule(place);
  // Each task loads the module: one that is the program would run the program.
  if (path === mainModule())
    throw invalid(
      `the job was made in ${path}, which is the program itself: a job is the default export of a module of its own`,
    );
  if ((await defaultExportOf(place)) === job) return path;
  throw invalid(`the job was made in ${path}, and is not that module's default export`);
}

/** Of a module that is loaded already. */
async function defaultExportOf(place: string): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const why = `${place} has not been evaluated to its end: a job's module must not wait for its job`;
    timer = setTimeout(() => reject(invalid(why)), EVALUATED_WITHIN_MS);
  });
  try {
    const loaded = (await Promise.race([import(urlOf(place)), late])) as { readonly default?: unknown };
    const exported = loaded.default as { readonly default?: unknown } | undefined;
    // A module that was compiled to CommonJS has its exports as one.
    return exported?.default ?? exported;
  } finally {
    clearTimeout(timer);
  }
}

function mainModule(): string | undefined {
  const [, main] = process.argv;
  try {
    return main === undefined ? undefined : realpathSync(main);
  } catch {
    return main;
  }
}

function urlOf(place: string): string {
  return place.startsWith("file:") ? place : pathToFileURL(place).href;
}

function invalid(why: string): QuorateError {
  return new QuorateError("JOB_INVALID", why);
}
