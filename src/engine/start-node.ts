/**
 * A whole node of the real world: the disk and the network opened, the group recovered, the servers listening. The lines
 * of `startNode` are the parts of a node in the order in which they come to life; `stop` is the same backwards.
 */
import { hostname } from "node:os";
import { DEFAULT_ALGORITHM } from "../consensus/algorithms.ts";
import type { Algorithm } from "../consensus/algorithms.ts";
import type { ConsensusOptions } from "../consensus/consensus.ts";
import { causesOf, QuorateError } from "../runtime/errors.ts";
import { joinAddress, reachableHost } from "../runtime/node/address.ts";
import type { Containment } from "../runtime/node/containment.ts";
import { NodeKilled, contain } from "../runtime/node/containment.ts";
import type { TcpNetwork } from "../runtime/node/network.ts";
import { openTcpNetwork } from "../runtime/node/network.ts";
import type { LocalWorld } from "../runtime/node/world.ts";
import { openLocalWorld } from "../runtime/node/world.ts";
import type { Clock, Logger, Network, NodeId } from "../runtime/world.ts";
import type { AdminServer } from "./protocol/admin/admin-server.ts";
import { startAdminServer } from "./protocol/admin/admin-server.ts";
import type { RespServer } from "./protocol/resp/server.ts";
import { startRespServer } from "./protocol/resp/server.ts";
import { createFilesAdminDoor } from "./protocol/files-admin/files-admin-door.ts";
import { createWebHdfsDoor } from "./protocol/webhdfs/webhdfs-door.ts";
import { loadScriptEngine } from "./scripting/script-engine.ts";
import { createMetrics } from "./cluster/metrics.ts";
import type { Metrics } from "./cluster/metrics.ts";
import type { NodeStatus } from "./cluster/local-node.ts";
import { handOverLeadership } from "./cluster/hand-over.ts";
import type { FilesNode } from "./files/node/files-node.ts";
import type { FilesOptions } from "./node-files.ts";
import { filesStatusOf, NodeFiles, planeOfBlocks, withBlocks } from "./node-files.ts";
import type { JobsOptions, RunningJobs } from "./node-jobs.ts";
import { NodeJobs, planeOfJobs } from "./node-jobs.ts";
import type { FurtherGroup, RunningKeyspace } from "./node-groups.ts";
import { createNode } from "./node-groups.ts";
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
  /** State machines to host beside the keyspace, each in a group of its own; the same at every node. Default: none. */
  readonly furtherGroups?: readonly FurtherGroup[];
  /** How it serves files, over WebHDFS at the HTTP port; every node of a cluster does, or none. Default: it does not. */
  readonly files?: FilesOptions;
  /** How it runs jobs, over HTTP; takes `files` and an HTTP port; every node of a cluster does, or none. Default: it does not. */
  readonly jobs?: JobsOptions;
  /** Asked of clients. Default: none. */
  readonly password?: string;
  /**
   * The host that clients are told, by `CLUSTER SLOTS`, `MOVED`, `ROLE` and redirects. Default: `host`, or that of the peer address
   * when it is a wildcard.
   */
  readonly advertiseHost?: string;
  /** Clients of other machines are refused: over RESP without a password, and for files. Default true. */
  readonly protectedMode?: boolean;
  /**
   * Names by which browsers may reach its HTTP port, beside addresses, localhost, the machine's name and the hosts of `members`:
   * any other may be one that a web page's owner pointed here. Default: none.
   */
  readonly browserNames?: readonly string[];
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
  /**
   * Ends every server and closes the files; leaves no handle open. With `handOver`, first gives away what it leads, within two
   * seconds, and at once when no other voter is in sight.
   */
  stop(options: { readonly handOver: boolean }): Promise<void>;
  /**
   * As `stop`, but like a crash: what waits for the disk is never written. For nodes with `onEnd`, which is not called; another
   * node's process is what is to be killed.
   */
  kill(): Promise<void>;
}

/**
 * Rejects with PORT_IN_USE, DATA_DIRECTORY_FOREIGN, DATA_DIRECTORY_UNUSABLE, DATA_CORRUPT, or UNSUPPORTED when the directory
 * holds a group that is not among `furtherGroups`; nothing stays open then.
 */
