/**
 * The file system's part of a real node: the namespace as a group of its own beside the keyspace, blocks in a directory beside
 * the log, and a plane of the network for them.
 */
import { totalmem } from "node:os";
import { join } from "node:path";
import { members } from "../consensus/membership.ts";
import { QuorateError } from "../runtime/errors.ts";
import { makeDirectory } from "../runtime/node/directory.ts";
import type { NodeDisk } from "../runtime/node/disk.ts";
import { openNodeDisk } from "../runtime/node/disk.ts";
import { createMemoryDisk } from "../runtime/node/memory-disk.ts";
import type { TcpNetwork } from "../runtime/node/network.ts";
import { userName } from "../runtime/node/user-name.ts";
import type { Disk, Network, NodeId, World } from "../runtime/world.ts";
import type { GroupDoor } from "./cluster/hosted-group.ts";
import type { FilesStatus, NodeStatus } from "./cluster/local-node.ts";
import { ThreadPieceReader } from "./files/blocks/piece-reader.ts";
import type { BlockNode } from "./files/blocks/locations.ts";
import type { NamespaceCommand } from "./files/namespace/commands.ts";
import { createNamespace } from "./files/namespace/machine.ts";
import type { NamespaceSettings } from "./files/namespace/model.ts";
import type { NamespaceReply } from "./files/namespace/replies.ts";
import type { FilesNode, FilesNodeOptions } from "./files/node/files-node.ts";
import { openFilesNode } from "./files/node/files-node.ts";
import type { NamespaceGroup } from "./files/node/namespace-log.ts";
import type { FurtherGroup } from "./node-groups.ts";
import { furtherGroup } from "./node-groups.ts";

/** The number of the namespace's group. */
export const NAMESPACE_GROUP = 1;
/** Beside the log in a node's directory. */
export const BLOCKS_DIRECTORY = "blocks";
/** Bytes of blocks that may wait for one peer: many streams of a window each. */
const BLOCKS_QUEUE_BYTES = 256 * 1024 * 1024;
/** Of the machine's memory, for nodes that keep blocks in it. */
const MEMORY_SHARE = 1 / 4;

export interface FilesOptions extends Pick<
  FilesNodeOptions,
  "rack" | "copyBandwidth" | "scrubBandwidth" | "safeModeShare" | "safeModeExtensionMs"
> {
  /** Bytes of the disk that blocks leave to others. Default 256 MiB; nothing of memory. */
  readonly reservedBytes?: number;
  /** Bytes of blocks that a node in memory keeps. Default: a quarter of the machine's memory. */
  readonly memoryBytes?: number;
  /** Blocks are written through the system's memory, as all that is small is: faster to read soon after. Default false. */
  readonly cacheWrites?: boolean;
  /** What a new file system begins with. Default: as many replicas as there are founders, at most 3; it belongs to who runs the node. */
  readonly settings?: Partial<NamespaceSettings>;
  /** Carries blocks in place of TCP (an engine inside one process). It is closed with the node. */
  readonly network?: Network;
}

export interface NodeFilesOptions {
  readonly id: NodeId;
  readonly members: Readonly<Record<NodeId, string>>;
  /** A directory that exists, or "memory". */
  readonly dataDir: string;
  readonly durability: NodeStatus["durability"];
  readonly files: FilesOptions;
}

/** What becomes a `FilesNode` when the node's groups are there. */
export class NodeFiles {
  /** To be hosted by the node. */
  readonly group: FurtherGroup;
  private readonly options: NodeFilesOptions;
  private readonly machine = createNamespace();
  private reader: ThreadPieceReader | undefined;
  private directory: NodeDisk | undefined;
  private door: GroupDoor<NamespaceCommand, NamespaceReply> | undefined;

  constructor(options: NodeFilesOptions) {
    this.options = options;
    this.group = furtherGroup({ id: NAMESPACE_GROUP, name: "files", machine: this.machine }, (door) => {
      this.door = door;
    });
  }

