/** Sorted records in groups of keys that belong together, none of which need fit into memory. */
import { ByteSink } from "../codec/byte-sink.ts";
import type { Codec } from "../codec/codec.ts";
import type { KeyOrder } from "../key-order.ts";
import { equalBytes } from "../key-order.ts";
import type { Records } from "./records.ts";

const TURN_RECORDS = 4096;

export class Groups {
  /** The key of the group's first record. */
  readonly first: ByteSink = new ByteSink();
  /** Groups that were begun, and records that were given or passed over. */
  groups = 0;
  records = 0;
  /** Reading the records failed: what ended the group is not the program's fault. */
  hasFailed = false;
  private readonly source: Records;
  private readonly isSameGroup: NonNullable<KeyOrder["isSameGroup"]>;
  private readonly onTurn: () => void;
  /** Whether a record is at hand that was not given yet, and whether it is of the group. */
  private isThere: boolean | undefined;
  private isInside = false;

  /** `onTurn`: called every few thousand records. */
  constructor(source: Records, isSameGroup: KeyOrder["isSameGroup"], onTurn: () => void) {
    this.source = source;
    this.isSameGroup = isSameGroup ?? equalBytes;
    this.onTurn = onTurn;
  }

  /** Goes to the next group, when the one before was left. */
  next(): boolean {
    this.isThere ??= this.source.next();
    if (!this.isThere) return false;
    const { bytes, keyStart, keyEnd } = this.source;
    this.first.clear().raw(bytes, keyStart, keyEnd);
    this.isInside = true;
    this.groups++;
    return true;
  }

  /** Goes to the next record, whatever group it is of; `source` has it. Not to be mixed with `next`. */
  nextRecord(): boolean {
    const { source, first } = this;
    if (!source.next()) return false;
    if (++this.records % TURN_RECORDS === 0) this.onTurn();
    const { bytes, keyStart, keyEnd } = source;
    if (this.isInside && this.isSameGroup(first.bytes, 0, first.length, bytes, keyStart, keyEnd)) return true;
    this.groups++;
    this.isInside = true;
    first.clear().raw(bytes, keyStart, keyEnd);
    return true;
  }

  key(codec: Codec<unknown>): unknown {
    return codec.read(this.first.bytes, 0, this.first.length);
  }

  /** Those of the group that were not given yet: who stops in the middle and asks again goes on from there. */
  values(codec: Codec<unknown>): Iterable<unknown> {
    const iterator = {
      next: (): IteratorResult<unknown> => {
        if (!this.isInside) return { done: true, value: undefined };
        const { source } = this;
        const value = codec.read(source.bytes, source.valueStart, source.valueEnd);
        this.advance();
        return { done: false, value };
      },
    };
    return { [Symbol.iterator]: () => iterator };
  }

  /** Passes over what is left of the group. */
  leave(): void {
    while (this.isInside) this.advance();
  }

  private advance(): void {
    const { source, first } = this;
    if (++this.records % TURN_RECORDS === 0) this.onTurn();
    try {
      this.isThere = source.next();
    } catch (error) {
      this.hasFailed = true;
      throw error;
    }
    this.isInside =
      this.isThere &&
      this.isSameGroup(first.bytes, 0, first.length, source.bytes, source.keyStart, source.keyEnd);
  }
}
