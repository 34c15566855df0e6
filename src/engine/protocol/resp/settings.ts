/**
 * Settings of this server that CONFIG shows and changes.
 *
 * Three kinds: those of this server, which take effect at once and are this node's own; those of the keyspace, which go
 * through the log (`commands/config.ts`); and facts, which Redis lets one choose and this engine does not: they can be
 * read, and set only to what they are.
 */
import type { RequestLimits } from "../../../wire/resp/request-parser.ts";
import { ReplyError } from "../../keyspace/reply.ts";
import { defaultRequestLimits, STRING_MAX_BYTES } from "../../../wire/resp/request-parser.ts";
import { parseMemorySize } from "../../keyspace/numbers.ts";
import type { SlowLog } from "./slow-log.ts";

/** The Redis whose commands, errors and formats this server follows. */
export const REDIS_VERSION = "7.0.15";

const QUERY_BUFFER_MIN_BYTES = 1 << 20;

export interface RespServerOptions {
  /** Asked of every client (`requirepass`). Default: none. */
  readonly password?: string;
  /** Without a password, other machines are refused (`protected-mode`). Default true. */
  readonly protectedMode?: boolean;
  /** Connections at a time (`maxclients`). Default 10,000. */
  readonly maxClients?: number;
  /** Closes a connection that sent nothing for so long (`timeout`). Default 0: never. */
  readonly idleTimeoutMs?: number;
  /** `tcp-keepalive`. Default 300 seconds; 0: off. */
  readonly keepAliveSeconds?: number;
  /** How long WAIT takes at most, whatever its timeout. Default 60,000 ms. */
  readonly waitMaxMs?: number;
  /** INFO says cluster_enabled:1, for cluster clients that ask. Default false. */
  readonly clusterEnabled?: boolean;
  /** What SHUTDOWN does. Default: it is refused. */
  readonly shutDown?: () => void;
  /** What FAILOVER does. Default: it is refused. */
  readonly transferLeadership?: (to: string | undefined) => void;
}

/** A subscriber is let go when this much waits for it: at once, or after `softMs` above the soft limit. 0: no limit. */
export interface SubscriberOutput {
  readonly hardBytes: number;
  readonly softBytes: number;
  readonly softMs: number;
}

export class ServerSettings {
  password: string;
  protectedMode: boolean;
  maxClients: number;
  idleTimeoutMs: number;
  keepAliveSeconds: number;
  bulkMaxBytes: number = STRING_MAX_BYTES;
  queryBufferMaxBytes: number = 1 << 30;
  readonly waitMaxMs: number;
  readonly clusterEnabled: boolean;
  subscriberOutput: SubscriberOutput = { hardBytes: 32 << 20, softBytes: 8 << 20, softMs: 60_000 };

  /** Of a command, or of the commands of a transaction together: what the log takes. */
  readonly commandMaxBytes: number;
  readonly tooLarge: ReplyError;

  constructor(options: RespServerOptions, commandMaxBytes: number) {
    this.commandMaxBytes = commandMaxBytes;
    this.tooLarge = new ReplyError(`ERR the command is larger than the limit of ${commandMaxBytes} bytes`);
    this.password = options.password ?? "";
    this.protectedMode = options.protectedMode ?? true;
    this.maxClients = options.maxClients ?? 10_000;
    this.idleTimeoutMs = options.idleTimeoutMs ?? 0;
    this.keepAliveSeconds = options.keepAliveSeconds ?? 300;
    this.waitMaxMs = options.waitMaxMs ?? 60_000;
    this.clusterEnabled = options.clusterEnabled ?? false;
  }

  /** True when only clients of this machine are let in. */
  get localOnly(): boolean {
    return this.protectedMode && this.password === "";
  }

  requestLimits(): RequestLimits {
    const { bulkMaxBytes, commandMaxBytes } = this;
    return { ...defaultRequestLimits(), bulkMaxBytes, commandMaxBytes };
  }
}

/** One name of CONFIG. `write` gives what is wrong with a value, or undefined when it took effect. */
export interface SettingRow {
  readonly name: string;
  readonly read: (settings: ServerSettings, slowLog: SlowLog) => string;
  readonly write: (settings: ServerSettings, slowLog: SlowLog, value: string) => string | undefined;
}

function integer(
  name: string,
  least: number,
  greatest: number,
  read: (settings: ServerSettings, slowLog: SlowLog) => number,
  write: (settings: ServerSettings, slowLog: SlowLog, value: number) => void,
): SettingRow {
  return {
    name,
    read: (settings, slowLog) => String(read(settings, slowLog)),
    write: (settings, slowLog, text) => {
      if (!/^-?\d{1,16}$/.test(text)) return "argument couldn't be parsed into an integer";
      const value = Number(text);
      if (value < least || value > greatest)
        return `argument must be between ${least} and ${greatest} inclusive`;
      write(settings, slowLog, value);
      return undefined;
    },
  };
}

function memory(
  name: string,
  least: number,
  greatest: number,
  field: "bulkMaxBytes" | "queryBufferMaxBytes",
): SettingRow {
  return {
    name,
    read: (settings) => String(settings[field]),
    write: (settings, _, text) => {
      const value = parseMemorySize(text);
      if (value === undefined) return "argument must be a memory value";
      if (value < least || value > greatest)
        return `argument must be between ${least} and ${greatest} inclusive`;
      settings[field] = value;
      return undefined;
    },
  };
}

