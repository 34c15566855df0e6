/** A machine on a real replicated group, in a simulated world: consensus, write-ahead log and snapshots as production has them. */
import type { Algorithm } from "../consensus/algorithms.ts";
import { createConsensus, protocolOf } from "../consensus/algorithms.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../consensus/defaults.ts";
import type { ConsensusMessage } from "../consensus/protocol.ts";
import type { Bytes } from "../runtime/bytes.ts";
import { concatBytes } from "../runtime/bytes.ts";
import type { Network, NodeId, World } from "../runtime/world.ts";
import { recoverGroup } from "../engine/group/group-recovery.ts";
import { replicaStorage } from "../engine/group/replica-storage.ts";
import { loadSnapshots, SnapshotStore } from "../engine/group/snapshot-store.ts";
import type { StateMachine } from "../engine/group/state-machine.ts";
import { openWriteAheadLog } from "../engine/group/write-ahead-log/write-ahead-log.ts";
import type { HostedGroup } from "../engine/cluster/hosted-group.ts";
import { DEFAULT_REPLICA_TUNING, KEYSPACE_GROUP } from "../engine/cluster/hosted-group.ts";
import { ClusterNode } from "../engine/cluster/node.ts";

export type ConsensusGroup<Command, Reply, Machine extends StateMachine<Command, Reply>> = HostedGroup<
  Command,
  Reply,
  Machine,
  ConsensusMessage
>;

/** So small that logs are cut, and who was away gets a snapshot. */
const SNAPSHOT_EVERY_BYTES = 30_000;
const SEGMENT_BYTES = 128 * 1024;

export interface ConsensusHostOptions<Machine> {
  readonly algorithm: Algorithm;
  readonly id: NodeId;
  /** Founders, this one among them. */
  readonly ids: readonly NodeId[];
  /** Of one life of the node's process. */
  readonly world: World;
  readonly name: string;
  /** New, empty. */
  readonly machine: Machine;
  /** Bytes of the log between two snapshots; a tenth of it is kept behind one. Default 30,000. */
  readonly snapshotEveryBytes?: number;
}

/** Calls back when the disk was read, before the node is at work: with the group, and a second network between the same nodes. */
export function hostOverConsensus<Command, Reply, Machine extends StateMachine<Command, Reply>>(
  options: ConsensusHostOptions<Machine>,
  hosted: (group: ConsensusGroup<Command, Reply, Machine>, network: Network) => void,
): void {
  const { disk, clock, random, logger } = options.world;
  const fatal = (error: Error): never => options.world.fatal(error);
  const log = { disk, clock, random, logger, fatal };
  openWriteAheadLog({ ...log, segmentBytes: SEGMENT_BYTES }, (error, opened) => {
    if (opened === undefined) return fatal(error ?? new Error("the log did not open"));
    const loaded = loadSnapshots(disk, KEYSPACE_GROUP);
    const { recovered, snapshot, repair } = recoverGroup(opened.recovered.get(KEYSPACE_GROUP), loaded);
    const snapshots = new SnapshotStore({ ...log, group: KEYSPACE_GROUP }, loaded);
    const storage = replicaStorage(opened.log, KEYSPACE_GROUP, snapshots);
    const content = snapshot && snapshots.chunks(snapshot.meta);
    const begin = (): void => beginHosting(options, { storage, recovered, content }, hosted);
    if (repair === undefined) begin();
    else opened.log.append(KEYSPACE_GROUP, repair, begin);
  });
}

function beginHosting<Command, Reply, Machine extends StateMachine<Command, Reply>>(
  options: ConsensusHostOptions<Machine>,
  kept: {
    readonly storage: ReturnType<typeof replicaStorage>;
    readonly recovered: ReturnType<typeof recoverGroup>["recovered"];
    readonly content: Iterable<Bytes> | undefined;
  },
  hosted: (group: ConsensusGroup<Command, Reply, Machine>, network: Network) => void,
): void {
  const { algorithm, id, ids, world, name, machine } = options;
  const { snapshotEveryBytes = SNAPSHOT_EVERY_BYTES } = options;
  const { recovered, content, storage } = kept;
  const addresses = Object.fromEntries(ids.map((each) => [each, `${each}:16379`]));
  const directory = `${id.slice(1)}d0`.padStart(12, "0");
  const consensus = createConsensus(
    algorithm,
    {
      ...DEFAULT_CONSENSUS_OPTIONS,
      id,
      membership: { voters: [...ids], outgoing: [], learners: [], addresses },
      identity: directory,
      newcomer: false,
      random: () => world.random.float(),
    },
    recovered,
    world.clock.monotonicMs(),
  );
  const [network, second] = twoPlanes(world.network);
  const cluster = new ClusterNode({
    id,
    clusterId: "0123456789abcdef",
    directory,
    world: { ...world, network },
    durability: "always",
  });
  const group = cluster.hostGroup<Command, Reply, Machine, ConsensusMessage>({
    id: KEYSPACE_GROUP,
    name,
    algorithm,
    consensus,
    codec: protocolOf(algorithm),
    storage,
    machine,
    recovered:
      recovered.snapshot === undefined || content === undefined
        ? undefined
        : { index: recovered.snapshot.index, content },
    tuning: {
      ...DEFAULT_REPLICA_TUNING,
      snapshotEveryBytes,
      snapshotTrailingBytes: Math.floor(snapshotEveryBytes / 10),
    },
  });
  hosted(group, second);
  cluster.start({});
}

/** Two networks over one: the first byte of a frame says whose it is. Both have the same peers. */
function twoPlanes(network: Network): readonly [Network, Network] {
  const receivers: ((from: NodeId, frame: Bytes) => void)[] = [];
  const listeners: ((peer: NodeId, up: boolean) => void)[] = [];
  network.onFrame((from, frame) => receivers[frame[0] ?? 0]?.(from, frame.subarray(1)));
  network.onLink((peer, up) => {
    for (const listener of listeners) listener?.(peer, up);
  });
  const plane = (number: number): Network => ({
    send: (to, parts) => network.send(to, [Buffer.from([number]), ...parts]),
    onFrame: (receive) => (receivers[number] = (from, frame) => receive(from, concatBytes([frame]))),
    onLink: (change) => (listeners[number] = change),
    onArriving: () => undefined,
    queuedBytes: (to) => network.queuedBytes(to),
    setPeers: (peers) => network.setPeers(peers),
    close: () => undefined,
  });
  return [plane(0), plane(1)];
}
