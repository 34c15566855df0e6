/** One replica's share of the shared log and its own snapshots, as the replica sees them. */
import type { SnapshotStore } from "./snapshot-store.ts";
import type { ReplicaStorage } from "./storage.ts";
import type { GroupId, WriteAheadLog } from "./write-ahead-log/write-ahead-log.ts";

export function replicaStorage(log: WriteAheadLog, group: GroupId, snapshots: SnapshotStore): ReplicaStorage {
  return {
    append: (write, done) => log.append(group, write, done),
    compact: (belowIndex) => log.compact(group, belowIndex),
    saveSnapshot: (meta, cut, done) => snapshots.save(meta, cut, done),
    readChunk: (snapshot, offset, length) => snapshots.read(snapshot, offset, length),
    verifySnapshot: (snapshot, done) => snapshots.verify(snapshot, done),
    storeChunk: (snapshot, offset, chunk, done) => snapshots.receive(snapshot, offset, chunk, done),
    adoptSnapshot: (snapshot, done) => snapshots.adopt(snapshot, done),
    refusing: () => log.refusing(),
    stalled: () => log.stalled(),
    diskBytes: () => (group === 0 ? log.stats().diskBytes : 0) + snapshots.diskBytes,
    pinnedBytes() {
      const { pinnedBy, diskBytes } = log.stats();
      return pinnedBy.includes(group) ? diskBytes : 0;
    },
  };
}
