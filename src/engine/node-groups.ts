/**
 * The groups of a node, put together from what its disk held: the keyspace, and whatever else the node was asked to host.
 * Each has a consensus core and a state machine of its own.
 */
import type { Algorithm } from "../consensus/algorithms.ts";
import { createConsensus, DEFAULT_ALGORITHM, protocolOf } from "../consensus/algorithms.ts";
import type { ConsensusOptions, Index, Recovered } from "../consensus/consensus.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../consensus/defaults.ts";
import type { ConsensusMessage } from "../consensus/protocol.ts";
import { assert } from "../runtime/errors.ts";
import type { Clock, NodeId, World } from "../runtime/world.ts";
import type { GroupDoor, GroupOptions } from "./cluster/hosted-group.ts";
import type { ReplicaTuning } from "./group/replica-options.ts";
import { DEFAULT_REPLICA_TUNING } from "./cluster/hosted-group.ts";
import { KeyspaceNode } from "./cluster/keyspace-node.ts";
import type { NodeStatus } from "./cluster/local-node.ts";
import { ClusterNode } from "./cluster/node.ts";
import type { StateMachine } from "./group/state-machine.ts";
import type { GroupId } from "./group/write-ahead-log/write-ahead-log.ts";
import { DATA_COMMANDS } from "./keyspace/commands/index.ts";
import type { KeyspaceCommand } from "./keyspace/keyspace-command.ts";
import type { KeyspaceMachine } from "./keyspace/machine.ts";
import { createKeyspace } from "./keyspace/machine.ts";
import type { ScriptEngine } from "./keyspace/section.ts";
import type { GroupStorage, NodeStorage } from "./node-storage.ts";
import { SESSION_SPECS } from "./protocol/resp/session-commands.ts";

export type RunningKeyspace = KeyspaceNode<KeyspaceCommand, KeyspaceMachine, ConsensusMessage>;

/** A group beside the keyspace: with another state machine, on the same nodes, over the same log and the same peers. */
export interface FurtherGroup {
  /** From 1; the same at every node of the cluster, and for the life of a data directory. */
  readonly id: GroupId;
  /** What people call it, in status and log: a word or two. */
  readonly name: string;
  /** When it takes snapshots, how much it gathers, and so on. Default: as the keyspace. */
  readonly tuning?: Partial<ReplicaTuning>;
  /**
   * Called once, before the node is at work: hands the machine to `host`, and keeps the door that it returns. The machine is
   * empty then, and gets what the disk held from the node.
   */
  open(host: HostMachine): void;
}

/**
 * The further group of one machine, for `startNode`; `hosted` gets the door to it, before the node is at work. For example
 *
 *     furtherGroup({ id: 1, name: "tally", machine }, (door) => door.propose(…))
 */
export function furtherGroup<Command, Reply>(
  { machine, ...group }: Omit<FurtherGroup, "open"> & { readonly machine: StateMachine<Command, Reply> },
  hosted: (door: GroupDoor<Command, Reply>) => void,
): FurtherGroup {
  return { ...group, open: (host) => hosted(host(machine)) };
}

export type HostMachine = <Command, Reply>(
  machine: StateMachine<Command, Reply>,
) => GroupDoor<Command, Reply>;

export interface NodeGroupsOptions {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly members: Readonly<Record<NodeId, string>>;
  readonly peerAddress?: string;
  readonly timeSource?: Clock;
  readonly durability: NodeStatus["durability"];
  readonly consensus?: Algorithm;
  readonly readMode?: ConsensusOptions["readMode"];
  readonly requestTimeoutMs?: number;
  readonly furtherGroups?: readonly FurtherGroup[];
}

/** Not yet started: `start` of its `cluster` does that. */
export function createNode(
  options: NodeGroupsOptions,
  kept: NodeStorage,
  world: Omit<World, "disk">,
  scripts: ScriptEngine,
): RunningKeyspace {
  const peerAddress = options.peerAddress ?? options.members[options.id];
  const cluster = new ClusterNode({
    id: options.id,
    clusterId: options.clusterId,
    directory: kept.directory,
    world,
    timeSource: options.timeSource ?? world.clock,
    durability: options.durability,
    peerDirectories: kept.peerDirectories,
    ...(peerAddress === undefined ? {} : { peerAddress }),
    ...(kept.onFounded === undefined ? {} : { onFounded: kept.onFounded }),
  });
  const machine = createKeyspace({
    commands: [...DATA_COMMANDS, ...SESSION_SPECS],
    scripts,
    hashSecret: world.random.next32(),
    stopwatchMs: () => world.clock.monotonicMs(),
    deliveredUpTo: endOfLog(kept.recovered),
    complain: (problem) => world.logger.log("error", "keyspace.malformed-command", { problem }),
  });
  machine.publish = (channel, message) => cluster.deliver(channel, message);
  const group = <Command, Reply, Machine extends StateMachine<Command, Reply>>(
    storage: GroupStorage,
    hosted: Machine,
    { name, tuning = {} }: Pick<FurtherGroup, "name" | "tuning">,
  ): GroupOptions<Command, Reply, Machine, ConsensusMessage> => ({
    ...groupOptions(options, kept, storage, world, hosted, tuning),
    name,
  });
  const node: RunningKeyspace = new KeyspaceNode(cluster, group(kept, machine, { name: "keyspace" }));
  for (const storage of kept.furtherGroups) {
    const further = options.furtherGroups?.find(({ id }) => id === storage.group);
    assert(further !== undefined, `group ${storage.group} has storage and no machine`);
    let hosted = 0;
    further.open(<Command, Reply>(given: StateMachine<Command, Reply>) => {
      hosted += 1;
      const made = group<Command, Reply, StateMachine<Command, Reply>>(storage, given, further);
      return cluster.hostGroup(made);
    });
    assert(hosted === 1, `group ${further.id} was opened and hosts ${hosted} machines`);
  }
  return node;
}

/** The last entry that the log held when this process began, or held before it was damaged. */
function endOfLog({ entries, snapshot, floor }: Recovered): Index {
  return Math.max(entries.at(-1)?.index ?? 0, snapshot?.index ?? 0, floor?.index ?? 0);
}

function groupOptions<Command, Reply, Machine extends StateMachine<Command, Reply>>(
  options: NodeGroupsOptions,
  { directory, newcomer }: NodeStorage,
  { group, storage, recovered, content }: GroupStorage,
  world: Omit<World, "disk">,
  machine: Machine,
  tuning: Partial<ReplicaTuning>,
): Omit<GroupOptions<Command, Reply, Machine, ConsensusMessage>, "name"> {
  const { id, members, requestTimeoutMs, consensus: algorithm = DEFAULT_ALGORITHM } = options;
  const consensus = createConsensus(
    algorithm,
    {
      ...DEFAULT_CONSENSUS_OPTIONS,
      id,
      membership: { voters: Object.keys(members), outgoing: [], learners: [], addresses: members },
      identity: directory,
      newcomer,
      random: () => world.random.float(),
      readMode: options.readMode ?? "barrier",
    },
    recovered,
    world.clock.monotonicMs(),
  );
  return {
    id: group,
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
      ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
      ...tuning,
    },
  };
}
