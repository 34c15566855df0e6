/**
 * A hash table from a whole number (0 to 2^53 - 1) to a row of numbers. A million objects in a Map are a million things that
 * the collector marks again and again, of some 150 bytes each; here they are some hundred arrays, of as many bytes as the
 * columns need and six for the index (`row-index.ts`).
 *
 * Rows are kept in pages, in the order in which their keys were added. One that is removed leaves a hole; two pages that follow
 * each other become one as soon as their rows fit into it. So keys come in that order, and can be read on while the table
 * changes, as those of a Map can; and no single call does more work than one page makes.
 */
import { assert } from "../../../runtime/errors.ts";
import { NO_ROW, RowIndex } from "./row-index.ts";

/** How many columns of each kind a row has. */
export interface RowShape {
  /** Any double. */
  readonly numbers: number;
  /** From 0 to 2^32 - 1. Default 0. */
  readonly counts?: number;
  /** From 0 to 255. Default 0. */
  readonly bytes?: number;
}

const PAGE_BITS = 12;
const PAGE_ROWS = 1 << PAGE_BITS;
const PLACE = PAGE_ROWS - 1;
/** A small table has one page of so many rows, which doubles until it is whole. */
const FIRST_ROWS = 8;
/** In place of the key. */
const HOLE = -1;

interface Page {
  /** A row's number is this one, and its place in the page. */
  readonly number: number;
  rows: number;
  /** The key first, then the columns. */
  numbers: Float64Array;
  counts: Uint32Array;
  bytes: Uint8Array;
  /** Places that were given, holes included. */
  used: number;
  live: number;
  previous: Page | undefined;
  next: Page | undefined;
  /** It is no page any more: its rows, from the first on, are in another one behind `offset` rows. Its holes, ascending. */
  moved: { readonly to: Page; readonly offset: number; readonly holes: Uint16Array } | undefined;
}

export class NumberTable {
  private readonly width: number;
  private readonly counts: number;
  private readonly bytes: number;
  /** By number. */
  private readonly pages: (Page | undefined)[] = [];
  private readonly freeNumbers: number[] = [];
  private first: Page;
  /** New rows go into it. */
  private last: Page;
  private live = 0;
  private readonly index: RowIndex;

  constructor({ numbers, counts = 0, bytes = 0 }: RowShape) {
    this.width = numbers + 1;
    this.counts = counts;
    this.bytes = bytes;
    this.index = new RowIndex((row) => this.page(row).numbers[(row & PLACE) * this.width]!);
    this.first = this.last = this.newPage(FIRST_ROWS);
  }

  get size(): number {
    return this.live;
  }

  /** The row of a key, `NO_ROW` when it is not there. It holds until the next `add` or `remove`. */
  find(key: number): number {
    return this.index.find(key);
  }

  has(key: number): boolean {
    return this.index.find(key) !== NO_ROW;
  }

  /** A new row, all zeros, for a key that is not there. */
  add(key: number): number {
    assert(!this.has(key), "a key that is there already");
    return this.append(key);
  }

  /** The row of a key; a new one, all zeros, when it is not there. */
  rowFor(key: number): number {
    const row = this.index.find(key);
    return row === NO_ROW ? this.append(key) : row;
  }

  private append(key: number): number {
    assert(Number.isSafeInteger(key) && key >= 0, "a key that is no whole number");
    if (this.last.used === this.last.rows) this.makeRoom();
    const { last } = this;
    const place = last.used++;
    last.numbers[place * this.width] = key;
    last.live++;
    this.live++;
    const row = (last.number << PAGE_BITS) | place;
    this.index.add(key, row);
    return row;
  }

  /** False: it was not there. */
  remove(key: number): boolean {
    const row = this.index.find(key);
    if (row === NO_ROW) return false;
    this.index.remove(key, row);
    const page = this.page(row);
    page.numbers[(row & PLACE) * this.width] = HOLE;
    page.live--;
    this.live--;
    this.tidy(page);
    return true;
  }

  number(row: number, column: number): number {
    return this.page(row).numbers[(row & PLACE) * this.width + 1 + column]!;
  }

  setNumber(row: number, column: number, value: number): void {
    this.page(row).numbers[(row & PLACE) * this.width + 1 + column] = value;
  }

  count(row: number, column: number): number {
    return this.page(row).counts[(row & PLACE) * this.counts + column]!;
  }

  setCount(row: number, column: number, value: number): void {
    assert(value >>> 0 === value, "a count that does not fit its column");
    this.page(row).counts[(row & PLACE) * this.counts + column] = value;
  }

