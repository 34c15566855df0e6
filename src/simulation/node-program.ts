/**
 * The program that simulated machines run: production's node, put together as production does it, with the observer between
 * its parts. Only the storage may be exchanged for its model.
 */
import { createConsensus } from "../consensus/algorithms.ts";
import type { Algorithm } from "../consensus/algorithms.ts";
import type { Membership, Recovered } from "../consensus/consensus.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../consensus/defaults.ts";
import type { ConsensusMessage } from "../consensus/protocol.ts";
import { KEYSPACE_GROUP } from "../engine/cluster/hosted-group.ts";
import { KeyspaceNode } from "../engine/cluster/keyspace-node.ts";
import { ClusterNode } from "../engine/cluster/node.ts";
import { recoverGroup } from "../engine/group/group-recovery.ts";
import { replicaStorage } from "../engine/group/replica-storage.ts";
import { loadSnapshots, SnapshotStore } from "../engine/group/snapshot-store.ts";
import type { ReplicaStorage } from "../engine/group/storage.ts";
import { openWriteAheadLog } from "../engine/group/write-ahead-log/write-ahead-log.ts";
import { DATA_COMMANDS } from "../engine/keyspace/commands/index.ts";
import type { KeyspaceCommand } from "../engine/keyspace/keyspace-command.ts";
import { createKeyspace } from "../engine/keyspace/machine.ts";
import type { KeyspaceMachine } from "../engine/keyspace/machine.ts";
import type { Bytes } from "../runtime/bytes.ts";
import type { NodeId, World } from "../runtime/world.ts";
import type { SeededRandom } from "../runtime/simulated/random.ts";
import type { Invariants } from "./invariants.ts";
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
}

/** What was read from the disk, and the storage to go on with. */
export interface OpenedStorage {
  readonly directory: string;
  readonly storage: ReplicaStorage;
  readonly recovered: Recovered;
  readonly content: Iterable<Bytes> | undefined;
}

export const CLUSTER_ID = "0123456789abcdef";

/** Starts the node; the process is ready when this returns. */
export function startNode(context: NodeContext, opened: OpenedStorage): SimulatedNode {
  const { id, world, algorithm, swarm, mutant, invariants } = context;
  const machine = createKeyspace({ commands: DATA_COMMANDS });
  invariants.recovered(id, opened.recovered, context.decayed);
  invariants.observeMachine(id, machine, isUnique);
  const planted = consensusMutant(mutant);
  const core = createConsensus(
    algorithm,
    {
      ...DEFAULT_CONSENSUS_OPTIONS,
      id,
      membership: context.founding,
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
  const cluster = new ClusterNode({
    id,
    clusterId: CLUSTER_ID,
    directory: opened.directory,
    world,
    durability: "always",
  });
  const node: SimulatedNode = new KeyspaceNode(cluster, {
    id: KEYSPACE_GROUP,
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
    forgetSessionsInSnapshot: mutant === "forget-sessions-in-snapshot",
  });
  cluster.start({});
  return node;
}

export type StorageKind = "disk" | "model";
export type StorageModels = Map<NodeId, ModelDisk>;

/** Reads the disk and calls back once, unless the process ends first. */
export function openStorage(
  kind: StorageKind,
  context: NodeContext,
  models: StorageModels,
  random: SeededRandom,
  done: (opened: OpenedStorage) => void,
): void {
  const { id, world, swarm } = context;
  const directory = `directory of ${id}`;
  if (kind === "disk") return openDisk(context, directory, done);
  let model = models.get(id);
  if (model === undefined) models.set(id, (model = new ModelDisk(random.split(`model disk/${id}`))));
  done({ directory, ...model.open(world.clock, swarm.disk.latencyMs) });
}

const GROUP = 0;

/** The write-ahead log and the snapshot files, as production opens them. */
function openDisk(context: NodeContext, directory: string, done: (opened: OpenedStorage) => void): void {
  const { world, swarm, mutant } = context;
  const { disk, clock, random, logger } = world;
  const fatal = (error: Error): never => world.fatal(error);
  const planted = mutant === "skip-directory-fsync" ? { mutant } : {};
  const options = { disk, clock, random, logger, fatal, segmentBytes: swarm.segmentBytes, ...planted };
  openWriteAheadLog(options, (error, opened) => {
    if (opened === undefined) return fatal(error ?? new Error("the log did not open"));
    const loaded = loadSnapshots(disk, GROUP);
    const { recovered, snapshot, repair } = recoverGroup(opened.recovered.get(GROUP), loaded);
    const snapshots = new SnapshotStore({ disk, clock, logger, fatal, group: GROUP, ...planted }, loaded);
    const ready = (): void =>
      done({
        directory,
        storage: replicaStorage(opened.log, GROUP, snapshots),
        recovered,
        content: snapshot && snapshots.chunks(snapshot.meta),
      });
    if (repair === undefined) ready();
    else opened.log.append(GROUP, repair, ready);
  });
}
