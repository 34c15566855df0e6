/** What the sweeps write, and what a log must hold after any part of it: the specification, written without a log. */
import { expect } from "vitest";
import type { DurableWrite, Entry, Index } from "../../../consensus/consensus.ts";
import { entries, entry } from "./log-test.testing.ts";
import type { GroupId, RecoveredGroup } from "./write-ahead-log.ts";

export interface Step {
  readonly group: GroupId;
  readonly write: DurableWrite;
  readonly compact?: number;
}

export interface Workload {
  readonly steps: () => Step[];
  /** A write of one entry more. */
  readonly storing: (entry: Entry) => DurableWrite;
}

const membership = { voters: ["n1"], outgoing: [], learners: [], addresses: {} };

/** Raft's: two groups that grow, overwrite a suffix, vote, install a snapshot and compact, over several segments. */
export const ENTRIES: Workload = {
  steps() {
    const steps: Step[] = [];
    const next = new Map([
      [1, 1],
      [2, 1],
    ]);
    for (let round = 0; round < 26; round++) {
      const group = round % 3 === 0 ? 2 : 1;
      const term = 1 + Math.floor(round / 7);
      let from = next.get(group) as number;
      if (round % 7 === 6) from = Math.max(1, from - 2);
      const to = from + (round % 2);
      const write: DurableWrite = {
        ...(round % 7 === 0 ? { ballot: { term, votedFor: round % 2 === 0 ? "n1" : undefined } } : {}),
        ...(round === 16 ? { snapshot: { index: 40, term, membership, sizeBytes: 5 } } : {}),
        ...entries(round === 16 ? 41 : from, round === 16 ? 42 : to, term, "y".repeat((round * 97) % 1100)),
      };
      next.set(group, round === 16 ? 43 : to + 1);
      steps.push({ group, write, ...(round === 14 ? { compact: from - 3 } : {}) });
    }
    return steps;
  },
  storing: (each) => ({ entries: [each] }),
};

/**
 * Multi-Paxos': two groups that promise, accept in order, behind holes and anew in a higher ballot, learn what is chosen,
 * install a snapshot in front of what they accepted, compact, begin afresh and recover, over several segments.
 */
export const SLOTS: Workload = {
  steps() {
    const acceptors = new Map([
      [1, new Acceptor()],
      [2, new Acceptor()],
    ]);
    return Array.from({ length: 44 }, (_, round) => {
      const group = round % 3 === 0 ? 2 : 1;
      const acceptor = acceptors.get(group) as Acceptor;
      const fill = "y".repeat((round * 97) % 700);
      if (group === 2 && round === 33) return { group, write: acceptor.loseAll() };
      if (group === 2 && round === 42) return { group, write: acceptor.recover(fill) };
      if (group === 1 && round === 28) return { group, write: acceptor.install() };
      const write = acceptor.next(fill);
      return { group, write, ...(round === 22 ? { compact: acceptor.chosen - 1 } : {}) };
    });
  },
  storing: (each) => ({ slots: true, entries: [each] }),
};

class Acceptor {
  chosen: Index = 0;
  private term = 0;
  private held = new Set<Index>();
  private end: Index = 0;
  private turn = 0;

  next(fill: string): DurableWrite {
    const { end } = this;
    switch (this.turn++ % 7) {
      case 0:
        this.term += 16;
        return { slots: true, ballot: { term: this.term, votedFor: this.turn % 2 === 0 ? "n2" : undefined } };
      case 1:
        return this.accept(fill, end + 1, end + 2);
      case 2:
        // Slot `end + 1` is lost on its way.
        return this.accept(fill, end + 2, end + 3);
      case 3:
        return { ...this.accept(fill, end + 1), ...this.learn() };
      case 4:
        // A higher ballot begins by proposing again what it found, with a value for the hole, and finds more behind it.
        this.term += 1;
        return {
          ...this.accept(fill, ...range(this.chosen + 1, end), end + 3),
          ballot: { term: this.term, votedFor: undefined },
        };
      case 5:
        return { ...this.accept(fill, end - 2, end - 1), ...this.learn() };
      default:
        return { slots: true, ...this.learn() };
    }
  }

