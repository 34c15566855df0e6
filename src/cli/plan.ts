/**
 * From flags to node configurations: ids, ports, directories, the cluster's identity. Everything that can be wrong is
 * found here, before a process is started or a file is written.
 */
import { createHash, randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import type { Algorithm } from "../consensus/algorithm-names.ts";
import { DEFAULT_ALGORITHM, isAlgorithm } from "../consensus/algorithm-names.ts";
import { holderOf } from "../engine/cluster/directory-lock.ts";
import { MEMBERS_MAX } from "../engine/cluster/member-changes.ts";
import { QuorateError } from "../runtime/errors.ts";
import { isWildcard, joinAddress, splitAddress } from "../runtime/node/address.ts";
import type { NodeId } from "../runtime/world.ts";
import type { ClusterFile } from "./cluster-file.ts";
import { foreign, isInhabited, makeNodeDirectory, readClusterFile, foundCluster } from "./cluster-file.ts";
import type { NodeConfig } from "./node-channel.ts";
import type { Ports, PortUse } from "./ports.ts";
import { SYSTEM_PORTS } from "./ports.ts";

export const DEFAULT_PORTS = { resp: 6379, http: 9870, peer: 16379 } as const;
/** As in HDFS. */
export const DEFAULT_RACK = "/default-rack";
/** How many nodes a cluster has. */
export const NODES_RANGE: { readonly min: number; readonly max: number } = { min: 1, max: MEMBERS_MAX };
const NAME = /^[\w.-]{1,64}$/;

/** What is the same for every node of a plan. */
export interface Settings extends Pick<
  NodeConfig,
  | "durability"
  | "readMode"
  | "password"
  | "protectedMode"
  | "browserNames"
  | "advertiseHost"
  | "secret"
  | "rack"
  | "cacheWrites"
  | "scrubBandwidth"
  | "logLevel"
  | "logFormat"
> {
  /** Undefined: what the directory, or the cluster that is joined, was founded with. */
  readonly consensus: Algorithm | undefined;
  /** Attempts of jobs at a time on each node. Default: the processors, shared by the nodes of this machine. */
  readonly slots?: number | undefined;
}

export interface LocalPlan {
  /** In `NODES_RANGE`. */
  readonly nodes: number;
  readonly host: string;
  /** First ports; undefined: the default, 0: free ones. */
  readonly respPort: number | undefined;
  readonly httpPort: number | undefined;
  readonly peerPort: number | undefined;
  /** A directory or "memory". */
  readonly data: string;
  readonly settings: Settings;
}

export interface MemberPlan extends Omit<LocalPlan, "nodes" | "host"> {
  readonly name: NodeId;
  /** "n1=host:port,n2=host:port,…" */
  readonly cluster: string;
  /** Default: the host that the list gives this node. */
  readonly host: string | undefined;
}

export interface JoinPlan extends Omit<LocalPlan, "nodes"> {
  readonly name: NodeId;
  /** Default: host and peer port. */
  readonly peerAddress: string | undefined;
  /** Asks the cluster who it is; not called when the directory knows. */
  readonly ask: () => Promise<ClusterFile>;
}

/**
 * A whole cluster on this machine. Throws USAGE, PORT_IN_USE, DATA_DIRECTORY_IN_USE, DATA_DIRECTORY_FOREIGN,
 * DATA_DIRECTORY_UNUSABLE.
 */
export async function planLocalCluster(
  plan: LocalPlan,
  ports: Ports = SYSTEM_PORTS,
): Promise<readonly NodeConfig[]> {
  const ids = Array.from({ length: plan.nodes }, (_, index) => `n${index + 1}`);
  const root = plan.data === "memory" ? undefined : resolve(plan.data);
  const stored = root === undefined ? undefined : readClusterFile(root);
  if (root !== undefined && stored) await refuseRunning(root, Object.keys(stored.members));
  const consensus = chooseAlgorithm(plan.settings, root, stored);
  const chosen = await choosePorts(plan, ids.length, stored?.members, ports);
  const peerHost = isWildcard(plan.host) ? "127.0.0.1" : plan.host;
  const founding = ids.map((id, at) => [id, joinAddress(peerHost, chosen.peer[at] ?? 0)] as const);
  // Peers find each other by what was written down when the cluster was founded.
  const members = stored?.members ?? Object.fromEntries(founding);
  if (root !== undefined && stored) checkMembers(root, members, ids, chosen.peer);
  const clusterId = stored?.clusterId ?? randomBytes(8).toString("hex");
  const configs = ids.map((id, at): NodeConfig => ({
    id,
    clusterId,
    members,
    ...beginning(root, id, stored),
    peerAddress: members[id] ?? "",
    host: plan.host,
    respPort: chosen.resp[at] ?? 0,
    httpPort: chosen.http[at] ?? 0,
    peerPort: chosen.peer[at] ?? 0,
    ...plan.settings,
    slots: plan.settings.slots ?? Math.max(1, Math.round(availableParallelism() / plan.nodes)),
    consensus,
  }));
  await settle(configs, root, stored !== undefined, ports);
  return configs;
}

/** One node of a cluster over several machines. */
export async function planMember(plan: MemberPlan): Promise<NodeConfig> {
  const founding = parseMembers(plan.cluster);
  const own = founding[plan.name];
  if (own === undefined) {
    throw new QuorateError(
      "USAGE",
      `--name ${plan.name} is not in --cluster ${Object.keys(founding).join(", ")}`,
    );
  }
  const address = splitAddress(own);
  const root = plan.data === "memory" ? undefined : resolve(plan.data);
  const stored = root === undefined ? undefined : readClusterFile(root);
  if (root !== undefined && stored) await refuseRunning(root, [plan.name]);
  const consensus = chooseAlgorithm(plan.settings, root, stored);
  const foundingId = identityOf(founding, consensus);
  const isForced = stored?.replaces === foundingId;
  if (root !== undefined && stored && stored.clusterId !== foundingId && !isForced) {
    throw foreign(
      root,
      "belongs to another cluster than --cluster names (the founding list must stay as it was)",
    );
  }
  // What was forced out of that cluster goes on under its own identity, alone at first.
  const { clusterId, members } = isForced ? stored : { clusterId: foundingId, members: founding };
  const config: NodeConfig = {
    id: plan.name,
    clusterId,
    members,
    ...beginning(root, plan.name, stored),
    peerAddress: own,
    host: plan.host ?? address.host,
    respPort: plan.respPort ?? DEFAULT_PORTS.resp,
    httpPort: plan.httpPort ?? DEFAULT_PORTS.http,
    peerPort: plan.peerPort ?? address.port,
    ...plan.settings,
    slots: plan.settings.slots ?? availableParallelism(),
    consensus,
  };
  await settle([config], root, stored !== undefined, SYSTEM_PORTS);
  return config;
}

/** A node that a cluster is to admit, or to take in again; the next start finds the same in its directory. */
export async function planJoin(plan: JoinPlan, ports: Ports = SYSTEM_PORTS): Promise<NodeConfig> {
  if (!NAME.test(plan.name)) throw new QuorateError("USAGE", `--name ${plan.name} is no name for a node`);
  const root = plan.data === "memory" ? undefined : resolve(plan.data);
  const stored = root === undefined ? undefined : readClusterFile(root);
  if (root !== undefined && stored) await refuseRunning(root, [plan.name]);
  const known = stored ?? (await plan.ask());
  const { clusterId, members } = known;
  const consensus = chooseAlgorithm(plan.settings, stored && root, known);
  const peerPort = plan.peerPort ?? DEFAULT_PORTS.peer;
  if (plan.peerAddress === undefined && isWildcard(plan.host)) {
    throw new QuorateError("USAGE", "say with --peer-address where the other nodes reach this one");
  }
  if (plan.peerAddress !== undefined) splitAddress(plan.peerAddress);
  const [free = 0, freeResp = 0, freeHttp = 0] = await ports.freePorts(plan.host, 3);
  const chosenPeerPort = peerPort === 0 ? free : peerPort;
  const config: NodeConfig = {
    id: plan.name,
    clusterId,
    members,
    beginsAs: "newcomer",
    dataDir: root === undefined ? "memory" : join(root, plan.name),
    peerAddress: plan.peerAddress ?? joinAddress(plan.host, chosenPeerPort),
    host: plan.host,
    respPort: plan.respPort === 0 ? freeResp : (plan.respPort ?? DEFAULT_PORTS.resp),
    httpPort: plan.httpPort === 0 ? freeHttp : (plan.httpPort ?? DEFAULT_PORTS.http),
    peerPort: chosenPeerPort,
    ...plan.settings,
    slots: plan.settings.slots ?? availableParallelism(),
    consensus,
  };
  await settle([config], root, stored !== undefined, ports);
  return config;
}

/**
 * Where a node of a founding list begins. One that was at home here and finds its directory empty has lost it, unless the
 * others have lost theirs too: it is blank, and finds out from them.
 */
function beginning(
  root: string | undefined,
  id: NodeId,
  stored: ClusterFile | undefined,
): Pick<NodeConfig, "beginsAs" | "dataDir"> {
  if (root === undefined) return { beginsAs: "blank", dataDir: "memory" };
  const dataDir = join(root, id);
  const isLost = stored?.inhabited?.includes(id) === true && !isInhabited(dataDir);
  return { beginsAs: isLost ? "blank" : "founder", dataDir };
}

/**
 * What is asked for, or else what the cluster was founded with, which nothing can change. `root`: the directory that says so,
 * or undefined when the cluster itself does.
 */
function chooseAlgorithm(
  { consensus: asked }: Settings,
  root: string | undefined,
  stored: ClusterFile | undefined,
): Algorithm {
  const founded = stored?.consensus;
  if (founded === undefined) return asked ?? DEFAULT_ALGORITHM;
  if (asked !== undefined && asked !== founded) {
    if (root !== undefined) throw foreign(root, `belongs to another algorithm: ${founded}, not ${asked}`);
    throw new QuorateError("USAGE", `--consensus ${asked} cannot join a cluster of ${founded}`);
  }
  if (!isAlgorithm(founded)) {
    throw new QuorateError("UNSUPPORTED", `this version does not know the algorithm ${founded}`);
  }
  return founded;
}

/**
 * All founders compute the same identity from the same list, without a word between them. Those that were given different
 * algorithms find that they are of different clusters, and refuse each other.
 */
function identityOf(founding: Readonly<Record<NodeId, string>>, consensus: string): string {
  // Raft's needs no mark: that is how identities were computed before there was a choice.
  const mark = consensus === "raft" ? "" : `;consensus=${consensus}`;
  return createHash("sha256")
    .update(`${canonical(founding)}${mark}`)
    .digest("hex")
    .slice(0, 16);
}

/** "n1=10.0.0.1:16379,n2=…": throws USAGE for a name or address that is none, or one given twice. */
export function parseMembers(list: string): Readonly<Record<NodeId, string>> {
  const members: Record<NodeId, string> = {};
  for (const item of list.split(",")) {
    const [name = "", address = "", ...rest] = item.split("=");
    if (!NAME.test(name) || rest.length > 0) {
      throw new QuorateError("USAGE", `--cluster takes name=host:port,…; "${item}" is none`);
    }
    if (Object.hasOwn(members, name)) throw new QuorateError("USAGE", `--cluster names ${name} twice`);
    splitAddress(address);
    if (Object.values(members).includes(address)) {
      throw new QuorateError("USAGE", `--cluster gives ${address} to two nodes`);
    }
    members[name] = address;
  }
  const count = Object.keys(members).length;
  if (count > MEMBERS_MAX) {
    throw new QuorateError("USAGE", `--cluster must name 1 to ${MEMBERS_MAX} nodes, not ${count}`);
  }
  return members;
}

/** Nodes that run are found by who holds their directories, whatever ports this start was given. Throws DATA_DIRECTORY_IN_USE. */
async function refuseRunning(root: string, ids: readonly NodeId[]): Promise<void> {
  const holders = await Promise.all(ids.map((id) => holderOf(join(root, id))));
  const at = holders.findIndex((holder) => holder !== undefined);
  if (at < 0) return;
  const pid = holders[at]?.pid;
  const which = pid === undefined ? "" : ` (pid ${pid})`;
  throw new QuorateError("DATA_DIRECTORY_IN_USE", `${root} is in use: its ${ids[at]} runs already${which}`);
}

async function settle(
  configs: readonly NodeConfig[],
  root: string | undefined,
  known: boolean,
  ports: Ports,
): Promise<void> {
  await ports.checkPorts(configs.flatMap((config) => portUses(config, known)));
  const [first] = configs;
  if (root === undefined || !first) return;
  const { clusterId, members, consensus } = first;
  if (!known) foundCluster(root, { clusterId, members, consensus });
  for (const { dataDir } of configs) makeNodeDirectory(dataDir);
}

function portUses(config: NodeConfig, known: boolean): readonly PortUse[] {
  const { id, host, respPort, httpPort, peerPort } = config;
  // A cluster that was founded keeps its peer ports: when one is taken, it is most likely by that cluster itself.
  const peerAdvice = known ? "does this cluster run already?" : "choose another with --peer-port";
  return [
    { host, port: peerPort, what: `peer port of ${id}`, advice: peerAdvice },
    { host, port: respPort, what: `RESP port of ${id}`, advice: "choose another with --port" },
    { host, port: httpPort, what: `HTTP port of ${id}`, advice: "choose another with --http-port" },
  ];
}

interface ChosenPorts {
  readonly resp: readonly number[];
  readonly http: readonly number[];
  readonly peer: readonly number[];
}

/** Counted up from the first, or free ones, which are looked for together so that none is found twice. */
async function choosePorts(
  plan: LocalPlan,
  count: number,
  stored: Readonly<Record<NodeId, string>> | undefined,
  ports: Ports,
): Promise<ChosenPorts> {
  const free = [...(await ports.freePorts(plan.host, 3 * count))];
  const choose = (first: number | undefined, usual: number): readonly number[] =>
    first === 0
      ? free.splice(0, count)
      : Array.from({ length: count }, (_, index) => (first ?? usual) + index);
  const recorded = stored && Object.values(stored).map((address) => splitAddress(address).port);
  return {
    resp: choose(plan.respPort, DEFAULT_PORTS.resp),
    http: choose(plan.httpPort, DEFAULT_PORTS.http),
    peer: plan.peerPort || !recorded ? choose(plan.peerPort, DEFAULT_PORTS.peer) : recorded,
  };
}

function checkMembers(
  root: string,
  members: Readonly<Record<NodeId, string>>,
  ids: readonly NodeId[],
  peerPorts: readonly number[],
): void {
  const names = Object.keys(members);
  if (names.length !== ids.length || ids.some((id) => !Object.hasOwn(members, id))) {
    throw foreign(
      root,
      `belongs to a cluster of ${names.length} (${names.join(", ")}), not of ${ids.length}`,
    );
  }
  ids.forEach((id, at) => {
    const port = splitAddress(members[id] ?? "").port;
    if (port !== peerPorts[at]) {
      throw new QuorateError(
        "USAGE",
        `${root} was founded with peer port ${port} for ${id}; leave --peer-port out`,
      );
    }
  });
}

function canonical(members: Readonly<Record<NodeId, string>>): string {
  return Object.entries(members)
    .map(([name, address]) => `${name}=${address}`)
    .sort()
    .join(",");
}
