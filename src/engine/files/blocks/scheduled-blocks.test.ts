import { expect, test } from "vitest";
import type { BlockNode } from "./locations.ts";
import { ScheduledBlocks } from "./scheduled-blocks.ts";

const NODES = ["n1", "n2"].map((id) => ({ id, freeBytes: 1000 }) as BlockNode);

function free(scheduled: ScheduledBlocks): readonly number[] {
  return scheduled.withRoom(NODES).map(({ freeBytes }) => freeBytes);
}

test("a block that is being written takes its whole size of each of its nodes, heartbeats or not", () => {
  const scheduled = new ScheduledBlocks();
  const block = scheduled.begin(["n1"], 300);
  expect(free(scheduled)).toEqual([700, 1000]);
  scheduled.begin(["n1", "n2", "n1"], 400);
  expect(free(scheduled)).toEqual([-100, 600]);
  scheduled.measured("n1");
  expect(free(scheduled)).toEqual([-100, 600]);
  block.add("n2");
  expect(free(scheduled)).toEqual([-100, 300]);
});

test("one that has ended takes what was written until its node has told twice what is left", () => {
  const scheduled = new ScheduledBlocks();
  const block = scheduled.begin(["n1", "n2"], 300);
  const other = scheduled.begin(["n1"], 300);
  block.end(50);
  expect(free(scheduled)).toEqual([650, 950]);
  // What it told may have been under way when the end of the block was acknowledged by another node.
  scheduled.measured("n1");
  expect(free(scheduled)).toEqual([650, 950]);
  other.end(20);
  expect(free(scheduled)).toEqual([930, 950]);
  scheduled.measured("n1");
  expect(free(scheduled)).toEqual([980, 950]);
  scheduled.measured("n1");
  expect(free(scheduled)).toEqual([1000, 950]);
  for (let told = 0; told < 2; told++) scheduled.measured("n2");
  expect(scheduled.withRoom(NODES)).toEqual(NODES);
});

test("one that goes on takes only what comes of the nodes that have it, and all of another that joins them", () => {
  const scheduled = new ScheduledBlocks();
  const block = scheduled.begin(["n1"], 300, 200);
  expect(free(scheduled)).toEqual([900, 1000]);
  block.add("n2");
  expect(free(scheduled)).toEqual([900, 700]);
  block.end(210);
  expect(free(scheduled)).toEqual([990, 790]);
  const stopped = scheduled.begin(["n1"], 300, 200);
  stopped.end(0);
  expect(free(scheduled)).toEqual([990, 790]);
});

test("an end counts once, and nothing is added behind it", () => {
  const scheduled = new ScheduledBlocks();
  const block = scheduled.begin(["n1"], 300);
  scheduled.begin(["n1"], 100);
  block.end(20);
  block.end(20);
  block.add("n2");
  expect(free(scheduled)).toEqual([880, 1000]);
});
