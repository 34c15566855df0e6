/**
 * One node's part of the file system: it keeps blocks on its disk, knows where all others are, looks after them while it leads
 * the namespace's group, and serves files to whoever asks at this node.
 *
 * The namespace is a replicated group of its own (`namespace-log.ts` is what is needed of it); blocks travel over a network of
 * their own. Every node has all parts alike: `block-sequence.ts` writes, `file-reader.ts` reads, `safe-mode.ts` waits at the
 * start, `health.ts` says how things are; `file-system.ts` is the door.
 */
import { randomBytes } from "node:crypto";
import type { NodeId, Timer, World } from "../../../runtime/world.ts";
import { BlockLink } from "../blocks/block-link.ts";
import type { BlockStore, ReplicaDurability } from "../blocks/block-store.ts";
import type { PieceReader } from "../blocks/piece-reader.ts";
import { BlockUpkeep } from "../blocks/block-upkeep.ts";
import { DataNode } from "../blocks/data-node.ts";
import { openBlockStore } from "../blocks/disk-block-store.ts";
import type { Heartbeat } from "../blocks/protocol.ts";
import type { FileSystem } from "../file-system.ts";
import type { BlockId, NamespaceSettings } from "../namespace/model.ts";
import type { NamespaceObserver } from "../namespace/queries.ts";
import type { WritingMeans } from "./block-sequence.ts";
import { NodeFileSystem } from "./file-system.ts";
import { DoneRequests } from "./done-requests.ts";
import { GoneWriters } from "./gone-writers.ts";
import type { NamespaceGroup } from "./namespace-log.ts";
import { NamespaceLog, settled } from "./namespace-log.ts";
import { SafeMode } from "./safe-mode.ts";
import { Targets } from "./targets.ts";
import { Watchers } from "./watchers.ts";

export interface FilesNodeOptions {
  readonly node: NodeId;
  /** `disk`: a directory for blocks alone. `network`: sockets for blocks alone; who is a peer its owner says. */
  readonly world: Omit<World, "fatal">;
  readonly group: NamespaceGroup;
  /** Where a node's HTTP server is, "host:port". Undefined: not known, or it has none. */
  readonly address: (node: NodeId) => string | undefined;
  /** Another node takes no changes, and may answer no questions, for a reason of its own. Default: none does. */
  readonly isRefusing?: (node: NodeId) => boolean;
  /** Path of the topology: replicas are spread over racks. Default "/default-rack", as in HDFS. */
  readonly rack?: string;
  /** How sure a block must be before its end is acknowledged. Default "disk". */
  readonly durability?: ReplicaDurability;
  /** Bytes of the disk that blocks leave to others, the log above all. Default 256 MiB. */
  readonly reservedBytes?: number;
  /** See `BlockStoreOptions`; tests choose fewer. */
  readonly awakeReplicas?: number;
  /** Reads large pieces of replicas; its owner ends it when the node is closed. Default: none. */
  readonly reader?: PieceReader;
  /** Bytes a second of one copy that repairs or balances. Default 32 MiB. */
  readonly copyBandwidth?: number;
  /** Bytes a second that the scrubber reads. Default 4 MiB; 0: it does not run. */
  readonly scrubBandwidth?: number;
  /** Share of the blocks that must be reported before this node leaves safe mode. Default 0.999, as in HDFS; 0: at once. */
  readonly safeModeShare?: number;
  /**
   * How long it stays in safe mode after that, for the rest of the reports: it ends when all nodes have reported. Default
   * 2,000 ms. Without blocks there is no safe mode at all.
   */
  readonly safeModeExtensionMs?: number;
  /** What a new file system begins with, where it differs from the defaults; the first leader's count. Default none. */
  readonly settings?: Partial<NamespaceSettings>;
  /** A secret of 64 hexadecimal digits, for a new file system. Default: drawn by the operating system. */
  readonly drawKey?: () => string;
}

