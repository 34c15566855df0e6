/** The door to the file system at one node: questions from its replica of the namespace, changes through the log, streams. */
import { Bag } from "../../../runtime/bag.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Clock, NodeId } from "../../../runtime/world.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import type { BlockUpkeep } from "../blocks/block-upkeep.ts";
import type { BlockNode } from "../blocks/locations.ts";
import { isReadable } from "../erasure/group-source.ts";
import type {
  BalanceOptions,
  BalanceRound,
  BlockHealth,
  BlockLocation,
  CallOptions,
  Change,
  CreateOptions,
  FileChecksum,
  FileReader,
  FilesReport,
  FileSystem,
  FileWriter,
  PathHealth,
  ReadOptions,
  SafeModeStatus,
} from "../file-system.ts";
import { checkLinkTarget, checkTargets } from "../namespace/admission.ts";
import type { CommandOf } from "../namespace/commands.ts";
import type {
  AclStatus,
  Caller,
  ContentSummary,
  FileStatus,
  Listing,
  NamespaceSettings,
  SnapshotDifference,
  SnapshotEntry,
  SnapshottableDirectory,
} from "../namespace/model.ts";
import type { IntendedFile, NamespaceQueries, NamespaceStatistics } from "../namespace/queries.ts";
import type { Replies } from "../namespace/replies.ts";
import { withRequest } from "../namespace/request-name.ts";
import { orderBalance } from "./balance-order.ts";
import { appending, Creation } from "./beginnings.ts";
import type { WritingMeans } from "./block-sequence.ts";
import { checksumOf } from "./checksum.ts";
import type { DoneRequests } from "./done-requests.ts";
import type { ReadingMeans } from "./file-reader.ts";
import { fileReader } from "./file-reader.ts";
import type { Beginning } from "./file-writer.ts";
import { NodeFileWriter } from "./file-writer.ts";
import { holderName } from "./gone-writers.ts";
import { countBlocks, healthOf, reportNodes } from "./health.ts";
import { whereBlocksAre } from "./locations.ts";
import type { NamespaceLog } from "./namespace-log.ts";
import { until } from "./namespace-log.ts";
import type { SafeMode } from "./safe-mode.ts";
import type { Watchers } from "./watchers.ts";

/** Names of one listing, as in HDFS (dfs.ls.limit). */
const LISTING_NAMES = 1_000;
const DIFFERENCES_MAX = 1_000_000;
const LOOK_MS = 200;
/** The replicas of a block that was just written are reported a moment after the log knows of it. */
const REPORT_WAIT_MS = 500;
const REPORT_LOOK_MS = 20;
/** Blocks with as many good replicas as there should be, or of which that is not known yet. */
const SETTLED: ReadonlySet<BlockHealth["problem"]> = new Set(["none", "misplaced", "open"]);

export interface FileSystemParts {
  readonly node: NodeId;
  readonly clock: Clock;
  readonly log: NamespaceLog;
  readonly link: BlockLink;
  readonly upkeep: BlockUpkeep;
  readonly isRefusing: (node: NodeId) => boolean;
  readonly safeMode: SafeMode;
  readonly watchers: Watchers;
  readonly requests: DoneRequests;
  readonly writing: WritingMeans;
  readonly reading: ReadingMeans;
  /** Another number in each life of the process. */
  readonly life: number;
}

export class NodeFileSystem implements FileSystem {
  readonly node: NodeId;
  private readonly parts: FileSystemParts;
  private readonly log: NamespaceLog;
  private readonly writers = new Bag<NodeFileWriter>();
  private lastWriter = 0;
  private stopped: QuorateError | undefined;

  constructor(parts: FileSystemParts) {
    this.node = parts.node;
    this.parts = parts;
    this.log = parts.log;
  }

  /** Files that are being written through this node. */
  get writerCount(): number {
    return this.writers.size;
  }

