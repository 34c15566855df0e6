/** INFO: the sections of Redis that monitoring tools read, and one of our own that states what is promised. */
import { arch, platform, release, totalmem } from "node:os";
import type { ConsensusStatus } from "../../../../consensus/consensus.ts";
import { ENTRY_BYTES } from "../../../keyspace/key-table.ts";
import type { Reply } from "../../../keyspace/reply.ts";
import { VerbatimReply } from "../../../keyspace/reply.ts";
import type { ScriptFigures } from "../../../keyspace/section.ts";
import { memoryOf } from "../clients.ts";
import type { Connection } from "../connection.ts";
import type { ServerContext } from "../context.ts";
import type { Call, SessionCommand } from "../session-command.ts";
import { command, row } from "../session-command.ts";
import { REDIS_VERSION } from "../settings.ts";
import { redisRole, topologyOf } from "../topology.ts";
import { lastSave } from "./saving.ts";

/** Deadlines that are looked at for the mean of a database. */
const TTL_SAMPLE = 1024;

type Fields = readonly (readonly [name: string, value: string | number])[];
type Section = (server: ServerContext) => Fields;

function serverSection(server: ServerContext): Fields {
  const uptimeSeconds = Math.floor((Date.now() - server.startedMs) / 1000);
  return [
    ["redis_version", REDIS_VERSION],
    ["redis_git_sha1", "00000000"],
    ["redis_git_dirty", 0],
    ["redis_build_id", "0"],
    ["redis_mode", server.settings.clusterEnabled ? "cluster" : "standalone"],
    ["os", `${platform()} ${release()} ${arch()}`],
    ["arch_bits", 64],
    ["multiplexing_api", "libuv"],
    ["process_id", process.pid],
    ["process_supervised", "no"],
    ["run_id", server.runId],
    ["tcp_port", server.address.port],
    ["server_time_usec", Date.now() * 1000],
    ["uptime_in_seconds", uptimeSeconds],
    ["uptime_in_days", Math.floor(uptimeSeconds / 86_400)],
    ["hz", 10],
    ["configured_hz", 10],
    ["executable", process.execPath],
    ["config_file", ""],
    ["io_threads_active", 0],
  ];
}

function clientsSection({ clients, settings }: ServerContext): Fields {
  const largest = (bytesOf: (each: Connection) => number): number =>
    clients.all().reduce((most, each) => Math.max(most, bytesOf(each)), 0);
  return [
    ["connected_clients", clients.size],
    ["cluster_connections", 0],
    ["maxclients", settings.maxClients],
    ["client_recent_max_input_buffer", largest(({ parser }) => parser.bufferedBytes)],
    ["client_recent_max_output_buffer", largest(({ outputBytes }) => outputBytes)],
    ["blocked_clients", clients.all().filter(({ pipeline }) => pipeline.paused).length],
    ["tracking_clients", 0],
    ["clients_in_timeout_table", 0],
  ];
}

function memorySection(server: ServerContext): Fields {
  const { machine } = server.node;
  const usedBytes = machine.usedBytes();
  const peakBytes = server.memoryPeak.note(usedBytes);
  const overheadBytes = ENTRY_BYTES * machine.databases.reduce((sum, { size }) => sum + size, 0);
  const { rss, heapUsed, heapTotal } = process.memoryUsage();
  const { maxmemoryBytes, policy } = machine.settings;
  return [
    // What the keyspace counts, equal on every node: what maxmemory is compared with.
    ["used_memory", usedBytes],
    ["used_memory_human", human(usedBytes)],
    ["used_memory_rss", rss],
    ["used_memory_rss_human", human(rss)],
    ["used_memory_peak", peakBytes],
    ["used_memory_peak_human", human(peakBytes)],
    ["used_memory_peak_perc", percent(usedBytes, peakBytes)],
    ["used_memory_overhead", overheadBytes],
    // An empty keyspace counts nothing.
    ["used_memory_startup", 0],
    ["used_memory_dataset", usedBytes - overheadBytes],
    ["used_memory_dataset_perc", percent(usedBytes - overheadBytes, usedBytes)],
    ["total_system_memory", totalmem()],
    ["total_system_memory_human", human(totalmem())],
    ...scriptFields(machine.scriptFigures()),
    ["maxmemory", maxmemoryBytes],
    ["maxmemory_human", human(maxmemoryBytes)],
    ["maxmemory_policy", policy],
    ["mem_fragmentation_ratio", (rss / Math.max(1, usedBytes)).toFixed(2)],
    ["mem_fragmentation_bytes", rss - usedBytes],
    ["mem_clients_normal", server.clients.all().reduce((sum, each) => sum + memoryOf(each), 0)],
    ["mem_allocator", "v8"],
    ["heap_used", heapUsed],
    ["heap_total", heapTotal],
  ];
}

