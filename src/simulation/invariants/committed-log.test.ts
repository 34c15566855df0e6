import { expect, test } from "vitest";
import { protocolOf } from "../../consensus/algorithms.ts";
import type { Algorithm } from "../../consensus/algorithms.ts";
import type { Consensus, Entry, Membership, Recovered } from "../../consensus/consensus.ts";
import { bytesFromLatin1 } from "../../runtime/bytes.ts";
import { CommittedLog } from "./committed-log.ts";
import { Durability } from "./durability.ts";

const VOTERS = ["n1", "n2", "n3"];
const MEMBERS: Membership = { voters: VOTERS, outgoing: [], learners: [], addresses: {} };

function entry(index: number, term: number, text: string): Entry {
  return { index, term, kind: "command", payload: bytesFromLatin1(text) };
}

/** A core that leads, and of which only its log is asked. */
function coreWith(entries: readonly Entry[], term: number, membership = MEMBERS): Consensus<never> {
  return {
    step: () => undefined,
    drain: () => [],
    status: () => ({
      role: "leader",
      term,
      leader: "n1",
      commitIndex: 0,
      firstIndex: 1,
      lastIndex: entries.length,
      membership,
      progress: new Map(),
      snapshotsInUse: [],
    }),
    accepts: () => true,
    leaseHolds: () => false,
    entry: (index) => entries[index - 1],
    membershipAt: () => membership,
  };
}

class Tested {
  readonly found: string[] = [];
  readonly log: CommittedLog;
  private readonly durability: Durability;

  constructor(algorithm: Algorithm = "raft") {
    const fail = (what: string): void => void this.found.push(what);
    const protocol = protocolOf(algorithm);
    this.durability = new Durability(fail, protocol, VOTERS);
    this.log = new CommittedLog(fail, protocol, this.durability);
  }

  /** The nodes' disks hold these. */
  onDisk(nodes: readonly string[], entries: readonly Entry[]): void {
    const recovered: Recovered = { term: 1, votedFor: undefined, snapshot: undefined, entries };
    for (const node of nodes) this.durability.recovered(node, recovered, false);
  }
}

test("an entry that is committed while a minority has it on disk is found", () => {
  const tested = new Tested();
  const entries = [entry(1, 1, "a"), entry(2, 1, "b")];
  tested.onDisk(["n1"], entries);
  tested.onDisk(["n2"], entries.slice(0, 1));
  tested.log.committed("n1", 1, coreWith(entries, 1));
  expect(tested.found).toEqual([]);
  tested.log.committed("n1", 2, coreWith(entries, 1));
  expect(tested.found).toEqual([
    "n1 committed entry 2 of term 1, which is durable only at [n1] of the voters [n1,n2,n3]",
  ]);
  expect(tested.log.highestIndex).toBe(2);
});

test("during a joint change both the old and the new voters must have it", () => {
  const tested = new Tested();
  const entries = [entry(1, 1, "a")];
  const joint: Membership = { ...MEMBERS, outgoing: ["n4", "n5", "n6"] };
  tested.onDisk(VOTERS, entries);
  tested.log.committed("n1", 1, coreWith(entries, 1, joint));
  expect(tested.found.length).toBe(1);
});

test("another entry that a node takes for committed at the same place is found", () => {
  const tested = new Tested();
  const chosen = [entry(1, 1, "a")];
  tested.onDisk(VOTERS, chosen);
  tested.log.committed("n1", 1, coreWith(chosen, 1));
  tested.log.committed("n2", 1, coreWith(chosen, 1));
  expect(tested.found).toEqual([]);
  tested.log.committed("n3", 1, coreWith([entry(1, 1, "b")], 1));
  expect(tested.found.length).toBe(1);
  tested.log.committed("n3", 1, coreWith([entry(1, 2, "a")], 2));
  expect(tested.found.length).toBe(2);
});

test("where leaders carry entries on under their own term, the term makes no other entry", () => {
  const tested = new Tested("paxos");
  const chosen = [entry(1, 1, "a")];
  tested.onDisk(VOTERS, chosen);
  tested.log.committed("n1", 1, coreWith(chosen, 1));
  tested.log.committed("n3", 1, coreWith([entry(1, 2, "a")], 2));
  expect(tested.found).toEqual([]);
});

test("members that differ at the same place are found", () => {
  const tested = new Tested();
  const chosen = [entry(1, 1, "a")];
  tested.onDisk(VOTERS, chosen);
  tested.log.committed("n1", 1, coreWith(chosen, 1));
  tested.log.committed("n2", 1, coreWith(chosen, 1, { ...MEMBERS, learners: ["n4"] }));
  expect(tested.found).toEqual(["n2 has the members n1,n2,n3//n4 at 1, where others have n1,n2,n3//"]);
});

test("a leader that lacks what an earlier term committed is found", () => {
  const tested = new Tested();
  const chosen = [entry(1, 1, "a"), entry(2, 1, "b")];
  tested.onDisk(VOTERS, chosen);
  for (const index of [1, 2]) tested.log.committed("n1", index, coreWith(chosen, 1));
  tested.log.checkComplete("n2", 2, coreWith(chosen, 2));
  expect(tested.found).toEqual([]);
  tested.log.checkComplete("n3", 3, coreWith(chosen.slice(0, 1), 3));
  expect(tested.found).toEqual([
    "n3 leads term 3 with nothing at 2, where an entry of term 1 was committed in term 1",
  ]);
});

test("a leader of Raft that commits through an entry of an earlier term is found", () => {
  const tested = new Tested();
  tested.log.checkOwnTerm("n1", 1, coreWith([entry(1, 2, "a")], 2));
  expect(tested.found).toEqual([]);
  tested.log.checkOwnTerm("n1", 1, coreWith([entry(1, 1, "a")], 2));
  expect(tested.found).toEqual(["n1, leader of term 2, committed up to 1, an entry of term 1"]);
});