export async function startNode(options: StartNodeOptions): Promise<RunningNode> {
  const { onEnd } = options;
  if (onEnd === undefined) return startIn(options, undefined);
  const containment = contain();
  const node = await startIn(options, containment);
  containment.ended.catch((error: Error) => {
    if (error instanceof NodeKilled) return;
    options.logger.log("error", "node.fatal", {
      node: options.id,
      error: error.message,
      cause: causesOf(error),
    });
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
  const closeParts = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close(failed);
    containment?.close();
    await handlesGone();
  };
  let closing: Promise<void> | undefined;
  // Whoever comes second waits too.
  const closeAll = (): Promise<void> => (closing ??= closeParts());
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
        if (handOver) await handOverLeadership(node.cluster, local.clock);
        await closeAll();
      },
      async kill() {
        containment?.kill();
        // By now it is known to have failed.
        await containment?.ended.catch(() => undefined);
        await closeAll();
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Node.js says that a socket is closed up to a turn of the event loop before its handle is gone. */
async function handlesGone(): Promise<void> {
  for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => setImmediate(resolve));
}

function containedWorld(local: LocalWorld, containment: Containment | undefined): LocalWorld {
  if (containment === undefined) return local;
  return { ...local, clock: containment.clock(local.clock), fatal: (error) => containment.fatal(error) };
}

interface OpenedNode {
  readonly node: RunningKeyspace;
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
  const files = options.files && new NodeFiles({ ...options, files: options.files });
  const jobs = jobsOf(options);
  const furtherGroups = [
    ...(options.furtherGroups ?? []),
    ...(files === undefined ? [] : [files.group]),
    ...(jobs === undefined ? [] : [jobs.group]),
  ];
  const [kept, scripts] = await Promise.all([
    openStorage({ ...options, furtherGroups }, local, containment, metrics, closers),
    loadScriptEngine(),
  ]);
  const { network, blocks, beats } = await openNetworks(options, local, containment, metrics, closers);
  const node = createNode({ ...options, furtherGroups }, kept, { ...local, network }, scripts);
  closers.push(() => files?.close());
  const filesNode =
    blocks &&
    (await files?.open(
      { ...local, network: blocks },
      {
        address: (member) => node.cluster.httpOf(member),
        isRefusing: (member) => node.cluster.isRefusing(member),
      },
      containment && ((disk) => containment.disk(disk)),
    ));
  node.cluster.start({ pid: process.pid });
  closers.push(() => node.cluster.stop());
  if (filesNode !== undefined) {
    node.cluster.showFiles(() => filesStatusOf(filesNode));
    // A node that failed has nothing to say to anyone any more.
    closers.push((failed) => (failed ? undefined : filesNode.close()));
  }
  // Until the other server is open, nobody can have changed the password.
  const opened: { resp?: RespServer } = {};
  const password = (): string => opened.resp?.password ?? options.password ?? "";
  const served: { http?: string } = {};
  const running =
    filesNode &&
    beats &&
    jobs?.open({
      world: { ...local, network: beats },
      files: filesNode.files,
      http: () => served.http,
      password,
      metrics,
    });
  if (running !== undefined) closers.push(() => running.close());
  const doors = { files: filesNode, jobs: running };
  const admin = await openAdmin(options, node, doors, metrics, password, closers);
  if (admin !== undefined) served.http = joinAddress(reachedAt(options), admin.port);
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

/** Throws USAGE: attempts read and write files over HTTP. */
function jobsOf(options: StartNodeOptions): NodeJobs | undefined {
  const { jobs, files, httpPort } = options;
  if (jobs === undefined) return undefined;
  if (files === undefined || httpPort === undefined)
    throw new QuorateError("USAGE", "jobs need files and an HTTP port");
  return new NodeJobs({ ...options, jobs });
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
    furtherGroups: (options.furtherGroups ?? []).map(({ id }) => id),
    metrics,
    contain: containment && ((disk) => containment.disk(disk)),
  });
  closers.push((failed) => (failed ? kept.abandon() : kept.close()));
  return kept;
}

interface Networks {
  readonly network: Network;
  /** Of a node with files. */
  readonly blocks: Network | undefined;
  /** Of a node with jobs. */
  readonly beats: Network | undefined;
}

