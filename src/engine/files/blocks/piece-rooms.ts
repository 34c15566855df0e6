/**
 * Where the pieces of large uploads lie from the socket to the disk: the socket reads into a room, its checksums are made there,
 * and the disk takes it from there, without a copy. All nodes of the process share the rooms.
 *
 * A room is used again when nobody holds it any more. Who keeps bytes of others' holds them, and lets go of them when it needs
 * them no longer; of bytes that lie elsewhere neither does anything. Bytes that were let go of must not be looked at.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { viewBytes } from "../../../runtime/bytes.ts";
import { assert } from "../../../runtime/errors.ts";
import type { PageMemory } from "../../../runtime/page-memory.ts";
import { createPageMemory } from "../../../runtime/page-memory.ts";

/** What a room holds: a multiple of what disks write, two cached calls of the disk (`runtime/node/file-writes.ts`), one packet. */
export const ROOM_BYTES: number = 896 * 1024;
/** Three large uploads at a time; what is more has memory of its own, and is copied on its way. */
const ROOMS = 36;
/** In front of the rooms: what checksums are made with. */
export const RESERVED_BYTES: number = 256 * 1024;

/** Undefined: there are no rooms. */
export const roomsMemory: PageMemory | undefined = createPageMemory(RESERVED_BYTES + ROOMS * ROOM_BYTES, {
  shared: true,
});
/** How many hold each room. */
const holders = Array.from({ length: ROOMS }, () => 0);
/** Those used last at the end: a processor has them at hand. */
const free: number[] = [];
reclaimRooms();

/** A room, held by the caller. Undefined: none is free. */
export function takeRoom(): Bytes | undefined {
  const room = free.pop();
  if (room === undefined || roomsMemory === undefined) return undefined;
  holders[room] = 1;
  const memory = roomsMemory.buffer as ArrayBuffer;
  return viewBytes(new Uint8Array(memory, RESERVED_BYTES + room * ROOM_BYTES, ROOM_BYTES));
}

/** The bytes are needed until as many `letGo` as `hold` were called; whoever took the room holds it too. */
export function hold(bytes: Uint8Array): void {
  const room = roomOf(bytes);
  if (room === undefined) return;
  const count = holders[room] ?? 0;
  assert(count > 0, `room ${room} is held by nobody`);
  holders[room] = count + 1;
}

/** Of any part of a room. */
export function letGo(bytes: Uint8Array): void {
  const room = roomOf(bytes);
  if (room === undefined) return;
  const count = holders[room] ?? 0;
  assert(count > 0, `room ${room} is held by nobody`);
  holders[room] = count - 1;
  if (count === 1) free.push(room);
}

/** Rooms that nobody holds at present. */
export function freeRooms(): number {
  return free.length;
}

/** All rooms are free, whoever holds them: a world that ended in this process, or simulated, lets go of nothing. */
export function reclaimRooms(): void {
  holders.fill(0);
  free.length = 0;
  if (roomsMemory === undefined) return;
  for (let room = ROOMS - 1; room >= 0; room--) free.push(room);
}

function roomOf({ buffer, byteOffset }: Uint8Array): number | undefined {
  if (buffer !== roomsMemory?.buffer || byteOffset < RESERVED_BYTES) return undefined;
  return Math.floor((byteOffset - RESERVED_BYTES) / ROOM_BYTES);
}
