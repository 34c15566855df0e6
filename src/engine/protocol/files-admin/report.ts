/** What the door of files says of nodes and blocks, as JSON. */
import type { BalanceJson, FilesNodeJson, ReportJson, SafeModeJson } from "../../../wire/files-admin.ts";
import type {
  BalanceRound,
  FilesReport,
  FileSystem,
  NodeReport,
  SafeModeStatus,
} from "../../files/file-system.ts";

export function reportJson(files: FileSystem, report: FilesReport): ReportJson {
  const { files: count, directories, openFiles, length, space } = files.statistics();
  return {
    node: files.node,
    defaultReplication: files.settings().replication,
    blocks: report.blocks,
    namespace: { files: count, directories, openFiles, length, space },
    nodes: report.nodes.map(nodeJson),
    unheard: report.unheard,
    safeMode: safeModeJson(report.safeMode),
  };
}

function nodeJson({ node, replicas, remaining, explanation }: NodeReport): FilesNodeJson {
  const { id, http, rack, standing, live, stale, silentMs } = node;
  const { capacityBytes, usedBytes, freeBytes, readers, writers } = node;
  return {
    id,
    http: http ?? null,
    rack,
    standing,
    live,
    stale,
    silentMs: Math.round(silentMs),
    capacityBytes,
    usedBytes,
    freeBytes,
    replicas,
    readers,
    writers,
    remaining,
    explanation: explanation ?? null,
  };
}

export function safeModeJson({ on, by, explanation }: SafeModeStatus): SafeModeJson {
  return { on, by: by ?? null, explanation: explanation ?? null };
}

export function balanceJson({ ordered, orderedBytes, pending, pendingBytes }: BalanceRound): BalanceJson {
  return { ordered, orderedBytes, pending, pendingBytes };
}
