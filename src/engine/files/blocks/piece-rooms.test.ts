import { afterEach, expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { zeroBytes } from "../../../runtime/bytes.ts";
import { fillsUnits } from "../../../runtime/page-memory.ts";
import { freeRooms, hold, letGo, reclaimRooms, ROOM_BYTES, takeRoom } from "./piece-rooms.ts";

const rooms = freeRooms();
afterEach(reclaimRooms);

const taken = (): Bytes => takeRoom() as Bytes;

test("rooms are apart, and each lies at whole units of a disk", () => {
  const all = Array.from({ length: rooms }, taken);
  expect(freeRooms()).toBe(0);
  for (const [at, room] of all.entries()) room.fill(at);
  for (const [at, room] of all.entries()) {
    expect(room).toHaveLength(ROOM_BYTES);
    expect(fillsUnits(room, 4096)).toBe(true);
    expect([room[0], room[ROOM_BYTES - 1]]).toEqual([at, at]);
  }
  expect(takeRoom()).toBeUndefined();
});

test("a room is used again when all who hold any part of it have let go", () => {
  const room = taken();
  const [front, back] = [room.subarray(0, 10), room.subarray(ROOM_BYTES - 10)];
  hold(back);
  hold(front);
  letGo(room);
  letGo(back);
  expect(freeRooms()).toBe(rooms - 1);
  letGo(front);
  expect(freeRooms()).toBe(rooms);
  expect(taken().byteOffset).toBe(room.byteOffset);
});

test("what lies elsewhere is nobody's to hold", () => {
  for (const bytes of [zeroBytes(10), zeroBytes(0), zeroBytes(ROOM_BYTES)]) {
    hold(bytes);
    letGo(bytes);
    letGo(bytes);
  }
  expect(freeRooms()).toBe(rooms);
});

test("a room that nobody holds can neither be held nor let go of", () => {
  const room = taken();
  letGo(room);
  expect(() => letGo(room)).toThrow(/held by nobody/);
  expect(() => hold(room)).toThrow(/held by nobody/);
  expect(freeRooms()).toBe(rooms);
});
