/** What a restart finds: which replicas there are, and how much of each counts. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import type { Clock, Disk } from "../../../runtime/world.ts";
import type { BlockId } from "../namespace/model.ts";
import { NumberTable } from "../namespace/number-table.ts";
import {
  closeFiles,
  idOfName,
  openFiles,
  removeFiles,
  sumsName,
  bytesName,
  verifyAll,
} from "./replica-files.ts";
import type { ReadFault, ReplicaFiles } from "./replica-files.ts";
import type { ReplicaRecord } from "./replica-record.ts";
import { HEADER_BYTES, readHeader } from "./replica-record.ts";
import { StoredReplica } from "./stored-replica.ts";
import type { StoredReplicas } from "./stored-replicas.ts";

/** Headers that are read before others get their turn. */
const SLICE = 32;

const FILE_BITS = { block: 1, sums: 2 } as const;
const BOTH_FILES: number = FILE_BITS.block | FILE_BITS.sums;

/**
 * Adds the replicas of a directory to `found`. A finished replica whose two records say so is taken at its word: it was
 * durable before the second was written. Of any other the bytes are verified: the newest record counts whose bytes are all
 * there. Files that never became a replica (a creation or deletion that a crash cut short) are removed.
 */
export function scanReplicas(disk: Disk, clock: Clock, found: StoredReplicas, done: () => void): void {
  const files = new NumberTable({ numbers: 0, bytes: 1 });
  for (const name of disk.list()) {
    const named = idOfName(name);
    if (named === undefined) continue;
    const row = files.rowFor(named.id);
    files.setByte(row, 0, files.byte(row, 0) | FILE_BITS[named.kind]);
  }
  const ids = Float64Array.from(files.keys()).sort();
  const next = (at: number): void => {
    const id = ids[at];
    if (id === undefined) return done();
    const goOn = (): void => (at % SLICE === 0 ? clock.endOfTurn(() => next(at + 1)) : next(at + 1));
    if (files.byte(files.find(id), 0) !== BOTH_FILES) return removeFiles(disk, id, goOn);
    judge(disk, id, (replica) => {
      if (replica === undefined) return removeFiles(disk, id, goOn);
      found.add(replica);
      goOn();
    });
  };
  next(0);
}

function judge(disk: Disk, id: BlockId, done: (replica: StoredReplica | undefined) => void): void {
  let header: Bytes = NO_BYTES;
  let unreadable: string | undefined;
  try {
    header = disk.read(sumsName(id), 0, HEADER_BYTES);
  } catch (error) {
    unreadable = String(error);
  }
  const { records, blank } = readHeader(header, id);
  const [newest, older] = records;
  if (newest === undefined) {
    // Nothing was acknowledged of a replica without a record; damage to both is kept, for the leader to judge.
    if (unreadable === undefined && (blank || disk.size(bytesName(id)) === 0)) return done(undefined);
    return done(new StoredReplica({ ...UNKNOWN, id }, unreadable ?? "both its records are damaged"));
  }
  if (newest.state === "finished" && older !== undefined && saysTheSame(newest, older)) {
    return done(new StoredReplica(newest));
  }
  openFiles(disk, id, (error, files) => {
    if (files === undefined) return done(new StoredReplica(newest, `it cannot be opened: ${error?.message}`));
    newestWhole(files, records, (record, fault) => {
      closeFiles(files);
      done(new StoredReplica(record, fault?.message));
    });
  });
}

const UNKNOWN = {
  sequence: 0,
  stamp: 0,
  promised: 0,
  length: 0,
  tailSum: 0,
  state: "writing",
  synced: true,
} as const;

function saysTheSame(left: ReplicaRecord, right: ReplicaRecord): boolean {
  return (
    right.state === left.state &&
    right.stamp === left.stamp &&
    right.length === left.length &&
    right.tailSum === left.tailSum
  );
}

/** The newest record whose bytes all fit; else what is left of the newest, with what is wrong with it. */
function newestWhole(
  files: ReplicaFiles,
  records: readonly ReplicaRecord[],
  done: (record: ReplicaRecord, fault?: ReadFault) => void,
): void {
  const newest = records[0] as ReplicaRecord;
  const attempt = (at: number, first: ReadFault | undefined): void => {
    const record = records[at];
    if (record !== undefined) {
      return verifyAll(files, record, undefined, (fault) => {
        if (fault === undefined) done(record);
        else attempt(at + 1, first ?? fault);
      });
    }
    if (first?.type !== "damaged") return done(newest, first);
    // The very first sync never ended: nothing was acknowledged.
    if (newest.sequence <= 1) return done({ ...newest, state: "writing", length: 0, tailSum: 0 });
    // Bytes that were never synced may be lost: the replica ends before them. Others must be there.
    if (newest.synced) return done(newest, first);
    done({ ...newest, state: "writing", length: first.at, tailSum: 0 });
  };
  attempt(0, undefined);
}
