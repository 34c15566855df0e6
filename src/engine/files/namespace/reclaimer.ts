/**
 * What was taken out of the tree and is given up step by step, so that deleting a million files holds nothing up. A stack of
 * inodes and chunks, each held once by it; what no one else holds is taken apart, and its blocks let go.
 */
import type { BlockTable } from "./block-table.ts";
import { Chunk } from "./chunk.ts";
import type { Inode } from "./inode.ts";

export class Reclaimer {
  readonly stack: (Inode | Chunk)[] = [];
  /** Told before an inode or chunk loses one of its holders. */
  onRelease: ((item: Inode | Chunk) => void) | undefined = undefined;
  private readonly blocks: BlockTable;

  constructor(blocks: BlockTable) {
    this.blocks = blocks;
  }

  /** At most `limit` things are given up; how many were. */
  run(limit: number): number {
    let done = 0;
    for (; done < limit; done++) {
      const item = this.stack.pop();
      if (item === undefined) break;
      this.onRelease?.(item);
      item.refs--;
      if (item.refs > 0) continue;
      if (item instanceof Chunk) for (const node of item.nodes) this.stack.push(node);
      else if (item.kind === "directory") {
        for (const { root } of item.extras?.snapshots ?? []) this.stack.push(root);
        for (const chunk of item.chunks) this.stack.push(chunk);
      } else if (item.kind === "file") {
        for (const segment of item.segments) if (typeof segment !== "string") this.blocks.letGo(segment);
      }
    }
    return done;
  }
}