  /** Writers give up. */
  async close(): Promise<void> {
    this.stopped = new QuorateError("SHUTTING_DOWN", "this node is stopping");
    await Promise.all([...this.writers].map((writer) => writer.stop(this.stopped as QuorateError)));
  }

  async change<C extends Change>(command: C, options?: CallOptions): Promise<Replies[C["type"]]> {
    options?.signal?.throwIfAborted();
    const isOperators = command.type === "configure" || command.type === "setStanding";
    if (!isOperators) await this.checkSafeMode(command.type, options);
    if (command.type === "symlink") checkLinkTarget(command.target);
    if (command.type === "publish" && command.overwrite) await this.checkTargets(command, options);
    return until(options?.signal, this.log.change(command));
  }

  status(
    path: string,
    caller: Caller,
    options?: CallOptions & { readonly followLast?: boolean },
  ): Promise<FileStatus> {
    return this.ask((namespace) => namespace.status(path, caller, options?.followLast ?? true), options);
  }

  list(path: string, caller: Caller, startAfter: string, options?: CallOptions): Promise<Listing> {
    return this.ask((namespace) => namespace.list(path, caller, startAfter, LISTING_NAMES), options);
  }

  async contentSummary(path: string, caller: Caller, options?: CallOptions): Promise<ContentSummary> {
    let behind: readonly string[] | undefined = [];
    for (;;) {
      const from: readonly string[] = behind;
      const summary = await this.ask((namespace) => {
        behind = namespace.checkSummary(path, caller, from);
        return behind === undefined ? namespace.contentSummary(path, caller) : undefined;
      }, options);
      if (summary !== undefined) return summary;
    }
  }

  acl(path: string, caller: Caller, options?: CallOptions): Promise<AclStatus> {
    return this.ask((namespace) => namespace.acl(path, caller), options);
  }

  attributes(
    path: string,
    caller: Caller,
    names: readonly string[] | undefined,
    options?: CallOptions,
  ): Promise<ReadonlyMap<string, string>> {
    return this.ask((namespace) => namespace.attributes(path, caller, names), options);
  }

  linkTarget(path: string, caller: Caller, options?: CallOptions): Promise<string> {
    return this.ask((namespace) => namespace.linkTarget(path, caller), options);
  }

  checkAccess(path: string, caller: Caller, permission: number, options?: CallOptions): Promise<void> {
    return this.ask((namespace) => namespace.checkAccess(path, caller, permission), options);
  }

  async locations(
    path: string,
    caller: Caller,
    offset: number,
    length: number,
    options?: CallOptions,
  ): ReturnType<FileSystem["locations"]> {
    const { status, segments } = await this.ask(
      (namespace) => namespace.segments(path, caller, offset, length),
      options,
    );
    const { upkeep, link } = this.parts;
    const { locations, recent } = upkeep;
    const { machine: namespace, group } = this.log;
    const means = { locations, recent, namespace, members: group.members(), self: link.self };
    for (let waitedMs = 0; ; waitedMs += REPORT_LOOK_MS) {
      const blocks = whereBlocksAre(segments, means);
      const isKnown = ({ segment, replicas }: BlockLocation): boolean => {
        if (segment.length === 0 || segment.type === "inline") return true;
        const { id, stamp, coded, open } = segment;
        if (coded === undefined) return replicas.length > 0;
        return isReadable({ id, stamp, open, length: coded.groupLength }, coded.policy, locations);
      };
      if (blocks.every(isKnown) || waitedMs >= REPORT_WAIT_MS) return { status, blocks };
      await until(options?.signal, this.log.delay(REPORT_LOOK_MS));
    }
  }

  async checksum(path: string, caller: Caller, options?: CallOptions): Promise<FileChecksum> {
    const found = await this.ask((namespace) => namespace.segments(path, caller, 0, 2 ** 52), options);
    await this.locations(path, caller, 0, 2 ** 52, options);
    return until(options?.signal, checksumOf(this.parts.reading, found, options?.signal));
  }

