/**
 * The order of a sorted set: a counted B+ tree of (score, member) entries.
 *
 * Entries ascend by score, then by the bytes of the member. Each inner node knows how many entries its subtree holds, so
 * that rank to entry and entry to rank are a descent each. Leaves are chained for walks in both directions. Nothing in it
 * is random: equal operations build equal trees.
 *
 * A node that fills splits in half, except at the far right, where a fresh node is begun, so that ascending scores
 * (timestamps, the common case) leave full nodes behind. A node that shrinks is merged with a neighbour when both
 * fit into one node with room to spare; unlike a textbook B-tree nothing is borrowed, which costs a little space and saves
 * most of the code.
 */
import { assert } from "../../../runtime/errors.ts";

const CAPACITY = 64;
/** Two neighbours are merged when together they hold no more than this. */
const MERGED_AT_MOST = 48;

interface Leaf {
  readonly kind: "leaf";
  readonly scores: number[];
  readonly members: string[];
  previous: Leaf | undefined;
  next: Leaf | undefined;
}

/** Beside each child stand its number of entries and its smallest entry, so that a descent reads few scattered places. */
interface Inner {
  readonly kind: "inner";
  readonly children: Node[];
  readonly counts: number[];
  readonly lowScores: number[];
  readonly lowMembers: string[];
  /** Entries in the subtree: the sum of `counts`. */
  entries: number;
}

type Node = Leaf | Inner;

/** Where an entry is, or would be inserted: a place in a leaf, and its rank. */
interface Place {
  readonly leaf: Leaf;
  readonly index: number;
  readonly rank: number;
}

/** Receives entries in order; answers false to end the walk. */
export type EntryVisitor = (member: string, score: number) => boolean;

export class ScoreTree {
  private root: Node = newLeaf();

  get size(): number {
    return entriesOf(this.root);
  }

  /** Adds an entry that is not there. */
  insert(score: number, member: string): void {
    const sibling = insertInto(this.root, score, member);
    if (sibling !== undefined) this.root = newInner([this.root, sibling]);
  }

  /** Removes an entry that is there. */
  remove(score: number, member: string): void {
    removeFrom(this.root, score, member);
    while (this.root.kind === "inner" && this.root.children.length === 1) {
      const only = this.root.children[0];
      assert(only !== undefined, "a node without children");
      this.root = only;
    }
  }

  /** How many entries come before (score, member): the rank of that entry if it is there. */
  rankOf(score: number, member: string): number {
    return this.countWhile((s, m) => precedes(s, m, score, member));
  }

  /** How many entries satisfy a condition that holds for a prefix of the order and for nothing after it. */
  countWhile(holds: (score: number, member: string) => boolean): number {
    return seek(this.root, holds).rank;
  }

  /** Visits entries from `rank` upwards until the end or until the visitor answers false. */
  walkUp(rank: number, visit: EntryVisitor): void {
    const place = placeOf(this.root, rank);
    let index = place.index;
    for (let leaf: Leaf | undefined = place.leaf; leaf !== undefined; leaf = leaf.next, index = 0) {
      for (; index < leaf.members.length; index++) {
        if (!visit(leaf.members[index]!, leaf.scores[index]!)) return;
      }
    }
  }

  /** Visits entries from `rank` downwards until the start or until the visitor answers false. */
  walkDown(rank: number, visit: EntryVisitor): void {
    const place = placeOf(this.root, rank);
    let index = place.index;
    for (let leaf: Leaf | undefined = place.leaf; leaf !== undefined;) {
      for (; index >= 0; index--) {
        if (!visit(leaf.members[index]!, leaf.scores[index]!)) return;
      }
      leaf = leaf.previous;
      index = leaf === undefined ? -1 : leaf.members.length - 1;
    }
  }

  clone(): ScoreTree {
    const scores: number[] = [];
    const members: string[] = [];
    const collect = (member: string, score: number): boolean => scores.push(score) === members.push(member);
    if (this.size > 0) this.walkUp(0, collect);
    return ScoreTree.fromAscending(scores, members);
  }

