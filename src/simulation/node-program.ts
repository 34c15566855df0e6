/**
 * The program that simulated machines run: production's node, put together as production does it, with the observer between
 * its parts. Only the storage may be exchanged for its model.
 */
import { createConsensus } from "../consensus/algorithms.ts";
import type { Algorithm } from "../consensus/algorithms.ts";
import type { Membership, Recovered } from "../consensus/consensus.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../consensus/defaults.ts";
import type { ConsensusMessage } from "../consensus/protocol.ts";
import type { GroupOptions } from "../engine/cluster/hosted-group.ts";
import { KEYSPACE_GROUP } from "../engine/cluster/hosted-group.ts";
import { KeyspaceNode } from "../engine/cluster/keyspace-node.ts";
import { ClusterNode } from "../engine/cluster/node.ts";
import { recoverGroup } from "../engine/group/group-recovery.ts";
import { replicaStorage } from "../engine/group/replica-storage.ts";
import { loadSnapshots, SnapshotStore } from "../engine/group/snapshot-store.ts";
import type { StateMachine } from "../engine/group/state-machine.ts";
import type { ReplicaStorage } from "../engine/group/storage.ts";
import type { GroupId } from "../engine/group/write-ahead-log/write-ahead-log.ts";
import { openWriteAheadLog } from "../engine/group/write-ahead-log/write-ahead-log.ts";
import { DATA_COMMANDS } from "../engine/keyspace/commands/index.ts";
import type { KeyspaceCommand } from "../engine/keyspace/keyspace-command.ts";
import { createKeyspace } from "../engine/keyspace/machine.ts";
import type { KeyspaceMachine } from "../engine/keyspace/machine.ts";
import type { HostMachine } from "../engine/node-groups.ts";
import type { Bytes } from "../runtime/bytes.ts";
import { assert } from "../runtime/errors.ts";
import type { NodeId, World } from "../runtime/world.ts";
import type { SeededRandom } from "../runtime/simulated/random.ts";
import type { Invariants } from "./invariants/invariants.ts";
import { ModelDisk } from "./model-storage.ts";
import { consensusMutant } from "./mutants.ts";
import type { Mutant } from "./mutants.ts";
import type { Swarm } from "./swarm.ts";
import { isUnique } from "./workload.ts";

export type SimulatedNode = KeyspaceNode<KeyspaceCommand, KeyspaceMachine, ConsensusMessage>;

export interface NodeContext {
  readonly id: NodeId;
  readonly world: World;
  readonly algorithm: Algorithm;
  readonly founding: Membership;
  readonly swarm: Swarm;
  readonly mutant: Mutant | undefined;
  readonly invariants: Invariants;
  /** Whether the disk may have lost what it once called durable. */
  readonly decayed: boolean;
  /** Identity of the data directory. */
  readonly directory: string;
  /** The directory is another one than the founder's of this name. */
  readonly newcomer: boolean;
  readonly furtherGroups: readonly SimulatedGroup[];
}

/** A group that the nodes host beside the keyspace. */
export interface SimulatedGroup {
  readonly id: GroupId;
  readonly name: string;
  readonly invariants: Invariants;
  /** At each start of a node: hands `host` a new machine, and keeps the door. */
  open(node: NodeId, host: HostMachine): void;
}

/** What was read from the disk, and the storage to go on with: the keyspace's, and that of the groups beside it. */
export interface OpenedStorage extends OpenedGroup {
  readonly furtherGroups: readonly OpenedGroup[];
}

export interface OpenedGroup {
  readonly storage: ReplicaStorage;
  readonly recovered: Recovered;
  readonly content: Iterable<Bytes> | undefined;
}

export const CLUSTER_ID = "0123456789abcdef";

/** Starts the node; the process is ready when this returns. */
export function startNode(context: NodeContext, opened: OpenedStorage): SimulatedNode {
  const { id, world, mutant, invariants } = context;
  const machine = createKeyspace({ commands: DATA_COMMANDS });
  invariants.observeMachine(id, machine, isUnique);
  const cluster = new ClusterNode({
    id,
    clusterId: CLUSTER_ID,
    directory: context.directory,
    world: {
      clock: world.clock,
      random: world.random,
      network: world.network,
      logger: invariants.observeLogger(id, world.logger),
      fatal: (error) => world.fatal(error),
    },
    durability: "always",
    // Who is added is not yet among those whose place the others know.
    ...(context.newcomer ? { peerAddress: context.founding.addresses[id] ?? "" } : {}),
  });
  const node: SimulatedNode = new KeyspaceNode(cluster, {
    ...groupOptions(context, invariants, opened, machine),
    id: KEYSPACE_GROUP,
    name: "keyspace",
    forgetSessionsInSnapshot: mutant === "forget-sessions-in-snapshot",
  });
  context.furtherGroups.forEach((group, at) => {
    const own = opened.furtherGroups[at];
    assert(own !== undefined, `group ${group.id} was not opened`);
    group.open(id, <Command, Reply>(hosted: StateMachine<Command, Reply>) => {
      const made = groupOptions(context, group.invariants, own, hosted);
      return cluster.hostGroup<Command, Reply, StateMachine<Command, Reply>, ConsensusMessage>({
        ...made,
        id: group.id,
        name: group.name,
      });
    });
  });
  cluster.start({});
  return node;
}

