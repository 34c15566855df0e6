/**
 * A whole file system in the memory of one process, for tests: every call of the door with the meaning that its contract
 * gives it. Surfaces (the WebHDFS server, the client, the command line) are tested against it; faults of nodes and disks are
 * the business of the real one.
 */
import { createHash } from "node:crypto";
import { crc32c } from "../../../wire/crc32.ts";
import { checksumPadding } from "../../../wire/webhdfs/file-checksum.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { BlockNode } from "../blocks/locations.ts";
import type {
  BalanceOptions,
  BalanceRound,
  Change,
  CreateOptions,
  FileReader,
  FilesReport,
  FileSystem,
  FileWriter,
  PathHealth,
  ReadOptions,
  SafeModeStatus,
} from "../file-system.ts";
import type {
  AclStatus,
  Caller,
  ContentSummary,
  FileStatus,
  Listing,
  NamespaceSettings,
  SnapshotDifference,
} from "../namespace/model.ts";
import type { Replies } from "../namespace/replies.ts";
import { Changes } from "./changes.testing.ts";
import { blocksOf, healthOf, reportOf } from "./health.testing.ts";
import type { Inode, Place } from "./tree.testing.ts";
import { refuse, sortedNames, Tree, usageOf } from "./tree.testing.ts";

const CHUNK_BYTES = 64 * 1024;
const BYTES_PER_CHECKSUM = 512;

export interface MemoryFileSystemOptions {
  readonly settings?: Partial<NamespaceSettings>;
  /** The nodes that it says it has; the first is the one that is asked. */
  readonly nodes?: readonly BlockNode[];
  readonly now?: () => number;
}

export const DEFAULT_SETTINGS: NamespaceSettings = {
  superuser: "quorate",
  supergroup: "supergroup",
  permissions: true,
  safeMode: false,
  replication: 1,
  maxReplication: 512,
  blockSize: 128 * 1024 * 1024,
  minBlockSize: 512,
  inlineMaxBytes: 64 * 1024,
  leaseSoftMs: 60_000,
  leaseHardMs: 1_200_000,
  trashIntervalMs: 0,
  maxDirectoryEntries: 1_048_576,
  maxSnapshots: 65_536,
  maxAttributes: 32,
  maxAttributeBytes: 16_384,
  decommissioning: [],
  inMaintenance: [],
};

export class MemoryFileSystem implements FileSystem {
  readonly node: string;
  readonly tree: Tree;
  /** Writers that were neither closed nor aborted, and readers that were not left: none must stay. */
  get openStreams(): number {
    return this.streams.open;
  }
  private readonly streams = { open: 0 };
  private readonly changes: Changes;
  private readonly blockNodes: readonly BlockNode[];
  private readonly watchers = new Set<() => void>();
  private readonly requests = new Set<string>();

  constructor({ settings, nodes, now = Date.now }: MemoryFileSystemOptions = {}) {
    this.tree = new Tree({ ...DEFAULT_SETTINGS, ...settings }, now);
    this.changes = new Changes(this.tree, now);
    this.blockNodes = nodes ?? [memoryNode("n1", undefined)];
    this.node = this.blockNodes[0]?.id ?? "n1";
  }

  async change<C extends Change>(command: C): Promise<Replies[C["type"]]> {
    const reply = this.changes.apply(command);
    this.changed();
    return reply;
  }

  async status(path: string, caller: Caller, options?: { followLast?: boolean }): Promise<FileStatus> {
    const place = this.tree.find(path, caller, options?.followLast ?? true);
    return this.tree.status(place.node, place.path);
  }

  async list(path: string, caller: Caller, startAfter: string): Promise<Listing> {
    const { node, path: where } = this.tree.find(path, caller);
    if (node.type !== "directory") return { entries: [this.tree.status(node, where)], remaining: 0 };
    this.tree.allow(node, caller, 5, where);
    const after = Buffer.from(startAfter);
    const names = sortedNames(node).filter(
      (name) => startAfter === "" || Buffer.compare(Buffer.from(name), after) > 0,
    );
    const entries = names
      .slice(0, 1000)
      .map((name) =>
        this.tree.status(node.children.get(name) as Inode, `${where === "/" ? "" : where}/${name}`),
      );
    return { entries, remaining: names.length - entries.length };
  }

  async contentSummary(path: string, caller: Caller): Promise<ContentSummary> {
    const { node, path: at } = this.tree.find(path, caller);
    const sum = { directories: 0, files: 0, length: 0 };
    const walk = (each: Inode, where: string): void => {
      if (each.type === "directory") {
        this.tree.allow(each, caller, 5, where);
        sum.directories++;
      } else sum.files++;
      sum.length += each.content.length;
      for (const [name, child] of each.children) walk(child, `${where === "/" ? "" : where}/${name}`);
    };
    walk(node, at);
    return {
      ...sum,
      space: usageOf(node).space,
      nameQuota: node.nameQuota,
      spaceQuota: node.spaceQuota,
      erasureCoding: undefined,
      snapshots: { directories: 0, files: 0, length: 0, space: 0 },
      isFile: node.type !== "directory",
    };
  }