  /** A tree of entries given in order: packed nodes, no search. */
  static fromAscending(scores: readonly number[], members: readonly string[]): ScoreTree {
    const tree = new ScoreTree();
    let level: Node[] = [];
    let previous: Leaf | undefined;
    for (let from = 0; from < members.length; from += MERGED_AT_MOST) {
      const to = from + MERGED_AT_MOST;
      const leaf = newLeaf(scores.slice(from, to), members.slice(from, to), previous);
      if (previous !== undefined) previous.next = leaf;
      previous = leaf;
      level.push(leaf);
    }
    while (level.length > 1) {
      const parents: Node[] = [];
      for (let from = 0; from < level.length; from += MERGED_AT_MOST) {
        parents.push(newInner(level.slice(from, from + MERGED_AT_MOST)));
      }
      level = parents;
    }
    tree.root = level[0] ?? tree.root;
    return tree;
  }
}

/** The order of a sorted set: by score, then by the bytes of the member (binary strings compare as bytes). */
export function precedes(score: number, member: string, otherScore: number, otherMember: string): boolean {
  return score < otherScore || (score === otherScore && member < otherMember);
}

function newLeaf(scores: number[] = [], members: string[] = [], previous?: Leaf, next?: Leaf): Leaf {
  return { kind: "leaf", scores, members, previous, next };
}

function newInner(children: readonly Node[]): Inner {
  const inner: Inner = { kind: "inner", children: [], counts: [], lowScores: [], lowMembers: [], entries: 0 };
  for (const child of children) {
    inner.entries += entriesOf(child);
    insertChild(inner, inner.children.length, child);
  }
  return inner;
}

function entriesOf(node: Node): number {
  return node.kind === "leaf" ? node.members.length : node.entries;
}

function childAt(inner: Inner, index: number): Node {
  const child = inner.children[index];
  assert(child !== undefined, "no child at this place");
  return child;
}

function insertChild(inner: Inner, index: number, child: Node): void {
  inner.children.splice(index, 0, child);
  inner.counts.splice(index, 0, 0);
  inner.lowScores.splice(index, 0, 0);
  inner.lowMembers.splice(index, 0, "");
  refreshChild(inner, index);
}

function removeChild(inner: Inner, index: number): void {
  inner.children.splice(index, 1);
  inner.counts.splice(index, 1);
  inner.lowScores.splice(index, 1);
  inner.lowMembers.splice(index, 1);
}

/** Notes what stands beside a child anew, after a change below it. */
function refreshChild(inner: Inner, index: number): void {
  const child = childAt(inner, index);
  inner.counts[index] = entriesOf(child);
  inner.lowScores[index] = (child.kind === "leaf" ? child.scores : child.lowScores)[0]!;
  inner.lowMembers[index] = (child.kind === "leaf" ? child.members : child.lowMembers)[0]!;
}

