/** Bounds and habits of a job that nobody said otherwise. */
import { QuorateError } from "../runtime/errors.ts";
import type { JobSettings } from "./job-spec.ts";

const MIB = 1024 * 1024;
/** A task needs this much to begin with. */
export const TASK_MEMORY_MIN_BYTES: number = 128 * MIB;

export const DEFAULT_SETTINGS: JobSettings = {
  reduces: 1,
  splitSize: undefined,
  attempts: 4,
  progressTimeoutMs: 600_000,
  memory: 256 * MIB,
  speculative: true,
  compress: "none",
  skipRecords: 0,
  outputReplication: undefined,
};

/** The settings of a job that changes some; later ones win. Throws ARGUMENT_INVALID when one is out of its range. */
export function jobSettings(...changes: readonly Partial<JobSettings>[]): JobSettings {
  const given = changes.map((change) =>
    Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)),
  );
  const settings: JobSettings = Object.assign({}, DEFAULT_SETTINGS, ...given);
  whole("reduces", settings.reduces, 0, 100_000);
  if (settings.splitSize !== undefined) whole("splitSize", settings.splitSize, 1, Number.MAX_SAFE_INTEGER);
  whole("attempts", settings.attempts, 1, 1000);
  whole("progressTimeoutMs", settings.progressTimeoutMs, 100, 2 ** 31 - 1);
  whole("memory", settings.memory, TASK_MEMORY_MIN_BYTES, Number.MAX_SAFE_INTEGER);
  whole("skipRecords", settings.skipRecords, 0, 1_000_000);
  if (settings.outputReplication !== undefined)
    whole("outputReplication", settings.outputReplication, 1, 512);
  if (settings.compress !== "none" && settings.compress !== "gzip")
    throw new QuorateError(
      "ARGUMENT_INVALID",
      `compress is "none" or "gzip", not "${String(settings.compress)}"`,
    );
  return settings;
}

function whole(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new QuorateError("ARGUMENT_INVALID", `${name} is a whole number from ${min} to ${max}, not ${value}`);
}
