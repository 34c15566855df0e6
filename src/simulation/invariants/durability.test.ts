import { expect, test } from "vitest";
import { protocolOf } from "../../consensus/algorithms.ts";
import type { Algorithm } from "../../consensus/algorithms.ts";
import type { DurableWrite, Entry, Recovered, SnapshotMeta } from "../../consensus/consensus.ts";
import { createMemoryStorage } from "../../engine/group/memory-storage.ts";
import type { ReplicaStorage } from "../../engine/group/storage.ts";
import { bytesFromLatin1 } from "../../runtime/bytes.ts";
import type { Clock } from "../../runtime/world.ts";
import { Durability } from "./durability.ts";

const EMPTY: Recovered = { term: 0, votedFor: undefined, snapshot: undefined, entries: [] };

function entry(index: number, term: number, text = "x"): Entry {
  return { index, term, kind: "command", payload: bytesFromLatin1(text) };
}

function snapshotAt(index: number): SnapshotMeta {
  const membership = { voters: ["n1"], outgoing: [], learners: [], addresses: {} };
  return { index, term: 1, membership, sizeBytes: 0 };
}

/** Node n1 of n1 to n3, with a disk whose writes end when the test says so. */
class Tested {
  readonly found: string[] = [];
  readonly durability: Durability;
  readonly storage: ReplicaStorage;
  private readonly underWay: (() => void)[] = [];

  constructor(algorithm: Algorithm = "raft") {
    const voters = ["n1", "n2", "n3"];
    this.durability = new Durability((what) => this.found.push(what), protocolOf(algorithm), voters);
    this.storage = this.disk("n1");
    this.durability.recovered("n1", EMPTY, false);
  }

  disk(node: string): ReplicaStorage {
    const clock: Clock = {
      monotonicMs: () => 0,
      wallMs: () => 0,
      setTimer: () => ({ cancel: () => undefined }),
      endOfTurn: (run) => void this.underWay.push(run),
    };
    return this.durability.observeStorage(node, createMemoryStorage(clock));
  }

  write(write: DurableWrite, storage: ReplicaStorage = this.storage): void {
    storage.append(write, () => undefined);
  }

  sync(): void {
    for (const done of this.underWay.splice(0)) done();
  }

  recover(recovered: Partial<Recovered>): readonly string[] {
    this.durability.recovered("n1", { ...EMPTY, ...recovered }, false);
    return this.found;
  }
}

test("an entry that was durable and is not recovered is found, one whose write was under way is not", () => {
  const tested = new Tested();
  tested.write({ ballot: { term: 1, votedFor: "n1" }, entries: [entry(1, 1), entry(2, 1)] });
  tested.sync();
  tested.write({ entries: [entry(3, 1)] });
  const ballot = { term: 1, votedFor: "n1" };
  expect(tested.recover({ ...ballot, entries: [entry(1, 1), entry(2, 1)] })).toEqual([]);
  expect(tested.recover({ ...ballot, entries: [entry(1, 1)] })).toEqual([
    "n1 had made entry 2 of term 1 durable and recovered nothing",
  ]);
});

test("what a write under way replaces may be gone, what is before it may not", () => {
  const tested = new Tested();
  tested.write({ entries: [entry(1, 1), entry(2, 1)] });
  tested.sync();
  tested.write({ entries: [entry(2, 2)] });
  expect(tested.durability.lost("n1", { ...EMPTY, entries: [entry(1, 1)] })).toBeUndefined();
  expect(tested.durability.lost("n1", { ...EMPTY, entries: [] })).toContain("entry 1 of term 1");
});

test("a term or a vote that is taken back is found", () => {
  const tested = new Tested();
  tested.write({ ballot: { term: 4, votedFor: "n2" } });
  tested.sync();
  expect(tested.durability.lost("n1", { ...EMPTY, term: 3 })).toContain("recovered term 3");
  expect(tested.durability.lost("n1", { ...EMPTY, term: 4 })).toContain("recovered another vote");
  expect(tested.durability.lost("n1", { ...EMPTY, term: 5 })).toBeUndefined();
});

test("a snapshot that rotted is not missed while the log has all that it covers", () => {
  const tested = new Tested();
  tested.write({ entries: [entry(1, 1), entry(2, 1)] });
  tested.write({ snapshot: snapshotAt(2) });
  tested.sync();
  const whole = [entry(1, 1), entry(2, 1)];
  expect(tested.durability.lost("n1", { ...EMPTY, entries: whole })).toBeUndefined();
  expect(tested.durability.lost("n1", { ...EMPTY, entries: whole.slice(0, 1) })).toContain("misses entry 2");
});

test("what is below the floor of a damaged log counts as acknowledged, and is not missed", () => {
  const tested = new Tested();
  tested.write({ entries: [entry(1, 1), entry(2, 1)] });
  tested.sync();
  expect(tested.recover({ entries: [entry(1, 1)], floor: { term: 1, index: 2 } })).toEqual([]);
  expect(tested.durability.vouches("n1", entry(2, 1))).toBe(true);
  tested.write({ floor: "reached" });
  tested.sync();
  expect(tested.durability.vouches("n1", entry(2, 1))).toBe(false);
});

test("a disk vouches for an entry from when it is durable until another one has its place", () => {
  const tested = new Tested();
  tested.write({ entries: [entry(1, 1)] });
  expect(tested.durability.vouches("n1", entry(1, 1))).toBe(false);
  tested.sync();
  expect(tested.durability.vouches("n1", entry(1, 1))).toBe(true);
  tested.write({ entries: [entry(1, 2)] });
  tested.sync();
  expect(tested.durability.vouches("n1", entry(1, 1))).toBe(false);
});

test("in a log of slots a later ballot's acceptance stands for the earlier one, and replaces nothing behind it", () => {
  const tested = new Tested("paxos");
  tested.write({ slots: true, entries: [entry(1, 1), entry(2, 1)] });
  tested.write({ slots: true, entries: [entry(1, 2)] });
  tested.sync();
  expect(tested.durability.vouches("n1", entry(1, 1))).toBe(true);
  expect(tested.durability.vouches("n1", entry(2, 1))).toBe(true);
});

test("a second value that a majority accepts in a slot is found, though no leader ever counts it", () => {
  const tested = new Tested("paxos");
  const other = tested.disk("n2");
  const accept = (term: number, text: string): void => {
    for (const storage of [tested.storage, other]) {
      tested.write({ slots: true, entries: [entry(1, term, text)] }, storage);
    }
    tested.sync();
  };
  accept(1, "a");
  accept(2, "a");
  expect(tested.found).toEqual([]);
  accept(3, "b");
  expect(tested.found).toEqual(["a second value was chosen in slot 1, accepted last by n2"]);
});

test("a vote and an acknowledgement that leave before they are durable are found", () => {
  const found: string[] = [];
  const claims = [
    { type: "vote", term: 2 },
    { type: "log", upTo: 1 },
  ] as const;
  let at = 0;
  const protocol = { ...protocolOf("raft"), claim: () => claims[at], encode: () => [] };
  const durability = new Durability((what) => found.push(what), protocol, undefined);
  const codec = durability.observedCodec("n1");
  const say = (claim: number): void => {
    at = claim;
    codec.encode({ type: "any" });
  };
  say(0);
  say(1);
  expect(found.splice(0)).toEqual([
    "n1 grants a vote in term 2, which is not on its disk",
    "n1 acknowledges entry 1, which is not on its disk",
  ]);
  durability.recovered("n1", { ...EMPTY, term: 2, votedFor: "n2", entries: [entry(1, 1)] }, false);
  say(0);
  say(1);
  expect(found).toEqual([]);
});
