/**
 * Memory of the payloads that a leader seals. They are small, and stay in the log until the next snapshot: cut from the runtime's
 * pool, each would keep alive the 8 KiB that it shares with what was gone in the same turn; with memory of its own, each would
 * cost several times its length. So they are cut from blocks that hold nothing else: what is kept together goes together.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { allocateOwnedBytes, NO_BYTES } from "../../runtime/bytes.ts";

const BLOCK_BYTES = 64 * 1024;
/** Larger payloads have memory of their own: at most so much of a block stays unused. */
const CUT_MAX_BYTES = BLOCK_BYTES / 8;

export class PayloadMemory {
  private block: Bytes = NO_BYTES;
  private used = 0;

  /** Uninitialised bytes that may be kept for as long as the log wants. */
  readonly allocate = (length: number): Bytes => {
    if (length > CUT_MAX_BYTES) return allocateOwnedBytes(length);
    if (this.used + length > this.block.length) {
      this.block = allocateOwnedBytes(BLOCK_BYTES);
      this.used = 0;
    }
    const start = this.used;
    this.used += length;
    return this.block.subarray(start, this.used);
  };
}