/** What cannot be chosen. */
function fact(name: string, value: string): SettingRow {
  return {
    name,
    read: () => value,
    write: (_, __, text) => (text === value ? undefined : `this engine has it fixed at '${value}'`),
  };
}

const OUTPUT_LIMIT_TAIL = "argument must be class, hard limit, soft limit and soft seconds, of class pubsub";

const OUTPUT_LIMIT: SettingRow = {
  name: "client-output-buffer-limit",
  read: ({ subscriberOutput: { hardBytes, softBytes, softMs } }) => {
    return `normal 0 0 0 slave 0 0 0 pubsub ${hardBytes} ${softBytes} ${softMs / 1000}`;
  },
  write: (settings, _, text) => {
    const words = text.split(" ");
    if (words.length % 4 !== 0) return OUTPUT_LIMIT_TAIL;
    let wanted = settings.subscriberOutput;
    for (let at = 0; at < words.length; at += 4) {
      const [name = "", ...limits] = words.slice(at, at + 4);
      const [hardBytes, softBytes] = limits.slice(0, 2).map(parseMemorySize);
      const seconds = limits[2] ?? "";
      if (hardBytes === undefined || softBytes === undefined || !/^\d{1,9}$/.test(seconds))
        return OUTPUT_LIMIT_TAIL;
      if (name === "pubsub") wanted = { hardBytes, softBytes, softMs: Number(seconds) * 1000 };
      // Other clients are not read from while they do not read: they need no limit.
      else if (hardBytes + softBytes > 0) return OUTPUT_LIMIT_TAIL;
    }
    settings.subscriberOutput = wanted;
    return undefined;
  },
};

const GREATEST = 2 ** 31 - 1;

const OWN_ROWS: readonly SettingRow[] = [
  {
    name: "requirepass",
    read: (settings) => settings.password,
    write: (settings, _, value) => {
      settings.password = value;
      return undefined;
    },
  },
  {
    name: "protected-mode",
    read: (settings) => (settings.protectedMode ? "yes" : "no"),
    write: (settings, _, value) => {
      const word = value.toLowerCase();
      if (word !== "yes" && word !== "no") return "argument must be 'yes' or 'no'";
      settings.protectedMode = word === "yes";
      return undefined;
    },
  },
  integer(
    "timeout",
    0,
    GREATEST,
    (settings) => settings.idleTimeoutMs / 1000,
    (settings, _, value) => (settings.idleTimeoutMs = value * 1000),
  ),
  integer(
    "tcp-keepalive",
    0,
    GREATEST,
    (settings) => settings.keepAliveSeconds,
    (settings, _, value) => (settings.keepAliveSeconds = value),
  ),
  integer(
    "maxclients",
    1,
    1_000_000,
    (settings) => settings.maxClients,
    (settings, _, value) => (settings.maxClients = value),
  ),
  integer(
    "slowlog-log-slower-than",
    -1,
    Number.MAX_SAFE_INTEGER,
    (_, slowLog) => slowLog.thresholdMicroseconds,
    (_, slowLog, value) => (slowLog.thresholdMicroseconds = value),
  ),
  integer(
    "slowlog-max-len",
    0,
    100_000,
    (_, slowLog) => slowLog.maxLength,
    (_, slowLog, value) => slowLog.setMaxLength(value),
  ),
  memory("proto-max-bulk-len", QUERY_BUFFER_MIN_BYTES, STRING_MAX_BYTES, "bulkMaxBytes"),
  memory("client-query-buffer-limit", QUERY_BUFFER_MIN_BYTES, Number.MAX_SAFE_INTEGER, "queryBufferMaxBytes"),
  OUTPUT_LIMIT,
];

/** Defaults of Redis 7.0 that this engine shares, under their old names too. */
const FACTS: Readonly<Record<string, string>> = {
  databases: "16",
  save: "",
  "hash-max-listpack-entries": "512",
  "hash-max-ziplist-entries": "512",
  "hash-max-listpack-value": "64",
  "hash-max-ziplist-value": "64",
  "list-max-listpack-size": "-2",
  "list-max-ziplist-size": "-2",
  "list-compress-depth": "0",
  "set-max-intset-entries": "512",
  "zset-max-listpack-entries": "128",
  "zset-max-ziplist-entries": "128",
  "zset-max-listpack-value": "64",
  "zset-max-ziplist-value": "64",
  "sanitize-dump-payload": "no",
  "min-replicas-to-write": "0",
  "min-slaves-to-write": "0",
  "maxmemory-clients": "0",
  "latency-tracking": "yes",
  // No latency events are kept.
  "latency-monitor-threshold": "0",
};

/** Facts that depend on how this node was started. */
export interface NodeFacts {
  readonly durability: "always" | "everysec" | "memory";
  readonly port: number;
  readonly host: string;
  readonly clusterEnabled: boolean;
}

/** Every setting of a server by its name. */
export function settingRows(facts: NodeFacts): ReadonlyMap<string, SettingRow> {
  const own: Readonly<Record<string, string>> = {
    port: String(facts.port),
    bind: facts.host,
    "cluster-enabled": facts.clusterEnabled ? "yes" : "no",
    appendonly: facts.durability === "memory" ? "no" : "yes",
    appendfsync: facts.durability === "memory" ? "no" : facts.durability,
  };
  const rows = [
    ...OWN_ROWS,
    ...Object.entries({ ...FACTS, ...own }).map(([name, value]) => fact(name, value)),
  ];
  return new Map(rows.map((setting) => [setting.name, setting]));
}
