/** The namespace on a real replicated group: consensus, write-ahead log and snapshots as production has them, in a simulated world. */
import type { Algorithm } from "../../consensus/algorithms.ts";
import { members } from "../../consensus/membership.ts";
import type { SimulatedWorld } from "../../runtime/simulated/world.ts";
import type { NodeId, World } from "../../runtime/world.ts";
import type { ConsensusGroup } from "../consensus-host.ts";
import { hostOverConsensus } from "../consensus-host.ts";
import type { NamespaceCommand } from "../../engine/files/namespace/commands.ts";
import type { NamespaceMachine } from "../../engine/files/namespace/machine.ts";
import { createNamespace } from "../../engine/files/namespace/machine.ts";
import type { NamespaceReply } from "../../engine/files/namespace/replies.ts";
import type { NamespaceKeeper } from "./files-cluster.ts";

type Group = ConsensusGroup<NamespaceCommand, NamespaceReply, NamespaceMachine>;

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

  host(id: NodeId, world: World, hosted: Parameters<NamespaceKeeper["host"]>[2]): void {
    const machine = createNamespace();
    const restore = machine.restore.bind(machine);
    machine.restore = (chunks) => {
      this.installed++;
      restore(chunks);
    };
    const { algorithm, ids } = this;
    hostOverConsensus<NamespaceCommand, NamespaceReply, NamespaceMachine>(
      { algorithm, id, ids, world, name: "files", machine },
      (group, network) => {
        this.groups.set(id, group);
        const namespace = {
          machine,
          propose: group.propose.bind(group),
          barrier: group.barrier.bind(group),
          readStillValid: () => group.readStillValid(),
          leading: () => group.leadingTerm(),
          leader: () => group.consensus().leader,
          members: () => members(group.consensus().membership),
        };
        hosted(namespace, network);
      },
    );
  }
}
