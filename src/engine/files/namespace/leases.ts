/** Which files are being written, by whom, and since when the writer was silent. */
import { hashText, stir, stirNumber } from "../../../wire/digest.ts";
import type { BlockId, FileId, GenerationStamp } from "./model.ts";

/** A file under a lease. Replaced whole, never changed in place. */
export interface OpenRecord {
  readonly id: FileId;
  /** Where it is, as names. */
  readonly names: readonly string[];
  /** "" while the leader recovers it: no writer can be that. */
  readonly holder: string;
  /** The block that is being written. */
  readonly block: BlockId | undefined;
  /** The block is not in the file yet: with its first acknowledged bytes it takes the place of content kept inline. */
  readonly aside: boolean;
  /** The file is not in the tree yet (`drafts.ts`): when it is closed or synced it takes the place at `names`. */
  readonly draft: boolean;
  readonly pipeline: readonly string[];
  readonly recovery: RecoveryRecord | undefined;
}

export interface RecoveryRecord {
  readonly stamp: GenerationStamp;
  readonly truncateTo: number | undefined;
  readonly copyTo: BlockId | undefined;
  readonly startedMs: number;
}

export interface Holder {
  renewedMs: number;
  files: number;
}

export const RECOVERING = "";

export class LeaseTable {
  private readonly records = new Map<FileId, OpenRecord>();
  private readonly holders = new Map<string, Holder>();
  digest = 0;
  /** Called with the record before (undefined: none) and after each change. */
  onChange: ((id: FileId, before: OpenRecord | undefined) => void) | undefined = undefined;

  get size(): number {
    return this.records.size;
  }

  get(id: FileId): OpenRecord | undefined {
    return this.records.get(id);
  }

  all(): IterableIterator<OpenRecord> {
    return this.records.values();
  }

  allHolders(): IterableIterator<[string, Holder]> {
    return this.holders.entries();
  }

  renewedMs(holder: string): number {
    return this.holders.get(holder)?.renewedMs ?? 0;
  }

  /** Files that the holder has; its silence ends now. */
  renew(holder: string, nowMs: number): number {
    const known = this.holders.get(holder);
    if (known === undefined) return 0;
    this.digest = (this.digest - holderDigest(holder, known)) | 0;
    known.renewedMs = nowMs;
    this.digest = (this.digest + holderDigest(holder, known)) | 0;
    return known.files;
  }

  set(record: OpenRecord, nowMs: number): void {
    const before = this.records.get(record.id);
    if (before !== undefined) this.forget(before);
    this.records.set(record.id, record);
    this.digest = (this.digest + recordDigest(record)) | 0;
    const holder = this.holders.get(record.holder) ?? { renewedMs: nowMs, files: 0 };
    if (holder.files > 0) this.digest = (this.digest - holderDigest(record.holder, holder)) | 0;
    holder.files++;
    // What a recovery shows is not a sign of any writer, and the time of its attempt is in the record.
    if (record.holder !== RECOVERING) holder.renewedMs = nowMs;
    this.holders.set(record.holder, holder);
    this.digest = (this.digest + holderDigest(record.holder, holder)) | 0;
    this.onChange?.(record.id, before);
  }

  delete(id: FileId): void {
    const before = this.records.get(id);
    if (before === undefined) return;
    this.forget(before);
    this.records.delete(id);
    this.onChange?.(id, before);
  }

  /** The same files elsewhere: their holders gave no sign. */
  move(record: OpenRecord, names: readonly string[]): void {
    const moved = { ...record, names };
    this.digest = (this.digest - recordDigest(record) + recordDigest(moved)) | 0;
    this.records.set(record.id, moved);
  }

  private forget(record: OpenRecord): void {
    this.digest = (this.digest - recordDigest(record)) | 0;
    const holder = this.holders.get(record.holder);
    if (holder === undefined) return;
    this.digest = (this.digest - holderDigest(record.holder, holder)) | 0;
    holder.files--;
    if (holder.files === 0) this.holders.delete(record.holder);
    else this.digest = (this.digest + holderDigest(record.holder, holder)) | 0;
  }
}

function recordDigest(record: OpenRecord): number {
  let hash = stirNumber(21, record.id);
  for (const name of record.names) hash = hashText(hash, name);
  hash = hashText(stir(hash, (record.aside ? 1 : 0) + (record.draft ? 2 : 0)), record.holder);
  hash = stirNumber(hash, record.block ?? -1);
  for (const node of record.pipeline) hash = hashText(hash, node);
  const { recovery } = record;
  if (recovery === undefined) return hash;
  hash = stirNumber(stirNumber(hash, recovery.stamp), recovery.startedMs);
  return stirNumber(stirNumber(hash, recovery.truncateTo ?? -1), recovery.copyTo ?? -1);
}

function holderDigest(name: string, { renewedMs, files }: Holder): number {
  return stir(stirNumber(hashText(22, name), renewedMs), files);
}
