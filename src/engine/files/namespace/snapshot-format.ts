/**
 * The bytes of a snapshot of the namespace: records, each behind its length, each of whole tokens.
 *
 *   header   format u32, digest u32, counters, settings, key, places of snapshottable directories, leases with their open blocks, drafts
 *   tree     tokens of the tree from its root, then of what is being reclaimed, depth first
 *   end
 *
 *   inode    tag u8 | number of the earlier one that it is, when the tag is SAME
 *            | id, revision, owner, group, mode, times, extras, and by kind:
 *              file: length, replication, block size, reserved, parity, segments   link: target
 *              directory: number of chunks u32; then its chunks; then the roots of its snapshots
 *   chunk    tag u8 | number, when the tag is SAME | count u32; then for each entry its name and an inode
 *
 * What is held more than once carries the bit SHARED where it comes first; those are numbered in that order.
 */
import { QuorateError } from "../../../runtime/errors.ts";
import type { ByteReader } from "../../../wire/byte-reader.ts";
import type { ByteWriter } from "../../../wire/byte-writer.ts";
import type { Field } from "../../../wire/record.ts";
import { binary, flag, list, optional, record, text, uint32, uint53, word } from "../../../wire/record.ts";
import type { DirectorySnapshot, Extras } from "./inode.ts";
import type { OpenRecord, RecoveryRecord } from "./leases.ts";
import type { AclEntry } from "./model.ts";
import type { Counters } from "./state.ts";

export const FORMAT = 2;
export const HEADER = 1;
export const TREE = 2;
export const END = 3;

export const SAME = 0;
export const FILE = 1;
export const DIRECTORY = 2;
export const LINK = 3;
export const CHUNK = 4;
export const SHARED = 0x80;

/** A block that is named. */
export interface BlockToken {
  readonly id: number;
  readonly file: number;
  readonly stamp: number;
  readonly length: number;
  readonly replication: number;
  readonly policy: number;
}

export const COUNTERS: Field<Counters> = record<Counters>({
  nextFileId: uint53,
  nextBlockId: uint53,
  nextStamp: uint53,
  nextSnapshotId: uint53,
  revision: uint53,
  emptyTrashAtMs: uint53,
});

export const KEY: Field<string | undefined> = optional(text);

export const SNAPSHOTTABLE: Field<readonly { readonly id: number; readonly names: readonly string[] }[]> =
  list(
    record<{ readonly id: number; readonly names: readonly string[] }>({ id: uint53, names: list(binary) }),
  );

const BLOCK: Field<BlockToken> = record<BlockToken>({
  id: uint53,
  file: uint53,
  stamp: uint53,
  length: uint53,
  replication: uint32,
  policy: uint32,
});

/** A lease, when its holder last gave a sign, and the blocks that no file names yet. */
export interface LeaseToken {
  readonly lease: OpenRecord;
  readonly renewedMs: number;
  readonly blocks: readonly BlockToken[];
}

export const LEASES: Field<readonly LeaseToken[]> = list(
  record<LeaseToken>({
    lease: record<OpenRecord>({
      id: uint53,
      names: list(binary),
      holder: text,
      block: optional(uint53),
      aside: flag,
      draft: flag,
      pipeline: list(text),
      recovery: optional(
        record<RecoveryRecord>({
          stamp: uint53,
          truncateTo: optional(uint53),
          copyTo: optional(uint53),
          startedMs: uint53,
        }),
      ),
    }),
    renewedMs: uint53,
    blocks: list(BLOCK),
  }),
);

const ACL: Field<readonly AclEntry[] | undefined> = optional(
  list(
    record<AclEntry>({
      isDefault: flag,
      type: word("user", "group", "mask", "other"),
      name: text,
      permission: uint32,
    }),
  ),
);

/** As `Extras`, with what stands for the snapshots' roots. */
interface ExtrasToken {
  readonly accessAcl: readonly AclEntry[] | undefined;
  readonly defaultAcl: readonly AclEntry[] | undefined;
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
  readonly storagePolicy: string | undefined;
  readonly erasureCoding: string | undefined;
  readonly nameQuota: number | undefined;
  readonly spaceQuota: number | undefined;
  readonly snapshots: readonly Omit<DirectorySnapshot, "root">[] | undefined;
}

const EXTRAS: Field<ExtrasToken> = record<ExtrasToken>({
  accessAcl: ACL,
  defaultAcl: ACL,
  attributes: list(
    record<{ readonly name: string; readonly value: string }>({ name: binary, value: binary }),
  ),
  storagePolicy: optional(text),
  erasureCoding: optional(text),
  nameQuota: optional(uint53),
  spaceQuota: optional(uint53),
  snapshots: optional(
    list(record<Omit<DirectorySnapshot, "root">>({ name: binary, id: uint53, createdMs: uint53 })),
  ),
});

export function writeExtras(writer: ByteWriter, extras: Extras): void {
  EXTRAS.write(writer, {
    accessAcl: extras.accessAcl,
    defaultAcl: extras.defaultAcl,
    attributes: [...(extras.attributes ?? [])].map(([name, value]) => ({ name, value })),
    storagePolicy: extras.storagePolicy,
    erasureCoding: extras.erasureCoding,
    nameQuota: extras.nameQuota,
    spaceQuota: extras.spaceQuota,
    snapshots: extras.snapshots,
  });
}

/** Snapshots come without their roots, which follow later. */
export function readExtras(reader: ByteReader): {
  readonly extras: Extras;
  readonly snapshots: readonly Omit<DirectorySnapshot, "root">[] | undefined;
} {
  const { snapshots, attributes, ...rest } = EXTRAS.read(reader);
  const present = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const extras: Extras = {
    ...present,
    ...(attributes.length === 0
      ? {}
      : { attributes: new Map(attributes.map(({ name, value }) => [name, value])) }),
  };
  return { extras, snapshots };
}

/** Begins a record; gives what `finishRecord` needs. */
export function startRecord(writer: ByteWriter, kind: number): number {
  const start = writer.size;
  writer.uint32(0).uint8(kind);
  return start;
}

export function finishRecord(writer: ByteWriter, start: number): void {
  writer.patchUint32(start, writer.size - start - 4);
}

export function corrupt(what: string): QuorateError {
  return new QuorateError("DATA_CORRUPT", `the snapshot of the namespace cannot be read: ${what}`);
}
