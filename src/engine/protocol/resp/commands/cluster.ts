/**
 * CLUSTER: the group as one Redis Cluster: the leader is master of all slots, the other members are its replicas.
 *
 * By default a client sees no cluster (INFO says cluster_enabled:0) and may send any command to any node. A connection
 * that asked for SLOTS, SHARDS or NODES shows that its client knows the protocol: its key commands are answered with MOVED
 * at a node that does not lead (`admission.ts`), so that such clients find the leader and save the hop.
 */
import type { Reply } from "../../../keyspace/reply.ts";
import { MapReply, ReplyError, VerbatimReply } from "../../../keyspace/reply.ts";
import { SLOT_COUNT, slotOf } from "../cluster-slots.ts";
import type { KeyspaceNode, ServerContext } from "../context.ts";
import type { Call, Family } from "../session-command.ts";
import { command, family, row } from "../session-command.ts";
import { wholeNumber } from "../session-state.ts";
import type { ReachableMember } from "../topology.ts";
import { clusterNodeId, topologyOf } from "../topology.ts";

const LAST_SLOT = SLOT_COUNT - 1;

function slots({ connection, server }: Call): Reply {
  connection.clusterAware = true;
  const { master, replicas } = topologyOf(server.node);
  if (master === undefined) return [];
  // As in Redis, of replicas only those in sight: a client that reads from replicas would go on asking one that is dead.
  const inSight = replicas.filter(({ member }) => member.role !== "unreachable");
  const nodes = [master, ...inSight].map(({ member, address }): Reply => {
    return [address.host, address.port, clusterNodeId(server.node, member.id), []];
  });
  return [[0, LAST_SLOT, ...nodes]];
}

function shards({ connection, server }: Call): Reply {
  connection.clusterAware = true;
  const { master, replicas } = topologyOf(server.node);
  const describe = (reachable: ReachableMember, role: string): Reply => {
    const { member, address } = reachable;
    return new MapReply([
      "id",
      clusterNodeId(server.node, member.id),
      "port",
      address.port,
      "ip",
      address.host,
      "endpoint",
      address.host,
      "role",
      role,
      "replication-offset",
      member.appliedIndex ?? 0,
      "health",
      member.role === "unreachable" ? "fail" : "online",
    ]);
  };
  const nodes = [
    ...(master === undefined ? [] : [describe(master, "master")]),
    ...replicas.map((replica) => describe(replica, "replica")),
  ];
  return [new MapReply(["slots", master === undefined ? [] : [0, LAST_SLOT], "nodes", nodes])];
}

function nodes({ connection, server }: Call): Reply {
  connection.clusterAware = true;
  const { node } = server;
  const { master, replicas } = topologyOf(node);
  const { term } = node.status().consensus;
  const line = ({ member, address }: ReachableMember, isMaster: boolean): string => {
    const flags = [
      ...(member.id === node.id ? ["myself"] : []),
      isMaster ? "master" : "slave",
      ...(member.role === "unreachable" ? ["fail"] : []),
    ];
    const masterId = isMaster || master === undefined ? "-" : clusterNodeId(node, master.member.id);
    const busPort = member.peer.slice(member.peer.lastIndexOf(":") + 1);
    const link = member.role === "unreachable" ? "disconnected" : "connected";
    const held = isMaster ? ` 0-${LAST_SLOT}` : "";
    const where = `${address.host}:${address.port}@${busPort}`;
    return `${clusterNodeId(node, member.id)} ${where} ${flags.join(",")} ${masterId} 0 0 ${term} ${link}${held}\n`;
  };
  const lines = [
    ...(master === undefined ? [] : [line(master, true)]),
    ...replicas.map((replica) => line(replica, false)),
  ];
  return new VerbatimReply("txt", lines.join(""));
}

function info({ server }: Call): Reply {
  const { consensus } = server.node.status();
  const members = server.node.members();
  const reachable = consensus.leader !== undefined;
  const lines = [
    `cluster_state:${reachable ? "ok" : "fail"}`,
    `cluster_slots_assigned:${SLOT_COUNT}`,
    `cluster_slots_ok:${reachable ? SLOT_COUNT : 0}`,
    "cluster_slots_pfail:0",
    `cluster_slots_fail:${reachable ? 0 : SLOT_COUNT}`,
    `cluster_known_nodes:${members.length}`,
    "cluster_size:1",
    `cluster_current_epoch:${consensus.term}`,
    `cluster_my_epoch:${consensus.term}`,
  ];
  return new VerbatimReply("txt", `${lines.join("\r\n")}\r\n`);
}

function slotNumber(text: string | undefined): number {
  const slot = wholeNumber(text);
  if (slot < 0 || slot > LAST_SLOT) throw new ReplyError("ERR Invalid slot");
  return slot;
}

/** Looks at every key of database 0: a check for people and tools, not for a busy path. */
function* keysInSlot(node: KeyspaceNode, slot: number): Generator<string> {
  for (const key of node.machine.databases[0]?.keys() ?? []) if (slotOf(key) === slot) yield key;
}

function countKeysInSlot({ server, args }: Call): Reply {
  const slot = slotNumber(args[2]);
  let count = 0;
  for (const _ of keysInSlot(server.node, slot)) count += 1;
  return count;
}

function getKeysInSlot({ server, args }: Call): Reply {
  const slot = slotNumber(args[2]);
  const most = wholeNumber(args[3]);
  if (most < 0) return new ReplyError("ERR Invalid number of keys");
  const keys: string[] = [];
  for (const key of keysInSlot(server.node, slot)) {
    if (keys.length >= most) break;
    keys.push(key);
  }
  return keys;
}

function myId({ server }: { readonly server: ServerContext }): Reply {
  return clusterNodeId(server.node, server.node.id);
}

const group = "cluster";

export const CLUSTER_FAMILY: Family = family(
  row("cluster", -2, "", group, "3.0.0", "Shows the cluster as Redis Cluster would"),
  [
    command(row("cluster|slots", 2, "stale", group, "3.0.0", "Which node holds which slots"), slots),
    command(row("cluster|shards", 2, "stale", group, "7.0.0", "The shards and their nodes"), shards),
    command(row("cluster|nodes", 2, "stale", group, "3.0.0", "The nodes, one a line"), nodes),
    command(row("cluster|info", 2, "stale", group, "3.0.0", "The state of the cluster"), info),
    command(row("cluster|keyslot", 3, "stale", group, "3.0.0", "The slot of a key", "key"), ({ args }) =>
      slotOf(args[2] as string),
    ),
    command(row("cluster|myid", 2, "stale", group, "3.0.0", "This node's id"), myId),
    command(
      row("cluster|countkeysinslot", 3, "stale", group, "3.0.0", "Counts the keys of a slot", "slot", {
        complexity: "O(N), N keys in the database",
      }),
      countKeysInSlot,
      { barrier: true },
    ),
    command(
      row("cluster|getkeysinslot", 4, "stale", group, "3.0.0", "Lists keys of a slot", "slot count", {
        complexity: "O(N), N keys in the database",
      }),
      getKeysInSlot,
      { barrier: true },
    ),
  ],
);
