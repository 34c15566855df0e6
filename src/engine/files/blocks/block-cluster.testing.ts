/** Nodes that keep blocks, in the simulated world; a log of stamps stands where the namespace would. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { copyBytes } from "../../../runtime/bytes.ts";
import type { DiskOptions } from "../../../runtime/simulated/disk.ts";
import type { NetworkOptions } from "../../../runtime/simulated/network.ts";
import { SimulatedWorld } from "../../../runtime/simulated/world.ts";
import type { NodeId, World } from "../../../runtime/world.ts";
import type { WrittenBlock } from "../namespace/commands.ts";
import { BlockLink } from "./block-link.ts";
import { readBlock } from "./block-reader.ts";
import type { BlockRange } from "./block-reader.ts";
import type { BlockStore, Outcome } from "./block-store.ts";
import { DataNode } from "./data-node.ts";
import type { Heartbeat } from "./protocol.ts";
import { LendingReader } from "../../../simulation/files/lending-reader.ts";
import { openBlockStore } from "./disk-block-store.ts";
import type { PipelineAuthority, PipelineOptions } from "./pipeline-writer.ts";
import { PipelineWriter } from "./pipeline-writer.ts";

export interface RunningNode {
  readonly link: BlockLink;
  readonly store: BlockStore;
  readonly dataNode: DataNode;
  readonly world: World;
  readonly reader: LendingReader;
}

export class BlockCluster {
  readonly world: SimulatedWorld;
  readonly ids: readonly NodeId[];
  readonly nodes = new Map<NodeId, RunningNode>();
  readonly standings = new Map<NodeId, Heartbeat["standing"]>();
  /** Who is told of replicas. */
  readonly namespaceNodes: readonly NodeId[];
  private readonly racks: Readonly<Record<NodeId, string>>;

  constructor(
    seed: number,
    ids: readonly NodeId[],
    options: {
      readonly network?: Partial<NetworkOptions>;
      readonly disk?: Partial<DiskOptions>;
      readonly mayDecay?: boolean;
      readonly namespaceNodes?: readonly NodeId[];
      readonly racks?: Readonly<Record<NodeId, string>>;
      readonly begun?: (id: NodeId, node: RunningNode) => void;
    } = {},
  ) {
    this.world = new SimulatedWorld(seed, options.network);
    this.ids = ids;
    this.namespaceNodes = options.namespaceNodes ?? [];
    this.racks = options.racks ?? {};
    this.begun = options.begun ?? (() => undefined);
    for (const id of ids) {
      this.world.addMachine(id, { disk: options.disk ?? {}, mayDecay: options.mayDecay ?? false });
      this.start(id);
    }
    this.until(() => this.nodes.size === ids.length, "all stores open");
  }

  private readonly begun: (id: NodeId, node: RunningNode) => void;

  start(id: NodeId): void {
    this.world.machine(id).start((world) => {
      world.network.setPeers(new Map(this.ids.map((peer) => [peer, peer])));
      const reader = new LendingReader();
      openBlockStore({ ...world, reservedBytes: 0, awakeReplicas: 1, reader }, (store) => {
        const link = new BlockLink({ self: id, ...world });
        const dataNode = new DataNode(link, store, {
          life: this.world.machine(id).starts,
          rack: this.racks[id] ?? "/rack",
          namespaceNodes: () => this.namespaceNodes,
          standing: () => this.standings.get(id) ?? "inService",
          logger: world.logger,
          scrubBandwidth: 1 << 20,
        });
        const node = { link, store, dataNode, world, reader };
        this.nodes.set(id, node);
        this.begun(id, node);
      });
    });
  }

  kill(id: NodeId): void {
    this.nodes.delete(id);
    this.world.machine(id).kill();
  }

  losePower(id: NodeId): void {
    this.nodes.delete(id);
    this.world.machine(id).losePower();
  }

  node(id: NodeId): RunningNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`${id} does not run`);
    return node;
  }

  /** Runs the world until the condition holds, at most so many virtual milliseconds. */
  until(condition: () => boolean, what: string, forMs = 120_000): void {
    const { scheduler } = this.world;
    const endMs = scheduler.nowMs + forMs;
    while (!condition()) {
      if (!scheduler.stepUntil(endMs)) throw new Error(`not within ${forMs} ms: ${what}`);
    }
  }

  /** Until all run that were started again, and no node takes another one's link for broken. */
  untilBack(): void {
    const isLinked = ({ link }: RunningNode): boolean => !this.ids.some((id) => link.isAway(id));
    this.until(
      () => this.nodes.size === this.ids.length && [...this.nodes.values()].every(isLinked),
      "all back",
    );
  }

  run(forMs: number): void {
    this.world.scheduler.runUntil(this.world.scheduler.nowMs + forMs);
  }

  /** Runs a call to its end; throws its error. */
  call<T>(what: string, run: (done: Outcome<T>) => void): T {
    let settled: { error: Error | undefined; value: T | undefined } | undefined;
    run((error, value) => (settled = { error, value }));
    this.until(() => settled !== undefined, what);
    if (settled?.error !== undefined) throw settled.error;
    return settled?.value as T;
  }

  /** All bytes of one replica, or undefined when there is none that can be read. */
  replicaOf(id: NodeId, block: number): Bytes | undefined {
    const { store } = this.node(id);
    const length = store.get(block)?.length;
    if (length === undefined) return undefined;
    const parts: Bytes[] = [];
    for (let at = 0; at < length;) {
      const { bytes } = this.call<{ bytes: Bytes }>("read", (done) =>
        store.read(block, 0, at, length - at, done),
      );
      parts.push(bytes);
      at += bytes.length;
    }
    return Buffer.concat(parts);
  }

  /** Reads through the network as a reader at `reader` does. */
  read(
    reader: NodeId,
    range: BlockRange,
    damaged: (node: NodeId) => void = () => undefined,
    delivered: (bytes: number) => void = () => undefined,
  ): Bytes {
    const parts: Bytes[] = [];
    let sum = 0;
    this.call("read", (done: Outcome) => {
      readBlock(this.node(reader).link, range, {
        piece(bytes, more) {
          parts.push(copyBytes(bytes));
          sum += bytes.length;
          delivered(sum);
          more();
        },
        damaged,
        end: done,
      });
    });
    return Buffer.concat(parts);
  }
}

