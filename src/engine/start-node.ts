/**
 * A whole node of the real world: the disk and the network opened, the group recovered, the servers listening. The lines
 * of `startNode` are the parts of a node in the order in which they come to life; `stop` is the same backwards.
 */
import { createConsensus, DEFAULT_ALGORITHM, protocolOf } from "../consensus/algorithms.ts";
import type { Algorithm } from "../consensus/algorithms.ts";
import type { ConsensusOptions } from "../consensus/consensus.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../consensus/defaults.ts";
import type { ConsensusMessage } from "../consensus/protocol.ts";
import { joinAddress } from "../runtime/node/address.ts";
import type { Containment } from "../runtime/node/containment.ts";
import { contain } from "../runtime/node/containment.ts";
import type { TcpNetwork } from "../runtime/node/network.ts";
import { openTcpNetwork } from "../runtime/node/network.ts";
import type { LocalWorld } from "../runtime/node/world.ts";
import { openLocalWorld } from "../runtime/node/world.ts";
import type { Clock, Logger, Network, NodeId, World } from "../runtime/world.ts";
import { DATA_COMMANDS } from "./keyspace/commands/index.ts";
import type { KeyspaceCommand } from "./keyspace/keyspace-command.ts";
import { createKeyspace } from "./keyspace/machine.ts";
import type { ScriptEngine } from "./keyspace/section.ts";
import type { KeyspaceMachine } from "./keyspace/machine.ts";
import type { AdminServer } from "./protocol/admin/admin-server.ts";
import { startAdminServer } from "./protocol/admin/admin-server.ts";
import type { RespServer } from "./protocol/resp/server.ts";
import { startRespServer } from "./protocol/resp/server.ts";
import { SESSION_SPECS } from "./protocol/resp/session-commands.ts";
import { loadScriptEngine } from "./scripting/script-engine.ts";
import { createMetrics } from "./cluster/metrics.ts";
import type { Metrics } from "./cluster/metrics.ts";
import { ClusterNode, DEFAULT_REPLICA_TUNING } from "./cluster/node.ts";
import type { NodeStatus } from "./cluster/local-node.ts";
import type { Beginning, NodeStorage } from "./node-storage.ts";
import { openNodeStorage } from "./node-storage.ts";

export interface StartNodeOptions {
  readonly id: NodeId;
  readonly clusterId: string;
  /** Every founding member's peer address, "host:port"; or those of the members that a newcomer turns to. */
  readonly members: Readonly<Record<NodeId, string>>;
  /** What a new directory makes of the node. Default "founder". */
  readonly beginsAs?: Beginning;
  /** Where the other nodes reach this one. Default: what `members` says. */
  readonly peerAddress?: string;
  /** A directory that exists, or "memory". */
  readonly dataDir: string;
  readonly host: string;
  /** 0 takes a free one, as for the other ports. */
  readonly respPort: number;
  /** Default: no HTTP server. */
  readonly httpPort?: number;
  /** Default: a free one. */
  readonly peerPort?: number;
  /** Reaches the peers in place of TCP (an engine inside one process). It is closed with the node. */
  readonly network?: Network;
  /** What log time follows; a test may push it. Default: the machine's clock. */
  readonly timeSource?: Clock;
  readonly durability: NodeStatus["durability"];
  /** What keeps the log; the same at every node, and for the life of a data directory. Default "raft". */
  readonly consensus?: Algorithm;
  /** Default "barrier". */
  readonly readMode?: ConsensusOptions["readMode"];
  /** Milliseconds after which a command that no majority confirms fails. Default 5,000. */
  readonly requestTimeoutMs?: number;
  /** Asked of clients. Default: none. */
  readonly password?: string;
  /** Shared by the nodes. Default: none. */
  readonly secret?: string;
  readonly logger: Logger;
  /** What becomes of the process when it cannot go on. Default: exit code 1. */
  readonly onFatal?: (error: Error) => void;
  /** The process is not the node's own: when the node cannot go on, it alone ends, and then this is called. */
  readonly onEnd?: (error: Error) => void;
}

export interface RunningNode {
  readonly id: NodeId;
  readonly respPort: number;
  readonly httpPort: number | undefined;
  status(): NodeStatus;
  /** Ends every server and closes the files. With `handOver`, first gives leadership away, within two seconds. */
  stop(options: { readonly handOver: boolean }): Promise<void>;
}

