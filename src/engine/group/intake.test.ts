import { expect, test } from "vitest";
import { NO_BYTES } from "../../runtime/bytes.ts";
import type { Batch } from "./batch.ts";
import { Intake } from "./intake.ts";

const batch = (node: string, session: number, seq: number, abandonedFrom = seq): Batch => ({
  kind: "commands",
  node,
  session,
  abandonedFrom,
  seq,
  body: NO_BYTES,
});

test("a batch that its owner sends again is taken in once", () => {
  const intake = new Intake(() => 0);
  expect(intake.add(batch("n1", 7, 1), undefined)).toBe(true);
  expect(intake.add(batch("n1", 7, 1), undefined)).toBe(false);
  expect(intake.take(1e6).batches.length).toBe(1);
});

test("nodes whose sessions were opened in one entry do not stand in for each other", () => {
  const intake = new Intake(() => 0);
  expect(intake.add(batch("n1", 7, 1), undefined)).toBe(true);
  expect(intake.add(batch("n2", 7, 1), undefined)).toBe(true);
  intake.forget("n1", 7);
  expect(intake.add(batch("n1", 7, 1), undefined)).toBe(true);
  expect(intake.add(batch("n2", 7, 1), undefined)).toBe(false);
});

test("a number that was applied from an earlier leader's entry leaves no gap", () => {
  let applied = 0;
  const intake = new Intake(() => applied);
  expect(intake.add(batch("n1", 7, 1), undefined)).toBe(true);
  expect(intake.add(batch("n1", 7, 3), undefined)).toBe(false);
  // The owner saw 1 and 2 applied, gave up 3 to 15, and will never send 2 again.
  applied = 2;
  expect(intake.add(batch("n1", 7, 16, 3), undefined)).toBe(true);
});
