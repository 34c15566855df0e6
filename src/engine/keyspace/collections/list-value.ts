/**
 * A list: a deque of equal blocks.
 *
 * The middle is an array of blocks of exactly BLOCK elements, so that the n-th element is found by arithmetic, however long
 * the list. The two ends are shorter arrays: `head` is kept in reverse, so that both ends grow and shrink by push and pop.
 * An insertion or removal in the middle carries one element from block to block; finding the place by value, which every
 * such command must do first, costs more.
 */
import { assert } from "../../../runtime/errors.ts";
import type { ByteReader } from "../../../wire/byte-reader.ts";
import type { Collection, CollectionCut, UndoRecorder } from "../value.ts";
import { cutElements, strings } from "./elements-cut.ts";
import { EMPTY_BYTES, STRING_OVERHEAD_BYTES } from "./member-table.ts";

const BLOCK = 128;
/** More removals than this in one command rebuild the list instead of carrying elements for each. */
const FEW_REMOVALS = 8;

export class ListValue implements Collection {
  readonly type = "list";
  undo: UndoRecorder | undefined = undefined;
  /** The first elements, the very first one last. Shorter than BLOCK. */
  private head: string[] = [];
  /** The middle: every block holds exactly BLOCK elements. */
  private blocks: string[][] = [];
  /** The last elements. Shorter than BLOCK. */
  private tail: string[] = [];
  private accounted = EMPTY_BYTES;

  constructor(elements: Iterable<string> = []) {
    for (const element of elements) this.pushTail(element);
  }

  get size(): number {
    return this.head.length + this.blocks.length * BLOCK + this.tail.length;
  }

  get bytes(): number {
    return this.accounted;
  }

  /** The element at `index`, counted from 0 at the head; undefined outside the list. */
  at(index: number): string | undefined {
    if (index < this.head.length) return this.head[this.head.length - 1 - index];
    const inner = index - this.head.length;
    const block = this.blocks[Math.floor(inner / BLOCK)];
    return block === undefined ? this.tail[inner - this.blocks.length * BLOCK] : block[inner % BLOCK];
  }

  /** Replaces the element at `index`, which must be in the list. */
  replace(index: number, element: string): void {
    const before = this.at(index);
    assert(before !== undefined, "no element at this index");
    this.undo?.record(() => this.replace(index, before));
    this.accounted += element.length - before.length;
    if (index < this.head.length) {
      this.head[this.head.length - 1 - index] = element;
      return;
    }
    const inner = index - this.head.length;
    const block = this.blocks[Math.floor(inner / BLOCK)];
    if (block === undefined) this.tail[inner - this.blocks.length * BLOCK] = element;
    else block[inner % BLOCK] = element;
  }

  /** The elements from `start` to before `end`, both within the list. */
  slice(start: number, end: number): string[] {
    const elements: string[] = [];
    let index = start;
    for (; index < end && index < this.head.length; index++) {
      elements.push(this.head[this.head.length - 1 - index] ?? "");
    }
    while (index < end) {
      const inner = index - this.head.length;
      const number = Math.floor(inner / BLOCK);
      const block = this.blocks[number] ?? this.tail;
      const from = inner - number * BLOCK;
      const to = Math.min(block.length, from + end - index);
      assert(to > from, "a slice beyond the list");
      for (let at = from; at < to; at++) elements.push(block[at] ?? "");
      index += to - from;
    }
    return elements;
  }

  pushHead(element: string): void {
    this.undo?.record(() => this.popHead());
    this.accounted += STRING_OVERHEAD_BYTES + element.length;
    this.head.push(element);
    if (this.head.length < BLOCK) return;
    this.blocks.unshift(this.head.reverse());
    this.head = [];
  }

  pushTail(element: string): void {
    this.undo?.record(() => this.popTail());
    this.accounted += STRING_OVERHEAD_BYTES + element.length;
    this.tail.push(element);
    this.flushTail();
  }

  popHead(): string | undefined {
    if (this.head.length === 0) {
      // Half of a lone tail moves, not all of it: pops at alternating ends then stay cheap on average.
      const first = this.blocks.shift() ?? this.tail.splice(0, Math.ceil(this.tail.length / 2));
      this.head = first.reverse();
      if (this.head.length === 0) return undefined;
    }
    const element = this.head.pop()!;
    this.undo?.record(() => this.pushHead(element));
    return this.released(element);
  }

