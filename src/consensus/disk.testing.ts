/** What a node of `cluster.testing.ts` keeps: the disk, what was written to it, and what it says of its past. */
import type { Bytes } from "../runtime/bytes.ts";
import type { DurableWrite, Entry, Floor, Membership, SnapshotMeta } from "./consensus.ts";
import { decodeMembership } from "./membership.ts";

export interface Disk {
  term: number;
  votedFor: string | undefined;
  entries: Entry[];
  /** Everything up to here is known to be chosen. */
  chosen: number;
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
    chosen: 0,
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

/**
 * How far a damaged log once reached. Where entries keep their term, what was lost before is the end of it still; slots were accepted
 * in any order, and all that is known of them is that none was in a ballot above the promised one.
 */
export function floorOf(
  before: Floor | undefined,
  last: Floor,
  promised: number,
  entriesKeepTerm: boolean,
): Floor {
  if (entriesKeepTerm) return before ?? { term: last.term, index: last.index };
  return { term: promised, index: Math.max(last.index, before?.index ?? 0) };
}

/** True when a log that ends at `left` is at least as up to date as one that ends at `right`. */
export function reaches(left: Floor, right: Floor): boolean {
  return left.term > right.term || (left.term === right.term && left.index >= right.index);
}

/** Every promise binds for ever, whatever comes after it. */
export class BrokenPromise extends Error {}

/** Returns 1 when the log has reached its floor again. */
export function storeWrite(disk: Disk, write: DurableWrite): number {
  if (write.ballot !== undefined) {
    if (write.ballot.term < disk.term) throw new BrokenPromise(`the ballot went back from ${disk.term}`);
    disk.term = write.ballot.term;
    disk.votedFor = write.ballot.votedFor;
  }
  if (write.snapshot !== undefined) {
    const { index, term } = write.snapshot;
    const agrees = disk.entries.some((entry) => entry.index === index && entry.term === term);
    const stay = agrees || write.slots === true;
    disk.entries = stay ? disk.entries.filter((entry) => entry.index > index) : [];
  }
  const first = write.entries?.[0];
  if (first !== undefined) {
    const replaced = new Set(write.entries!.map(({ index }) => index));
    const stays = ({ index }: Entry): boolean =>
      write.slots === true ? !replaced.has(index) : index < first.index;
    disk.entries = [...disk.entries.filter(stays), ...write.entries!];
    if (write.slots === true) disk.entries.sort((left, right) => left.index - right.index);
  }
  disk.chosen = write.chosen ?? disk.chosen;
  if (write.floor !== "reached") return 0;
  disk.floor = undefined;
  return 1;
}

export function lastOf(disk: Disk): { index: number; term: number } {
  const base = disk.snapshot?.meta ?? { index: 0, term: 0 };
  const last = disk.entries[disk.entries.length - 1];
  return last === undefined || last.index < base.index ? base : last;
}