const DEFAULT_RACK = "/default-rack";
const SAFE_MODE_SHARE = 0.999;
const SAFE_MODE_EXTENSION_MS = 2_000;
/** How often it is looked whether the file system is founded, and everything applied, at the start. */
const START_LOOK_MS = 50;
/** At the start others may not have spoken yet: a writer waits so long for as many nodes as it wants. */
const MEETING_MS = 3_000;
const MEETING_LOOK_MS = 20;
/** How long writers may take to give up when the node stops. */
const CLOSE_MS = 1_000;

export class FilesNode {
  readonly files: FileSystem;
  readonly upkeep: BlockUpkeep;
  readonly dataNode: DataNode;
  readonly store: BlockStore;
  private readonly options: FilesNodeOptions;
  private readonly log: NamespaceLog;
  private readonly link: BlockLink;
  private readonly safeMode: SafeMode;
  private readonly goneWriters: GoneWriters;
  private readonly fileSystem: NodeFileSystem;
  private readonly beganMs: number;
  private timer: Timer | undefined;
  private closed = false;

  constructor(options: FilesNodeOptions, store: BlockStore) {
    const { node, world, group } = options;
    const { clock, random, logger } = world;
    this.options = options;
    this.store = store;
    this.beganMs = clock.monotonicMs();
    const life = random.next32() * 0x1_0000 + (random.next32() & 0xffff);
    const link = (this.link = new BlockLink({ self: node, ...world }));
    this.log = new NamespaceLog(group, clock);
    this.dataNode = new DataNode(link, store, {
      life,
      rack: options.rack ?? DEFAULT_RACK,
      namespaceNodes: () => group.members(),
      standing: () => standingOf(node, group.machine.settings),
      logger,
      ...(options.scrubBandwidth === undefined ? {} : { scrubBandwidth: options.scrubBandwidth }),
    });
    this.upkeep = new BlockUpkeep(link, {
      namespace: group.machine,
      leading: () => group.leading(),
      barrier: (done) => group.barrier((error) => done(error)),
      finishRecovery: ({ file, block, recoveryStamp: stamp, length }) =>
        this.log.tell({ type: "finishRecovery", file, block, stamp, length }, () => undefined),
      isMember: (each) => group.members().includes(each),
      paused: () => this.safeMode.isOn || group.machine.settings.safeMode,
      random,
      address: options.address,
      standing: (each) => standingOf(each, group.machine.settings),
      ...(options.copyBandwidth === undefined ? {} : { copyBandwidth: options.copyBandwidth }),
    });
    const { locations } = this.upkeep;
    this.safeMode = new SafeMode({
      clock,
      namespace: group.machine,
      locations,
      share: options.safeModeShare ?? SAFE_MODE_SHARE,
      extensionMs: options.safeModeExtensionMs ?? SAFE_MODE_EXTENSION_MS,
      allReported: () => group.members().every((each) => locations.hasReported(each)),
    });
    this.goneWriters = new GoneWriters({
      clock,
      log: this.log,
      locations,
      paused: () => this.safeMode.isOn || group.machine.settings.safeMode,
    });
    const targets = new Targets(locations, random);
    link.on("heartbeat", (from) => targets.measured(from));
    const watchers = new Watchers(clock);
    const requests = new DoneRequests();
    group.machine.observer = this.observer(watchers, requests);
    const writing: WritingMeans = {
      log: this.log,
      link,
      locations,
      targets,
      durability: options.durability ?? "disk",
      met: (replicas) => this.met(replicas),
    };
    this.fileSystem = new NodeFileSystem({
      node,
      clock,
      log: this.log,
      link,
      upkeep: this.upkeep,
      isRefusing: options.isRefusing ?? (() => false),
      safeMode: this.safeMode,
      watchers,
      requests,
      writing,
      reading: {
        link,
        locations,
        namespace: group.machine,
        awaitsReports: (block) => this.awaitsReports(block),
        damaged: (block, stamp, from) => this.dataNode.reportDamage(block, stamp, from),
      },
      life,
    });
    this.files = this.fileSystem;
    this.start();
  }

  /** The secret of the cluster, for signatures; undefined: the file system is not founded yet. */
  key(): Buffer | undefined {
    const { key } = this.log.machine;
    return key === undefined ? undefined : Buffer.from(key, "hex");
  }

