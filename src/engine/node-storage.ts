/** Opens what a node keeps: its directory checked and locked, log and snapshots recovered; or memory, which keeps nothing. */
import { createHash } from "node:crypto";
import type { Recovered } from "../consensus/consensus.ts";
import type { Bytes } from "../runtime/bytes.ts";
import { openNodeDisk } from "../runtime/node/disk.ts";
import type { Clock, Logger, NodeId, Random } from "../runtime/world.ts";
import { recoverGroup } from "./group/group-recovery.ts";
import { createMemoryStorage } from "./group/memory-storage.ts";
import { replicaStorage } from "./group/replica-storage.ts";
import { SnapshotStore, loadSnapshots } from "./group/snapshot-store.ts";
import type { ReplicaStorage } from "./group/storage.ts";
import type { OpenedLog, WriteAheadLogOptions } from "./group/write-ahead-log/write-ahead-log.ts";
import { openWriteAheadLog } from "./group/write-ahead-log/write-ahead-log.ts";
import type { DirectoryOwner } from "./cluster/directory-identity.ts";
import { claimDirectory, markFounded } from "./cluster/directory-identity.ts";
import { lockDirectory } from "./cluster/directory-lock.ts";
import { measureDisk } from "./cluster/measured-disk.ts";
import type { Metrics } from "./cluster/metrics.ts";

/** The one group that holds every key. */
const GROUP = 0;

export interface NodeStorageOptions {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly algorithm: DirectoryOwner["algorithm"];
  /** A directory that exists, or "memory". */
  readonly dataDir: string;
  readonly durability: "always" | "everysec" | "memory";
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly fatal: (error: Error) => void;
}

export interface NodeStorage {
  /** Identity of the directory: hexadecimal. */
  readonly directory: string;
  readonly storage: ReplicaStorage;
  readonly recovered: Recovered;
  /** Content of the snapshot that `recovered` starts from. */
  readonly content: Iterable<Bytes> | undefined;
  close(): Promise<void>;
}

/**
 * Rejects with DATA_DIRECTORY_FOREIGN, DATA_DIRECTORY_UNUSABLE, DATA_DIRECTORY_IN_USE, DATA_CORRUPT or DISK_FULL; nothing
 * stays open or locked then.
 */
export async function openNodeStorage(options: NodeStorageOptions): Promise<NodeStorage> {
  if (options.dataDir === "memory") return memoryNodeStorage(options.id, options.clock);
  const { dataDir, id, clusterId, algorithm, clock, metrics } = options;
  const owner: DirectoryOwner = { node: id, cluster: clusterId, algorithm };
  const release = await lockDirectory(dataDir);
  try {
    const identity = claimDirectory(dataDir, owner);
    const disk = measureDisk(openNodeDisk(dataDir), clock, metrics);
    const { log, recovered: groups } = await openLog({ ...options, disk, mustExist: identity.founded });
    markFounded(dataDir, owner, identity);
    const loaded = loadSnapshots(disk, GROUP);
    const { recovered, snapshot, damage } = recoverGroup(groups.get(GROUP), loaded);
    if (damage) {
      await closed((done) => log.close(done));
      throw damage.error;
    }
    const snapshots = new SnapshotStore({ ...options, disk, group: GROUP }, loaded);
    return {
      directory: identity.directory,
      storage: replicaStorage(log, GROUP, snapshots),
      recovered,
      content: snapshot && snapshots.chunks(snapshot.meta),
      async close() {
        snapshots.close();
        await closed((done) => log.close(done));
        await release();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * The identity of a node without a disk is its name: its next process may take its place, although it has forgotten its
 * votes. That is part of what durability "memory" gives up (docs/guarantees.md).
 */
function memoryNodeStorage(id: NodeId, clock: Clock): NodeStorage {
  return {
    directory: createHash("sha256").update(`memory ${id}`).digest("hex"),
    storage: createMemoryStorage(clock),
    recovered: { term: 0, votedFor: undefined, snapshot: undefined, entries: [] },
    content: undefined,
    close: () => Promise.resolve(),
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