/** The first index in a leaf whose entry does not precede (score, member). */
function indexInLeaf(leaf: Leaf, score: number, member: string): number {
  let low = 0;
  let high = leaf.members.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (precedes(leaf.scores[middle]!, leaf.members[middle]!, score, member)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The child whose range (score, member) falls in: the last one that does not begin after it, or the first. */
function childFor(inner: Inner, score: number, member: string): number {
  let low = 1;
  let high = inner.children.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (precedes(score, member, inner.lowScores[middle]!, inner.lowMembers[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low - 1;
}

/** Inserts below `node`; answers the right half when it had to split. */
function insertInto(node: Node, score: number, member: string): Node | undefined {
  if (node.kind === "leaf") return insertIntoLeaf(node, score, member);
  const index = childFor(node, score, member);
  const sibling = insertInto(childAt(node, index), score, member);
  node.entries += 1;
  refreshChild(node, index);
  if (sibling === undefined) return undefined;
  insertChild(node, index + 1, sibling);
  if (node.children.length <= CAPACITY) return undefined;
  const appended = index + 2 === node.children.length && isLast(sibling);
  return splitInner(node, appended ? CAPACITY : CAPACITY / 2);
}

/** Moves the children from `from` on into a new node. */
function splitInner(inner: Inner, from: number): Inner {
  const right = newInner(inner.children.splice(from));
  inner.counts.splice(from);
  inner.lowScores.splice(from);
  inner.lowMembers.splice(from);
  inner.entries -= right.entries;
  return right;
}

function insertIntoLeaf(leaf: Leaf, score: number, member: string): Leaf | undefined {
  const index = indexInLeaf(leaf, score, member);
  leaf.scores.splice(index, 0, score);
  leaf.members.splice(index, 0, member);
  if (leaf.members.length <= CAPACITY) return undefined;
  const from = index === CAPACITY && leaf.next === undefined ? CAPACITY : CAPACITY / 2;
  const right = newLeaf(leaf.scores.splice(from), leaf.members.splice(from), leaf, leaf.next);
  if (leaf.next !== undefined) leaf.next.previous = right;
  leaf.next = right;
  return right;
}

/** True for a node at the far right of its level. */
function isLast(node: Node): boolean {
  let last = node;
  while (last.kind === "inner") last = childAt(last, last.children.length - 1);
  return last.next === undefined;
}

function removeFrom(node: Node, score: number, member: string): void {
  if (node.kind === "leaf") {
    const index = indexInLeaf(node, score, member);
    assert(node.members[index] === member, "the entry to remove is not in its place");
    node.scores.splice(index, 1);
    node.members.splice(index, 1);
    return;
  }
  const index = childFor(node, score, member);
  removeFrom(childAt(node, index), score, member);
  node.entries -= 1;
  const child = childAt(node, index);
  if (entriesOf(child) === 0) {
    if (child.kind === "leaf") unlink(child);
    removeChild(node, index);
    return;
  }
  refreshChild(node, index);
  if (!mergeIfSmall(node, index)) mergeIfSmall(node, index - 1);
}

function unlink(leaf: Leaf): void {
  if (leaf.previous !== undefined) leaf.previous.next = leaf.next;
  if (leaf.next !== undefined) leaf.next.previous = leaf.previous;
}

/** Merges the children at `index` and `index + 1` when they fit into one node with room to spare. */
function mergeIfSmall(inner: Inner, index: number): boolean {
  const left = inner.children[index];
  const right = inner.children[index + 1];
  if (left === undefined || right === undefined) return false;
  if (left.kind === "leaf" && right.kind === "leaf") {
    if (left.members.length + right.members.length > MERGED_AT_MOST) return false;
    left.scores.push(...right.scores);
    left.members.push(...right.members);
    unlink(right);
  } else if (left.kind === "inner" && right.kind === "inner") {
    if (left.children.length + right.children.length > MERGED_AT_MOST) return false;
    for (const child of right.children) insertChild(left, left.children.length, child);
    left.entries += right.entries;
  }
  removeChild(inner, index + 1);
  refreshChild(inner, index);
  return true;
}

/** The first entry for which a condition that holds for a prefix no longer holds; past the end when it holds for all. */
function seek(root: Node, holds: (score: number, member: string) => boolean): Place {
  let node = root;
  let rank = 0;
  while (node.kind === "inner") {
    let low = 1;
    let high = node.children.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(node.lowScores[middle]!, node.lowMembers[middle]!)) low = middle + 1;
      else high = middle;
    }
    for (let before = 0; before < low - 1; before++) rank += node.counts[before]!;
    node = childAt(node, low - 1);
  }
  let index = 0;
  let end = node.members.length;
  while (index < end) {
    const middle = (index + end) >>> 1;
    if (holds(node.scores[middle]!, node.members[middle]!)) index = middle + 1;
    else end = middle;
  }
  return { leaf: node, index, rank: rank + index };
}

/** The place of the entry with this rank. */
function placeOf(root: Node, rank: number): Place {
  assert(rank >= 0 && rank < entriesOf(root), "a rank outside the order");
  let node = root;
  let index = rank;
  while (node.kind === "inner") {
    let number = 0;
    while (index >= node.counts[number]!) index -= node.counts[number++]!;
    node = childAt(node, number);
  }
  return { leaf: node, index, rank };
}
