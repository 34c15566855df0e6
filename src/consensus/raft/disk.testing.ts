/** What a node of `cluster.testing.ts` keeps: the disk, what was written to it, and what it says of its past. */
import type { Bytes } from "../../runtime/bytes.ts";
import type { DurableWrite, Entry, Floor, Membership, SnapshotMeta } from "../consensus.ts";
import { decodeMembership } from "../membership.ts";

export interface Disk {
  term: number;
  votedFor: string | undefined;
  entries: Entry[];
  snapshot: { meta: SnapshotMeta; bytes: Bytes } | undefined;
  /** Set while entries that were durable once are lost. */
  floor: Floor | undefined;
  /** How far the log reached that the last life of this name lost. */
  forgot: Floor | undefined;
  /** Which life of the name this is. */
  identity: string;
  /** Older snapshots that are still being sent. */
  old: Map<number, Bytes>;
}

export function emptyDisk(identity: string): Disk {
  return {
    term: 0,
    votedFor: undefined,
    entries: [],
    snapshot: undefined,
    floor: undefined,
    forgot: undefined,
    identity,
    old: new Map(),
  };
}

/** True while the disk holds no membership that names this life of the node; the first life needs none. */
export function isNewcomer({ identity, entries, snapshot }: Disk): boolean {
  const names = (membership: Membership | undefined): boolean =>
    Object.values(membership?.identities ?? {}).includes(identity);
  if (!identity.endsWith("'") || names(snapshot?.meta.membership)) return false;
  return !entries.some((entry) => entry.kind === "membership" && names(decodeMembership(entry.payload)));
}

/** True when a log that ends at `left` is at least as up to date as one that ends at `right`. */
export function reaches(left: Floor, right: Floor): boolean {
  return left.term > right.term || (left.term === right.term && left.index >= right.index);
}

/** Returns 1 when the log has reached its floor again. */
export function storeWrite(disk: Disk, write: DurableWrite): number {
  if (write.ballot !== undefined) {
    disk.term = write.ballot.term;
    disk.votedFor = write.ballot.votedFor;
  }
  if (write.snapshot !== undefined) {
    const { index, term } = write.snapshot;
    const agrees = disk.entries.some((entry) => entry.index === index && entry.term === term);
    disk.entries = agrees ? disk.entries.filter((entry) => entry.index > index) : [];
  }
  const first = write.entries?.[0];
  if (first !== undefined) {
    disk.entries = disk.entries.filter((entry) => entry.index < first.index);
    disk.entries.push(...write.entries!);
  }
  if (write.floor !== "reached") return 0;
  disk.floor = undefined;
  return 1;
}

export function lastOf(disk: Disk): { index: number; term: number } {
  const base = disk.snapshot?.meta ?? { index: 0, term: 0 };
  const last = disk.entries[disk.entries.length - 1];
  return last === undefined || last.index < base.index ? base : last;
}