  snapshottable(caller: Caller, options?: CallOptions): Promise<readonly SnapshottableDirectory[]> {
    return this.ask((namespace) => namespace.snapshottable(caller), options);
  }

  snapshots(path: string, caller: Caller, options?: CallOptions): Promise<readonly SnapshotEntry[]> {
    return this.ask((namespace) => namespace.snapshots(path, caller), options);
  }

  async snapshotDifference(
    path: string,
    caller: Caller,
    from: string,
    to: string,
    options?: CallOptions,
  ): Promise<readonly SnapshotDifference[]> {
    const { differences, more } = await this.ask(
      (namespace) => namespace.snapshotDifference(path, caller, from, to, DIFFERENCES_MAX),
      options,
    );
    if (!more) return differences;
    throw new QuorateError("FILE_OPERATION_REFUSED", `there are more than ${DIFFERENCES_MAX} differences`);
  }

  settings(): NamespaceSettings {
    return this.log.machine.settings;
  }

  statistics(): NamespaceStatistics {
    return this.log.machine.statistics();
  }

  nodes(): readonly BlockNode[] {
    const { upkeep, isRefusing } = this.parts;
    return upkeep.locations.nodes().map((node) => (isRefusing(node.id) ? { ...node, refusing: true } : node));
  }

  health(path: string, caller: Caller, options?: CallOptions): AsyncIterable<PathHealth> {
    return healthOf(this.log, this.parts.upkeep, path, caller, options?.signal);
  }

  async report(options?: CallOptions): Promise<FilesReport> {
    await until(options?.signal, this.log.barrier());
    const { upkeep } = this.parts;
    const blocks = await until(options?.signal, countBlocks(this.log, upkeep));
    const nodes = await until(options?.signal, reportNodes(this.log, upkeep));
    const heard = new Set(nodes.map(({ node }) => node.id));
    const unheard = this.log.group.members().filter((node) => !heard.has(node));
    return { blocks, nodes, unheard, safeMode: this.safeMode() };
  }

  safeMode(): SafeModeStatus {
    if (this.settings().safeMode) {
      return { on: true, by: "operator", explanation: "It was turned on by hand." };
    }
    const { reason } = this.parts.safeMode;
    return { on: reason !== undefined, by: reason === undefined ? undefined : "start", explanation: reason };
  }

  async balance(caller: Caller, options: BalanceOptions = {}): Promise<BalanceRound> {
    this.checkSuperuser(caller, "balance the nodes");
    options.signal?.throwIfAborted();
    await this.checkSafeMode("balance", options);
    if (this.settings().safeMode)
      throw new QuorateError("SAFE_MODE", "Cannot balance. Name node is in safe mode.");
    return until(options.signal, orderBalance(this.parts.link, this.log.group, options));
  }

  async settledReplication(path: string, caller: Caller, options?: CallOptions): Promise<void> {
    for (;;) {
      let isSettled = true;
      for await (const { blocks } of this.health(path, caller, options)) {
        if (blocks.every(({ problem }) => SETTLED.has(problem))) continue;
        isSettled = false;
        break;
      }
      if (isSettled) return;
      await until(options?.signal, this.log.delay(LOOK_MS));
    }
  }

  async create(path: string, caller: Caller, options: CreateOptions = {}): Promise<FileWriter> {
    await this.checkCreate(path, caller, options);
    const { mode = 0o644, exclude = [], replication, blockSize, createParents = true, overwrite } = options;
    const existing = overwrite === true ? "replace" : "refuse";
    // Named one by one: see "What an object costs" in docs/architecture.md.
    const command = {
      path,
      caller: withRequest(caller, options.request),
      mode,
      unmaskedMode: undefined,
      replication,
      blockSize,
      createParents,
      existing,
    } as const;
    return this.writer(0, new Creation(this.parts.writing, command, new Set(exclude)));
  }

  isDone(request: string, path: string): boolean {
    return this.parts.requests.has(request, path);
  }

