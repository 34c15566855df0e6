/** The cluster as clients of Redis picture it: one master for every slot, the other nodes its replicas. */
import { createHash } from "node:crypto";
import type { MemberView } from "../../cluster/local-node.ts";
import type { KeyspaceNode } from "./context.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** "master" at the leader; "slave" elsewhere, in Redis's word, although every node takes every command. */
export function redisRole(node: KeyspaceNode): "master" | "slave" {
  return node.status().consensus.leader === node.id ? "master" : "slave";
}

/** Host and port of "host:port" or "[v6]:port". */
export function splitAddress(text: string): Address {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon);
  return { host: host.startsWith("[") ? host.slice(1, -1) : host, port: Number(text.slice(colon + 1)) };
}

/** The forty hexadecimal digits that Redis Cluster names a node by. */
export function clusterNodeId(node: KeyspaceNode, member: string): string {
  return createHash("sha1").update(`${node.clusterId}/${member}`).digest("hex");
}

export interface Topology {
  /** Undefined while there is no leader, or its client port is not known yet. */
  readonly master: ReachableMember | undefined;
  readonly replicas: readonly ReachableMember[];
}

export interface ReachableMember {
  readonly member: MemberView;
  readonly address: Address;
}

/** Members whose client ports are known. */
export function topologyOf(node: KeyspaceNode): Topology {
  const { leader } = node.status().consensus;
  const reachable = node.members().flatMap((member): ReachableMember[] => {
    return member.resp === undefined ? [] : [{ member, address: splitAddress(member.resp) }];
  });
  return {
    master: reachable.find(({ member }) => member.id === leader),
    replicas: reachable.filter(({ member }) => member.id !== leader),
  };
}