  async acl(path: string, caller: Caller): Promise<AclStatus> {
    const { node } = this.tree.find(path, caller);
    return { owner: node.owner, group: node.group, mode: node.mode, entries: node.acl };
  }

  async attributes(
    path: string,
    caller: Caller,
    names: readonly string[] | undefined,
  ): Promise<ReadonlyMap<string, string>> {
    const { node } = this.tree.find(path, caller);
    this.tree.allow(node, caller, 4, path);
    const missing = names?.find((name) => !node.attributes.has(name));
    if (missing !== undefined)
      refuse("ATTRIBUTE_REFUSED", `At least one of the attributes provided was not found.`);
    return new Map([...node.attributes].filter(([name]) => names === undefined || names.includes(name)));
  }

  async linkTarget(path: string, caller: Caller): Promise<string> {
    const { node } = this.tree.find(path, caller, false);
    return node.target ?? refuse("FILE_OPERATION_REFUSED", `Path ${path} is not a symbolic link`);
  }

  async checkAccess(path: string, caller: Caller, permission: number): Promise<void> {
    this.tree.allow(this.tree.find(path, caller).node, caller, permission, path);
  }

  async locations(
    path: string,
    caller: Caller,
    offset: number,
    length: number,
  ): ReturnType<FileSystem["locations"]> {
    const { node, path: where } = this.readable(path, caller);
    const status = this.tree.status(node, where);
    const blocks = blocksOf(node)
      .filter(({ start, size }) => start < offset + length && start + size > offset)
      .map(({ start, size }) => ({
        segment: {
          type: "block",
          id: node.id * 1000 + start / node.blockSize,
          stamp: 1001,
          offset: start,
          length: size,
          replication: node.replication,
          open: false,
        } as const,
        replicas: this.blockNodes
          .filter(({ live }) => live)
          .slice(0, node.replication)
          .map(({ id }) => ({ node: id, stamp: 1001, length: size, state: "finished" }) as const),
      }));
    return { status, blocks };
  }

  async checksum(path: string, caller: Caller): ReturnType<FileSystem["checksum"]> {
    const { node } = this.readable(path, caller);
    const digest = createHash("md5");
    const blocks = blocksOf(node);
    for (const { start, size } of blocks) {
      const sums = createHash("md5");
      for (let at = start; at < start + size; at += BYTES_PER_CHECKSUM) {
        const sum = Buffer.alloc(4);
        sum.writeUInt32BE(crc32c(node.content.subarray(at, Math.min(at + BYTES_PER_CHECKSUM, start + size))));
        sums.update(sum);
      }
      digest.update(sums.digest());
    }
    digest.update(Buffer.alloc(checksumPadding(blocks.length)));
    const perBlock = blocks.length > 1 ? node.blockSize / BYTES_PER_CHECKSUM : 0;
    const head = Buffer.alloc(12);
    head.writeUInt32BE(BYTES_PER_CHECKSUM, 0);
    head.writeBigUInt64BE(BigInt(perBlock), 4);
    return {
      algorithm: `MD5-of-${perBlock}MD5-of-512CRC32C`,
      bytes: asBytes(Buffer.concat([head, digest.digest()])),
    };
  }

  async snapshottable(caller: Caller): ReturnType<FileSystem["snapshottable"]> {
    const found: { status: FileStatus; count: number; limit: number }[] = [];
    const walk = (node: Inode, path: string): void => {
      if (node.snapshottable && (this.tree.isSuperuser(caller) || node.owner === caller.user))
        found.push({
          status: this.tree.status(node, path || "/"),
          count: node.snapshots.size,
          limit: this.tree.settings.maxSnapshots,
        });
      for (const [name, child] of node.children) walk(child, `${path}/${name}`);
    };
    walk(this.tree.root, "");
    return found;
  }

  async snapshots(path: string, caller: Caller): ReturnType<FileSystem["snapshots"]> {
    const { node } = this.tree.find(path, caller);
    if (!node.snapshottable)
      refuse("SNAPSHOT_REFUSED", `Directory is not a snapshottable directory: ${path}`);
    return [...node.snapshots].map(([name, { id, createdMs }]) => ({
      name,
      id,
      createdMs,
      path: `${path}/.snapshot/${name}`,
    }));
  }

