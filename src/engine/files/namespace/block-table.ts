/**
 * What the namespace knows of each block that a file, a snapshot or a writer names. A record is replaced, not changed, while
 * a cut of the state is open; the cut finds the earlier ones in `before`.
 */
import { assert } from "../../../runtime/errors.ts";
import { stir, stirNumber } from "../../../wire/digest.ts";
import type { BlockId, FileId, GenerationStamp } from "./model.ts";

export interface BlockRecord {
  readonly id: BlockId;
  /** The one that it was made for, or joined to. */
  file: FileId;
  stamp: GenerationStamp;
  length: number;
  replication: number;
  /** Number of its erasure coding policy; 0: it is replicated. */
  readonly policy: number;
  /** How many versions of files, and writers, name it. Derived: not in snapshots of the state. */
  refs: number;
}

type Changing = Pick<BlockRecord, "stamp" | "length" | "replication">;
export type BlockFacts = Changing & Pick<BlockRecord, "policy">;

export class BlockTable {
  private readonly records = new Map<BlockId, BlockRecord>();
  /** Sum of the digests of all records, modulo 2^32. */
  digest = 0;
  /** While a cut is open: records as they were when it began, of blocks that changed or went since. */
  before: Map<BlockId, BlockRecord> | undefined = undefined;
  /** Told of every change. */
  onChange: ((record: BlockRecord) => void) | undefined = undefined;
  onRemove: ((record: BlockRecord) => void) | undefined = undefined;

  get size(): number {
    return this.records.size;
  }

  get(id: BlockId): BlockRecord | undefined {
    return this.records.get(id);
  }

  /** Of a block that must be there. */
  of(id: BlockId): BlockRecord {
    const record = this.records.get(id);
    assert(record !== undefined, "a block that is named and not there");
    return record;
  }

  has(id: BlockId): boolean {
    return this.records.has(id);
  }

  all(): IterableIterator<BlockRecord> {
    return this.records.values();
  }

  /** A new block, named once. */
  add(id: BlockId, file: FileId, facts: BlockFacts): void {
    assert(!this.records.has(id), "two blocks of one number");
    const { stamp, length, replication, policy } = facts;
    const record: BlockRecord = { id, file, stamp, length, replication, policy, refs: 1 };
    this.records.set(id, record);
    this.digest = (this.digest + digestOf(record)) | 0;
    this.onChange?.(record);
  }

  change(id: BlockId, facts: Partial<Changing & Pick<BlockRecord, "file">>): void {
    const record = this.of(id);
    this.keep(record);
    this.digest = (this.digest - digestOf(record)) | 0;
    Object.assign(record, facts);
    this.digest = (this.digest + digestOf(record)) | 0;
    this.onChange?.(record);
  }

  hold(id: BlockId): void {
    this.of(id).refs++;
  }

  /** One less names it; gone when none does. */
  letGo(id: BlockId): void {
    const record = this.of(id);
    record.refs--;
    if (record.refs > 0) return;
    this.keep(record);
    this.records.delete(id);
    this.digest = (this.digest - digestOf(record)) | 0;
    this.onRemove?.(record);
  }

  /** As the open cut must see it. */
  inCut(id: BlockId): BlockRecord {
    return this.before?.get(id) ?? this.of(id);
  }

  private keep(record: BlockRecord): void {
    if (this.before !== undefined && !this.before.has(record.id)) this.before.set(record.id, { ...record });
  }
}

function digestOf({ id, file, stamp, length, replication, policy }: BlockRecord): number {
  let hash = stirNumber(stirNumber(11, id), file);
  hash = stirNumber(stirNumber(hash, stamp), length);
  return stir(stirNumber(hash, replication), policy);
}
