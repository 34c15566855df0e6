/** Hadoop's properties that are settings of a job here. */
import { QuorateError } from "../../runtime/errors.ts";
import { REDUCES_MAX } from "../job-settings.ts";
import type { JobSettings } from "../job-spec.ts";
import type { Properties } from "./property-names.ts";

const MIB = 1024 * 1024;
const WEEK_MS = 7 * 24 * 3_600_000;

/** What the properties, by their current names, say of settings. Throws USAGE for a value that is none. */
export function settingsOfProperties(properties: Properties): Partial<JobSettings> {
  const number = (name: string, least: number, most: number): number | undefined => {
    const text = properties[name];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new QuorateError(
        "USAGE",
        `-D ${name} must be a whole number from ${least} to ${most}, not "${text}"`,
      );
    return value;
  };
  const flag = (name: string): boolean | undefined => {
    const text = properties[name]?.toLowerCase();
    if (text === undefined || text === "true" || text === "false")
      return text === undefined ? undefined : text === "true";
    throw new QuorateError("USAGE", `-D ${name} must be true or false, not "${text}"`);
  };
  const reduces = number("mapreduce.job.reduces", 0, REDUCES_MAX);
  const splitSize = splitSizeOf(
    number("mapreduce.input.fileinputformat.split.minsize", 0, Number.MAX_SAFE_INTEGER),
    number("mapreduce.input.fileinputformat.split.maxsize", 1, Number.MAX_SAFE_INTEGER),
  );
  const attempts = largest(
    number("mapreduce.map.maxattempts", 1, 100),
    number("mapreduce.reduce.maxattempts", 1, 100),
  );
  const memory = largest(
    memoryOf(properties["mapreduce.map.memory.mb"]),
    memoryOf(properties["mapreduce.reduce.memory.mb"]),
  );
  // 0 is Hadoop's "never".
  const timeout = number("mapreduce.task.timeout", 0, WEEK_MS);
  const [ofMaps, ofReduces] = [flag("mapreduce.map.speculative"), flag("mapreduce.reduce.speculative")];
  const compress = flag("mapreduce.map.output.compress");
  const skipped = number("mapreduce.map.skip.maxrecords", 0, 10_000);
  const replication = number("dfs.replication", 1, 512);
  return {
    ...(reduces !== undefined && { reduces }),
    ...(splitSize !== undefined && { splitSize }),
    ...(attempts !== undefined && { attempts }),
    ...(memory !== undefined && { memory }),
    ...(timeout !== undefined && { progressTimeoutMs: timeout === 0 ? WEEK_MS : Math.max(timeout, 1_000) }),
    ...((ofMaps ?? ofReduces) !== undefined && { speculative: ofMaps === true || ofReduces === true }),
    ...(compress !== undefined && { compress: compress ? ("gzip" as const) : ("none" as const) }),
    ...(skipped !== undefined && { skipRecords: skipped }),
    ...(replication !== undefined && { outputReplication: replication }),
  };
}

function splitSizeOf(min: number | undefined, max: number | undefined): number | undefined {
  if (max === undefined) return min === undefined || min <= 1 ? undefined : min;
  return Math.max(max, min ?? 1);
}

/** Zero and less: Hadoop's "as it likes". */
function memoryOf(text: string | undefined): number | undefined {
  const mebibytes = Number(text);
  return Number.isSafeInteger(mebibytes) && mebibytes > 0 ? Math.max(32, mebibytes) * MIB : undefined;
}

function largest(left: number | undefined, right: number | undefined): number | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return Math.max(left, right);
}
