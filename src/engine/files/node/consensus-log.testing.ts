/** The namespace on a real replicated group: consensus, write-ahead log and snapshots as production has them, in a simulated world. */
import { createConsensus, protocolOf } from "../../../consensus/algorithms.ts";
import type { Algorithm } from "../../../consensus/algorithms.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../../../consensus/defaults.ts";
import { members } from "../../../consensus/membership.ts";
import type { ConsensusMessage } from "../../../consensus/protocol.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { concatBytes } from "../../../runtime/bytes.ts";
import type { SimulatedWorld } from "../../../runtime/simulated/world.ts";
import type { Network, NodeId, World } from "../../../runtime/world.ts";
import { DEFAULT_REPLICA_TUNING, KEYSPACE_GROUP } from "../../cluster/hosted-group.ts";
import type { HostedGroup } from "../../cluster/hosted-group.ts";
import { ClusterNode } from "../../cluster/node.ts";
import { recoverGroup } from "../../group/group-recovery.ts";
import { replicaStorage } from "../../group/replica-storage.ts";
import { loadSnapshots, SnapshotStore } from "../../group/snapshot-store.ts";
import type { ReplicaStorage } from "../../group/storage.ts";
import { openWriteAheadLog } from "../../group/write-ahead-log/write-ahead-log.ts";
import type { NamespaceCommand } from "../namespace/commands.ts";
import type { NamespaceMachine } from "../namespace/machine.ts";
import { createNamespace } from "../namespace/machine.ts";
import type { NamespaceReply } from "../namespace/replies.ts";
import type { NamespaceKeeper } from "./files-cluster.testing.ts";
import type { NamespaceGroup } from "./namespace-log.ts";

type Group = HostedGroup<NamespaceCommand, NamespaceReply, NamespaceMachine, ConsensusMessage>;
type Hosted = Parameters<NamespaceKeeper["host"]>[2];

/** So small that logs are cut, and who was away gets a snapshot. */
const TUNING = { ...DEFAULT_REPLICA_TUNING, snapshotEveryBytes: 30_000, snapshotTrailingBytes: 3_000 };
const SEGMENT_BYTES = 128 * 1024;

export class ConsensusLog implements NamespaceKeeper {
  private readonly world: SimulatedWorld;
  private readonly ids: readonly NodeId[];
  private readonly algorithm: Algorithm;
  private readonly groups = new Map<NodeId, Group>();
  /** Snapshots that were installed in place of what a machine had. */
  installed = 0;

  constructor(algorithm: Algorithm, world: SimulatedWorld, ids: readonly NodeId[]) {
    this.algorithm = algorithm;
    this.world = world;
    this.ids = ids;
  }

  machine(id: NodeId): NamespaceMachine {
    return (this.groups.get(id) as Group).machine;
  }

  lead(id: NodeId): void {
    for (const [node, group] of this.groups) {
      if (this.world.machine(node).running && group.consensus().role === "leader") {
        this.world.machine(node).input(() => group.transferLeadership(id));
      }
    }
  }

  get settled(): boolean {
    const running = [...this.groups].filter(([id]) => this.world.machine(id).running);
    return new Set(running.map(([, group]) => group.appliedIndex)).size === 1;
  }

  host(id: NodeId, world: World, hosted: Hosted): void {
    const { disk, clock, random, logger } = world;
    const fatal = (error: Error): never => world.fatal(error);
    const log = { disk, clock, random, logger, fatal };
    openWriteAheadLog({ ...log, segmentBytes: SEGMENT_BYTES }, (error, opened) => {
      if (opened === undefined) return fatal(error ?? new Error("the log did not open"));
      const loaded = loadSnapshots(disk, KEYSPACE_GROUP);
      const { recovered, snapshot, repair } = recoverGroup(opened.recovered.get(KEYSPACE_GROUP), loaded);
      const snapshots = new SnapshotStore({ ...log, group: KEYSPACE_GROUP }, loaded);
      const storage = replicaStorage(opened.log, KEYSPACE_GROUP, snapshots);
      const content = snapshot && snapshots.chunks(snapshot.meta);
      const begin = (): void => this.begin(id, world, { storage, recovered, content }, hosted);
      if (repair === undefined) begin();
      else opened.log.append(KEYSPACE_GROUP, repair, begin);
    });
  }

  private begin(
    id: NodeId,
    world: World,
    kept: {
      readonly storage: ReplicaStorage;
      readonly recovered: ReturnType<typeof recoverGroup>["recovered"];
      readonly content: Iterable<Bytes> | undefined;
    },
    hosted: Hosted,
  ): void {
    const { algorithm } = this;
    const addresses = Object.fromEntries(this.ids.map((each) => [each, `${each}:16379`]));
    const { recovered, content } = kept;
    const consensus = createConsensus(
      algorithm,
      {
        ...DEFAULT_CONSENSUS_OPTIONS,
        id,
        membership: { voters: [...this.ids], outgoing: [], learners: [], addresses },
        identity: directoryOf(id),
        newcomer: false,
        random: () => world.random.float(),
      },
      recovered,
      world.clock.monotonicMs(),
    );
    const [network, blocks] = twoPlanes(world.network);
    const cluster = new ClusterNode({
      id,
      clusterId: "0123456789abcdef",
      directory: directoryOf(id),
      world: { ...world, network },
      durability: "always",
    });
    const machine = createNamespace();
    const restore = machine.restore.bind(machine);
    machine.restore = (chunks) => {
      this.installed++;
      restore(chunks);
    };
    const group = cluster.hostGroup<NamespaceCommand, NamespaceReply, NamespaceMachine, ConsensusMessage>({
      id: KEYSPACE_GROUP,
      name: "files",
      algorithm,
      consensus,
      codec: protocolOf(algorithm),
      storage: kept.storage,
      machine,
      recovered:
        recovered.snapshot === undefined || content === undefined
          ? undefined
          : { index: recovered.snapshot.index, content },
      tuning: TUNING,
    });
    this.groups.set(id, group);
    const namespace: NamespaceGroup = {
      machine,
      propose: (command, encoded, done) => group.propose(command, encoded, done),
      barrier: (done) => group.barrier(done),
      readStillValid: () => group.readStillValid(),
      leading: () => group.leadingTerm(),
      leader: () => group.consensus().leader,
      members: () => members(group.consensus().membership),
    };
    hosted(namespace, blocks);
    cluster.start({});
  }
}

function directoryOf(id: NodeId): string {
  return `${id.slice(1)}d0`.padStart(12, "0");
}

/** Two networks over one: the first byte of a frame says whose it is. Both have the same peers. */
function twoPlanes(network: Network): readonly [Network, Network] {
  const receivers: ((from: NodeId, frame: Bytes) => void)[] = [];
  const listeners: ((peer: NodeId, up: boolean) => void)[] = [];
  network.onFrame((from, frame) => receivers[frame[0] ?? 0]?.(from, frame.subarray(1)));
  network.onLink((peer, up) => {
    for (const listener of listeners) listener(peer, up);
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
