/**
 * What the namespace knows of each block that a file, a snapshot or a writer names: rows of numbers, from which records are made
 * for those who ask. The cut of the state that is open finds in `before` what changed since.
 */
import { assert } from "../../../runtime/errors.ts";
import { stir, stirNumber } from "../../../wire/digest.ts";
import type { BlockId, FileId, GenerationStamp } from "./model.ts";
import { NumberTable } from "./number-table.ts";
import { NO_ROW } from "./row-index.ts";

/** A block as it was when it was asked for. */
export interface BlockRecord {
  readonly id: BlockId;
  /** The one that it was made for, or joined to. */
  readonly file: FileId;
  readonly stamp: GenerationStamp;
  readonly length: number;
  readonly replication: number;
  /** Number of its erasure coding policy; 0: it is replicated. */
  readonly policy: number;
  /** How many versions of files, and writers, name it. Derived: not in snapshots of the state. */
  readonly refs: number;
}

type Changing = Pick<BlockRecord, "stamp" | "length" | "replication">;
export type BlockFacts = Changing & Pick<BlockRecord, "policy">;

/** Columns: of numbers, of counts, of bytes. */
const [FILE, STAMP, LENGTH] = [0, 1, 2] as const;
const [REPLICATION, REFS] = [0, 1] as const;
const POLICY = 0;

export class BlockTable {
  private readonly rows = new NumberTable({ numbers: 3, counts: 2, bytes: 1 });
  /** Sum of the digests of all records, modulo 2^32. */
  digest = 0;
  /** While a cut is open: records as they were when it began, of blocks that changed or went since. */
  before: Map<BlockId, BlockRecord> | undefined = undefined;
  /** Told of every change. */
  onChange: ((id: BlockId) => void) | undefined = undefined;
  onRemove: ((id: BlockId, policy: number) => void) | undefined = undefined;

  get size(): number {
    return this.rows.size;
  }

  get(id: BlockId): BlockRecord | undefined {
    const row = this.rows.find(id);
    return row === NO_ROW ? undefined : this.recordAt(id, row);
  }

  /** Of a block that must be there. */
  of(id: BlockId): BlockRecord {
    return this.recordAt(id, this.rowOf(id));
  }

  /** Of a block that must be there, without making its record: files ask for the length of each of their blocks. */
  lengthOf(id: BlockId): number {
    return this.rows.number(this.rowOf(id), LENGTH);
  }

  has(id: BlockId): boolean {
    return this.rows.has(id);
  }

  /** The numbers of all. May be read on while blocks come and go, as `NumberTable.keys`. Replicas differ in the order. */
  ids(): IterableIterator<BlockId> {
    return this.rows.keys();
  }

  /** A new block, named once. */
  add(id: BlockId, file: FileId, facts: BlockFacts): void {
    const { rows } = this;
    const row = rows.add(id);
    rows.setNumber(row, FILE, file);
    rows.setNumber(row, STAMP, facts.stamp);
    rows.setNumber(row, LENGTH, facts.length);
    rows.setCount(row, REPLICATION, facts.replication);
    rows.setCount(row, REFS, 1);
    rows.setByte(row, POLICY, facts.policy);
    this.digest = (this.digest + this.digestAt(id, row)) | 0;
    this.onChange?.(id);
  }

  change(id: BlockId, facts: Partial<Changing & Pick<BlockRecord, "file">>): void {
    const { rows } = this;
    const row = this.rowOf(id);
    this.keep(id, row);
    this.digest = (this.digest - this.digestAt(id, row)) | 0;
    if (facts.file !== undefined) rows.setNumber(row, FILE, facts.file);
    if (facts.stamp !== undefined) rows.setNumber(row, STAMP, facts.stamp);
    if (facts.length !== undefined) rows.setNumber(row, LENGTH, facts.length);
    if (facts.replication !== undefined) rows.setCount(row, REPLICATION, facts.replication);
    this.digest = (this.digest + this.digestAt(id, row)) | 0;
    this.onChange?.(id);
  }

  hold(id: BlockId): void {
    const row = this.rowOf(id);
    this.rows.setCount(row, REFS, this.rows.count(row, REFS) + 1);
  }

  /** One less names it; gone when none does. */
  letGo(id: BlockId): void {
    const { rows } = this;
    const row = this.rowOf(id);
    const refs = rows.count(row, REFS) - 1;
    if (refs > 0) return rows.setCount(row, REFS, refs);
    this.keep(id, row);
    this.digest = (this.digest - this.digestAt(id, row)) | 0;
    const policy = rows.byte(row, POLICY);
    rows.remove(id);
    this.onRemove?.(id, policy);
  }

  /** As the open cut must see it. */
  inCut(id: BlockId): BlockRecord {
    return this.before?.get(id) ?? this.of(id);
  }

  private rowOf(id: BlockId): number {
    const row = this.rows.find(id);
    assert(row !== NO_ROW, "a block that is named and not there");
    return row;
  }

  private recordAt(id: BlockId, row: number): BlockRecord {
    const { rows } = this;
    return {
      id,
      file: rows.number(row, FILE),
      stamp: rows.number(row, STAMP),
      length: rows.number(row, LENGTH),
      replication: rows.count(row, REPLICATION),
      policy: rows.byte(row, POLICY),
      refs: rows.count(row, REFS),
    };
  }

  private digestAt(id: BlockId, row: number): number {
    const { rows } = this;
    let hash = stirNumber(stirNumber(11, id), rows.number(row, FILE));
    hash = stirNumber(stirNumber(hash, rows.number(row, STAMP)), rows.number(row, LENGTH));
    return stir(stirNumber(hash, rows.count(row, REPLICATION)), rows.byte(row, POLICY));
  }

  private keep(id: BlockId, row: number): void {
    if (this.before !== undefined && !this.before.has(id)) this.before.set(id, this.recordAt(id, row));
  }
}
