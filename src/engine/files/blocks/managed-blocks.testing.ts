/** Blocks that a leader looks after, in the simulated world: what the log would say is said by the test. */
import type { NodeId } from "../../../runtime/world.ts";
import type { OpenFile } from "../namespace/model.ts";
import type { StoredBlock } from "../namespace/queries.ts";
import { BlockCluster, BlockLog, writerAt } from "./block-cluster.testing.ts";
import { streamBytes } from "./block-store.testing.ts";
import { BlockUpkeep } from "./block-upkeep.ts";
import type { RecoveryReport } from "./protocol.ts";

export const FIVE = ["n1", "n2", "n3", "n4", "n5"] as const;
export const LENGTH = 300_000;

interface ManagedOptions {
  readonly mayDecay?: boolean;
  /** Default `FIVE`. */
  readonly ids?: readonly NodeId[];
  /** Bytes a second of one copy. */
  readonly copyBandwidth?: number;
}

/** Nodes of which the first two keep the namespace. */
export class Managed {
  readonly blocks = new Map<number, StoredBlock>();
  readonly open: OpenFile[] = [];
  readonly reports: RecoveryReport[] = [];
  readonly upkeeps = new Map<NodeId, BlockUpkeep>();
  leader: NodeId = "n1";
  term = 1;
  readonly cluster: BlockCluster;

  constructor(seed: number, { mayDecay = false, ids = FIVE, copyBandwidth }: ManagedOptions = {}) {
    this.cluster = new BlockCluster(seed, ids, {
      mayDecay,
      namespaceNodes: ["n1", "n2"],
      racks: { n1: "/a", n2: "/a", n3: "/b", n4: "/b", n5: "/b" },
      begun: (id, { link, world }) => {
        if (id !== "n1" && id !== "n2") return;
        const upkeep = new BlockUpkeep(link, {
          namespace: {
            block: (block) => this.blocks.get(block),
            blocks: () => this.blocks.values(),
            nextBlockId: 100,
            openFiles: () => this.open,
          },
          leading: () => (this.leader === id ? this.term : undefined),
          barrier: (done) => void world.clock.setTimer(5, () => done(undefined)),
          finishRecovery: (report) => this.reports.push(report),
          random: world.random,
          address: () => undefined,
          ...(copyBandwidth === undefined ? {} : { copyBandwidth }),
        });
        this.upkeeps.set(id, upkeep);
      },
    });
  }

  get upkeep(): BlockUpkeep {
    return this.upkeeps.get(this.leader) as BlockUpkeep;
  }

  write(id: number, nodes: readonly NodeId[], at: NodeId = "n1"): void {
    const writer = writerAt(this.cluster.node(at), new BlockLog(1, nodes), { block: id });
    writer.write(streamBytes(id, 0, LENGTH), () => undefined);
    this.cluster.call("finish", (done) => writer.finish(done));
    this.put({ id, stamp: 1, length: LENGTH, replication: 3, open: false, file: id });
  }

  put(block: StoredBlock): void {
    this.blocks.set(block.id, block);
    for (const upkeep of this.upkeeps.values()) upkeep.observer.blockChanged(block);
  }

  /** Nodes that run and hold a finished replica whose bytes are right. */
  holders(id: number): NodeId[] {
    return [...this.cluster.nodes.keys()]
      .filter((node) => this.cluster.node(node).store.get(id)?.state === "finished")
      .filter((node) => this.isRight(node, id))
      .sort();
  }

  private isRight(node: NodeId, id: number): boolean {
    try {
      return this.cluster.replicaOf(node, id)?.equals(streamBytes(id, 0, LENGTH)) === true;
    } catch {
      // It was removed while it was read.
      return false;
    }
  }

  isHealthy(id: number): boolean {
    return this.upkeep.situation(id)?.problem === "none" && this.holders(id).length === 3;
  }
}
