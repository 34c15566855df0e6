/**
 * Buffers in which large uploads lie from the socket to the disk: the socket reads into one, checksums are made where the bytes lie,
 * and the disk takes them from there, without a copy. All nodes of the process share the pool.
 *
 * Buffers are counted: one is used again when nobody retains it any more. Who keeps bytes that it was given retains them, and
 * releases them when it needs them no longer; of bytes that lie elsewhere neither does anything. Released bytes must not be looked
 * at: others write there.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { viewBytes } from "../../../runtime/bytes.ts";
import { assert } from "../../../runtime/errors.ts";
import type { PageMemory } from "../../../runtime/page-memory.ts";
import { createPageMemory } from "../../../runtime/page-memory.ts";

/** A multiple of what disks write, two cached calls of the disk (`runtime/node/file-writes.ts`), and no more than a packet. */
export const BUFFER_BYTES: number = 896 * 1024;
/** Three large uploads at full speed; what is more has memory of its own, and is copied on its way. */
const BUFFERS = 36;
/** In front of the buffers: what checksums are made with. */
export const RESERVED_BYTES: number = 256 * 1024;

/** Undefined: there are no buffers. */
export const poolMemory: PageMemory | undefined = createPageMemory(RESERVED_BYTES + BUFFERS * BUFFER_BYTES, {
  shared: true,
});
/** How many retain each buffer. */
const counts = Array.from({ length: BUFFERS }, () => 0);
/** Those used last at the end: a processor has them at hand. */
const free: number[] = [];
reclaimBuffers();

/** A buffer of BUFFER_BYTES, retained once, for the caller. Undefined: none is free. */
export function takeBuffer(): Bytes | undefined {
  const buffer = free.pop();
  if (buffer === undefined || poolMemory === undefined) return undefined;
  counts[buffer] = 1;
  const memory = poolMemory.buffer as ArrayBuffer;
  return viewBytes(new Uint8Array(memory, RESERVED_BYTES + buffer * BUFFER_BYTES, BUFFER_BYTES));
}

/** The buffer that these bytes are a part of is not used again before one more `release`. */
export function retain(bytes: Uint8Array): void {
  count(bytes, 1);
}

/** Takes one `retain`, or the taking of the buffer, back. */
export function release(bytes: Uint8Array): void {
  count(bytes, -1);
}

/** Buffers that nobody retains at present. */
export function freeBuffers(): number {
  return free.length;
}

/** All are free, whoever retains them: a simulated world that ended releases nothing. */
export function reclaimBuffers(): void {
  counts.fill(0);
  free.length = 0;
  if (poolMemory === undefined) return;
  for (let buffer = BUFFERS - 1; buffer >= 0; buffer--) free.push(buffer);
}

function count({ buffer: memory, byteOffset }: Uint8Array, change: 1 | -1): void {
  if (memory !== poolMemory?.buffer || byteOffset < RESERVED_BYTES) return;
  const buffer = Math.floor((byteOffset - RESERVED_BYTES) / BUFFER_BYTES);
  const before = counts[buffer] ?? 0;
  assert(before > 0, `nobody retains buffer ${buffer}`);
  counts[buffer] = before + change;
  if (before + change === 0) free.push(buffer);
}