function scriptFields(figures: ScriptFigures | undefined): Fields {
  if (figures === undefined) return [];
  const { scripts, scriptBytes, libraries, functions, functionBytes } = figures;
  return [
    ["used_memory_scripts_eval", scriptBytes],
    ["number_of_cached_scripts", scripts],
    ["number_of_functions", functions],
    ["number_of_libraries", libraries],
    ["used_memory_functions", functionBytes],
    ["used_memory_scripts", scriptBytes + functionBytes],
    ["used_memory_scripts_human", human(scriptBytes + functionBytes)],
  ];
}

function persistenceSection(server: ServerContext): Fields {
  const { node } = server;
  const { durability, appliedIndex } = node.status();
  const enabled = durability === "memory" ? 0 : 1;
  const { index, underWay, failed } = node.snapshotStatus();
  return [
    ["loading", 0],
    ["async_loading", 0],
    // Entries of the log, which has them all: a restart reads them again.
    ["rdb_changes_since_last_save", appliedIndex - index],
    ["rdb_bgsave_in_progress", Number(underWay)],
    ["rdb_last_save_time", lastSave(server)],
    ["rdb_last_bgsave_status", failed ? "err" : "ok"],
    ["aof_enabled", enabled],
    ["aof_rewrite_in_progress", 0],
    ["aof_last_bgrewrite_status", "ok"],
    ["aof_last_write_status", node.status().refusing === undefined ? "ok" : "err"],
  ];
}

function statsSection({ statistics, errors, node, pubsub }: ServerContext): Fields {
  const { hits, misses, expiredKeys, evictedKeys } = node.machine.statistics();
  return [
    ["total_connections_received", statistics.connectionsReceived],
    ["total_commands_processed", statistics.commandsProcessed],
    ["instantaneous_ops_per_sec", statistics.commandsPerSecond],
    ["total_net_input_bytes", statistics.inputBytes],
    ["total_net_output_bytes", statistics.outputBytes],
    ["instantaneous_input_kbps", statistics.inputKilobytesPerSecond.toFixed(2)],
    ["instantaneous_output_kbps", statistics.outputKilobytesPerSecond.toFixed(2)],
    ["rejected_connections", statistics.connectionsRejected],
    ["expired_keys", expiredKeys],
    ["evicted_keys", evictedKeys],
    ["evicted_clients", 0],
    ["keyspace_hits", hits],
    ["keyspace_misses", misses],
    ["pubsub_channels", pubsub.names("channels").length],
    ["pubsub_patterns", pubsub.names("patterns").length],
    ["pubsubshard_channels", pubsub.names("shards").length],
    ["client_output_buffer_limit_disconnections", statistics.outputLimitDisconnections],
    ["total_error_replies", errors.total],
    ["total_reads_processed", statistics.reads],
    ["total_writes_processed", statistics.writes],
  ];
}

function replicationSection({ node }: ServerContext): Fields {
  const { master, replicas } = topologyOf(node);
  const { appliedIndex } = node.status();
  if (redisRole(node) === "slave") {
    return [
      ["role", "slave"],
      ["master_host", master?.address.host ?? ""],
      ["master_port", master?.address.port ?? 0],
      ["master_link_status", master === undefined ? "down" : "up"],
      ["master_last_io_seconds_ago", 0],
      ["master_sync_in_progress", 0],
      ["slave_read_repl_offset", appliedIndex],
      ["slave_repl_offset", appliedIndex],
      ["slave_priority", 100],
      // Every node takes writes: they are forwarded to the leader.
      ["slave_read_only", 0],
      ["connected_slaves", 0],
      ["master_repl_offset", appliedIndex],
    ];
  }
  const lines = replicas.map(({ member, address }, index) => {
    const state = member.role === "unreachable" ? "wait_bgsave" : "online";
    const offset = member.appliedIndex ?? 0;
    return [
      `slave${index}`,
      `ip=${address.host},port=${address.port},state=${state},offset=${offset},lag=0`,
    ] as const;
  });
  return [
    ["role", "master"],
    ["connected_slaves", replicas.length],
    ...lines,
    ["master_failover_state", "no-failover"],
    ["master_replid", "0".repeat(40)],
    ["master_repl_offset", appliedIndex],
  ];
}

function cpuSection(): Fields {
  const { user, system } = process.cpuUsage();
  return [
    ["used_cpu_sys", (system / 1e6).toFixed(6)],
    ["used_cpu_user", (user / 1e6).toFixed(6)],
    ["used_cpu_sys_children", "0.000000"],
    ["used_cpu_user_children", "0.000000"],
  ];
}