  popTail(): string | undefined {
    if (this.tail.length === 0) {
      const last = this.blocks.pop();
      this.tail = last ?? this.head.splice(0, Math.ceil(this.head.length / 2)).reverse();
      if (this.tail.length === 0) return undefined;
    }
    const element = this.tail.pop()!;
    this.undo?.record(() => this.pushTail(element));
    return this.released(element);
  }

  /** Puts an element before the one at `index`; `index` = size appends. */
  insert(index: number, element: string): void {
    assert(index >= 0 && index <= this.size, "an insertion outside the list");
    this.undo?.record(() => this.removeAt(index));
    const inner = index - this.head.length;
    this.accounted += STRING_OVERHEAD_BYTES + element.length;
    if (inner < 0) {
      this.head.splice(-inner, 0, element);
      if (this.head.length < BLOCK) return;
      this.blocks.unshift(this.head.reverse());
      this.head = [];
      return;
    }
    let number = Math.floor(inner / BLOCK);
    let offset = inner % BLOCK;
    let carried = element;
    for (; number < this.blocks.length; number++, offset = 0) {
      const block = this.blocks[number] ?? [];
      block.splice(offset, 0, carried);
      carried = block.pop() ?? "";
    }
    this.tail.splice(offset, 0, carried);
    this.flushTail();
  }

  /** Removes the elements at these indices, which ascend. */
  removeAll(indices: readonly number[]): void {
    if (indices.length <= FEW_REMOVALS) {
      for (const index of indices.toReversed()) this.removeAt(index);
      return;
    }
    const doomed = new Set(indices);
    this.rebuild(this.slice(0, this.size).filter((_, index) => !doomed.has(index)));
  }

  /** Keeps the elements from `start` to before `end` and drops the rest. */
  trim(start: number, end: number): void {
    const kept = end - start;
    if (kept <= 0) {
      this.rebuild([]);
    } else if (kept < this.size / 2) {
      this.rebuild(this.slice(start, end));
    } else {
      for (let size = this.size; size > end; size--) this.popTail();
      for (let dropped = 0; dropped < start; dropped++) this.popHead();
    }
  }

  encoding(): "quicklist" {
    return "quicklist";
  }

  clone(): ListValue {
    return new ListValue(this.slice(0, this.size));
  }

  cut(): CollectionCut {
    const { size } = this;
    return cutElements((writer) => void writer.uint32(size), {
      size,
      write: (writer, index) => void writer.string(this.at(index) ?? ""),
      copy: () => strings(this.slice(0, size)),
    });
  }

  private removeAt(index: number): void {
    const removed = this.at(index);
    assert(removed !== undefined, "no element at this index");
    this.undo?.record(() => this.insert(index, removed));
    const inner = index - this.head.length;
    this.released(removed);
    if (inner < 0) {
      this.head.splice(this.head.length - 1 - index, 1);
      return;
    }
    let number = Math.floor(inner / BLOCK);
    if (number === this.blocks.length) {
      this.tail.splice(inner - number * BLOCK, 1);
      return;
    }
    // Every block behind the gap gives its first element to the block before it; the tail pays in the end.
    if (this.tail.length === 0) this.tail = this.blocks.pop() ?? [];
    let offset = inner % BLOCK;
    for (; number < this.blocks.length; number++, offset = 0) {
      const block = this.blocks[number] ?? [];
      const next = this.blocks[number + 1] ?? this.tail;
      block.splice(offset, 1);
      block.push(next[0] ?? "");
    }
    this.tail.splice(offset, 1);
  }

  private flushTail(): void {
    if (this.tail.length < BLOCK) return;
    this.blocks.push(this.tail);
    this.tail = [];
  }

  private rebuild(elements: readonly string[]): void {
    const { undo } = this;
    if (undo !== undefined) {
      const before = this.slice(0, this.size);
      undo.record(() => this.rebuild(before));
      // Taken back as a whole, not element by element.
      this.undo = undefined;
    }
    this.head = [];
    this.blocks = [];
    this.tail = [];
    this.accounted = EMPTY_BYTES;
    for (const element of elements) this.pushTail(element);
    this.undo = undo;
  }

  private released(element: string): string {
    this.accounted -= STRING_OVERHEAD_BYTES + element.length;
    return element;
  }
}

/** Reads what `ListValue.cut` wrote. */
export function readList(reader: ByteReader): ListValue {
  const list = new ListValue();
  for (let left = reader.uint32(); left > 0; left--) list.pushTail(reader.string());
  return list;
}
