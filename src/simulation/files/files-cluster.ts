/** Nodes that serve files, in the simulated world: the namespace on a simulated log, blocks on simulated disks. */
import type { Bytes } from "../../runtime/bytes.ts";
import { concatBytes, copyBytes } from "../../runtime/bytes.ts";
import type { DiskOptions } from "../../runtime/simulated/disk.ts";
import type { NetworkOptions } from "../../runtime/simulated/network.ts";
import { SimulatedWorld } from "../../runtime/simulated/world.ts";
import type { Network, NodeId, World } from "../../runtime/world.ts";
import { LendingReader } from "./lending-reader.ts";
import { reclaimBuffers } from "../../engine/files/blocks/buffer-pool.ts";
import type { FileSystem, FileWriter, ReadOptions } from "../../engine/files/file-system.ts";
import type { NamespaceMachine } from "../../engine/files/namespace/machine.ts";
import type { Caller, NamespaceSettings, Segment } from "../../engine/files/namespace/model.ts";
import type { FilesNode, FilesNodeOptions } from "../../engine/files/node/files-node.ts";
import { openFilesNode } from "../../engine/files/node/files-node.ts";
import { writePooled } from "./pooled-writes.ts";
import { SimulatedLog } from "./simulated-log.ts";
import type { NamespaceGroup } from "../../engine/files/node/namespace-log.ts";

export const ROOT: Caller = { user: "quorate", groups: [] };

/** Small enough that every way of a file is gone with a few bytes. */
export const SMALL_FILES: Partial<NamespaceSettings> = {
  minBlockSize: 512,
  blockSize: 64 * 1024,
  inlineMaxBytes: 1024,
  replication: 3,
};

/** What keeps the namespace of all nodes. */
export interface NamespaceKeeper {
  /** At each start of a node: gives its group, and the network for its blocks. */
  host(id: NodeId, world: World, hosted: (group: NamespaceGroup, network: Network) => void): void;
  machine(id: NodeId): NamespaceMachine;
  /** This node is to lead. */
  lead(id: NodeId): void;
  /** All replicas that run have applied the same. */
  readonly settled: boolean;
}

export interface FilesClusterOptions {
  /** Default: a simulated log. */
  readonly keeper?: (world: SimulatedWorld, ids: readonly NodeId[]) => NamespaceKeeper;
  readonly ids?: readonly NodeId[];
  readonly network?: Partial<NetworkOptions>;
  readonly disk?: Partial<DiskOptions>;
  readonly mayDecay?: boolean;
  readonly settings?: Partial<NamespaceSettings>;
  readonly node?: Partial<FilesNodeOptions>;
}

export class FilesCluster {
  readonly world: SimulatedWorld;
  readonly ids: readonly NodeId[];
  readonly log: NamespaceKeeper;
  readonly nodes: Map<NodeId, FilesNode> = new Map();
  /** What lends the pieces that each node reads, since its last start. */
  readonly readers: Map<NodeId, LendingReader> = new Map();
  /** Processes that ended themselves, and why. */
  readonly ended: string[] = [];
  private readonly options: FilesClusterOptions;

  constructor(seed: number, options: FilesClusterOptions = {}) {
    reclaimBuffers();
    this.options = options;
    this.ids = options.ids ?? ["n1", "n2", "n3", "n4"];
    this.world = new SimulatedWorld(seed, options.network, {
      onFatal: (id, error) => {
        this.nodes.delete(id);
        this.ended.push(`${id}: ${error.message}`);
      },
    });
    this.log = options.keeper?.(this.world, this.ids) ?? new SimulatedLog(this.world, this.ids);
    for (const id of this.ids) {
      this.world.addMachine(id, { disk: options.disk ?? {}, mayDecay: options.mayDecay ?? false });
      this.start(id);
    }
  }

  /** All nodes are there, and know of each other. */
  async ready(): Promise<this> {
    const all = (): boolean =>
      this.nodes.size === this.ids.length &&
      [...this.nodes.values()].every((node) => node.key() !== undefined && this.knows(node));
    await this.until(all, "the nodes know each other");
    return this;
  }