type KeyspaceClusterNode = ClusterNode<KeyspaceCommand, KeyspaceMachine, ConsensusMessage>;

/** Rejects with PORT_IN_USE, DATA_DIRECTORY_FOREIGN, DATA_DIRECTORY_UNUSABLE, DATA_CORRUPT; nothing stays open then. */
export async function startNode(options: StartNodeOptions): Promise<RunningNode> {
  const { onEnd } = options;
  if (onEnd === undefined) return startIn(options, undefined);
  const containment = contain();
  const node = await startIn(options, containment);
  containment.ended.catch((error: Error) => {
    options.logger.log("error", "node.fatal", { node: options.id, error: error.message });
    void node.stop({ handOver: false }).then(() => onEnd(error));
  });
  return node;
}

async function startIn(
  options: StartNodeOptions,
  containment: Containment | undefined,
): Promise<RunningNode> {
  const local = containedWorld(openLocalWorld(options.logger, options.onFatal), containment);
  const metrics = createMetrics();
  const closers: Closers = [];
  const closeAll = async (failed: boolean): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close(failed);
  };
  let failed = false;
  containment?.ended.catch(() => (failed = true));
  try {
    const opening = open(options, local, containment, metrics, closers);
    const { node, admin, resp } = await (containment === undefined
      ? opening
      : Promise.race([opening, containment.ended]));
    return {
      id: options.id,
      respPort: resp.port,
      httpPort: admin?.port,
      status: () => node.status(),
      async stop({ handOver }) {
        if (handOver) await handOverLeadership(node, local.clock);
        await closeAll(failed);
      },
    };
  } catch (error) {
    await closeAll(failed);
    throw error;
  }
}

function containedWorld(local: LocalWorld, containment: Containment | undefined): LocalWorld {
  if (containment === undefined) return local;
  return { ...local, clock: containment.clock(local.clock), fatal: (error) => containment.fatal(error) };
}

interface OpenedNode {
  readonly node: KeyspaceClusterNode;
  readonly admin: AdminServer | undefined;
  readonly resp: RespServer;
}

async function open(
  options: StartNodeOptions,
  local: LocalWorld,
  containment: Containment | undefined,
  metrics: Metrics,
  closers: Closers,
): Promise<OpenedNode> {
  const [kept, scripts] = await Promise.all([
    openStorage(options, local, containment, metrics, closers),
    loadScriptEngine(),
  ]);
  const given = options.network ?? (await openNetwork(options, local, metrics, closers));
  const network = containment?.network(given) ?? given;
  const node = createNode(options, kept, { ...local, network }, scripts);
  node.start({ pid: process.pid });
  closers.push(() => node.stop());
  // Until the other server is open, nobody can have changed the password.
  const opened: { resp?: RespServer } = {};
  const password = (): string => opened.resp?.password ?? options.password ?? "";
  const admin = await openAdmin(options, node, metrics, password, closers);
  const resp = await openResp(options, node);
  opened.resp = resp;
  closers.push(() => resp.close());
  metrics.gauge(
    "quorate_client_connections",
    "Clients connected over RESP.",
    () => resp.connections().length,
  );
  advertise(options, node, resp, admin);
  return { node, admin, resp };
}

/** What ends the parts that run, in the order in which they came to life. `failed`: the node cannot go on. */
type Closers = ((failed: boolean) => Promise<void> | void)[];

async function openStorage(
  options: StartNodeOptions,
  local: LocalWorld,
  containment: Containment | undefined,
  metrics: Metrics,
  closers: Closers,
): Promise<NodeStorage> {
  const kept = await openNodeStorage({
    ...options,
    ...local,
    algorithm: options.consensus ?? DEFAULT_ALGORITHM,
    metrics,
    contain: containment && ((disk) => containment.disk(disk)),
  });
  closers.push((failed) => (failed ? kept.abandon() : kept.close()));
  return kept;
}

async function openNetwork(
  options: StartNodeOptions,
  local: LocalWorld,
  metrics: Metrics,
  closers: Closers,
): Promise<Network> {
  const { id, clusterId, host, peerPort = 0, secret } = options;
  const place = { id, clusterId, host, port: peerPort, ...local };
  const network = await openTcpNetwork(secret === undefined ? place : { ...place, secret });
  closers.push(() => {
    network.close();
    return network.closed;
  });
  registerNetwork(metrics, network);
  return network;
}

