/**
 * Memory that begins at a page of the system, as disks want it that are written to past the system's memory. Only WebAssembly's is
 * sure to: Node.js tells nobody where a Buffer lies. Programs of WebAssembly, and other threads if it is shared, work on it too.
 */
export interface PageMemory {
  readonly buffer: ArrayBufferLike;
}

/** A page of WebAssembly's memory. */
const PAGE_BYTES = 64 * 1024;

/** WebAssembly as far as it is used here; neither the language's types nor those of Node.js 20 name it. */
interface WebAssemblyApi {
  readonly Memory: new (limits: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: boolean;
  }) => PageMemory;
}

const api = (globalThis as { readonly WebAssembly?: WebAssemblyApi }).WebAssembly;
const buffers = new WeakSet<ArrayBufferLike>();

/** At least so many bytes, zeros, that take room when they are used. Undefined where WebAssembly is missing, or the room. */
export function createPageMemory(
  minBytes: number,
  { shared }: { readonly shared: boolean },
): PageMemory | undefined {
  const pages = Math.ceil(minBytes / PAGE_BYTES);
  try {
    const memory = api === undefined ? undefined : new api.Memory({ initial: pages, maximum: pages, shared });
    if (memory !== undefined) buffers.add(memory.buffer);
    return memory;
  } catch {
    // No room in the address space, or a limit on it.
    return undefined;
  }
}

/** Whether bytes begin and end at multiples of `unit`, which divides a page, in such memory. */
export function fillsUnits({ buffer, byteOffset, length }: Uint8Array, unit: number): boolean {
  return byteOffset % unit === 0 && length % unit === 0 && buffers.has(buffer);
}