/** A group of this node, with the observer between its parts. */
function groupOptions<Machine extends { digest(): number }>(
  context: NodeContext,
  invariants: Invariants,
  opened: OpenedGroup,
  machine: Machine,
): SimulatedGroupOptions<Machine> {
  const { id, world, algorithm, swarm } = context;
  invariants.recovered(id, opened.recovered, context.decayed);
  const planted = consensusMutant(context.mutant);
  const core = createConsensus(
    algorithm,
    {
      ...DEFAULT_CONSENSUS_OPTIONS,
      id,
      membership: context.founding,
      identity: context.directory,
      newcomer: context.newcomer,
      random: () => world.random.float(),
      heartbeatIntervalMs: swarm.tuning.heartbeatIntervalMs,
      electionTimeoutMinMs: swarm.electionTimeoutMs[0],
      electionTimeoutMaxMs: swarm.electionTimeoutMs[1],
      appendWindow: swarm.appendWindow,
      appendMaxBytes: swarm.appendMaxBytes,
      snapshotChunkBytes: swarm.snapshotChunkBytes,
      readMode: swarm.readMode,
      ...(planted === undefined ? {} : { mutant: planted }),
    },
    opened.recovered,
    world.clock.monotonicMs(),
  );
  const { snapshot } = opened.recovered;
  return {
    algorithm,
    consensus: invariants.observeConsensus(id, core, machine, world.clock),
    codec: invariants.observedCodec(id),
    storage: invariants.observeStorage(id, opened.storage),
    machine,
    recovered:
      snapshot === undefined || opened.content === undefined
        ? undefined
        : { index: snapshot.index, content: opened.content },
    tuning: swarm.tuning,
  };
}

type AnyOptions = Omit<
  GroupOptions<never, unknown, StateMachine<never, unknown>, ConsensusMessage>,
  "id" | "name"
>;
type SimulatedGroupOptions<Machine> = Omit<AnyOptions, "machine"> & { readonly machine: Machine };

export type StorageKind = "disk" | "model";
/** By node, and beside the keyspace by group. */
export type StorageModels = Map<string, ModelDisk>;

/** Reads the disk and calls back once, unless the process ends first. */
export function openStorage(
  kind: StorageKind,
  context: NodeContext,
  models: StorageModels,
  random: SeededRandom,
  done: (opened: OpenedStorage) => void,
): void {
  const { id, world, swarm, furtherGroups } = context;
  if (kind === "disk") return openDisk(context, done);
  const open = (name: string): OpenedGroup => {
    let model = models.get(name);
    if (model === undefined) models.set(name, (model = new ModelDisk(random.split(`model disk/${name}`))));
    return model.open(world.clock, swarm.disk.latencyMs);
  };
  done({ ...open(id), furtherGroups: furtherGroups.map((group) => open(`${id}/${group.id}`)) });
}

/** The write-ahead log and the snapshot files, as production opens them. */
function openDisk(context: NodeContext, done: (opened: OpenedStorage) => void): void {
  const { world, swarm, mutant, furtherGroups } = context;
  const { disk, clock, random, logger } = world;
  const fatal = (error: Error): never => world.fatal(error);
  const planted = mutant === "skip-directory-fsync" ? { mutant } : {};
  const options = { disk, clock, random, logger, fatal, segmentBytes: swarm.segmentBytes, ...planted };
  openWriteAheadLog(options, (error, opened) => {
    if (opened === undefined) return fatal(error ?? new Error("the log did not open"));
    const { log } = opened;
    const open = (group: GroupId, ready: (group: OpenedGroup) => void): void => {
      const loaded = loadSnapshots(disk, group);
      const { recovered, snapshot, repair } = recoverGroup(opened.recovered.get(group), loaded);
      const snapshots = new SnapshotStore({ disk, clock, logger, fatal, group, ...planted }, loaded);
      const content = snapshot && snapshots.chunks(snapshot.meta);
      const made = { storage: replicaStorage(log, group, snapshots), recovered, content };
      if (repair === undefined) ready(made);
      else log.append(group, repair, () => ready(made));
    };
    const openFurther = (keyspace: OpenedGroup, before: readonly OpenedGroup[]): void => {
      const next = furtherGroups[before.length];
      if (next === undefined) return done({ ...keyspace, furtherGroups: before });
      open(next.id, (group) => openFurther(keyspace, [...before, group]));
    };
    open(KEYSPACE_GROUP, (keyspace) => openFurther(keyspace, []));
  });
}
