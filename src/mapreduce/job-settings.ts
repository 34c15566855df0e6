/** The defaults and bounds of a job's settings. */
import { QuorateError } from "../runtime/errors.ts";
import type { JobSettings } from "./job-spec.ts";

/** What the defaults depend on. */
export interface Surroundings {
  /** Nodes that run tasks. */
  readonly nodes: number;
  /** All of them are on one machine: what passes between them passes no wire. */
  readonly oneMachine: boolean;
}

const MIB = 1024 * 1024;

export function defaultJobSettings({ nodes, oneMachine }: Surroundings): JobSettings {
  return {
    reduces: Math.max(1, Math.floor(nodes / 2)),
    splitSize: undefined,
    attempts: 4,
    progressTimeoutMs: 600_000,
    memory: 256 * MIB,
    speculative: true,
    compress: oneMachine ? "none" : "gzip",
    skipRecords: 0,
    outputReplication: undefined,
  };
}

/** Of a task; less is not enough for its process to begin with. */
export const TASK_MEMORY_MIN_BYTES: number = 128 * MIB;

/** Settings of a job on one machine that changes some; later changes win. Throws ARGUMENT_INVALID. */
export function jobSettings(...changes: readonly Partial<JobSettings>[]): JobSettings {
  const defaults = defaultJobSettings({ nodes: 1, oneMachine: true });
  return changes.reduce<JobSettings>((settings, change) => settingsWith(settings, change), defaults);
}

/** Reduce tasks of a job. */
export const REDUCES_MAX = 9_000;

type Range = readonly [least: number, most: number];

const RANGES: Readonly<Record<NumberSetting, Range>> = {
  reduces: [0, REDUCES_MAX],
  splitSize: [1, Number.MAX_SAFE_INTEGER],
  attempts: [1, 100],
  progressTimeoutMs: [1_000, 7 * 24 * 3_600_000],
  memory: [TASK_MEMORY_MIN_BYTES, 1024 * 1024 * MIB],
  skipRecords: [0, 10_000],
  outputReplication: [1, 512],
};

type NumberSetting =
  | "reduces"
  | "splitSize"
  | "attempts"
  | "progressTimeoutMs"
  | "memory"
  | "skipRecords"
  | "outputReplication";

const KINDS: Readonly<Record<keyof JobSettings, "number" | "flag" | "compression">> = {
  reduces: "number",
  splitSize: "number",
  attempts: "number",
  progressTimeoutMs: "number",
  memory: "number",
  speculative: "flag",
  compress: "compression",
  skipRecords: "number",
  outputReplication: "number",
};

/** Settings with what `given` changes. Throws ARGUMENT_INVALID for a name that is unknown or a value out of its range. */
export function settingsWith(defaults: JobSettings, given: Readonly<Record<string, unknown>>): JobSettings {
  const changed: Record<string, unknown> = { ...defaults };
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (!Object.hasOwn(KINDS, name)) {
      throw invalid(`there is no setting "${name}"; there are ${Object.keys(KINDS).join(", ")}`);
    }
    changed[name] = checked(name as keyof JobSettings, value);
  }
  return changed as unknown as JobSettings;
}

function checked(name: keyof JobSettings, value: unknown): unknown {
  switch (KINDS[name]) {
    case "flag":
      if (typeof value !== "boolean") throw invalid(`${name} is true or false`);
      return value;
    case "compression":
      if (value !== "none" && value !== "gzip") throw invalid(`${name} is "none" or "gzip"`);
      return value;
    case "number": {
      const [least, most] = RANGES[name as NumberSetting];
      if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
        throw invalid(`${name} is a whole number from ${least} to ${most}`);
      }
      return value;
    }
  }
}

function invalid(what: string): QuorateError {
  return new QuorateError("ARGUMENT_INVALID", `settings: ${what}`);
}
