/** What befalls the nodes: they die, lose their power or their links, pause, run out of space or decay, and the leader changes. */
import type { SeededRandom } from "../../runtime/simulated/random.ts";
import type { NodeId } from "../../runtime/world.ts";
import { shardUnits } from "../../engine/files/namespace/erasure-policy.ts";
import type { FilesCluster } from "./files-cluster.ts";

/** What blocks leave to the log, which has the same disk. */
export const RESERVED_BYTES = 1_000_000;

/** Strikes when told; what it struck stays so until it brings relief. */
export class FilesFaults {
  /** How often each kind struck. */
  readonly struck: Record<string, number> = {};
  private readonly cluster: FilesCluster;
  private readonly random: SeededRandom;
  private readonly mayDecay: boolean;

  constructor(cluster: FilesCluster, random: SeededRandom, mayDecay: boolean) {
    this.cluster = cluster;
    this.random = random;
    this.mayDecay = mayDecay;
  }

  /** One more of them, or relief. */
  strike(): void {
    const { cluster, random } = this;
    const { network } = cluster.world;
    const victim = random.pick([...cluster.ids]);
    const away = cluster.ids.filter((id) => !cluster.world.machine(id).running);
    switch (random.integer(0, 11)) {
      case 0:
      case 1:
      case 2:
        this.note("relief");
        for (const id of away) cluster.start(id);
        return this.relieve();
      case 3:
      case 4:
        if (away.length === 0) this.end(victim);
        return;
      case 5:
        this.note("partition", victim);
        return network.partition([victim], random.pick(["drop", "hold"] as const));
      case 6:
        this.note("loss");
        network.options.loss = 0.002;
        return;
      case 7:
        if (away.length > 0) return;
        this.note("pause", victim);
        return cluster.world.machine(victim).pause();
      case 8:
        this.note("stall", victim);
        cluster.world.machine(victim).disk.options.stall = 0.02;
        return;
      case 9:
        this.note("full disk", victim);
        return this.fillUp(victim);
      case 10:
        return this.decay("n1");
      default:
        this.note("other leader", victim);
        return cluster.log.lead(victim);
    }
  }

  /** Nothing is wrong any more with links, disks and processes that run. */
  relieve(): void {
    const { ids, world } = this.cluster;
    world.network.heal();
    world.network.options.loss = 0;
    for (const id of ids) {
      const machine = world.machine(id);
      machine.resume();
      Object.assign(machine.disk.options, { stall: 0, capacityBytes: Infinity });
    }
  }

  private note(kind: string, victim?: NodeId): void {
    const { scheduler, trace } = this.cluster.world;
    this.struck[kind] = (this.struck[kind] ?? 0) + 1;
    trace.record(scheduler.nowMs, "faults", kind, this.cluster.ids.indexOf(victim ?? ""), () => victim ?? "");
  }

  private end(victim: NodeId): void {
    const isKilled = this.random.chance(0.5);
    this.note(isKilled ? "kill" : "power loss", victim);
    if (isKilled) this.cluster.kill(victim);
    else this.cluster.losePower(victim);
  }

  /** Somebody else takes nearly all that is left. */
  private fillUp(id: NodeId): void {
    const { disk } = this.cluster.world.machine(id);
    disk.options.capacityBytes = disk.usedBytes() + RESERVED_BYTES + 100_000;
  }

  /** Only one disk decays, and only while every block of which it holds a replica has a good one elsewhere. */
  private decay(id: NodeId): void {
    const { cluster } = this;
    const store = cluster.nodes.get(id)?.store;
    if (store === undefined || !this.mayDecay) return;
    const isSafe = [...store.list()].every(
      (replica) => replica.state === "finished" && this.isElsewhere(replica.id, id),
    );
    if (!isSafe) return;
    this.note("rot", id);
    cluster.world.machine(id).disk.decay("rot");
  }

  /** The block can be read without this node, whatever else of it was lost before. */
  private isElsewhere(replica: number, id: NodeId): boolean {
    const { cluster } = this;
    const block = cluster.log.machine("n2").block(replica);
    if (block?.coding === undefined) return cluster.holders(replica).length > 1;
    // How long it is, and so how many shards it needs, is not known before it is closed.
    if (block.open) return false;
    const { coding, id: group, length } = block;
    const others = shardUnits(coding, length).filter((unit) => {
      return cluster.holders(group + unit).some((holder) => holder !== id);
    });
    return others.length >= shardUnits(coding, length).filter((unit) => unit < coding.dataUnits).length;
  }
}
