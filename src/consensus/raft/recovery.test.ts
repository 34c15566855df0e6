import { expect, test } from "vitest";
import { NO_BYTES } from "../../runtime/bytes.ts";
import type { ConsensusOptions, Entry, Membership, Recovered, SnapshotMeta } from "../consensus.ts";
import { DEFAULT_CONSENSUS_OPTIONS } from "../defaults.ts";
import { encodeMembership } from "../membership.ts";
import { createRaft } from "./raft.ts";

const ADDRESSES = { n1: "a", n2: "b", n3: "c" };
const FOUNDING: Membership = { voters: ["n1", "n2", "n3"], outgoing: [], learners: [], addresses: ADDRESSES };
const OPTIONS: ConsensusOptions = {
  ...DEFAULT_CONSENSUS_OPTIONS,
  id: "n1",
  membership: FOUNDING,
  random: () => 0.5,
};

function entries(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => ({
    index: from + at,
    term,
    kind: "command" as const,
    payload: NO_BYTES,
  }));
}

function snapshotAt(index: number, term: number): SnapshotMeta {
  return { index, term, membership: FOUNDING, sizeBytes: 0 };
}

function start(recovered: Partial<Recovered>) {
  const raft = createRaft(
    OPTIONS,
    { term: 9, votedFor: undefined, snapshot: undefined, entries: [], ...recovered },
    0,
  );
  const { firstIndex, lastIndex, commitIndex } = raft.status(0);
  const written = raft.drain().flatMap((effect) => (effect.type === "write" ? [effect.write] : []));
  return { raft, firstIndex, lastIndex, commitIndex, written };
}

test("an empty disk gives an empty log", () => {
  expect(start({})).toMatchObject({ firstIndex: 1, lastIndex: 0, commitIndex: 0, written: [] });
});

test("the log goes on after the snapshot, which is committed", () => {
  const node = start({ snapshot: snapshotAt(5, 2), entries: entries(6, 8, 3) });
  expect(node).toMatchObject({ firstIndex: 6, lastIndex: 8, commitIndex: 5, written: [] });
});

test("entries from before the snapshot are kept for slow followers", () => {
  const node = start({ snapshot: snapshotAt(5, 2), entries: entries(2, 8, 2) });
  expect(node).toMatchObject({ lastIndex: 8, commitIndex: 5, written: [] });
  expect(node.raft.entry(4)?.term).toBe(2);
});

test("a log that ends before the snapshot is dropped, on the disk too", () => {
  // The state machine may be ahead of this node's own disk: what a majority holds is committed.
  const snapshot = snapshotAt(8, 2);
  const node = start({ snapshot, entries: entries(1, 6, 2) });
  expect(node).toMatchObject({ firstIndex: 9, lastIndex: 8, commitIndex: 8, written: [{ snapshot }] });
});

test.each([
  ["goes on behind", entries(1, 9, 1)],
  ["ends at", entries(1, 8, 1)],
])("a log that contradicts the snapshot and %s it is dropped, on the disk too", (_, stored) => {
  const snapshot = snapshotAt(8, 2);
  const node = start({ snapshot, entries: stored });
  expect(node).toMatchObject({ firstIndex: 9, lastIndex: 8, written: [{ snapshot }] });
});

test("a gap behind the snapshot stops the node: entries are missing that it may have vouched for", () => {
  expect(() => start({ snapshot: snapshotAt(5, 2), entries: entries(7, 8, 2) })).toThrow(/gap/);
  expect(() => start({ entries: [...entries(1, 2, 1), ...entries(4, 5, 1)] })).toThrow(/gap/);
});

test("a log of a later term than the ballot stops the node: its vote was lost", () => {
  expect(() => start({ term: 2, entries: entries(1, 1, 3) })).toThrow(/behind/);
});

test("the newest membership in the log is in force, committed or not", () => {
  const changed: Membership = { ...FOUNDING, voters: ["n1", "n2"], outgoing: ["n1", "n2", "n3"] };
  const entry: Entry = { index: 2, term: 1, kind: "membership", payload: encodeMembership(changed) };
  const { raft } = start({ entries: [...entries(1, 1, 1), entry] });
  expect(raft.status(0).membership).toEqual(changed);
  expect(raft.membershipAt(1)).toEqual(FOUNDING);
});
