/** What writes one block, whichever way it is kept: on replicas (`pipeline-writer.ts`) or in shards (`erasure/group-writer.ts`). */
import type { Bytes } from "../../../runtime/bytes.ts";
import type { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { WrittenBlock } from "../namespace/commands.ts";
import type { Outcome } from "./block-store.ts";

export interface BlockWriter {
  /** What was acknowledged. A block of which something was cannot be begun anew elsewhere. */
  readonly written: WrittenBlock;
  /** The nodes that are written to. */
  readonly pipeline: readonly NodeId[];
  /** Nodes that failed it so far. */
  readonly lostNodes: ReadonlySet<NodeId>;
  /** Why it takes no more bytes. */
  readonly failure: QuorateError | undefined;
  /** Bytes put in so far, in the block. */
  readonly length: number;
  /**
   * Takes bytes, which must not change any more; calls back when more may come, or when all is over. What it keeps it retains
   * (`buffer-pool.ts`).
   */
  write(bytes: Bytes, room: () => void): void;
  /** All so far is durable. UNSUPPORTED where the block is coded. */
  sync(done: Outcome<WrittenBlock>): void;
  /** All is durable, and the block ends here. */
  finish(done: Outcome<WrittenBlock>): void;
  /** Stops. What is on disks stays as it is. */
  abort(): void;
}
