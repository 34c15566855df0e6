import { expect, test } from "vitest";
import { roomPercent } from "./heap.ts";

const MIB = 1 << 20;

test("a small heap has room for garbage, never more than four times what is alive in it", () => {
  expect(roomPercent(25 * MIB)).toBe(384);
  expect(roomPercent(MIB)).toBe(400);
});

test("a large heap grows as V8 sees fit, so that the room does not grow with the data", () => {
  expect(roomPercent(160 * MIB)).toBe(60);
  expect(roomPercent(161 * MIB)).toBe(0);
  expect(roomPercent(4096 * MIB)).toBe(0);
});
