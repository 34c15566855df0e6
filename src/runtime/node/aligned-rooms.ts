/** Memory for direct writes, and their turns. */
import { createPageMemory } from "../page-memory.ts";

/** Rooms of one size, used again and again. The memory is taken when the first one is asked for, and kept. */
export class AlignedRooms {
  private readonly count: number;
  private readonly bytes: number;
  private readonly waiting: ((room: Uint8Array) => void)[] = [];
  private free: Uint8Array[] | undefined;

  /** `bytes`: of each, a multiple of 64 KiB. */
  constructor(count: number, bytes: number) {
    this.count = count;
    this.bytes = bytes;
  }

  /** Calls back with a room when one is free, in turn; with undefined, and at once, when the system gives no such memory. */
  take(use: (room: Uint8Array | undefined) => void): void {
    this.free ??= this.allocate();
    const room = this.free?.pop();
    if (room !== undefined || this.free === undefined) use(room);
    else this.waiting.push(use);
  }

  giveBack(room: Uint8Array): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free?.push(room);
    else next(room);
  }

  private allocate(): Uint8Array[] | undefined {
    const memory = createPageMemory(this.count * this.bytes, { shared: false });
    if (memory === undefined) return undefined;
    const { buffer } = memory;
    return Array.from({ length: this.count }, (_, at) => new Uint8Array(buffer, at * this.bytes, this.bytes));
  }
}
