import { expect, test } from "vitest";
import { copyBytes } from "../../../runtime/bytes.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { crc32 } from "../../../wire/crc32.ts";
import { TestDisk } from "./crash-disk.testing.ts";
import type { DecisionRow } from "./decision-table.ts";
import { decide, DECISIONS } from "./decision-table.ts";
import { close, entries, openLog } from "./log-test.testing.ts";
import { recover } from "./agreement.ts";
import { segmentName } from "./segment.ts";

const membership = { voters: ["n1"], outgoing: [], learners: [], addresses: {} };

test("every case that can occur has exactly one row", () => {
  for (const sealed of [true, false]) {
    for (const type of ["ballot", "entry", "snapshot", "compaction", "extent", "floor", "chosen"] as const) {
      for (const header of ["own", "copy"] as const) {
        for (const value of ["intact", "damaged"] as const) {
          // A record without a value is intact whenever its header is.
          const hasValue = type === "ballot" || type === "entry" || type === "snapshot";
          if (value === "damaged" && !hasValue) continue;
          const rows = DECISIONS.filter(
            (row) =>
              row.sealed === sealed &&
              row.header === header &&
              row.value === value &&
              (row.type === undefined || row.type === type),
          );
          expect(rows).toHaveLength(1);
          expect(decide(sealed, header, value, type)).toBe(rows[0]?.decision);
        }
      }
    }
    expect(decide(sealed, "lost", "damaged", undefined)).toBe(sealed ? "refuse" : "cut");
  }
});

test("nothing that is sealed is ever cut", () => {
  expect(DECISIONS.filter(({ sealed, decision }) => sealed && decision === "cut")).toEqual([]);
});

/** Where things are in the log that `damagedLog` writes: the first frame, what follows it, and what to break. */
const HEAD = 1024;

/**
 * A log whose first frame holds one record of the row's type and whose second frame, when the row needs it, repeats its
 * header; broken as the row says. In mode `everysec` the second frame does not seal the first.
 */
function damagedLog(row: DecisionRow): ReadonlyMap<string, Bytes> {
  const type = row.type ?? "entry";
  const test = openLog(undefined, { durability: row.sealed ? "always" : "everysec" });
  const write = {
    ballot: { ballot: { term: 7, votedFor: "n1-which-is-longer" } },
    snapshot: { snapshot: { index: 5, term: 7, membership, sizeBytes: 1 } },
    entry: entries(1, 1, 7, "v".repeat(30)),
    compaction: {},
    extent: {},
    floor: {},
    chosen: {},
  }[type];
  test.log.append(1, write, () => undefined);
  test.run();
  if (row.sealed || row.header === "copy") {
    test.log.append(2, entries(1, 1, 1), () => undefined);
    test.run();
  }
  if (row.sealed) close(test);
  const image = test.disk.image();
  const bytes = copyBytes(image.get(segmentName(1)) as Bytes);
  const breakAt = (at: number): void => {
    bytes[at] = (bytes[at] as number) ^ 0xff;
  };
  const FIRST_RECORD = HEAD + 60;
  if (row.header !== "own") breakAt(FIRST_RECORD + 10);
  // The copy stands in the second frame, behind that frame's own single record.
  if (row.header === "lost") for (let at = HEAD + 512; at < HEAD + 512 + 60 + 80; at++) breakAt(at);
  if (row.value === "damaged") breakAt(FIRST_RECORD + 40 + 5);
  return image.set(segmentName(1), bytes);
}

test.each(DECISIONS)("sealed $sealed, header $header, value $value, type $type: $decision", (row) => {
  const image = damagedLog(row);
  const read = (): ReturnType<typeof recover> => recover(new TestDisk(image), crc32);
  if (row.decision === "refuse") {
    expect(read).toThrow(/wal-0000000001\.log at byte 1024/);
    return;
  }
  const { groups, notes } = read();
  const group = groups.get(1);
  switch (row.decision) {
    case "keep":
      expect(notes).toEqual([]);
      expect(group).toMatchObject({ damage: undefined, entries: [{ index: 1, term: 7 }] });
      break;
    case "cut":
      expect(group).toBeUndefined();
      break;
    case "refetch":
      expect(group?.damage?.entries).toEqual([{ index: 1, term: 7, file: segmentName(1), position: HEAD }]);
      break;
    case "raise":
      expect(group).toMatchObject({ term: 8, votedFor: undefined, ballotRaised: true });
      break;
    case "look-up":
      expect(group).toMatchObject({ snapshot: undefined, snapshotMark: { index: 5, term: 7 } });
      break;
  }
  if (row.decision !== "keep" && row.header !== "lost") {
    expect(notes).toMatchObject([
      { decision: row.decision, file: segmentName(1), position: HEAD, sequence: 1 },
    ]);
  }
});