  async snapshotDifference(
    path: string,
    caller: Caller,
    from: string,
    to: string,
  ): Promise<readonly SnapshotDifference[]> {
    const { node } = this.tree.find(path, caller);
    if (!node.snapshottable)
      refuse("SNAPSHOT_REFUSED", `Directory is not a snapshottable directory: ${path}`);
    const at = (name: string): Inode =>
      name === ""
        ? node
        : (node.snapshots.get(name)?.root ??
          refuse("SNAPSHOT_REFUSED", `Cannot find the snapshot ${name}: it does not exist`));
    return difference(at(from), at(to));
  }

  settings(): NamespaceSettings {
    return this.tree.settings;
  }

  statistics(): ReturnType<FileSystem["statistics"]> {
    const { names, space } = usageOf(this.tree.root);
    return {
      files: names,
      directories: 0,
      links: 0,
      blocks: 0,
      length: 0,
      space,
      openFiles: 0,
      snapshots: 0,
      reclaiming: 0,
    };
  }

  nodes(): readonly BlockNode[] {
    return this.blockNodes;
  }

  async *health(path: string, caller: Caller): AsyncIterable<PathHealth> {
    yield* healthOf(this.tree, this.blockNodes, this.tree.find(path, caller), caller);
  }

  async report(): Promise<FilesReport> {
    return reportOf(this.tree, this.blockNodes, this.safeMode());
  }

  safeMode(): SafeModeStatus {
    if (!this.tree.settings.safeMode) return { on: false, by: undefined, explanation: undefined };
    return { on: true, by: "operator", explanation: "It was turned on by hand." };
  }

  async balance(caller: Caller, _options?: BalanceOptions): Promise<BalanceRound> {
    if (!this.tree.isSuperuser(caller)) refuse("ACCESS_DENIED", "Superuser privilege is required");
    return { ordered: 0, orderedBytes: 0, pending: 0, pendingBytes: 0 };
  }

  async settledReplication(path: string, caller: Caller): Promise<void> {
    this.tree.find(path, caller);
  }

  async create(path: string, caller: Caller, options: CreateOptions = {}): Promise<FileWriter> {
    const { settings } = this.tree;
    await this.checkCreate(path, caller, options);
    if (options.createParents ?? true) this.tree.makeParents(path, caller, 0o755);
    const place = this.placeOfFile(path, caller, options.overwrite ?? false);
    const node = this.tree.inode("file", caller.user, place.parent?.group ?? "", options.mode ?? 0o644);
    node.replication = options.replication ?? settings.replication;
    node.blockSize = options.blockSize ?? settings.blockSize;
    const put = (content: Buffer): Inode => {
      const now = this.placeOfFile(path, caller, options.overwrite ?? false);
      node.content = content;
      this.tree.touch(node);
      this.tree.insert(now, this.tree.writable(now, caller), node);
      if (options.request !== undefined) this.requests.add(options.request + path);
      return node;
    };
    return this.writer(place.path, Buffer.alloc(0), put);
  }

  isDone(request: string, path: string): boolean {
    return this.requests.has(request + path);
  }

  async checkCreate(path: string, caller: Caller, options: CreateOptions = {}): Promise<void> {
    const { safeMode, minBlockSize, blockSize: usual } = this.tree.settings;
    if (safeMode) refuse("SAFE_MODE", `Cannot create file ${path}. Name node is in safe mode.`);
    const { blockSize = usual } = options;
    if (blockSize % 512 !== 0 || blockSize < minBlockSize)
      refuse(
        "ARGUMENT_INVALID",
        `Specified block size is less than configured minimum value: ${blockSize} < ${minBlockSize}`,
      );
    const place = this.tree.locate(path, caller);
    const isNested = place.node === undefined && (options.createParents ?? true);
    if (isNested) this.tree.writable({ ...place, parent: place.above.at(-1) }, caller);
    else this.placeOfFile(path, caller, options.overwrite ?? false);
  }

  async append(path: string, caller: Caller): Promise<FileWriter> {
    const { node, path: where, frozen } = this.tree.find(path, caller);
    if (node.type !== "file") refuse("FILE_OPERATION_REFUSED", `Path is not a file: ${path}`);
    if (frozen) refuse("SNAPSHOT_REFUSED", `Modification on a read-only snapshot: ${path}`);
    this.tree.allow(node, caller, 2, path);
    if (node.writer !== undefined) refuse("BEING_WRITTEN", `${path} is being written`);
    const writer = (node.writer = {});
    return this.writer(
      where,
      node.content,
      (content) => {
        node.content = content;
        this.tree.touch(node);
        return node;
      },
      () => {
        if (node.writer === writer) node.writer = undefined;
      },
    );
  }

