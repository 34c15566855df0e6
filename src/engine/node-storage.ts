/** Opens what a node keeps: its directory checked and locked, log and snapshots recovered; or memory, which keeps nothing. */
import type { DurableWrite, Recovered } from "../consensus/consensus.ts";
import { decodeMembership, members } from "../consensus/membership.ts";
import type { Bytes } from "../runtime/bytes.ts";
import { QuorateError } from "../runtime/errors.ts";
import { openNodeDisk } from "../runtime/node/disk.ts";
import type { Clock, Disk, Logger, NodeId, Random } from "../runtime/world.ts";
import type { GroupRecovery } from "./group/group-recovery.ts";
import { recoverGroup } from "./group/group-recovery.ts";
import { createMemoryStorage } from "./group/memory-storage.ts";
import { replicaStorage } from "./group/replica-storage.ts";
import { SnapshotStore, loadSnapshots } from "./group/snapshot-store.ts";
import type { ReplicaStorage } from "./group/storage.ts";
import type {
  GroupId,
  OpenedLog,
  WriteAheadLog,
  WriteAheadLogOptions,
} from "./group/write-ahead-log/write-ahead-log.ts";
import { openWriteAheadLog } from "./group/write-ahead-log/write-ahead-log.ts";
import type { DirectoryOwner } from "./cluster/directory-identity.ts";
import { claimDirectory, markFounded, markFounder } from "./cluster/directory-identity.ts";
import { KEYSPACE_GROUP } from "./cluster/hosted-group.ts";
import { lockDirectory } from "./cluster/directory-lock.ts";
import { measureDisk } from "./cluster/measured-disk.ts";
import type { Metrics } from "./cluster/metrics.ts";
import type { PeerDirectories } from "./cluster/peer-directories.ts";
import { forgetfulPeerDirectories, openPeerDirectories } from "./cluster/peer-directories.ts";

export interface NodeStorageOptions {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly algorithm: DirectoryOwner["algorithm"];
  /** The founding members: who could bring back what is damaged, unless log or snapshot know better. */
  readonly members: Readonly<Record<NodeId, string>>;
  /** A directory that exists, or "memory". */
  readonly dataDir: string;
  /** What a new directory makes of the node; without a directory, and with others, it is always blank. Default "founder". */
  readonly beginsAs?: Beginning;
  readonly durability: "always" | "everysec" | "memory";
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly fatal: (error: Error) => void;
  /** What is damaged is given up by an operator: it is reported, also where there is no peer to fetch it from. Default false. */
  readonly acceptLoss?: boolean;
  /** Stands between the node and its disk. Default: nothing does. */
  readonly contain?: ((disk: Disk) => Disk) | undefined;
  /** The groups beside the keyspace; "found": those of which the directory holds anything. Default: none. */
  readonly furtherGroups?: readonly GroupId[] | "found";
}

/**
 * A node whose directory is new was never there before (`founder`), may have been there with another directory (`newcomer`),
 * or is a founder if all founders are as blank as it is (`blank`).
 */
export type Beginning = "founder" | "newcomer" | "blank";

/** What is kept of one group. */
export interface GroupStorage {
  readonly group: GroupId;
  readonly storage: ReplicaStorage;
  readonly recovered: Recovered;
  /** Content of the snapshot that `recovered` starts from. */
  readonly content: Iterable<Bytes> | undefined;
}

/** The keyspace's, and what the groups have in common. */
export interface NodeStorage extends GroupStorage {
  readonly furtherGroups: readonly GroupStorage[];
  /** Identity of the directory, or of this process without one: hexadecimal. */
  readonly directory: string;
  /** It has no say until the members name its directory. */
  readonly newcomer: boolean;
  /** For a newcomer that may turn out to be a founder: notes that it is one. */
  readonly onFounded: (() => void) | undefined;
  /** Which directory each peer had when this node first heard it. */
  readonly peerDirectories: PeerDirectories;
  close(): Promise<void>;
  /** In place of `close`, when the node failed: gives the directory free, once the disk does nothing in it any more. */
  abandon(): Promise<void>;
}

/**
 * What is damaged and can be fetched from the peers is no reason to stay away: `recovered.floor` is set then.
 *
 * Rejects with DATA_DIRECTORY_FOREIGN, DATA_DIRECTORY_UNUSABLE, DATA_DIRECTORY_IN_USE, DATA_CORRUPT or DISK_FULL, or
 * UNSUPPORTED when the directory holds a group that was not asked for; nothing stays open or locked then.
 */
export async function openNodeStorage(options: NodeStorageOptions): Promise<NodeStorage> {
  if (options.dataDir === "memory") return memoryNodeStorage(options);
  const { dataDir, id, clusterId, algorithm, clock, metrics, beginsAs = "founder" } = options;
  const owner: DirectoryOwner = { node: id, cluster: clusterId, algorithm };
  const release = await lockDirectory(dataDir);
  const plain = openNodeDisk(dataDir);
  try {
    const identity = claimDirectory(dataDir, owner, beginsAs !== "founder");
    const peerDirectories = openPeerDirectories(dataDir, options.logger);
    const disk = measureDisk(options.contain?.(plain) ?? plain, clock, metrics);
    const { log, recovered } = await openLog({ ...options, disk, mustExist: identity.founded });
    markFounded(dataDir, owner, identity);
    const opened = { disk, log, recovered };
    let groups: readonly OpenedGroup[];
    try {
      groups = await openGroups(options, opened);
    } catch (error) {
      await closed((done) => log.close(done));
      throw error;
    }
    const [keyspace, ...furtherGroups] = groups as [OpenedGroup, ...OpenedGroup[]];
    return {
      ...keyspace,
      furtherGroups,
      directory: identity.directory,
      newcomer: identity.newcomer,
      onFounded: beginsAs === "blank" ? () => markFounder(dataDir, owner, identity) : undefined,
      peerDirectories,
      async close() {
        for (const { snapshots } of groups) snapshots.close();
        await closed((done) => log.close(done));
        await plain.settled();
        await release();
      },
      async abandon() {
        await plain.settled();
        await release();
      },
    };
  } catch (error) {
    await plain.settled();
    await release();
    throw error;
  }
}

