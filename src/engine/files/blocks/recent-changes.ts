/** Blocks that the log has just changed: the reports of their nodes come by another way, a moment later. */
import type { BlockId } from "../namespace/model.ts";

/** Reports are gathered for 20 ms and travel; what is not there after so long is missing. */
const SETTLE_MS = 1_000;

export class RecentChanges {
  private readonly clock: () => number;
  private readonly changedMs = new Map<BlockId, number>();

  /** `clock`: monotonic milliseconds. */
  constructor(clock: () => number) {
    this.clock = clock;
  }

  note(block: BlockId): void {
    // Behind all others: the map stays in the order of the times.
    this.changedMs.delete(block);
    this.changedMs.set(block, this.clock());
  }

  /** How long the reports may still take; 0: they should be there. */
  settlesInMs(block: BlockId): number {
    const sinceMs = this.changedMs.get(block);
    return sinceMs === undefined ? 0 : Math.max(0, sinceMs + SETTLE_MS - this.clock());
  }

  /** To be called now and then: those that settled cost no memory. */
  forget(): void {
    for (const [block] of this.changedMs) {
      if (this.settlesInMs(block) > 0) return;
      this.changedMs.delete(block);
    }
  }
}
