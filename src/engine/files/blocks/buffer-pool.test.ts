import { afterEach, expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { zeroBytes } from "../../../runtime/bytes.ts";
import { fillsUnits } from "../../../runtime/page-memory.ts";
import { BUFFER_BYTES, freeBuffers, reclaimBuffers, release, retain, takeBuffer } from "./buffer-pool.ts";

const buffers = freeBuffers();
afterEach(reclaimBuffers);

const taken = (): Bytes => takeBuffer() as Bytes;

test("buffers are apart, and each lies at whole units of a disk", () => {
  const all = Array.from({ length: buffers }, taken);
  expect(freeBuffers()).toBe(0);
  for (const [at, buffer] of all.entries()) buffer.fill(at);
  for (const [at, buffer] of all.entries()) {
    expect(buffer).toHaveLength(BUFFER_BYTES);
    expect(fillsUnits(buffer, 4096)).toBe(true);
    expect([buffer[0], buffer[BUFFER_BYTES - 1]]).toEqual([at, at]);
  }
  expect(takeBuffer()).toBeUndefined();
});

test("a buffer is used again when all who retained any part of it have released it", () => {
  const buffer = taken();
  const [front, back] = [buffer.subarray(0, 10), buffer.subarray(BUFFER_BYTES - 10)];
  retain(back);
  retain(front);
  release(buffer);
  release(back);
  expect(freeBuffers()).toBe(buffers - 1);
  release(front);
  expect(freeBuffers()).toBe(buffers);
  expect(taken().byteOffset).toBe(buffer.byteOffset);
});

test("what lies elsewhere is not counted", () => {
  for (const bytes of [zeroBytes(10), zeroBytes(0), zeroBytes(BUFFER_BYTES)]) {
    retain(bytes);
    release(bytes);
    release(bytes);
  }
  expect(freeBuffers()).toBe(buffers);
});

test("a buffer that nobody retains can neither be retained nor released", () => {
  const buffer = taken();
  release(buffer);
  expect(() => release(buffer)).toThrow(/nobody retains/);
  expect(() => retain(buffer)).toThrow(/nobody retains/);
  expect(freeBuffers()).toBe(buffers);
});
