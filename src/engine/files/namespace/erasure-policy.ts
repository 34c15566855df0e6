/**
 * Erasure coding policies, and how a block group is laid out: all that the namespace must know of it. As in HDFS
 * (HDFSErasureCoding.md), whose names, numbers and layout these are.
 *
 * A *block group* stands where a block of a replicated file would: `dataUnits` times as long. Its bytes go round the data
 * *shards* in cells of 1 MiB: the first cell into shard 0, the second into shard 1, and so on. The cells of one round are a
 * *stripe*, and each of `parityUnits` more shards gets one cell of parity for it. Shards are kept as replicas are, one file on
 * one node each; a shard in which nothing would be is not made.
 */
import type { BlockId } from "./model.ts";

/** How bytes go over shards. */
export interface StripeGeometry {
  readonly dataUnits: number;
  readonly parityUnits: number;
  readonly cellBytes: number;
}

export interface ErasurePolicy extends StripeGeometry {
  readonly name: string;
  /** HDFS's number of it. */
  readonly id: number;
}

const MIB = 1024 * 1024;

/** Those that a directory can be given. */
export const ERASURE_POLICIES: readonly ErasurePolicy[] = [
  { name: "RS-6-3-1024k", id: 1, dataUnits: 6, parityUnits: 3, cellBytes: MIB },
  { name: "RS-3-2-1024k", id: 2, dataUnits: 3, parityUnits: 2, cellBytes: MIB },
];

/** The policy by which files below a directory are replicated, though those beside it are coded. As in HDFS. */
export const REPLICATION_POLICY = "replication";

/** Block numbers that a group takes, as in HDFS: shard i of group g is kept as block g + i. */
export const GROUP_NUMBERS = 16;

/** Undefined: there is none of this name. */
export function erasurePolicy(name: string | undefined): ErasurePolicy | undefined {
  return name === undefined ? undefined : ERASURE_POLICIES.find((policy) => policy.name === name);
}

/** Undefined: of no policy (0). */
export function erasurePolicyOf(id: number): ErasurePolicy | undefined {
  return id === 0 ? undefined : ERASURE_POLICIES.find((policy) => policy.id === id);
}

/** Shards of a group, those included in which nothing is. */
export function unitsOf({ dataUnits, parityUnits }: StripeGeometry): number {
  return dataUnits + parityUnits;
}

/** The numbers of a group's shards, by unit. */
export function shardNumbers(geometry: StripeGeometry, group: BlockId): readonly BlockId[] {
  return Array.from({ length: unitsOf(geometry) }, (_, unit) => group + unit);
}

/** The units of a group with so many bytes whose shards are there. */
export function shardUnits(geometry: StripeGeometry, groupLength: number): readonly number[] {
  const units = Array.from({ length: unitsOf(geometry) }, (_, unit) => unit);
  return units.filter((unit) => shardLength(geometry, groupLength, unit) > 0);
}

/** The number of the group that this is a number of, if it is one. */
export function groupOf(block: BlockId): BlockId {
  return block - (block % GROUP_NUMBERS);
}

/** Which shard of its group. */
export function unitOf(block: BlockId): number {
  return block % GROUP_NUMBERS;
}

/** Bytes that a group holds at most, when `blockSize` is that of its shards: whole stripes. */
export function groupCapacity({ dataUnits, cellBytes }: StripeGeometry, blockSize: number): number {
  return dataUnits * (blockSize - (blockSize % cellBytes));
}

/** Bytes of shard `unit` of a group with so many bytes. 0: it is not there. */
export function shardLength(geometry: StripeGeometry, groupLength: number, unit: number): number {
  const { dataUnits, cellBytes } = geometry;
  const stripeBytes = dataUnits * cellBytes;
  const rest = groupLength % stripeBytes;
  // Parity of a stripe that is not full is as long as its first cell.
  const before = unit < dataUnits ? unit * cellBytes : 0;
  const last = Math.max(0, Math.min(cellBytes, rest - before));
  return ((groupLength - rest) / stripeBytes) * cellBytes + last;
}

/** Bytes of shard `unit` in one stripe of a group with so many bytes. */
export function cellLength(
  geometry: StripeGeometry,
  groupLength: number,
  stripe: number,
  unit: number,
): number {
  const { cellBytes } = geometry;
  const whole = shardLength(geometry, groupLength, unit);
  return Math.max(0, Math.min(cellBytes, whole - stripe * cellBytes));
}

/** Bytes of all shards of a group with so many bytes: what it takes of a quota. */
export function groupSpace(geometry: StripeGeometry, groupLength: number): number {
  const parity = shardLength(geometry, groupLength, geometry.dataUnits);
  return groupLength + geometry.parityUnits * parity;
}