async function openNetworks(
  options: StartNodeOptions,
  local: LocalWorld,
  containment: Containment | undefined,
  metrics: Metrics,
  closers: Closers,
): Promise<Networks> {
  const contained = (network: Network): Network => containment?.network(network) ?? network;
  const { files } = options;
  const opened =
    options.network === undefined ? await openNetwork(options, local, metrics, closers) : undefined;
  const network = contained((options.network ?? opened) as Network);
  const openPlane = (name: string, instead: Network | undefined, make: typeof planeOfBlocks): Network => {
    const plane = instead === undefined && opened !== undefined ? make(opened) : undefined;
    const given = instead ?? plane;
    if (given === undefined) throw new QuorateError("USAGE", `${name} need a network of their own`);
    closers.push(() => {
      given.close();
      return plane?.closed;
    });
    if (plane !== undefined) registerNetwork(metrics, plane, `quorate_${name}`);
    return contained(given);
  };
  if (files === undefined) return { network, blocks: undefined, beats: undefined };
  const blocks = openPlane("blocks", files.network, planeOfBlocks);
  const { jobs } = options;
  if (jobs === undefined) return { network: withBlocks(network, blocks), blocks, beats: undefined };
  const beats = openPlane("jobs", jobs.network, planeOfJobs);
  return { network: withBlocks(withBlocks(network, blocks), beats), blocks, beats };
}

async function openNetwork(
  options: StartNodeOptions,
  local: LocalWorld,
  metrics: Metrics,
  closers: Closers,
): Promise<TcpNetwork> {
  const { id, clusterId, host, peerPort = 0, secret } = options;
  const place = { id, clusterId, host, port: peerPort, ...local };
  const network = await openTcpNetwork(secret === undefined ? place : { ...place, secret });
  closers.push(() => {
    network.close();
    return network.closed;
  });
  registerNetwork(metrics, network, "quorate_peer");
  return network;
}

async function openAdmin(
  options: StartNodeOptions,
  node: RunningKeyspace,
  { files, jobs }: { readonly files: FilesNode | undefined; readonly jobs: RunningJobs | undefined },
  metrics: Metrics,
  password: () => string,
  closers: Closers,
): Promise<AdminServer | undefined> {
  if (options.httpPort === undefined) return undefined;
  const onlyLocal = options.protectedMode ?? true;
  const doors = files && {
    files: createWebHdfsDoor({
      files: files.files,
      key: () => files.key(),
      now: () => Date.now(),
      onlyLocal,
    }),
    filesAdmin: createFilesAdminDoor({ files: files.files, onlyLocal }),
  };
  const admin = await startAdminServer({
    host: options.host,
    port: options.httpPort,
    node,
    metrics,
    logger: options.logger,
    names: namesOf(options),
    ...doors,
    ...(jobs === undefined ? {} : { jobs: jobs.door }),
    members: { password, order: (order, done) => node.cluster.order(order, done) },
  });
  closers.push(() => admin.close());
  return admin;
}

/** By which people may call this machine in a browser. */
function namesOf(options: StartNodeOptions): readonly string[] {
  const { host, members, browserNames = [] } = options;
  const hosts = Object.values(members).map((address) => address.replace(/:\d+$/, ""));
  return [hostname(), host, reachedAt(options), ...hosts, ...browserNames].map((name) => name.toLowerCase());
}

function openResp(options: StartNodeOptions, node: RunningKeyspace): Promise<RespServer> {
  return startRespServer({
    node,
    table: node.machine.commands,
    host: options.host,
    port: options.respPort,
    logger: options.logger,
    options: {
      ...(options.password === undefined ? {} : { password: options.password }),
      ...(options.protectedMode === undefined ? {} : { protectedMode: options.protectedMode }),
      transferLeadership: (to) => node.transferLeadership(to),
    },
  });
}

/** The host that clients are told: redirected to a wildcard, one of another machine would go to itself. */
function reachedAt(options: StartNodeOptions): string {
  const { id, host, members, peerAddress = members[id], advertiseHost } = options;
  return advertiseHost ?? reachableHost(host, peerAddress);
}

function advertise(
  options: StartNodeOptions,
  node: RunningKeyspace,
  resp: RespServer,
  admin: AdminServer | undefined,
): void {
  const host = reachedAt(options);
  node.cluster.advertise({
    resp: joinAddress(host, resp.port),
    ...(admin === undefined ? {} : { http: joinAddress(host, admin.port) }),
    ...(options.dataDir === "memory" ? {} : { dataDir: options.dataDir }),
  });
}

function registerNetwork(metrics: Metrics, network: TcpNetwork, name: string): void {
  const stats = (): ReturnType<TcpNetwork["stats"]> => network.stats();
  metrics.gauge(`${name}_links`, "Peers with a standing link.", () => stats().linksUp);
  metrics.total(`${name}_sent_bytes_total`, "Bytes sent to peers.", () => stats().sentBytes);
  metrics.total(`${name}_received_bytes_total`, "Bytes from peers.", () => stats().receivedBytes);
  metrics.total(`${name}_dropped_frames_total`, "Frames not sent: the peer was away or slow.", () => {
    return stats().droppedFrames;
  });
}
