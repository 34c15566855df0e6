/**
 * Memory that begins at a page of the system, as disks want it that are written to past the system's memory. Only the memory of
 * WebAssembly is sure to: Node.js tells nobody where a Buffer lies.
 */

/** A page of WebAssembly's memory. */
const PAGE_BYTES = 64 * 1024;

/** WebAssembly as far as it is used here; neither the language's types nor those of Node.js 20 name it. */
interface WebAssemblyApi {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
}

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
    const pages = (this.count * this.bytes) / PAGE_BYTES;
    const api = (globalThis as { readonly WebAssembly?: WebAssemblyApi }).WebAssembly;
    try {
      const memory = api === undefined ? undefined : new api.Memory({ initial: pages, maximum: pages });
      const buffer = memory?.buffer;
      if (buffer !== undefined) {
        return Array.from(
          { length: this.count },
          (_, at) => new Uint8Array(buffer, at * this.bytes, this.bytes),
        );
      }
    } catch {
      // No room in the address space, or a limit on it.
    }
    return undefined;
  }
}
