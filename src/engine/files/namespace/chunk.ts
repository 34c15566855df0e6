/**
 * The entries of a directory, in the order of their names, in chunks of at most `CHUNK_ENTRIES`: looking one up takes two
 * binary searches, changing one touches one chunk, and a snapshot shares all the others. How entries fall into chunks is part
 * of the state: equal on every replica and kept by snapshots, because what is given up step by step counts chunks.
 */
import type { Inode } from "./inode.ts";

/** A chunk that grows beyond is cut in two; two neighbours that together are less than half of it become one. */
export const CHUNK_ENTRIES = 128;

export class Chunk {
  /** How many directories and deletions under way hold it. */
  refs = 1;
  epoch: number;
  readonly names: string[];
  readonly nodes: Inode[];

  constructor(epoch: number, names: string[], nodes: Inode[]) {
    this.epoch = epoch;
    this.names = names;
    this.nodes = nodes;
  }

  copy(epoch: number): Chunk {
    return new Chunk(epoch, this.names.slice(), this.nodes.slice());
  }
}

/** Shared by all empty directories; never changed in place. */
export const NO_CHUNKS: Chunk[] = [];

/** The chunk that holds `name` if any does: the last that begins at or before it; 0 for one before all. */
export function chunkOf(chunks: readonly Chunk[], name: string): number {
  let low = 0;
  let high = chunks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (chunks[middle]!.names[0]! <= name) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The first place in a chunk whose name is not less than `name`. */
export function placeOf({ names }: Chunk, name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle]! < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function lookUp(chunks: readonly Chunk[], name: string): Inode | undefined {
  if (chunks.length === 0) return undefined;
  const chunk = chunks[chunkOf(chunks, name)]!;
  const place = placeOf(chunk, name);
  return chunk.names[place] === name ? chunk.nodes[place] : undefined;
}

/** Entries in order, behind `after` ("": all). */
export function* entriesOf(chunks: readonly Chunk[], after = ""): Generator<readonly [string, Inode]> {
  if (chunks.length === 0) return;
  const first = after === "" ? 0 : chunkOf(chunks, after);
  for (let at = first; at < chunks.length; at++) {
    const chunk = chunks[at]!;
    let place = 0;
    if (at === first && after !== "") {
      place = placeOf(chunk, after);
      if (chunk.names[place] === after) place++;
    }
    for (; place < chunk.names.length; place++) yield [chunk.names[place]!, chunk.nodes[place]!];
  }
}