  byte(row: number, column: number): number {
    return this.page(row).bytes[(row & PLACE) * this.bytes + column]!;
  }

  setByte(row: number, column: number, value: number): void {
    assert((value & 0xff) === value, "a number that does not fit into a byte");
    this.page(row).bytes[(row & PLACE) * this.bytes + column] = value;
  }

  /**
   * All keys, in the order in which they were added. What is added meanwhile comes, what is removed meanwhile does not, and
   * every other comes once.
   */
  *keys(): Generator<number, void> {
    let page = this.first;
    let place = 0;
    for (;;) {
      for (; page.moved !== undefined; page = page.moved.to) {
        place += page.moved.offset - below(page.moved.holes, place);
      }
      if (place < page.used) {
        const key = page.numbers[place++ * this.width]!;
        if (key !== HOLE) yield key;
      } else {
        if (page.next === undefined) return;
        page = page.next;
        place = 0;
      }
    }
  }

  private page(row: number): Page {
    return this.pages[row >>> PAGE_BITS]!;
  }

  private newPage(rows: number, number: number = this.freeNumbers.pop() ?? this.pages.length): Page {
    const page: Page = {
      number,
      rows,
      numbers: new Float64Array(rows * this.width),
      counts: new Uint32Array(rows * this.counts),
      bytes: new Uint8Array(rows * this.bytes),
      used: 0,
      live: 0,
      previous: undefined,
      next: undefined,
      moved: undefined,
    };
    this.pages[number] = page;
    return page;
  }

  private makeRoom(): void {
    const { last } = this;
    if (last.rows < PAGE_ROWS) {
      const rows = last.rows * 2;
      const numbers = new Float64Array(rows * this.width);
      const counts = new Uint32Array(rows * this.counts);
      const bytes = new Uint8Array(rows * this.bytes);
      numbers.set(last.numbers);
      counts.set(last.counts);
      bytes.set(last.bytes);
      // All or nothing: writes behind the end of an array are dropped in silence.
      Object.assign(last, { rows, numbers, counts, bytes });
      return;
    }
    const page = this.newPage(PAGE_ROWS);
    last.next = page;
    page.previous = last;
    this.last = page;
    this.tidy(last);
  }

  /** Takes out a page that is empty, or puts it together with a neighbour. The last one stays: those who read on end there. */
  private tidy(page: Page): void {
    const { previous, next } = page;
    if (next === undefined) return;
    if (page.live === 0) {
      this.link(previous, next);
      this.drop(page);
    } else if (next.next !== undefined && page.live + next.live <= PAGE_ROWS) this.join(page, next);
    else if (previous !== undefined && previous.live + page.live <= PAGE_ROWS) this.join(previous, page);
  }

  private join(left: Page, right: Page): void {
    const page = this.newPage(PAGE_ROWS, left.number);
    this.fill(page, left);
    this.fill(page, right);
    this.link(left.previous, page);
    this.link(page, right.next);
    this.drop(right);
  }

  /** Puts the rows of a page behind those of another one. */
  private fill(page: Page, from: Page): void {
    const holes = new Uint16Array(from.used - from.live);
    from.moved = { to: page, offset: page.used, holes };
    let found = 0;
    for (let place = 0; place < from.used; place++) {
      const key = from.numbers[place * this.width]!;
      if (key === HOLE) {
        holes[found++] = place;
        continue;
      }
      const to = page.used++;
      copyRow(from.numbers, place, page.numbers, to, this.width);
      copyRow(from.counts, place, page.counts, to, this.counts);
      copyRow(from.bytes, place, page.bytes, to, this.bytes);
      this.index.move(key, (from.number << PAGE_BITS) | place, (page.number << PAGE_BITS) | to);
    }
    page.live = page.used;
  }

  private link(left: Page | undefined, right: Page | undefined): void {
    if (left === undefined) this.first = right!;
    else left.next = right;
    if (right !== undefined) right.previous = left;
  }

  private drop({ number }: Page): void {
    this.pages[number] = undefined;
    this.freeNumbers.push(number);
  }
}

function copyRow(
  source: Float64Array | Uint32Array | Uint8Array,
  from: number,
  target: Float64Array | Uint32Array | Uint8Array,
  to: number,
  width: number,
): void {
  for (let column = 0; column < width; column++) target[to * width + column] = source[from * width + column]!;
}

/** How many of them, ascending, are below `place`. */
function below(holes: Uint16Array, place: number): number {
  let [low, high] = [0, holes.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holes[middle]! < place) low = middle + 1;
    else high = middle;
  }
  return low;
}
