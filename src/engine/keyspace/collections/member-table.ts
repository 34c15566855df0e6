/**
 * collections: the hash, list, set and sorted set of the data model, each a data structure of its own file.
 *
 * This file is what hash, set and sorted set share: a table of distinct binary strings in which a member's position is
 * known, so that adding, removing and picking the n-th are O(1). A removal moves the last member into the gap.
 *
 * That is also what makes scanning stateless. A scan walks the positions downwards and its cursor is the lowest position
 * it has visited. A member that stays in the table can only move to a lower position, so one that was not visited
 * yet (below the cursor) stays below the cursor: it cannot be missed, only a visited one can be met again. Additions go
 * to the end and never disturb it. This is the guarantee of Redis's SCAN family
 * (https://redis.io/docs/latest/commands/scan/#scan-guarantees).
 */
import { assert } from "../../../runtime/errors.ts";
import { INDEX_CAPACITY, PositionIndex } from "../position-index.ts";
import { ReplyError } from "../reply.ts";

/** What one index holds at most: a command that would pass this bound is refused whole. */
export const MAX_MEMBERS: number = INDEX_CAPACITY;

export const TOO_MANY_MEMBERS: ReplyError = new ReplyError(
  `ERR a hash, set or sorted set holds at most ${MAX_MEMBERS} elements`,
);

/** Estimated memory of a binary string beside its bytes: header, padding and one reference. */
export const STRING_OVERHEAD_BYTES = 24;
/** Estimated memory of a table's entry beside its string: the map's slot and the position. */
export const SLOT_BYTES = 48;
/** Estimated memory of an empty collection. */
export const EMPTY_BYTES = 160;

export class MemberTable {
  private readonly list: string[];
  private readonly positions = new PositionIndex();

  constructor(members: readonly string[] = []) {
    this.list = [...members];
    for (const [position, member] of this.list.entries()) {
      assert(this.positions.get(member) < 0, "a member occurs twice");
      this.positions.set(member, position);
    }
  }

  get size(): number {
    return this.list.length;
  }

  /** All members by position. A view: do not keep it over a change. */
  get members(): readonly string[] {
    return this.list;
  }

  has(member: string): boolean {
    return this.positions.get(member) >= 0;
  }

  /** The member's position, or -1. */
  positionOf(member: string): number {
    return this.positions.get(member);
  }

  at(position: number): string {
    const member = this.list[position];
    assert(member !== undefined, "no member at this position");
    return member;
  }

  /** Adds a member that is not there, at position `size`. */
  add(member: string): void {
    if (this.list.length >= MAX_MEMBERS) throw TOO_MANY_MEMBERS;
    this.positions.set(member, this.list.length);
    this.list.push(member);
  }

  /** Removes a member and answers the position that the last member now fills, or -1 when it was not there. */
  remove(member: string): number {
    const gap = this.positions.get(member);
    if (gap < 0) return -1;
    this.positions.delete(member);
    const last = this.list.pop();
    assert(last !== undefined, "a position beyond the table");
    if (last !== member) {
      this.list[gap] = last;
      this.positions.set(last, gap);
    }
    return gap;
  }
}

/** What `MemberTable.remove` did, done to a column that is kept beside the table. */
export function removeAtGap<T>(column: T[], gap: number): void {
  const last = column.pop();
  assert(last !== undefined, "a column shorter than its table");
  if (gap < column.length) column[gap] = last;
}

/**
 * One step of a scan: visit the positions from `from` to before `to`; `from` is the next cursor (0: complete).
 *
 * `cursor` 0 starts; a cursor past the end (the collection shrank, or a client's invention) means the end.
 */
export function scanStep(
  size: number,
  cursor: bigint,
  count: number,
): { readonly from: number; readonly to: number } {
  const to = cursor === 0n || cursor > BigInt(size) ? size : Number(cursor);
  return { from: Math.max(0, to - count), to };
}
