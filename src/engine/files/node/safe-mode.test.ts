import { expect, test } from "vitest";
import { SimulatedWorld } from "../../../runtime/simulated/world.ts";
import type { World } from "../../../runtime/world.ts";
import type { Replica } from "../blocks/block-store.ts";
import { LocationTable } from "../blocks/location-table.ts";
import { SMALL_RS32 as RS32 } from "../erasure/group.testing.ts";
import type { NamespaceQueries, StoredBlock } from "../namespace/queries.ts";
import type { SafeModeOptions } from "./safe-mode.ts";
import { SafeMode } from "./safe-mode.ts";

const BLOCK: StoredBlock = { id: 16, stamp: 1, length: 1000, replication: 3, open: false, file: 1 };
const GROUP: StoredBlock = { ...BLOCK, length: 3 * RS32.cellBytes, coding: RS32 };

/** A node that starts and hears of one block alone; `shards` of it, each in one of the states. */
function isOnAfter(block: StoredBlock, ...shards: readonly Replica["state"][]): boolean {
  return modeAfter(block, shards, { allReported: () => false, extensionMs: 100 }, 3_000).isOn;
}

function modeAfter(
  block: StoredBlock,
  shards: readonly Replica["state"][],
  options: Pick<SafeModeOptions, "allReported" | "extensionMs">,
  afterMs: number,
): SafeMode {
  const world = new SimulatedWorld(1);
  const machine = world.addMachine("n1");
  let mode: SafeMode | undefined;
  machine.start(({ clock }: World) => {
    const locations = new LocationTable(
      () => clock.monotonicMs(),
      () => undefined,
    );
    const replicas = shards.map((state, unit) => ({ id: block.id + unit, stamp: 1, length: 1000, state }));
    const nowMs = clock.monotonicMs();
    const full = { part: 0, last: true };
    locations.onReport("n2", { type: "report", life: 1, sequence: 0, full, replicas, removed: [] }, nowMs);
    const namespace = { blocks: () => [block].values(), statistics: () => ({ blocks: 1 }) };
    mode = new SafeMode({
      clock,
      namespace: namespace as unknown as Pick<NamespaceQueries, "blocks" | "statistics">,
      locations,
      share: 1,
      ...options,
    });
    mode.begin();
  });
  world.scheduler.runUntil(afterMs);
  return mode as unknown as SafeMode;
}

test("a closed block is there when a replica is whole: a copy that was being made does not end safe mode", () => {
  expect(isOnAfter(BLOCK)).toBe(true);
  expect(isOnAfter(BLOCK, "writing")).toBe(true);
  expect(isOnAfter(BLOCK, "recovering")).toBe(true);
  expect(isOnAfter(BLOCK, "corrupt")).toBe(true);
  expect(isOnAfter(BLOCK, "finished")).toBe(false);
});

test("of the last block of a file that is being written, what its writer left is as much as there is", () => {
  expect(isOnAfter({ ...BLOCK, open: true })).toBe(true);
  expect(isOnAfter({ ...BLOCK, open: true }, "writing")).toBe(false);
  expect(isOnAfter({ ...BLOCK, open: true }, "recovering")).toBe(false);
});

test("a block group is there when as many shards are whole as its data takes", () => {
  expect(isOnAfter(GROUP, "finished", "finished", "writing")).toBe(true);
  expect(isOnAfter(GROUP, "finished", "finished", "writing", "finished")).toBe(false);
  expect(isOnAfter({ ...GROUP, open: true }, "writing", "writing")).toBe(true);
  expect(isOnAfter({ ...GROUP, open: true }, "writing", "writing", "writing")).toBe(false);
});

test("the rest of the reports is waited for when enough blocks are there, and not when all nodes have reported", () => {
  const extensionMs = 60_000;
  const isOn = (allReported: (look: number) => boolean, afterMs: number): boolean => {
    let looks = 0;
    const options = { allReported: () => allReported(looks++), extensionMs };
    return modeAfter(BLOCK, ["finished"], options, afterMs).isOn;
  };
  expect(isOn(() => false, 59_000)).toBe(true);
  expect(isOn(() => false, 61_000)).toBe(false);
  expect(isOn(() => true, 10)).toBe(false);
  expect(isOn((look) => look > 3, 1_000)).toBe(false);
});

test("a block that is missing is waited for also when all nodes have reported: an operator knows whether it comes back", () => {
  const mode = modeAfter(BLOCK, [], { allReported: () => true, extensionMs: 100 }, 60_000);
  expect(mode.reason).toBe("Of 1 blocks 0 can be read; 1 must be.");
});
