/** A job's module as a person wrote it: bundled, loaded once to see what it is, and refused with the place of what is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Bundle } from "../../mapreduce/bundle/bundle.ts";
import { bundleModule } from "../../mapreduce/bundle/bundle.ts";
import { jobOf } from "../../mapreduce/job-outline.ts";
import type { Job } from "../../mapreduce/job.ts";
import { mappedStack } from "../../mapreduce/task/source-positions.ts";
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";

export interface JobModule {
  readonly job: Job;
  readonly bundle: Bundle;
  /** Where the bundle lies on this machine, until `remove`. */
  readonly path: string;
  remove(): void;
}

/** JOB_INVALID: it cannot be bundled or loaded, or its default export is no job. PATH_NOT_FOUND. */
export async function openJobModule(path: string): Promise<JobModule> {
  const bundle = await bundleModule(path);
  const directory = mkdtempSync(join(tmpdir(), "quorate-bundle-"));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    const place = join(directory, `${bundle.name}.mjs`);
    writeFileSync(place, bundle.code);
    const job = checkedJob(await load(place, path), path);
    return { job, bundle, path: place, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** A module may compute while it is loaded, or ask somebody; not for ever. */
const LOAD_MAX_MS = 60_000;

async function load(place: string, path: string): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  let tellIdle: () => void = () => undefined;
  const never = new Promise<never>((_, reject) => {
    const idle = `${path} cannot be loaded: it waits (await outside of functions) for what never comes`;
    const slow = `${path} cannot be loaded: it was not done after ${LOAD_MAX_MS / 1000} s`;
    tellIdle = () => reject(new QuorateError("JOB_INVALID", idle));
    timer = setTimeout(() => reject(new QuorateError("JOB_INVALID", slow)), LOAD_MAX_MS);
  });
  // Nothing is left that could go on: without this the process would end without a word.
  timer?.unref();
  process.once("beforeExit", tellIdle);
  try {
    const loaded = import(pathToFileURL(place).href) as Promise<{ readonly default: unknown }>;
    return (await Promise.race([loaded, never])).default;
  } catch (cause) {
    if (isQuorateError(cause) && cause.code === "JOB_INVALID") throw cause;
    const told = cause instanceof Error ? mappedStack(cause) : String(cause);
    const lines = told.split("\n").filter((line) => !/node:internal|\/cli\/(mr\/|main\.)/.test(line));
    throw new QuorateError("JOB_INVALID", `${path} cannot be loaded:\n  ${lines.join("\n  ")}`, { cause });
  } finally {
    clearTimeout(timer);
    process.off("beforeExit", tellIdle);
  }
}

function checkedJob(exported: unknown, path: string): Job {
  try {
    return jobOf(exported);
  } catch (cause) {
    if (!isQuorateError(cause)) throw cause;
    if (cause.code === "UNSUPPORTED")
      throw new QuorateError("JOB_INVALID", `${path}: ${cause.message}`, { cause });
    const message = `${path}: its default export is ${describe(exported)}; it must be what job({ … }) or mapOnly({ … }) gives`;
    throw new QuorateError("JOB_INVALID", message, { cause });
  }
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "function") return `a function${value.name === "" ? "" : ` (${value.name})`}`;
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object that job({ … }) did not make";
  return `a ${typeof value}`;
}
