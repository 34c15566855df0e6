/** What every node tells of itself under /metrics: its place in the group, and the health of its process. */
import type { IntervalHistogram } from "node:perf_hooks";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { PeerProgress } from "../../../consensus/consensus.ts";
import type { FilesStatus, GroupStatus } from "../../cluster/local-node.ts";
import type { Labels, Metrics } from "../../cluster/metrics.ts";
import type { ObservedNode } from "./status-document.ts";
import { groupName } from "./status-document.ts";

const ROLES = ["leader", "follower", "learner", "candidate", "precandidate"] as const;
/** Event loop delays are sampled at this interval; the interval itself is part of the figure and taken off again. */
const LOOP_SAMPLE_MS = 20;

/** Registers the metrics; the returned function ends the sampling. */
export function registerNodeMetrics(metrics: Metrics, node: ObservedNode): () => void {
  registerGroups(metrics, node);
  const delay = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS });
  delay.enable();
  registerProcess(metrics, delay);
  return () => void delay.disable();
}

function registerGroups(metrics: Metrics, node: ObservedNode): void {
  type Row = readonly [Labels, number | undefined];
  const gauge = (
    name: string,
    help: string,
    read: (group: GroupStatus, labels: Labels) => readonly Row[],
  ): void => {
    metrics.gauge(name, help, () => {
      const { furtherGroups = [], ...keyspace } = node.status();
      const groups: readonly GroupStatus[] = [{ id: 0, name: "keyspace", ...keyspace }, ...furtherGroups];
      return groups.flatMap((group) => read(group, { group: groupName(group.id) }));
    });
  };
  const figure = (name: string, help: string, read: (group: GroupStatus) => number): void => {
    gauge(name, help, (group, labels) => [[labels, read(group)]]);
  };
  gauge("quorate_role", "1 for the role that this node has in the group.", ({ consensus }, labels) =>
    ROLES.map((role) => [{ ...labels, role }, role === consensus.role ? 1 : 0]),
  );
  figure("quorate_has_leader", "1 while this node knows a leader.", ({ consensus }) =>
    consensus.leader === undefined ? 0 : 1,
  );
  figure("quorate_term", "The current term.", ({ consensus }) => consensus.term);
  figure(
    "quorate_commit_index",
    "Last log index known to be committed.",
    ({ consensus }) => consensus.commitIndex,
  );
  figure("quorate_applied_index", "Last log index applied here.", ({ appliedIndex }) => appliedIndex);
  figure("quorate_last_index", "Last log index stored here.", ({ consensus }) => consensus.lastIndex);
  figure("quorate_log_entries", "Entries kept in the log.", ({ consensus: { firstIndex, lastIndex } }) => {
    return lastIndex - firstIndex + 1;
  });
  figure("quorate_state_diverged", "1 while a replica's state differs from this one's.", ({ diverged }) =>
    diverged === undefined ? 0 : 1,
  );
  metrics.gauge("quorate_disk_bytes", "Bytes on disk.", () => node.status().diskBytes);
  for (const [name, help, read] of FILES_FIGURES) {
    metrics.gauge(name, help, () => {
      const { files } = node.status();
      return files === undefined ? undefined : read(files);
    });
  }
  const peers = (
    { consensus }: GroupStatus,
    labels: Labels,
    read: (progress: PeerProgress) => number,
  ): readonly Row[] =>
    [...consensus.progress].map(([peer, progress]) => [{ ...labels, peer }, read(progress)]);
  gauge(
    "quorate_peer_match_index",
    "At the leader: the last index a peer is known to hold.",
    (group, labels) => peers(group, labels, ({ matchIndex }) => matchIndex),
  );
  gauge("quorate_peer_silent_seconds", "At the leader: time since a peer was heard.", (group, labels) =>
    peers(group, labels, ({ silentMs }) => silentMs / 1000),
  );
}

/** Of the file system, on a node that serves it. */
const FILES_FIGURES: readonly (readonly [string, string, (files: FilesStatus) => number])[] = [
  ["quorate_files", "Files in the namespace.", ({ files }) => files],
  ["quorate_files_directories", "Directories in the namespace.", ({ directories }) => directories],
  ["quorate_files_blocks", "Blocks that files are made of.", ({ blocks }) => blocks],
  ["quorate_files_length_bytes", "Bytes of all files, each counted once.", ({ length }) => length],
  ["quorate_files_open", "Files that are being written.", ({ openFiles }) => openFiles],
  ["quorate_files_writers", "Files that are being written through this node.", ({ writers }) => writers],
  ["quorate_files_nodes_live", "Nodes with blocks that give signs of life.", ({ liveNodes }) => liveNodes],
  ["quorate_files_capacity_bytes", "Space of all nodes with blocks.", ({ capacityBytes }) => capacityBytes],
  ["quorate_files_used_bytes", "Bytes of replicas on all nodes.", ({ usedBytes }) => usedBytes],
  ["quorate_files_free_bytes", "Bytes that more replicas may take.", ({ freeBytes }) => freeBytes],
  [
    "quorate_files_waiting_blocks",
    "Blocks to be looked at for repair.",
    ({ waitingBlocks }) => waitingBlocks,
  ],
  [
    "quorate_files_safe_mode",
    "1 while this node takes no changes.",
    ({ safeMode }) => Number(safeMode !== undefined),
  ],
];

function registerProcess(metrics: Metrics, delay: IntervalHistogram): void {
  metrics.gauge(
    "quorate_event_loop_delay_seconds",
    "How late the event loop ran its timers since the last scrape.",
    () => {
      const seconds = (percentile: number): number =>
        Math.max(0, delay.percentile(percentile) / 1e9 - LOOP_SAMPLE_MS / 1000);
      const sample = [
        [{ quantile: "0.5" }, seconds(50)],
        [{ quantile: "0.99" }, seconds(99)],
        [{ quantile: "1" }, seconds(100)],
      ] as const;
      delay.reset();
      return sample;
    },
  );
  metrics.total("quorate_event_loop_busy_seconds_total", "Time the event loop was not idle.", () => {
    return performance.eventLoopUtilization().active / 1000;
  });
  metrics.gauge("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss());
  metrics.gauge("nodejs_heap_used_bytes", "JavaScript heap in use.", () => process.memoryUsage().heapUsed);
  metrics.gauge("nodejs_external_memory_bytes", "Memory of buffers.", () => process.memoryUsage().external);
  metrics.total("process_cpu_seconds_total", "CPU time of this process.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.gauge("process_start_time_seconds", "When this process was started, Unix seconds.", () => {
    return performance.timeOrigin / 1000;
  });
}
