/** The log of jobs on a real replicated group: consensus, write-ahead log and snapshots as production has them. */
import type { Algorithm } from "../../consensus/algorithms.ts";
import type { SimulatedWorld } from "../../runtime/simulated/world.ts";
import type { NodeId, World } from "../../runtime/world.ts";
import type { ConsensusGroup } from "../../simulation/consensus-host.ts";
import { hostOverConsensus } from "../../simulation/consensus-host.ts";
import type { JobsCommand } from "./jobs/commands.ts";
import type { JobsMachine } from "./jobs/machine.ts";
import type { JobsReply } from "./jobs/replies.ts";
import type { JobsKeeper } from "./jobs-cluster.testing.ts";

type Group = ConsensusGroup<JobsCommand, JobsReply, JobsMachine>;

export class ConsensusJobs implements JobsKeeper {
  /** Snapshots that were installed in place of what a machine had. */
  installed = 0;
  private readonly world: SimulatedWorld;
  private readonly ids: readonly NodeId[];
  private readonly algorithm: Algorithm;
  private readonly groups = new Map<NodeId, Group>();

  constructor(algorithm: Algorithm, world: SimulatedWorld, ids: readonly NodeId[]) {
    this.algorithm = algorithm;
    this.world = world;
    this.ids = ids;
  }

  host(id: NodeId, world: World, machine: JobsMachine, hosted: Parameters<JobsKeeper["host"]>[3]): void {
    const restore = machine.restore.bind(machine);
    machine.restore = (chunks) => {
      this.installed++;
      restore(chunks);
    };
    const { algorithm, ids } = this;
    hostOverConsensus<JobsCommand, JobsReply, JobsMachine>(
      { algorithm, id, ids, world, name: "jobs", machine, snapshotEveryBytes: 4_000 },
      (group, network) => {
        this.groups.set(id, group);
        hosted(group, network);
      },
    );
  }

  /** The machine of whoever has applied most. */
  get reference(): JobsMachine {
    const groups = [...this.groups.values()];
    return groups.reduce((best, group) => (group.appliedIndex > best.appliedIndex ? group : best)).machine;
  }

  get leader(): NodeId | undefined {
    let leader: NodeId | undefined;
    for (const [id, group] of this.groups) {
      const term = this.world.machine(id).running ? group.leadingTerm() : undefined;
      if (term !== undefined && term === this.term) leader = id;
    }
    return leader;
  }

  get term(): number {
    return Math.max(0, ...[...this.groups.values()].map((group) => group.consensus().term));
  }

  heal(): void {
    // What fails here, fails with the network and the machines.
  }
}