  start(id: NodeId): void {
    const reader = new LendingReader();
    this.readers.set(id, reader);
    this.world.machine(id).start((world) => {
      world.network.setPeers(new Map(this.ids.map((peer) => [peer, peer])));
      this.log.host(id, world, (group, network) => {
        openFilesNode(
          {
            node: id,
            world: { ...world, network },
            group,
            address: (node) => `${node}:9870`,
            reservedBytes: 0,
            reader,
            // What rests is made an object again by every call.
            awakeReplicas: 1,
            settings: { ...SMALL_FILES, ...this.options.settings },
            drawKey: () => "5e".repeat(32),
            ...this.options.node,
          },
          (node) => this.nodes.set(id, node),
        );
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

  node(id: NodeId): FilesNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`${id} does not run`);
    return node;
  }

  files(id: NodeId = "n1"): FileSystem {
    return this.node(id).files;
  }

  /** Runs the world until the condition holds, at most so many virtual milliseconds. What promises do comes between events. */
  async until(condition: () => boolean, what: string, forMs = 120_000): Promise<void> {
    const { scheduler } = this.world;
    const endMs = scheduler.nowMs + forMs;
    while (!condition()) {
      if (!scheduler.stepUntil(endMs)) throw new Error(`not within ${forMs} ms: ${what}`);
      await microtasks();
    }
  }

  async run(forMs: number): Promise<void> {
    const { scheduler } = this.world;
    const endMs = scheduler.nowMs + forMs;
    while (scheduler.stepUntil(endMs)) await microtasks();
    scheduler.runUntil(endMs);
  }

  /** Runs the world until the promise is settled. */
  async of<T>(promise: Promise<T>, what = "a call", forMs = 120_000): Promise<T> {
    let isSettled = false;
    const settle = (): void => void (isSettled = true);
    promise.then(settle, settle);
    await this.until(() => isSettled, what, forMs);
    return promise;
  }

  /** A file written in pieces. */
  async write(path: string, content: Bytes, at: NodeId = "n1", pieceBytes = 10_000): Promise<void> {
    const writer = await this.of(this.files(at).create(path, ROOT, { overwrite: true }));
    await this.put(writer, content, pieceBytes);
    await this.of(writer.close(), `${path} is closed`);
  }

  async put(writer: FileWriter, content: Bytes, pieceBytes = 10_000): Promise<void> {
    for (let at = 0; at < content.length; at += pieceBytes) {
      await this.of(writePooled(writer, content.subarray(at, at + pieceBytes)), "a write");
    }
  }

  async read(path: string, at: NodeId = "n1", options: ReadOptions = {}): Promise<Bytes> {
    return this.of(this.readAll(path, at, options), `${path} is read`);
  }

  /** Borrows what it reads. */
  async readAll(path: string, at: NodeId, options: ReadOptions = {}): Promise<Bytes> {
    const parts: Bytes[] = [];
    const reader = await this.files(at).read(path, ROOT, { mayLend: true, ...options });
    for await (const bytes of reader) parts.push(copyBytes(bytes));
    return concatBytes(parts);
  }

  segments(path: string, at: NodeId = "n1"): readonly Segment[] {
    return this.log.machine(at).segments(path, ROOT, 0, 2 ** 52).segments;
  }

  blocks(path: string, at: NodeId = "n1"): number[] {
    return this.segments(path, at).flatMap((segment) => (segment.type === "block" ? [segment.id] : []));
  }

  /** Nodes that run and hold a finished replica. */
  holders(block: number): NodeId[] {
    return this.ids.filter((id) => this.nodes.get(id)?.store.get(block)?.state === "finished");
  }

  /** Pieces of memory that readers still have, or have forgotten. */
  get lent(): number {
    return [...this.readers.values()].reduce((sum, { lent }) => sum + lent, 0);
  }

  private knows(node: FilesNode): boolean {
    return node.upkeep.locations.nodes().filter(({ live }) => live).length === this.ids.length;
  }
}

/** Every reaction of a promise that is due runs before this resolves. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
