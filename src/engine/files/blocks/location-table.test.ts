import { expect, test } from "vitest";
import type { Replica } from "./block-store.ts";
import { LocationTable } from "./location-table.ts";
import { STALE_AFTER_MS } from "./locations.ts";
import type { BlockReport } from "./protocol.ts";

class Reports {
  readonly changed: number[] = [];
  readonly table = new LocationTable(
    () => 0,
    () => undefined,
    { changed: (block) => this.changed.push(block), restarted: () => undefined },
  );

  /** One part of n1's full report; false: it must begin anew. */
  part(part: number, last: boolean, replicas: readonly Replica[], life = 1): boolean {
    return this.report({ life, sequence: 0, full: { part, last }, replicas, removed: [] });
  }

  /** Changes that n1 tells. */
  change(sequence: number, replicas: readonly Replica[], removed: readonly number[] = []): boolean {
    return this.report({ life: 1, sequence, full: undefined, replicas, removed });
  }

  private report(report: Omit<BlockReport, "type">): boolean {
    this.changed.length = 0;
    return this.table.onReport("n1", { type: "report", ...report }, 0);
  }

  /** Of blocks 1 to 9, what n1 is believed to hold. */
  get held(): readonly Replica[] {
    const blocks = Array.from({ length: 9 }, (_, at) => at + 1);
    return blocks.flatMap((id) =>
      this.table.all(id).map(({ stamp, length, state }) => ({ id, stamp, length, state })),
    );
  }
}

function replica(id: number, state: Replica["state"] = "finished", stamp = 1): Replica {
  return { id, stamp, length: id * 100, state };
}

test("a full report takes effect when its last part is there, and those whose replicas changed are told", () => {
  const reports = new Reports();
  expect(reports.part(0, true, [replica(1), replica(2)])).toBe(true);
  expect(reports.held).toEqual([replica(1), replica(2)]);
  const reading = reports.table.blocksOf("n1")[Symbol.iterator]();
  expect(reading.next().value).toBe(1);

  expect(reports.part(0, false, [replica(3), replica(2, "corrupt", 7)])).toBe(true);
  expect(reports.held).toEqual([replica(1), replica(2)]);
  expect(reports.changed).toEqual([]);
  expect(reports.part(1, true, [replica(4, "recovering"), replica(3, "writing")])).toBe(true);
  const now = [replica(2, "corrupt", 7), replica(3, "writing"), replica(4, "recovering")];
  expect(reports.held).toEqual(now);
  expect(reports.changed.toSorted((left, right) => left - right)).toEqual([1, 2, 3, 4]);
  expect(reports.table.replicasOf("n1")).toBe(3);
  expect(new Set(reports.table.blocksOf("n1"))).toEqual(new Set([2, 3, 4]));
  // Who reads on since before may meet what is gone, and misses nothing of what stayed.
  expect(reading.next().value).toBe(2);
});

test("a full report of which a part is missing, or another process began, is none", () => {
  const reports = new Reports();
  reports.part(0, true, [replica(1)]);
  expect(reports.part(1, true, [replica(5)])).toBe(false);
  expect(reports.part(0, false, [replica(5)])).toBe(true);
  expect(reports.part(2, true, [replica(6)])).toBe(false);
  expect(reports.part(1, true, [replica(6)], 2)).toBe(false);
  expect(reports.held).toEqual([replica(1)]);
  expect(reports.part(0, true, [replica(7)], 2)).toBe(true);
  expect(reports.held).toEqual([replica(7)]);
});

test("changes are applied in their order, and one that is missing asks for a full report", () => {
  const reports = new Reports();
  expect(reports.change(1, [replica(1)])).toBe(false);
  reports.part(0, true, [replica(1), replica(2)]);
  expect(reports.change(1, [replica(2, "finished", 5), replica(3)], [1])).toBe(true);
  expect(reports.held).toEqual([replica(2, "finished", 5), replica(3)]);
  expect(reports.changed).toEqual([2, 3, 1]);
  // Once more, late.
  expect(reports.change(1, [replica(1)])).toBe(true);
  expect(reports.change(3, [replica(4)])).toBe(false);
  expect(reports.held).toEqual([replica(2, "finished", 5), replica(3)]);
});

test("a replica that a reader complained of counts as corrupt until its node says otherwise", () => {
  const reports = new Reports();
  reports.part(0, true, [replica(1), replica(2, "finished", 9)]);
  reports.table.onDamage(1, "n1", 1);
  // Of an earlier one.
  reports.table.onDamage(2, "n1", 8);
  expect(reports.held).toEqual([replica(1, "corrupt"), replica(2, "finished", 9)]);
  reports.part(0, true, [replica(1), replica(2, "finished", 9)]);
  expect(reports.held).toEqual([replica(1), replica(2, "finished", 9)]);
});

test("a node that is no member any more holds nothing, and every block of it is told", () => {
  const reports = new Reports();
  const blocks = Array.from({ length: 5000 }, (_, at) => at + 1);
  reports.part(
    0,
    true,
    blocks.map((id) => replica(id)),
  );
  reports.changed.length = 0;
  reports.table.forget("n1");
  expect(reports.changed).toEqual(blocks);
  expect(reports.held).toEqual([]);
  expect(reports.table.replicasOf("n1")).toBe(0);
});

test("unfinished copies are read after all that are whole, even far and silent ones, before those complained of", () => {
  let nowMs = 0;
  const table = new LocationTable(
    () => nowMs,
    () => undefined,
  );
  const report = (node: string, state: Replica["state"]): void => {
    const full = { part: 0, last: true };
    const replicas = [replica(1, state)];
    table.onReport(node, { type: "report", life: 1, sequence: 0, full, replicas, removed: [] }, nowMs);
  };
  report("n4", "finished");
  report("n5", "finished");
  nowMs = STALE_AFTER_MS + 1;
  report("n1", "writing");
  report("n2", "recovering");
  report("n3", "finished");
  report("n5", "finished");
  table.onDamage(1, "n5", 1);
  const order = (reader: string): readonly string[] => table.readable(1, 1, reader).map(({ node }) => node);
  expect(order("n1")).toEqual(["n3", "n4", "n1", "n2", "n5"]);
  expect(order("n2")).toEqual(["n3", "n4", "n2", "n1", "n5"]);
});

test("a node is read from last from when its link breaks until it is up again, and is as live as before", () => {
  const away = new Set<string>();
  const table = new LocationTable(
    () => 0,
    () => undefined,
    undefined,
    undefined,
    (node) => away.has(node),
  );
  for (const node of ["n1", "n2", "n3"]) {
    const heartbeat = {
      type: "heartbeat" as const,
      life: 1,
      reported: 0,
      rack: "/r",
      standing: "inService" as const,
      term: 0,
      capacityBytes: 1,
      usedBytes: 0,
      freeBytes: 1,
      writers: 0,
      readers: 0,
    };
    const full = { part: 0, last: true };
    table.onReport(
      node,
      { type: "report", life: 1, sequence: 0, full, replicas: [replica(1)], removed: [] },
      0,
    );
    table.onHeartbeat(node, heartbeat, 0);
  }
  const order = (): readonly string[] => table.readable(1, 1, "n2").map(({ node }) => node);
  expect(order()).toEqual(["n2", "n1", "n3"]);
  away.add("n1");
  expect(order()).toEqual(["n2", "n3", "n1"]);
  expect(table.nodes()[0]).toMatchObject({ id: "n1", live: true, stale: false, away: true });
  away.clear();
  expect(order()).toEqual(["n2", "n1", "n3"]);
  expect(table.nodes()[0]).toMatchObject({ away: false });
});
