/**
 * Records of a map waiting to be sorted, in one block of memory that never grows: bytes of keys and values from its front,
 * what is known of each record from its back, and between them the room that sorting takes.
 */
import type { CompareBytes } from "../key-order.ts";
import type { SortRoom } from "./key-sorter.ts";
import { KEY_LENGTH, KeySorter, PARTITION, VALUE_LENGTH } from "./key-sorter.ts";
import type { Records } from "./records.ts";
import { LastView, copyView, viewOf } from "./records.ts";

/** Of a record beside its bytes: four words for it, and four for sorting it. */
const OVERHEAD_BYTES = 32;
const TOUCHED_AT_A_TIME = 24;

export class RecordBuffer {
  private readonly capacity: number;
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private readonly words: Int32Array;
  private readonly keys = new LastView();
  private readonly values = new LastView();
  /** Where the words of the first record lie; those of later ones before them. */
  private readonly top: number;
  private used = 0;
  records = 0;

  /** Memory is taken from the machine as it is filled. */
  constructor(capacityBytes: number) {
    this.capacity = capacityBytes - (capacityBytes % 16);
    const memory = new ArrayBuffer(this.capacity);
    this.bytes = Buffer.from(memory);
    this.view = viewOf(this.bytes);
    this.words = new Int32Array(memory);
    this.top = this.words.length - 4;
  }

  /** Bytes of keys and values. */
  get size(): number {
    return this.used;
  }

  /** The longest record that an empty buffer takes, bytes of key and value. */
  get recordMax(): number {
    return this.capacity - 2 * OVERHEAD_BYTES;
  }

  /** False: there is no room. */
  add(
    partition: number,
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): boolean {
    const offset = this.used;
    const keyLength = keyEnd - keyStart;
    const valueLength = valueEnd - valueStart;
    const end = offset + keyLength + valueLength;
    if (end + (this.records + 2) * OVERHEAD_BYTES > this.capacity) return false;
    const keys = this.keys.of(keyBytes);
    if (valueBytes === keyBytes && valueStart === keyEnd)
      copyView(keys, keyStart, valueEnd, this.view, offset);
    else {
      copyView(keys, keyStart, keyEnd, this.view, offset);
      copyView(this.values.of(valueBytes), valueStart, valueEnd, this.view, offset + keyLength);
    }
    const { words } = this;
    const word = this.top - 4 * this.records++;
    words[word] = offset;
    words[word + KEY_LENGTH] = keyLength;
    words[word + VALUE_LENGTH] = valueLength;
    words[word + PARTITION] = partition;
    this.used = end;
    return true;
  }

  clear(): void {
    this.used = 0;
    this.records = 0;
  }

  /** The records of each partition in order: one reader after the other, in the order of partitions. */
  sorted(partitions: number, compare: CompareBytes | undefined): SortedRecords {
    const { records, words, top } = this;
    const room = this.room();
    const sorter = new KeySorter({ bytes: this.bytes, words, top }, room);
    const ends = new Uint32Array(partitions + 1);
    for (let record = 0, word = top; record < records; record++, word -= 4)
      ends[words[word + PARTITION]! + 1]!++;
    for (let partition = 0; partition < partitions; partition++) ends[partition + 1]! += ends[partition]!;
    const places = ends.slice();
    for (let record = 0, word = top; record < records; record++, word -= 4) {
      const place = places[words[word + PARTITION]!]!++;
      room.order[place] = record;
      room.prefixes[place] = sorter.prefix(record, 0);
    }
    for (let partition = 0; partition < partitions; partition++) {
      const from = ends[partition]!;
      const to = ends[partition + 1]!;
      if (compare === undefined) sorter.sort(from, to);
      else sorter.sortBy(compare, from, to);
    }
    return new SortedRecords(this.bytes, this.view, words, top, room.order, ends);
  }

  /** Four arrays in what is free between the records' bytes and their words. */
  private room(): SortRoom {
    const { buffer } = this.words;
    const start = Math.ceil(this.used / 4) * 4;
    const array = (index: number): Uint32Array =>
      new Uint32Array(buffer, start + index * 4 * this.records, this.records);
    return { order: array(0), prefixes: array(1), otherOrder: array(2), otherPrefixes: array(3) };
  }
}

/** A sorted buffer, one partition after the other. */
export class SortedRecords implements Records {
  readonly bytes: Buffer;
  readonly view: DataView;
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  private readonly words: Int32Array;
  private readonly top: number;
  private readonly order: Uint32Array;
  private readonly ends: Uint32Array;
  private at = 0;
  private end = 0;
  /** Up to here records were looked at; what was seen of them. */
  private touched = 0;
  private touchSum = 0;

  constructor(
    bytes: Buffer,
    view: DataView,
    words: Int32Array,
    top: number,
    order: Uint32Array,
    ends: Uint32Array,
  ) {
    this.bytes = bytes;
    this.view = view;
    this.words = words;
    this.top = top;
    this.order = order;
    this.ends = ends;
  }

  /** From now on `next` goes through this partition. */
  select(partition: number): this {
    this.at = this.touched = this.ends[partition]!;
    this.end = this.ends[partition + 1]!;
    return this;
  }

  next(): boolean {
    if (this.at === this.end) return false;
    if (this.at === this.touched) this.touch();
    const word = this.top - 4 * this.order[this.at++]!;
    this.keyStart = this.words[word]!;
    this.keyEnd = this.valueStart = this.keyStart + this.words[word + KEY_LENGTH]!;
    this.valueEnd = this.valueStart + this.words[word + VALUE_LENGTH]!;
    return true;
  }

  /**
   * In sorted order records lie anywhere: each would be waited for. Looking at some of them before they are needed makes the
   * machine fetch them at the same time.
   */
  private touch(): void {
    const { words, top, order, bytes } = this;
    const until = Math.min(this.at + TOUCHED_AT_A_TIME, this.end);
    let sum = 0;
    for (let at = this.at; at < until; at++) sum = (sum + words[top - 4 * order[at]!]!) | 0;
    for (let at = this.at; at < until; at++) {
      const word = top - 4 * order[at]!;
      const start = words[word]!;
      const end = start + words[word + KEY_LENGTH]! + words[word + VALUE_LENGTH]!;
      sum = (sum + bytes[start]! + bytes[end - 1]!) | 0;
    }
    this.touchSum = sum;
    this.touched = until;
  }
}
