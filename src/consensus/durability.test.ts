import { expect, test } from "vitest";
import { Durability } from "./durability.ts";

test("a message of a turn waits for the write of that turn, and for nothing once all is on the disk", () => {
  const durability = new Durability(0);
  expect(durability.after).toBe(0);
  durability.change();
  expect(durability.after).toBe(1);
  durability.seal(3, 0);
  expect(durability.after).toBe(1);
  durability.durable(1, 0);
  expect(durability.after).toBe(0);
  expect(durability.stableIndex).toBe(3);
});

test("a write of entries that were replaced meanwhile does not vouch for those that took their place", () => {
  const durability = new Durability(4);
  durability.change();
  durability.seal(10, 0);
  durability.truncated(5);
  durability.change();
  durability.seal(7, 0);
  durability.durable(1, 0);
  expect(durability.stableIndex).toBe(4);
  durability.durable(2, 0);
  expect(durability.stableIndex).toBe(7);
});

test("the wait for the disk starts again with each answer", () => {
  const durability = new Durability(0);
  durability.change();
  durability.seal(1, 100);
  durability.change();
  durability.seal(2, 200);
  expect(durability.waitingSinceMs).toBe(100);
  durability.durable(1, 300);
  expect(durability.waitingSinceMs).toBe(300);
  durability.durable(2, 400);
  expect(durability.waitingSinceMs).toBeUndefined();
});

test("an answer for a write that was never issued stops the node", () => {
  const durability = new Durability(0);
  durability.change();
  expect(() => durability.durable(1, 0)).toThrow(/never issued/);
});
