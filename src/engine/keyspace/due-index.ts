/**
 * Deadlines in order: a binary heap over slots of a key table, with the heap position of every slot beside it.
 *
 * The order is total (deadline, then key), so "the first n that are due" is a function of the state alone and comes out
 * the same on a replica whose heap was built in another order, such as one restored from a snapshot. Sixteen bytes a
 * key that expires, four for one that does not.
 */
import { assert } from "../../runtime/errors.ts";

export class DueIndex {
  /** Number of keys that have a deadline. */
  count = 0;
  private readonly keys: readonly string[];
  private heap = new Int32Array(0);
  private deadlines = new Float64Array(0);
  /** Heap position plus one by slot; 0: no deadline. */
  private positions = new Int32Array(0);

  /** `keys` is the table's column of keys by slot. */
  constructor(keys: readonly string[]) {
    this.keys = keys;
  }

  /** The deadline of a slot, Unix milliseconds; 0 when it has none. */
  deadlineOf(slot: number): number {
    if (this.count === 0) return 0;
    const position = this.positions[slot] ?? 0;
    return position === 0 ? 0 : this.deadlines[position - 1]!;
  }

  /** The slot with the earliest deadline, or -1. */
  first(): number {
    return this.count === 0 ? -1 : this.heap[0]!;
  }

  firstDeadline(): number {
    return this.count === 0 ? Infinity : this.deadlines[0]!;
  }

  /** The slot at a heap position in [0, count): for sampling. Its order is this replica's own. */
  at(position: number): number {
    return this.heap[position]!;
  }

  /**
   * The mean deadline of about `sample` slots all over the heap, or of all when there are no more; 0 when there are none. An
   * estimate of this replica's own.
   */
  meanDeadline(sample: number): number {
    const step = Math.max(1, Math.floor(this.count / sample));
    let sum = 0;
    let looks = 0;
    for (let position = 0; position < this.count; position += step) {
      sum += this.deadlines[position]!;
      looks++;
    }
    return looks === 0 ? 0 : sum / looks;
  }

  set(slot: number, deadlineMs: number): void {
    assert(deadlineMs > 0, "a deadline lies after the epoch");
    const position = (this.positions[slot] ?? 0) - 1;
    if (position >= 0) {
      this.deadlines[position] = deadlineMs;
      this.settle(position);
      return;
    }
    this.reserve(slot);
    const last = this.count++;
    this.heap[last] = slot;
    this.deadlines[last] = deadlineMs;
    this.positions[slot] = last + 1;
    this.settle(last);
  }

  remove(slot: number): void {
    const position = (this.positions[slot] ?? 0) - 1;
    if (position < 0) return;
    this.positions[slot] = 0;
    const last = --this.count;
    if (position === last) return;
    this.place(position, this.heap[last]!, this.deadlines[last]!);
    this.settle(position);
  }

  /** The entry in slot `from` now lives in the (vacated) slot `to`, under the same key. */
  move(from: number, to: number): void {
    const position = (this.positions[from] ?? 0) - 1;
    if (position < 0) return;
    this.positions[from] = 0;
    this.positions[to] = position + 1;
    this.heap[position] = to;
  }

  private settle(position: number): void {
    const slot = this.heap[position]!;
    const deadline = this.deadlines[position]!;
    let at = position;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(deadline, slot, parent)) break;
      this.place(at, this.heap[parent]!, this.deadlines[parent]!);
      at = parent;
    }
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.count) break;
      const right = child + 1;
      if (right < this.count && this.before(this.deadlines[right]!, this.heap[right]!, child)) child = right;
      if (this.before(deadline, slot, child)) break;
      this.place(at, this.heap[child]!, this.deadlines[child]!);
      at = child;
    }
    this.place(at, slot, deadline);
  }

  private before(deadline: number, slot: number, position: number): boolean {
    const other = this.deadlines[position]!;
    return deadline < other || (deadline === other && this.keys[slot]! < this.keys[this.heap[position]!]!);
  }

  private place(position: number, slot: number, deadline: number): void {
    this.heap[position] = slot;
    this.deadlines[position] = deadline;
    this.positions[slot] = position + 1;
  }

  private reserve(slot: number): void {
    if (slot >= this.positions.length) {
      const grown = new Int32Array(Math.max(16, (slot + 1) * 2));
      grown.set(this.positions);
      this.positions = grown;
    }
    if (this.count < this.heap.length) return;
    const capacity = Math.max(16, this.heap.length * 2);
    const heap = new Int32Array(capacity);
    heap.set(this.heap);
    this.heap = heap;
    const deadlines = new Float64Array(capacity);
    deadlines.set(this.deadlines);
    this.deadlines = deadlines;
  }
}