  /** Resolves when all replicas on the disk are known. Throws DATA_DIRECTORY_UNUSABLE. */
  open(
    world: Omit<World, "disk" | "fatal">,
    peers: Pick<FilesNodeOptions, "address" | "isRefusing">,
    contain: ((disk: Disk) => Disk) | undefined,
  ): Promise<FilesNode> {
    const { id, durability, files, members: founders } = this.options;
    const { network: _, memoryBytes: _bytes, cacheWrites: _cache, settings, reservedBytes, ...rest } = files;
    const isMemory = this.options.dataDir === "memory";
    const disk = this.openDisk();
    const replication = Math.max(1, Math.min(3, Object.keys(founders).length));
    const options: FilesNodeOptions = {
      ...rest,
      node: id,
      world: { ...world, disk: contain?.(disk) ?? disk },
      group: this.namespaceGroup(),
      ...peers,
      // What the log acknowledges before it is on the disk, blocks do too.
      durability: durability === "always" ? "disk" : "memory",
      // As HDFS: who starts it may do everything.
      settings: { replication, superuser: userName(), ...settings },
      ...(isMemory ? {} : { reader: (this.reader = new ThreadPieceReader(world)) }),
      ...(reservedBytes === undefined && !isMemory ? {} : { reservedBytes: reservedBytes ?? 0 }),
    };
    return new Promise((resolve) => openFilesNode(options, resolve));
  }

  /** Ends what the node's files were given to work with; they are closed before. */
  async close(): Promise<void> {
    await this.reader?.close();
    await this.directory?.settled();
  }

  private openDisk(): Disk {
    const { dataDir, files } = this.options;
    if (dataDir === "memory") {
      return createMemoryDisk(files.memoryBytes ?? Math.floor(totalmem() * MEMORY_SHARE));
    }
    const directory = join(dataDir, BLOCKS_DIRECTORY);
    try {
      makeDirectory(directory);
      this.directory = openNodeDisk(directory, { direct: files.cacheWrites !== true });
      return this.directory;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new QuorateError("DATA_DIRECTORY_UNUSABLE", `${directory} cannot be used: ${reason}`, { cause });
    }
  }

  private namespaceGroup(): NamespaceGroup {
    const { door, machine } = this;
    if (door === undefined) throw new QuorateError("INVARIANT", "the namespace has no group yet");
    return {
      machine,
      propose: (command, encoded, done) => door.propose(command, encoded, done),
      barrier: (done) => door.barrier(done),
      readStillValid: () => door.readStillValid(),
      leading: () => door.leadingTerm(),
      leader: () => door.status().consensus.leader,
      members: () => members(door.status().consensus.membership),
    };
  }
}

/** The plane of blocks beside a network: whoever is a peer on the one is a peer on the other. */
export function withBlocks(network: Network, blocks: Network): Network {
  return {
    send: (to, parts, guardedParts) => network.send(to, parts, guardedParts),
    onFrame: (receive) => network.onFrame(receive),
    onLink: (change) => network.onLink(change),
    onArriving: (arriving) => network.onArriving(arriving),
    queuedBytes: (to) => network.queuedBytes(to),
    setPeers(peers) {
      network.setPeers(peers);
      blocks.setPeers(peers);
    },
    close: () => network.close(),
  };
}

export function planeOfBlocks(network: TcpNetwork): TcpNetwork {
  return network.plane({ name: "blocks", queueMaxBytes: BLOCKS_QUEUE_BYTES });
}

/** What the node's status says of its files. */
export function filesStatusOf({ files, upkeep, writerCount: writers }: FilesNode): FilesStatus {
  const { files: count, directories, blocks, length, openFiles } = files.statistics();
  const nodes = files.nodes();
  const live = nodes.filter((each) => each.live);
  const sum = (of: (each: BlockNode) => number): number => live.reduce((total, each) => total + of(each), 0);
  return {
    files: count,
    directories,
    blocks,
    length,
    openFiles,
    writers,
    liveNodes: live.length,
    nodes: nodes.length,
    capacityBytes: sum(({ capacityBytes }) => capacityBytes),
    usedBytes: sum(({ usedBytes }) => usedBytes),
    freeBytes: sum(({ freeBytes }) => freeBytes),
    waitingBlocks: upkeep.waiting,
    safeMode: files.safeMode().explanation,
  };
}