/** What the log would say of one block. */
export class BlockLog implements PipelineAuthority {
  stamp: number;
  pipeline: readonly NodeId[];
  length = 0;
  private readonly spare: NodeId[];

  constructor(stamp: number, pipeline: readonly NodeId[], spare: readonly NodeId[] = []) {
    this.stamp = stamp;
    this.pipeline = pipeline;
    this.spare = [...spare];
  }

  private given = 0;

  nextStamp(done: Outcome<number>): void {
    this.given = Math.max(this.given, this.stamp) + 1;
    done(undefined, this.given);
  }

  updatePipeline(block: WrittenBlock, nodes: readonly NodeId[], done: Outcome): void {
    this.stamp = block.stamp;
    this.length = Math.max(this.length, block.length);
    this.pipeline = nodes;
    done(undefined);
  }

  replacement(present: readonly NodeId[], exclude: ReadonlySet<NodeId>): NodeId | undefined {
    return this.spare.find((node) => !present.includes(node) && !exclude.has(node));
  }
}

export function writerAt(
  node: RunningNode,
  log: BlockLog,
  options: Partial<PipelineOptions> = {},
): PipelineWriter {
  return new PipelineWriter(node.link, {
    block: 1,
    stamp: log.stamp,
    nodes: log.pipeline,
    replication: 3,
    length: 0,
    tailSum: 0,
    durability: "disk",
    authority: log,
    ...options,
  });
}