  /** Files that are being written through this node. */
  get writerCount(): number {
    return this.fileSystem.writerCount;
  }

  /** Writers give up, streams end, replicas are closed. The group and the network are their owner's. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.timer?.cancel();
    await this.within(CLOSE_MS, this.fileSystem.close());
    this.log.machine.observer = undefined;
    this.safeMode.close();
    this.goneWriters.close();
    this.upkeep.close();
    await settled((done) => this.dataNode.close(() => done(undefined)));
    this.link.close();
  }

  private within(delayMs: number, promise: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.options.world.clock.setTimer(delayMs, resolve);
      const settle = (): void => timer.cancel();
      promise.finally(settle).then(resolve, reject);
    });
  }

  /** Applies what was committed before, founds the file system where this node leads and nobody has, then leaves alone. */
  private start(): void {
    const again = (): void => {
      this.timer = this.options.world.clock.setTimer(START_LOOK_MS, () => this.start());
    };
    this.options.group.barrier((error) => {
      if (this.closed) return;
      if (error !== undefined) return again();
      this.safeMode.begin();
      if (this.key() !== undefined) return;
      if (this.options.group.leading() === undefined) return again();
      const { settings = {}, drawKey = drawnKey } = this.options;
      this.log.tell({ type: "found", key: drawKey(), settings }, again);
    });
  }

  private observer(watchers: Watchers, requests: DoneRequests): NamespaceObserver {
    const { observer } = this.upkeep;
    return {
      blockChanged: (block) => observer.blockChanged(block),
      blockRemoved: (id, numbers) => observer.blockRemoved(id, numbers),
      pathChanged: (path) => watchers.pathChanged(path),
      requestDone: (request, path) => requests.add(request, path),
      configured: (change) => {
        if (change.safeMode === false) this.safeMode.leave();
        this.dataNode.report();
      },
      replaced: () => {
        observer.replaced();
        watchers.everythingChanged();
      },
    };
  }

  /** Others may not have said yet, or not again, what they hold; or the block has just changed. */
  private awaitsReports(block: BlockId): boolean {
    const { locations, recent } = this.upkeep;
    const dead = new Set(locations.nodes().flatMap(({ id, live }) => (live ? [] : [id])));
    const isReporting = (node: NodeId): boolean => !dead.has(node) && !locations.hasReported(node);
    const isUnheard = (node: NodeId): boolean => locations.lifeOf(node) === undefined;
    const { group } = this.options;
    return (
      recent.settlesInMs(block) > 0 || group.members().some((each) => isReporting(each) || isUnheard(each))
    );
  }

  private async met(replicas: number): Promise<void> {
    const { clock } = this.options.world;
    const wanted = Math.min(replicas, this.options.group.members().length);
    const isMet = (): boolean => this.upkeep.locations.nodes().filter(({ live }) => live).length >= wanted;
    while (clock.monotonicMs() - this.beganMs < MEETING_MS && !isMet()) await this.log.delay(MEETING_LOOK_MS);
  }
}

/** Opens the blocks of this node's disk, and takes up its part. */
export function openFilesNode(options: FilesNodeOptions, done: (node: FilesNode) => void): void {
  const { disk, clock, random } = options.world;
  const { reservedBytes, awakeReplicas, reader } = options;
  const limits = {
    ...(reservedBytes === undefined ? {} : { reservedBytes }),
    ...(awakeReplicas === undefined ? {} : { awakeReplicas }),
    ...(reader === undefined ? {} : { reader }),
  };
  openBlockStore({ disk, clock, random, ...limits }, (store) => done(new FilesNode(options, store)));
}

function standingOf(
  node: NodeId,
  { decommissioning, inMaintenance }: NamespaceSettings,
): Heartbeat["standing"] {
  if (decommissioning.includes(node)) return "decommissioning";
  return inMaintenance.includes(node) ? "inMaintenance" : "inService";
}

function drawnKey(): string {
  return randomBytes(32).toString("hex");
}