  /** A snapshot of more than is chosen here, but not of all that was accepted: the rest stays. */
  install(): DurableWrite {
    const index = this.chosen + 1;
    expect(this.end, "slots behind the snapshot").toBeGreaterThan(index);
    for (const each of this.held) if (each <= index) this.held.delete(each);
    this.chosen = index;
    const snapshot = { index, term: this.term, membership, sizeBytes: 5 };
    return { ...this.accept("behind it", this.end + 2), snapshot, chosen: index };
  }

  loseAll(): DurableWrite {
    const floor = { term: this.term, index: this.end };
    this.held.clear();
    this.chosen = 0;
    this.end = 0;
    return { afresh: true, floor };
  }

  recover(fill: string): DurableWrite {
    this.term += 16;
    return {
      ...this.accept(fill, ...range(1, this.end + 2)),
      ballot: { term: this.term, votedFor: undefined },
      ...this.learn(),
      floor: "reached",
    };
  }

  private accept(fill: string, ...slots: readonly Index[]): DurableWrite {
    for (const index of slots) this.held.add(index);
    this.end = Math.max(this.end, ...slots);
    return {
      slots: true,
      entries: slots.map((index) => entry(index, this.term, `${fill} slot ${index} in ${this.term}`)),
    };
  }

  private learn(): DurableWrite {
    while (this.held.has(this.chosen + 1)) this.chosen += 1;
    return { chosen: this.chosen };
  }
}

function range(from: Index, to: Index): Index[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => from + at);
}

export interface Model {
  ballot: string;
  floor: string;
  snapshot: number;
  chosen: number;
  entries: Map<number, string>;
}

const emptyModel = (): Model => ({
  ballot: "0/undefined",
  floor: "",
  snapshot: 0,
  chosen: 0,
  entries: new Map(),
});

/** What each group holds after the first `count` steps. */
export function modelAfter(steps: readonly Step[], count: number): Map<GroupId, Model> {
  const groups = new Map<GroupId, Model>();
  for (const { group, write } of steps.slice(0, count)) {
    const model = groups.get(group) ?? emptyModel();
    groups.set(group, model);
    carryOut(model, write);
  }
  return groups;
}

function carryOut(model: Model, write: DurableWrite): void {
  const { afresh, floor, ballot, snapshot, slots, chosen } = write;
  const dropFrom = (from: number, to = Infinity): void => {
    for (const stored of model.entries.keys())
      if (stored >= from && stored <= to) model.entries.delete(stored);
  };
  if (afresh === true) Object.assign(model, { ...emptyModel(), ballot: model.ballot });
  if (floor !== undefined) model.floor = floor === "reached" ? "" : `${floor.index}@${floor.term}`;
  if (ballot !== undefined) model.ballot = `${ballot.term}/${ballot.votedFor}`;
  if (snapshot !== undefined) {
    model.snapshot = snapshot.index;
    dropFrom(0, slots === true ? snapshot.index : Infinity);
  }
  for (const { index, term, payload } of write.entries ?? []) {
    if (slots !== true) dropFrom(index);
    model.entries.set(index, `${term}:${payload.toString("latin1")}`);
  }
  model.chosen = Math.max(model.chosen, chosen ?? 0);
}

export function modelOf(recovered: ReadonlyMap<GroupId, RecoveredGroup>): Map<GroupId, Model> {
  return new Map(
    [...recovered].map(([group, { term, votedFor, floor, snapshot, chosen, entries: stored, damage }]) => {
      expect(damage).toBeUndefined();
      const model: Model = {
        ballot: `${term}/${votedFor}`,
        floor: floor === undefined ? "" : `${floor.index}@${floor.term}`,
        snapshot: snapshot?.index ?? 0,
        chosen: chosen ?? 0,
        entries: new Map(
          stored.map((each) => [each.index, `${each.term}:${each.payload.toString("latin1")}`]),
        ),
      };
      return [group, model];
    }),
  );
}

/** A text that two equal states share; entries that a compaction may have removed are left out. */
export function fingerprint(groups: ReadonlyMap<GroupId, Model>, compacted: number): string {
  return JSON.stringify(
    [...groups]
      .sort(([left], [right]) => left - right)
      .map(([group, { entries: stored, ...model }]) => {
        const kept = [...stored].filter(([index]) => group !== 1 || index >= compacted || model.snapshot > 0);
        return [group, model, kept.sort(([left], [right]) => left - right)];
      }),
  );
}
