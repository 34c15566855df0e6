/** What every node tells of itself under /metrics: its place in the group, and the health of its process. */
import type { IntervalHistogram } from "node:perf_hooks";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { ConsensusStatus } from "../../../consensus/consensus.ts";
import type { Labels, Metrics } from "../../cluster/metrics.ts";
import type { ObservedNode } from "./status-document.ts";
import { GROUP_ID } from "./status-document.ts";

const ROLES = ["leader", "follower", "learner", "candidate", "precandidate"] as const;
/** Event loop delays are sampled at this interval; the interval itself is part of the figure and taken off again. */
const LOOP_SAMPLE_MS = 20;

/** Registers the metrics; the returned function ends the sampling. */
export function registerNodeMetrics(metrics: Metrics, node: ObservedNode): () => void {
  registerGroup(metrics, node);
  const delay = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS });
  delay.enable();
  registerProcess(metrics, delay);
  return () => void delay.disable();
}

function registerGroup(metrics: Metrics, node: ObservedNode): void {
  const group: Labels = { group: GROUP_ID };
  const consensus = (): ConsensusStatus => node.status().consensus;
  metrics.gauge("quorate_role", "1 for the role that this node has in the group.", () => {
    const { role } = consensus();
    return ROLES.map((name) => [{ ...group, role: name }, name === role ? 1 : 0] as const);
  });
  metrics.gauge("quorate_has_leader", "1 while this node knows a leader.", () => [
    [group, consensus().leader === undefined ? 0 : 1],
  ]);
  metrics.gauge("quorate_term", "The current term.", () => [[group, consensus().term]]);
  metrics.gauge("quorate_commit_index", "Last log index known to be committed.", () => [
    [group, consensus().commitIndex],
  ]);
  metrics.gauge("quorate_applied_index", "Last log index applied here.", () => [
    [group, node.status().appliedIndex],
  ]);
  metrics.gauge("quorate_last_index", "Last log index stored here.", () => [[group, consensus().lastIndex]]);
  metrics.gauge("quorate_log_entries", "Entries kept in the log.", () => {
    const { firstIndex, lastIndex } = consensus();
    return [[group, lastIndex - firstIndex + 1]];
  });
  metrics.gauge("quorate_state_diverged", "1 while a replica's state differs from this one's.", () => [
    [group, node.status().diverged === undefined ? 0 : 1],
  ]);
  metrics.gauge("quorate_disk_bytes", "Bytes on disk.", () => node.status().diskBytes);
  metrics.gauge("quorate_peer_match_index", "At the leader: the last index a peer is known to hold.", () =>
    [...consensus().progress].map(([peer, progress]) => [{ ...group, peer }, progress.matchIndex] as const),
  );
  metrics.gauge("quorate_peer_silent_seconds", "At the leader: time since a peer was heard.", () =>
    [...consensus().progress].map(
      ([peer, progress]) => [{ ...group, peer }, progress.silentMs / 1000] as const,
    ),
  );
}

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
