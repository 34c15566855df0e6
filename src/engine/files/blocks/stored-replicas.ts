/**
 * All replicas of a node, by number. Nobody does anything with most of them: those rest in rows of 43 bytes, for there may be
 * millions. Of one that somebody asks for an object is made, and put to rest later, when many others were asked for since.
 *
 * Of a replica there is one object at a time: who changes it or reads it shares what it says with all others who do. So one
 * rests only while no one can have it: without a writer, a turn, a reader, files that are kept open, or damage.
 */
import type { BlockId } from "../namespace/model.ts";
import { NumberTable } from "../namespace/number-table.ts";
import { NO_ROW } from "../namespace/row-index.ts";
import type { Replica } from "./block-store.ts";
import { fullChunks, sumPosition } from "./replica-record.ts";
import { StoredReplica } from "./stored-replica.ts";

/** Objects that are kept though nobody needs them: making one costs more than to have it. */
const AWAKE_MAX = 256;
/** Objects that are looked at, the oldest first, when another one is made: more than one, so that they become fewer. */
const LOOKS = 2;

/** Columns: of numbers, of counts, of bytes. */
const [SEQUENCE, STAMP, LENGTH] = [0, 1, 2] as const;
const TAIL_SUM = 0;
const SYNCED = 0;

export class StoredReplicas {
  private readonly awakeMax: number;
  private readonly resting = new NumberTable({ numbers: 3, counts: 1, bytes: 1 });
  /** Bytes on the disk of those that rest. */
  private restingBytes = 0;
  private readonly objects = new Map<BlockId, StoredReplica>();
  /** Whether somebody works on a replica, which the object itself does not tell. */
  isNeeded: (replica: StoredReplica) => boolean = () => false;

  constructor(awakeMax: number = AWAKE_MAX) {
    this.awakeMax = awakeMax;
  }

  get size(): number {
    return this.objects.size + this.resting.size;
  }

  /** Its one object, to be used in this turn, or held as `isNeeded` knows. */
  get(id: BlockId): StoredReplica | undefined {
    const known = this.objects.get(id);
    if (known !== undefined) return known;
    const { resting } = this;
    const row = resting.find(id);
    if (row === NO_ROW) return undefined;
    const replica = new StoredReplica({
      id,
      sequence: resting.number(row, SEQUENCE),
      stamp: resting.number(row, STAMP),
      promised: 0,
      length: resting.number(row, LENGTH),
      tailSum: resting.count(row, TAIL_SUM),
      state: "finished",
      synced: resting.byte(row, SYNCED) === 1,
    });
    this.forgetRow(id, row);
    this.add(replica);
    return replica;
  }

  /** One of whose number there is none. */
  add(replica: StoredReplica): void {
    this.objects.set(replica.id, replica);
    if (this.objects.size > this.awakeMax) this.putToRest(replica);
  }

  delete(id: BlockId): void {
    if (this.objects.delete(id)) return;
    const row = this.resting.find(id);
    if (row !== NO_ROW) this.forgetRow(id, row);
  }

  /** What is told of it, without an object of it being made. */
  view(id: BlockId): Replica | undefined {
    const known = this.objects.get(id);
    if (known !== undefined) return known.view();
    const { resting } = this;
    const row = resting.find(id);
    if (row === NO_ROW) return undefined;
    const [stamp, length] = [resting.number(row, STAMP), resting.number(row, LENGTH)];
    return { id, stamp, length, state: "finished" };
  }

  /** The numbers of all, in no order. */
  ids(): Float64Array {
    const ids = new Float64Array(this.size);
    let at = 0;
    for (const id of this.resting.keys()) ids[at++] = id;
    for (const id of this.objects.keys()) ids[at++] = id;
    return ids;
  }

  /** Those that somebody may be working on: all that have a writer are among them. */
  awake(): Iterable<StoredReplica> {
    return this.objects.values();
  }

  /** Bytes on the disk. */
  usedBytes(): number {
    let sum = this.restingBytes;
    for (const { record } of this.objects.values()) sum += diskBytes(record.length);
    return sum;
  }

  private putToRest(newest: StoredReplica): void {
    let looks = LOOKS;
    for (const [id, replica] of this.objects) {
      if (replica === newest || looks-- === 0) return;
      const mayRest = this.mayRest(replica);
      if (mayRest) this.rest(replica);
      this.objects.delete(id);
      // Looked at again when all others were.
      if (!mayRest) this.objects.set(id, replica);
    }
  }

  private mayRest(replica: StoredReplica): boolean {
    const { record, writer, damage, readers } = replica;
    if (record.state !== "finished" || record.promised !== 0) return false;
    return writer === undefined && damage === undefined && readers === 0 && !this.isNeeded(replica);
  }

  private rest(replica: StoredReplica): void {
    const { id, sequence, stamp, length, tailSum, synced } = replica.record;
    // Whoever had it all the same would take it for one that was replaced.
    replica.gone = true;
    const { resting } = this;
    const row = resting.add(id);
    resting.setNumber(row, SEQUENCE, sequence);
    resting.setNumber(row, STAMP, stamp);
    resting.setNumber(row, LENGTH, length);
    resting.setCount(row, TAIL_SUM, tailSum);
    resting.setByte(row, SYNCED, synced ? 1 : 0);
    this.restingBytes += diskBytes(length);
  }

  private forgetRow(id: BlockId, row: number): void {
    this.restingBytes -= diskBytes(this.resting.number(row, LENGTH));
    this.resting.remove(id);
  }
}

/** Of both its files. */
function diskBytes(length: number): number {
  return length + sumPosition(fullChunks(length));
}