  async read(
    path: string,
    caller: Caller,
    { offset = 0, length, signal }: ReadOptions = {},
  ): Promise<FileReader> {
    const { node, path: where } = this.readable(path, caller);
    const { content } = node;
    if (offset > content.length)
      refuse(
        "FILE_OPERATION_REFUSED",
        `Offset=${offset} out of the range [0, ${content.length}); OPEN, path=${path}`,
      );
    const end = Math.min(content.length, offset + (length ?? Infinity));
    const chunks = this.chunks(content, offset, end, signal);
    return {
      status: this.tree.status(node, where),
      length: end - offset,
      [Symbol.asyncIterator]: () => chunks,
    };
  }

  watch(
    path: string,
    caller: Caller,
    changed: (path: string) => void,
    { signal }: { signal?: AbortSignal } = {},
  ): void {
    const stamp = (): number => this.tree.locate(path, caller).node?.revision ?? 0;
    let last = stamp();
    const look = (): void => {
      const now = stamp();
      if (now !== last) changed(path);
      last = now;
    };
    this.watchers.add(look);
    signal?.addEventListener("abort", () => this.watchers.delete(look), { once: true });
  }

  private changed(): void {
    for (const look of this.watchers) look();
  }

  private placeOfFile(path: string, caller: Caller, overwrite: boolean): Place {
    const place = this.tree.locate(path, caller);
    if (place.node?.type === "directory") refuse("PATH_EXISTS", `${path} already exists as a directory`);
    if (place.node !== undefined && !overwrite) refuse("PATH_EXISTS", `${path} already exists`);
    this.tree.writable(place, caller);
    return place;
  }

  private readable(path: string, caller: Caller): Place & { readonly node: Inode } {
    const place = this.tree.find(path, caller);
    if (place.node.type !== "file") refuse("FILE_OPERATION_REFUSED", `Path is not a file: ${path}`);
    this.tree.allow(place.node, caller, 4, path);
    return place;
  }

  private async *chunks(
    content: Buffer,
    start: number,
    end: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Bytes> {
    this.streams.open++;
    try {
      for (let at = start; at < end; at += CHUNK_BYTES) {
        signal?.throwIfAborted();
        yield asBytes(content.subarray(at, Math.min(end, at + CHUNK_BYTES)));
      }
    } finally {
      this.streams.open--;
    }
  }

  private writer(
    path: string,
    begin: Buffer,
    put: (content: Buffer) => Inode,
    left: () => void = () => undefined,
  ): FileWriter {
    const parts: Buffer[] = [begin];
    let position = begin.length;
    let ended: string | undefined;
    this.streams.open++;
    const alive = (): void => {
      if (ended !== undefined) throw new QuorateError("LEASE_LOST", `the writer of ${path} was ${ended}`);
    };
    const end = (how: string): void => {
      ended = how;
      this.streams.open--;
      left();
    };
    const flush = (): Inode => {
      const node = put(Buffer.concat(parts));
      this.changed();
      return node;
    };
    return {
      get position() {
        return position;
      },
      async write(bytes) {
        alive();
        parts.push(Buffer.from(bytes));
        position += bytes.length;
      },
      async sync() {
        alive();
      },
      close: async () => {
        alive();
        end("closed");
        return this.tree.status(flush(), path);
      },
      async abort() {
        if (ended === undefined) end("aborted");
      },
    };
  }
}

export function memoryNode(id: string, http: string | undefined): BlockNode {
  const GIB = 2 ** 30;
  return {
    id,
    http,
    rack: "/default-rack",
    standing: "inService",
    live: true,
    stale: false,
    silentMs: 0,
    term: 0,
    capacityBytes: 100 * GIB,
    usedBytes: 10 * GIB,
    freeBytes: 90 * GIB,
    writers: 0,
    readers: 0,
  };
}

function asBytes(buffer: Buffer): Bytes {
  return buffer as unknown as Bytes;
}

function difference(from: Inode, to: Inode): readonly SnapshotDifference[] {
  const index = (root: Inode): Map<number, { path: string; node: Inode }> => {
    const found = new Map<number, { path: string; node: Inode }>();
    const walk = (node: Inode, path: string): void => {
      found.set(node.id, { path, node });
      for (const [name, child] of node.children) walk(child, path === "" ? name : `${path}/${name}`);
    };
    walk(root, "");
    return found;
  };
  const [before, after] = [index(from), index(to)];
  const differences: SnapshotDifference[] = [];
  for (const [id, { path, node }] of before) {
    const now = after.get(id);
    if (now === undefined) differences.push({ type: "deleted", path, target: undefined });
    else {
      if (now.path !== path) differences.push({ type: "renamed", path, target: now.path });
      if (now.node.revision !== node.revision)
        differences.push({ type: "modified", path, target: undefined });
    }
  }
  for (const [id, { path }] of after)
    if (!before.has(id)) differences.push({ type: "created", path, target: undefined });
  return differences;
}
