/**
 * What `/healthz` says. Healthy is who can serve a linearizable read of every group that it hosts (keys, files, jobs) now, which
 * proves a majority of each and not only that this process is alive, and takes writes: one whose disk is full is no place to
 * send clients to. Files in safe mode can be read, and keys are served, so that is said and is no illness.
 */
import type { NodeStatus } from "../../cluster/local-node.ts";
import type { ObservedNode } from "./status-document.ts";

/** How long the barriers are waited for before the node is called unhealthy. */
const HEALTH_TIMEOUT_MS = 1000;

export interface Health {
  readonly status: "ok" | "unavailable";
  readonly node: string;
  /** Why it is unavailable. */
  readonly cause?: string;
  /** Why no changes of files are taken at present. */
  readonly safeMode?: string;
}

/** Calls back once, within a second. */
export function askHealth(node: ObservedNode, done: (health: Health) => void): void {
  const waiting = new Set<string>();
  let isAnswered = false;
  const finish = (cause: string | undefined): void => {
    if (isAnswered) return;
    isAnswered = true;
    clearTimeout(timer);
    if (cause !== undefined) return done({ status: "unavailable", node: node.id, cause });
    const safeMode = node.status().files?.safeMode;
    done({ status: "ok", node: node.id, ...(safeMode === undefined ? {} : { safeMode }) });
  };
  const late = (): void => {
    const whose = [...waiting].join(", ");
    finish(whyNot(node.status()) ?? `no read barrier of ${whose} within ${HEALTH_TIMEOUT_MS} ms`);
  };
  const timer = setTimeout(late, HEALTH_TIMEOUT_MS);
  const keys = { name: "keyspace", barrier: node.barrier.bind(node) };
  const groups = [keys, ...(node.furtherBarriers?.() ?? [])];
  for (const { name } of groups) waiting.add(name);
  for (const group of groups) {
    group.barrier((error) => {
      waiting.delete(group.name);
      if (error !== undefined) finish(`${group === keys ? "" : `${group.name}: `}${error.message}`);
      else if (waiting.size === 0) finish(whyNot(node.status()));
    });
  }
}

/** What keeps a node from serving keys, or files, or whatever else it hosts. */
function whyNot({ refusing, furtherGroups = [] }: NodeStatus): string | undefined {
  const group = furtherGroups.find((each) => each.refusing !== undefined);
  return refusing ?? (group && `${group.name}: ${group.refusing ?? ""}`);
}