interface OpenedDisk extends OpenedLog {
  readonly disk: Disk;
}

interface OpenedGroup extends GroupStorage {
  readonly snapshots: SnapshotStore;
}

/** The keyspace first. Throws DATA_CORRUPT, UNSUPPORTED. */
async function openGroups(options: NodeStorageOptions, opened: OpenedDisk): Promise<readonly OpenedGroup[]> {
  const { furtherGroups = [], dataDir } = options;
  const found = [...opened.recovered.keys()]
    .filter((group) => group !== KEYSPACE_GROUP)
    .sort((a, b) => a - b);
  const wanted = furtherGroups === "found" ? found : furtherGroups;
  const unasked = found.find((group) => !wanted.includes(group));
  if (unasked !== undefined) {
    // Its log would keep all that the others write, and its votes would be missing where it is hosted.
    throw new QuorateError("UNSUPPORTED", `${dataDir} holds group ${unasked}, which this node does not host`);
  }
  const groups: OpenedGroup[] = [];
  for (const group of [KEYSPACE_GROUP, ...wanted]) groups.push(await openGroup(group, options, opened));
  return groups;
}

async function openGroup(
  group: GroupId,
  options: NodeStorageOptions,
  { disk, log, recovered: groups }: OpenedDisk,
): Promise<OpenedGroup> {
  const loaded = loadSnapshots(disk, group);
  const recovery = recoverGroup(groups.get(group), loaded);
  const { recovered, snapshot, repair } = recovery;
  refuseWithoutPeers(recovery, options);
  if (repair !== undefined) await appended(log, group, repair);
  tellOfRecovery(recovery, group, options.logger);
  const snapshots = new SnapshotStore({ ...options, disk, group }, loaded);
  const content = snapshot && snapshots.chunks(snapshot.meta);
  return { group, storage: replicaStorage(log, group, snapshots), recovered, content, snapshots };
}

/** Throws DATA_CORRUPT when what is damaged can be fetched from nobody. */
function refuseWithoutPeers({ recovered, damage }: GroupRecovery, options: NodeStorageOptions): void {
  if (damage === undefined || options.acceptLoss === true) return;
  const newest = recovered.entries.findLast((entry) => entry.kind === "membership");
  const membership = newest === undefined ? recovered.snapshot?.membership : decodeMembership(newest.payload);
  const known = membership === undefined ? Object.keys(options.members) : members(membership);
  if (known.some((id) => id !== options.id)) return;
  const { message } = damage.error;
  throw new QuorateError("DATA_CORRUPT", `${message}, and there is no peer to fetch it from`);
}

function tellOfRecovery(
  { recovered: { floor }, damage }: GroupRecovery,
  group: GroupId,
  logger: Logger,
): void {
  if (floor === undefined) return;
  const reason = damage?.error.message ?? "the fetching of damaged entries was interrupted";
  const where = { group, floorIndex: floor.index, floorTerm: floor.term };
  logger.log("warn", "recovering from peers", { reason, ...where });
}

function appended(log: WriteAheadLog, group: GroupId, write: DurableWrite): Promise<void> {
  return new Promise((resolve) => {
    log.append(group, write, resolve);
    log.flush();
  });
}

/**
 * What is kept in memory has the identity of its process: the next one under the name has forgotten its votes and its log,
 * and is another node. Alone it may begin anew; in company it is a newcomer (docs/guarantees.md).
 */
function memoryNodeStorage(options: NodeStorageOptions): NodeStorage {
  const { id, members: founders, beginsAs, clock, random, furtherGroups = [] } = options;
  const words = Array.from({ length: 4 }, () => random.next32().toString(16).padStart(8, "0"));
  const alone = Object.keys(founders).every((founder) => founder === id);
  const empty = (group: GroupId): GroupStorage => ({
    group,
    storage: createMemoryStorage(clock),
    recovered: { term: 0, votedFor: undefined, snapshot: undefined, entries: [] },
    content: undefined,
  });
  return {
    ...empty(KEYSPACE_GROUP),
    furtherGroups: furtherGroups === "found" ? [] : furtherGroups.map(empty),
    directory: words.join(""),
    newcomer: !alone,
    onFounded: alone || beginsAs === "newcomer" ? undefined : () => undefined,
    peerDirectories: forgetfulPeerDirectories(),
    close: () => Promise.resolve(),
    abandon: () => Promise.resolve(),
  };
}

function openLog(options: WriteAheadLogOptions): Promise<OpenedLog> {
  return new Promise((resolve, reject) => {
    openWriteAheadLog(options, (error, opened) => {
      if (opened) resolve(opened);
      else reject(error ?? new Error("the log did not open"));
    });
  });
}

function closed(close: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => close(resolve));
}