async function openAdmin(
  options: StartNodeOptions,
  node: KeyspaceClusterNode,
  metrics: Metrics,
  password: () => string,
  closers: Closers,
): Promise<AdminServer | undefined> {
  if (options.httpPort === undefined) return undefined;
  const admin = await startAdminServer({
    host: options.host,
    port: options.httpPort,
    node,
    metrics,
    members: { password, order: (order, done) => node.order(order, done) },
  });
  closers.push(() => admin.close());
  return admin;
}

function createNode(
  options: StartNodeOptions,
  kept: NodeStorage,
  world: Omit<World, "disk">,
  scripts: ScriptEngine,
): KeyspaceClusterNode {
  const { recovered, content } = kept;
  const ids = Object.keys(options.members);
  const peerAddress = options.peerAddress ?? options.members[options.id];
  const algorithm = options.consensus ?? DEFAULT_ALGORITHM;
  const consensus = createConsensus(
    algorithm,
    {
      ...DEFAULT_CONSENSUS_OPTIONS,
      id: options.id,
      membership: { voters: ids, outgoing: [], learners: [], addresses: options.members },
      identity: kept.directory,
      newcomer: kept.newcomer,
      random: () => world.random.float(),
      readMode: options.readMode ?? "barrier",
    },
    recovered,
    world.clock.monotonicMs(),
  );
  const machine = createKeyspace({
    commands: [...DATA_COMMANDS, ...SESSION_SPECS],
    scripts,
    hashSecret: world.random.next32(),
  });
  const node: KeyspaceClusterNode = new ClusterNode({
    id: options.id,
    clusterId: options.clusterId,
    directory: kept.directory,
    world,
    timeSource: options.timeSource ?? world.clock,
    algorithm,
    durability: options.durability,
    consensus,
    codec: protocolOf(algorithm),
    storage: kept.storage,
    peerDirectories: kept.peerDirectories,
    ...(peerAddress === undefined ? {} : { peerAddress }),
    ...(kept.onFounded === undefined ? {} : { onFounded: kept.onFounded }),
    machine,
    recovered:
      recovered.snapshot === undefined || content === undefined
        ? undefined
        : { index: recovered.snapshot.index, content },
    tuning: {
      ...DEFAULT_REPLICA_TUNING,
      ...(options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs }),
    },
  });
  machine.publish = (channel, message) => node.deliver(channel, message);
  return node;
}

function openResp(options: StartNodeOptions, node: KeyspaceClusterNode): Promise<RespServer> {
  return startRespServer({
    node,
    table: node.machine.commands,
    host: options.host,
    port: options.respPort,
    logger: options.logger,
    options: {
      ...(options.password === undefined ? {} : { password: options.password }),
      transferLeadership: (to) => node.transferLeadership(to),
    },
  });
}

function advertise(
  options: StartNodeOptions,
  node: KeyspaceClusterNode,
  resp: RespServer,
  admin: AdminServer | undefined,
): void {
  node.advertise({
    resp: joinAddress(options.host, resp.port),
    ...(admin === undefined ? {} : { http: joinAddress(options.host, admin.port) }),
    ...(options.dataDir === "memory" ? {} : { dataDir: options.dataDir }),
  });
}

function registerNetwork(metrics: Metrics, network: TcpNetwork): void {
  metrics.gauge("quorate_peer_links", "Peers with a standing link.", () => network.stats().linksUp);
  metrics.total("quorate_peer_sent_bytes_total", "Bytes sent to peers.", () => network.stats().sentBytes);
  metrics.total(
    "quorate_peer_received_bytes_total",
    "Bytes from peers.",
    () => network.stats().receivedBytes,
  );
  metrics.total("quorate_peer_dropped_frames_total", "Frames not sent: the peer was away or slow.", () => {
    return network.stats().droppedFrames;
  });
}

const HAND_OVER_TIMEOUT_MS = 2000;

/** Resolves when another leads, or nobody could take over in time. */
function handOverLeadership(node: KeyspaceClusterNode, clock: Clock): Promise<void> {
  if (node.status().consensus.role !== "leader") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.setTimer(HAND_OVER_TIMEOUT_MS, resolve);
    node.onRoleChange((role) => {
      if (role === "leader") return;
      timer.cancel();
      resolve();
    });
    node.transferLeadership();
  });
}