function commandSection({ router }: ServerContext): Fields {
  return [...router.called()].map(({ spec, statistics }) => {
    const { calls, microseconds, rejected, failed } = statistics;
    const each = calls === 0 ? 0 : microseconds / calls;
    const text = `calls=${calls},usec=${Math.round(microseconds)},usec_per_call=${each.toFixed(2)}`;
    return [`cmdstat_${spec.name}`, `${text},rejected_calls=${rejected},failed_calls=${failed}`];
  });
}

/** What this node is and promises, plainly. */
function quorateSection({ node }: ServerContext): Fields {
  const { consensus, algorithm, appliedIndex, durability, refusing, diskBytes } = node.status();
  const promises = {
    always: "acknowledged writes are on the disks of a majority",
    everysec: "acknowledged writes are in the memory of a majority and reach the disks within about a second",
    memory: "acknowledged writes are in the memory of a majority only; they are lost when a majority stops",
  } as const;
  return [
    ["node_id", node.id],
    ["cluster_id", node.clusterId],
    ["algorithm", algorithm],
    ["node_role", consensus.role],
    ["leader", consensus.leader ?? ""],
    ["term", consensus.term],
    ["commit_index", consensus.commitIndex],
    ["applied_index", appliedIndex],
    ["voters", consensus.membership.voters.join(",")],
    ["learners", consensus.membership.learners.join(",")],
    ["durability", durability],
    ["durability_meaning", promises[durability]],
    ["disk_bytes", diskBytes],
    ["recovering", recoveryOf(consensus)],
    ["accepting_writes", refusing === undefined ? "yes" : `no: ${refusing}`],
  ];
}

/** Until it is over this node does not campaign, and the group has one copy less. */
function recoveryOf({ recovering, lastIndex }: ConsensusStatus): string {
  if (recovering === undefined) return "no";
  return `yes: the log reaches entry ${lastIndex} and once reached ${recovering.index}`;
}

function keyspaceSection({ node }: ServerContext): Fields {
  return node.machine.databases
    .filter((database) => database.size > 0)
    .map(({ index, size, expiring, table }) => {
      const meanMs = table.due.meanDeadline(TTL_SAMPLE) - node.logTimeMs();
      const averageMs = Math.max(0, Math.round(meanMs));
      return [`db${index}`, `keys=${size},expires=${expiring},avg_ttl=${averageMs}`] as const;
    });
}

/** In Redis's order. */
const SECTIONS: Readonly<Record<string, { readonly fields: Section; readonly byDefault: boolean }>> = {
  Server: { fields: serverSection, byDefault: true },
  Clients: { fields: clientsSection, byDefault: true },
  Memory: { fields: memorySection, byDefault: true },
  Persistence: { fields: persistenceSection, byDefault: true },
  Stats: { fields: statsSection, byDefault: true },
  Replication: { fields: replicationSection, byDefault: true },
  CPU: { fields: cpuSection, byDefault: true },
  Modules: { fields: () => [], byDefault: true },
  Commandstats: { fields: commandSection, byDefault: false },
  Errorstats: {
    fields: ({ errors }) =>
      errors.prefixes().map(([prefix, count]) => [`errorstat_${prefix}`, `count=${count}`] as const),
    byDefault: true,
  },
  Cluster: {
    fields: ({ settings }) => [["cluster_enabled", settings.clusterEnabled ? 1 : 0]],
    byDefault: true,
  },
  Quorate: { fields: quorateSection, byDefault: true },
  Keyspace: { fields: keyspaceSection, byDefault: true },
};

function info({ server, args }: Call): Reply {
  const wanted = new Set(args.slice(1).map((name) => name.toLowerCase()));
  const all = wanted.has("all") || wanted.has("everything");
  const byDefault = wanted.size === 0 || wanted.has("default");
  const parts: string[] = [];
  for (const [title, section] of Object.entries(SECTIONS)) {
    if (!all && !(byDefault && section.byDefault) && !wanted.has(title.toLowerCase())) continue;
    const lines = section.fields(server).map(([name, value]) => `${name}:${value}\r\n`);
    parts.push(`# ${title}\r\n${lines.join("")}`);
  }
  return new VerbatimReply("txt", parts.join("\r\n"));
}

function human(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  let value = bytes / 1024;
  let unit = "K";
  for (const next of ["M", "G", "T"]) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value.toFixed(2)}${unit}`;
}

function percent(part: number, whole: number): string {
  return `${((part / Math.max(1, whole)) * 100).toFixed(2)}%`;
}

export const INFO_COMMANDS: readonly SessionCommand[] = [
  command(
    row("info", -1, "loading stale", "server", "1.0.0", "Tells about this node", "[section [section ...]]"),
    info,
    // Shows what came before it on its own connection.
    { after: "everything" },
  ),
];
