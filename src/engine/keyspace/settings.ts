/** Settings that change what a command does: changed through the log (`configure`), so that every replica agrees. */
import { EVENT_LETTERS, formatEventClasses, parseEventClasses } from "./events.ts";
import { parseMemorySize } from "./numbers.ts";
import { echoed, ReplyError } from "./reply.ts";

export const EVICTION_POLICIES = [
  "volatile-lru",
  "volatile-lfu",
  "volatile-random",
  "volatile-ttl",
  "allkeys-lru",
  "allkeys-lfu",
  "allkeys-random",
  "noeviction",
] as const;

export type EvictionPolicy = (typeof EVICTION_POLICIES)[number];

export interface KeyspaceSettings {
  /** 0: no limit. */
  maxmemoryBytes: number;
  policy: EvictionPolicy;
  /** How many keys are compared for each victim. */
  samples: number;
  lfuLogFactor: number;
  lfuDecayMinutes: number;
  /** Which events are told (`events.ts`). */
  eventClasses: number;
}

export const DEFAULT_SETTINGS: Readonly<KeyspaceSettings> = {
  maxmemoryBytes: 0,
  policy: "noeviction",
  samples: 5,
  lfuLogFactor: 10,
  lfuDecayMinutes: 1,
  eventClasses: 0,
};

/** One setting under its Redis name. */
interface SettingRow {
  read(settings: Readonly<KeyspaceSettings>): string;
  /** False when the value is not allowed. */
  write(settings: KeyspaceSettings, value: string): boolean;
  readonly allowed: string;
  /** A value that snapshots and digests leave out: it says what was so before there was this setting. Default: none. */
  readonly leftOut?: string;
}

function wholeNumber(
  field: "samples" | "lfuLogFactor" | "lfuDecayMinutes",
  least: number,
  greatest: number,
): SettingRow {
  return {
    read: (settings) => String(settings[field]),
    write: (settings, value) => {
      const number = Number(value);
      if (!/^\d{1,10}$/.test(value) || number < least || number > greatest) return false;
      settings[field] = number;
      return true;
    },
    allowed: `argument must be between ${least} and ${greatest} inclusive`,
  };
}

/** By the name that CONFIG GET and CONFIG SET use. */
export const SETTING_ROWS: ReadonlyMap<string, SettingRow> = new Map<string, SettingRow>([
  [
    "maxmemory",
    {
      read: (settings) => String(settings.maxmemoryBytes),
      write: (settings, value) => {
        const bytes = parseMemorySize(value);
        if (bytes === undefined) return false;
        settings.maxmemoryBytes = bytes;
        return true;
      },
      allowed: "argument must be a memory value",
    },
  ],
  [
    "maxmemory-policy",
    {
      read: (settings) => settings.policy,
      write: (settings, value) => {
        const policy = EVICTION_POLICIES.find((name) => name === value.toLowerCase());
        if (policy === undefined) return false;
        settings.policy = policy;
        return true;
      },
      allowed: `argument(s) must be one of the following: ${EVICTION_POLICIES.join(", ")}`,
    },
  ],
  ["maxmemory-samples", wholeNumber("samples", 1, 64)],
  ["lfu-log-factor", wholeNumber("lfuLogFactor", 0, 0x7fff_ffff)],
  ["lfu-decay-time", wholeNumber("lfuDecayMinutes", 0, 0x7fff_ffff)],
  [
    "notify-keyspace-events",
    {
      read: (settings) => formatEventClasses(settings.eventClasses),
      write: (settings, value) => {
        const classes = parseEventClasses(value);
        if (classes === undefined) return false;
        settings.eventClasses = classes;
        return true;
      },
      allowed: `Invalid event class character. Use '${EVENT_LETTERS}'.`,
      leftOut: "",
    },
  ],
]);

/** Name and value of the settings as snapshots hold them and digests count them. */
export function writtenSettings(
  settings: Readonly<KeyspaceSettings>,
): readonly (readonly [name: string, value: string])[] {
  return [...SETTING_ROWS]
    .map(([name, row]) => [name, row.read(settings), row.leftOut] as const)
    .filter(([, value, leftOut]) => value !== leftOut)
    .map(([name, value]) => [name, value] as const);
}

/** The settings with all of these changed, or what is wrong with one of them. */
export function withChanges(
  settings: Readonly<KeyspaceSettings>,
  changes: readonly (readonly [name: string, value: string])[],
): KeyspaceSettings | ReplyError {
  const changed = { ...settings };
  for (const [name, value] of changes) {
    const row = SETTING_ROWS.get(name.toLowerCase());
    if (row === undefined) {
      return new ReplyError(`ERR Unknown option or number of arguments for CONFIG SET - '${echoed(name)}'`);
    }
    if (!row.write(changed, value)) {
      return new ReplyError(
        `ERR CONFIG SET failed (possibly related to argument '${name}') - ${row.allowed}`,
      );
    }
  }
  return changed;
}
