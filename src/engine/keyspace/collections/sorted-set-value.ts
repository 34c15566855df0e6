/**
 * A sorted set: members with scores, found by member in a table and by order in a tree.
 *
 * The table's positions serve scans, whose guarantee must hold while scores change (`member-table.ts`).
 */
import { assert } from "../../../runtime/errors.ts";
import type { ByteReader } from "../../../wire/byte-reader.ts";
import type { ByteWriter } from "../../../wire/byte-writer.ts";
import type { Collection, CollectionCut, UndoRecorder } from "../value.ts";
import { cutElements } from "./elements-cut.ts";
import type { Elements } from "./elements-cut.ts";
import { EMPTY_BYTES, MemberTable, removeAtGap, SLOT_BYTES, STRING_OVERHEAD_BYTES } from "./member-table.ts";
import { precedes, ScoreTree } from "./score-tree.ts";

/** Redis 7.0's zset-max-listpack-entries and -value: beyond either the encoding is "skiplist", and stays so. */
const LISTPACK_ENTRIES = 128;
const LISTPACK_VALUE_BYTES = 64;
/** Two scores and a second reference, in the tree, beside the table's entry. */
const ENTRY_BYTES = SLOT_BYTES + STRING_OVERHEAD_BYTES + 40;

export interface ScoredMember {
  readonly member: string;
  readonly score: number;
}

export class SortedSetValue implements Collection {
  readonly type = "zset";
  undo: UndoRecorder | undefined = undefined;
  private readonly table: MemberTable;
  private readonly scores: number[];
  private readonly tree: ScoreTree;
  private large: boolean;
  private accounted: number;

  constructor(
    members: readonly string[] = [],
    scores: readonly number[] = [],
    large = false,
    tree?: ScoreTree,
  ) {
    assert(members.length === scores.length, "a score for each member");
    this.table = new MemberTable(members);
    this.scores = [...scores];
    this.tree = tree ?? treeOf(members, scores);
    this.large = large;
    this.accounted = EMPTY_BYTES + members.length * ENTRY_BYTES;
    for (const member of members) this.accounted += member.length;
  }

  /** What a command computed, in order of insertion; its encoding is that of the whole. */
  static fromScores(scores: ReadonlyMap<string, number>): SortedSetValue {
    const members = [...scores.keys()];
    const large = members.length > LISTPACK_ENTRIES || members.some((m) => m.length > LISTPACK_VALUE_BYTES);
    const values = [...scores.values()];
    return new SortedSetValue(members, large ? values : values.map((score) => score + 0), large);
  }

  get size(): number {
    return this.table.size;
  }

  get bytes(): number {
    return this.accounted;
  }

  /** Members by position, which is not their rank. A view: do not keep it over a change. */
  get members(): readonly string[] {
    return this.table.members;
  }

  scoreOf(member: string): number | undefined {
    const position = this.table.positionOf(member);
    return position < 0 ? undefined : this.scores[position];
  }

  /**
   * Adds a member or changes its score; true when it is new. The score is a number, infinities included. -0 becomes 0 in a
   * small sorted set, whose encoding in Redis stores whole numbers as integers.
   */
  set(member: string, given: number): boolean {
    assert(!Number.isNaN(given), "a score that is not a number");
    const position = this.table.positionOf(member);
    if (position < 0 && (this.size >= LISTPACK_ENTRIES || member.length > LISTPACK_VALUE_BYTES))
      this.large = true;
    const score = this.large ? given : given + 0;
    if (position >= 0) {
      const before = this.scores[position] ?? 0;
      if (Object.is(before, score)) return false;
      this.undo?.record(() => this.set(member, before));
      this.scores[position] = score;
      this.tree.remove(before, member);
      this.tree.insert(score, member);
      return false;
    }
    this.undo?.record(() => this.delete(member));
    this.table.add(member);
    this.scores.push(score);
    this.tree.insert(score, member);
    this.accounted += ENTRY_BYTES + member.length;
    return true;
  }

  delete(member: string): boolean {
    const gap = this.table.remove(member);
    if (gap < 0) return false;
    const score = this.scores[gap] ?? 0;
    this.undo?.record(() => this.set(member, score));
    this.tree.remove(score, member);
    removeAtGap(this.scores, gap);
    this.accounted -= ENTRY_BYTES + member.length;
    return true;
  }

  /** The member's rank, counted from 0 at the lowest score; undefined when it is not there. */
  rankOf(member: string): number | undefined {
    const score = this.scoreOf(member);
    return score === undefined ? undefined : this.tree.rankOf(score, member);
  }

  /** How many members satisfy a condition that holds for a prefix of the order and for nothing after it. */
  countWhile(holds: (score: number, member: string) => boolean): number {
    return this.tree.countWhile(holds);
  }

  /** Up to `count` members in order, from `rank` upwards, or downwards when `reverse`. */
  range(rank: number, count: number, reverse: boolean): ScoredMember[] {
    const found: ScoredMember[] = [];
    if (count <= 0 || rank < 0 || rank >= this.size) return found;
    const visit = (member: string, score: number): boolean => found.push({ member, score }) < count;
    if (reverse) this.tree.walkDown(rank, visit);
    else this.tree.walkUp(rank, visit);
    return found;
  }

  encoding(): "listpack" | "skiplist" {
    return this.large ? "skiplist" : "listpack";
  }

  clone(): SortedSetValue {
    return new SortedSetValue(this.members, this.scores, this.large, this.tree.clone());
  }

  cut(): CollectionCut {
    const { large, size } = this;
    const writeHead = (writer: ByteWriter): void => void writer.uint8(large ? 1 : 0).uint32(size);
    return cutElements(writeHead, scored(this.members, this.scores));
  }
}

function scored(members: readonly string[], scores: readonly number[]): Elements {
  return {
    size: members.length,
    write: (writer, position) => void writer.string(members[position] ?? "").double(scores[position] ?? 0),
    copy: () => scored(members.slice(), scores.slice()),
  };
}

/** Reads what `SortedSetValue.cut` wrote, the table's order and the encoding included. */
export function readSortedSet(reader: ByteReader): SortedSetValue {
  const large = reader.uint8() === 1;
  const size = reader.uint32();
  const members: string[] = [];
  const scores: number[] = [];
  for (let n = 0; n < size; n++) {
    members.push(reader.string());
    scores.push(reader.double());
  }
  return new SortedSetValue(members, scores, large);
}

function treeOf(members: readonly string[], scores: readonly number[]): ScoreTree {
  const order = members.map((member, position) => ({ member, score: scores[position] ?? 0 }));
  order.sort((a, b) => (precedes(a.score, a.member, b.score, b.member) ? -1 : 1));
  return ScoreTree.fromAscending(
    order.map((entry) => entry.score),
    order.map((entry) => entry.member),
  );
}
