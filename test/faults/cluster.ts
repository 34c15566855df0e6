/** Three real processes under test: where clients find them, who leads, and which process to hurt. */
import type { Algorithm } from "../../src/consensus/algorithms.ts";
import type { StatusDocument } from "../../src/engine/protocol/admin/status-document.ts";
import type { NodeId } from "../../src/runtime/world.ts";
import { keptBy, scratch, startCluster, until } from "../cli/program.ts";
import type { Address } from "./connection.ts";

export interface NodePlace extends Address {
  readonly id: NodeId;
  /** http://host:port */
  readonly http: string;
}

export interface Leader {
  readonly id: NodeId;
  /** Its place in the list of nodes. */
  readonly at: number;
  readonly pid: number;
  readonly term: number;
}

const ASK_TIMEOUT_MS = 1_000;

/** `quorate start --nodes 3` on free ports: a supervisor starts again what dies, unless `more` has `--no-restart`. */
export async function startThree(
  algorithm: Algorithm,
  more: readonly string[] = [],
): Promise<readonly NodePlace[]> {
  const words = ["--nodes", "3", "--data", scratch(), ...keptBy(algorithm), ...more];
  const { program, urls } = await startCluster(words);
  const https = program.stdout().match(/http:\/\/[\d.:]+/g) ?? [];
  return urls.map((url, at) => {
    const { hostname, port } = new URL(url);
    return { id: `n${at + 1}`, host: hostname, port: Number(port), http: https[at] ?? "" };
  });
}

/** What each node says of the cluster; undefined for one that does not answer. */
export function statuses(nodes: readonly NodePlace[]): Promise<readonly (StatusDocument | undefined)[]> {
  return Promise.all(
    nodes.map(async ({ http }) => {
      try {
        const answer = await fetch(`${http}/status`, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
        return (await answer.json()) as StatusDocument;
      } catch {
        return undefined;
      }
    }),
  );
}

/** The node that leads in the highest term, by its own word; waits for one other than `not`. */
export function leaderOf(nodes: readonly NodePlace[], not?: NodeId): Promise<Leader> {
  return until("a leader", 20_000, async () => {
    const leaders = (await statuses(nodes)).flatMap((status, at): Leader[] => {
      const own = status?.nodes.find(({ id }) => id === status.askedNode);
      if (status === undefined || own?.role !== "leader" || own.pid === null || own.id === not) return [];
      return [{ id: own.id, at, pid: own.pid, term: status.groups[0]?.term ?? 0 }];
    });
    return leaders.toSorted((left, right) => right.term - left.term)[0];
  });
}

/** The processes of all nodes. */
export function pidsOf(nodes: readonly NodePlace[]): Promise<readonly number[]> {
  return until("every node's process", 20_000, async () => {
    const pids = (await statuses(nodes)).map(
      (status) => status?.nodes.find(({ id }) => id === status.askedNode)?.pid ?? undefined,
    );
    return pids.every((pid) => pid !== undefined) ? pids : undefined;
  });
}