  async checkCreate(path: string, caller: Caller, options: CreateOptions = {}): Promise<void> {
    await this.checkSafeMode("create", options);
    const intended = intendedFile(path, caller, options);
    await this.ask((namespace) => namespace.checkCreate(intended), options);
  }

  async append(path: string, caller: Caller, options?: CallOptions): Promise<FileWriter> {
    await this.checkSafeMode("append", options);
    const { status, last } = await this.ask((namespace) => namespace.checkAppend(path, caller), options);
    const beginning = appending(this.parts.writing, { path, caller, status }, last);
    return this.writer(status.length, beginning);
  }

  async read(path: string, caller: Caller, options: ReadOptions = {}): Promise<FileReader> {
    const { offset = 0, length = 2 ** 52, exclude = [], mayLend = false, signal } = options;
    const found = await this.ask((namespace) => namespace.segments(path, caller, offset, length), options);
    const { status, segments } = found;
    if (offset > status.length) {
      const range = `Offset=${offset} out of the range [0, ${status.length})`;
      throw new QuorateError("FILE_OPERATION_REFUSED", `${range}; OPEN, path=${path}`);
    }
    const rest = Math.min(length, status.length - offset);
    const excluded = new Set(exclude);
    return fileReader(this.parts.reading, {
      status,
      segments,
      offset,
      length: rest,
      exclude: excluded,
      signal,
      mayLend,
    });
  }

  watch(path: string, caller: Caller, changed: (path: string) => void, options?: CallOptions): void {
    try {
      this.log.now((namespace) => namespace.status(path, caller));
    } catch (error) {
      // It may come: that is a change too.
      if (!(error instanceof QuorateError) || error.code !== "PATH_NOT_FOUND") throw error;
    }
    this.parts.watchers.add(path, changed, options?.signal);
  }

  private writer(position: number, beginning: Beginning): NodeFileWriter {
    if (this.stopped !== undefined) throw this.stopped;
    const holder = holderName(this.node, this.parts.life, ++this.lastWriter);
    const { writing, clock } = this.parts;
    const over = (): void => this.writers.remove(place);
    const writer = new NodeFileWriter(writing, clock, holder, position, beginning, over);
    const place = this.writers.add(writer);
    return writer;
  }

  private async ask<T>(question: (namespace: NamespaceQueries) => T, options?: CallOptions): Promise<T> {
    options?.signal?.throwIfAborted();
    return until(options?.signal, this.log.ask(question));
  }

  /** Of the node's start. That of an operator is in the log, and refuses by itself. */
  private async checkSafeMode(what: string, options?: CallOptions): Promise<void> {
    const { safeMode } = this.parts;
    if (!safeMode.isOn) return;
    // Whether there is anything to wait for is known when all is applied.
    await until(options?.signal, this.log.barrier());
    safeMode.begin();
    if (!safeMode.isOn) return;
    // The last sentence is HDFS's, by which clients know that it is worth waiting.
    const text = `Cannot ${what}. Name node is in safe mode. ${safeMode.reason}`;
    throw new QuorateError("SAFE_MODE", `${text} Safe mode will be turned off automatically.`);
  }

  private async checkTargets({ moves, caller }: CommandOf<"publish">, options?: CallOptions): Promise<void> {
    // This node may not have heard yet of what is there.
    await this.ask((namespace) => checkTargets(namespace, caller, moves), options);
  }

  private checkSuperuser({ user, groups }: Caller, what: string): void {
    const { superuser, supergroup } = this.settings();
    if (user === superuser || groups.includes(supergroup)) return;
    throw new QuorateError(
      "ACCESS_DENIED",
      `Access denied for user ${user}. Superuser privilege is required to ${what}`,
    );
  }
}

function intendedFile(path: string, caller: Caller, options: CreateOptions): IntendedFile {
  const { replication, blockSize, createParents = true, overwrite = false } = options;
  return { path, caller, replication, blockSize, createParents, existing: overwrite ? "replace" : "refuse" };
}
