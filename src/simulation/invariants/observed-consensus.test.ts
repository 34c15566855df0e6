import { expect, test } from "vitest";
import { protocolOf } from "../../consensus/algorithms.ts";
import type { Consensus, Effect } from "../../consensus/consensus.ts";
import { AppliedStates } from "./applied-states.ts";
import { CommittedLog } from "./committed-log.ts";
import { Durability } from "./durability.ts";
import { Leaderships } from "./leaderships.ts";
import { ObservedConsensus } from "./observed-consensus.ts";

/** The core of n1, which says what the test lets it say. */
class Tested {
  readonly found: string[] = [];
  readonly committedLog: CommittedLog;
  ledUnheard = 0;
  private readonly observed: ObservedConsensus<never>;
  private effects: Effect<never>[] = [];

  constructor() {
    const fail = (what: string): void => void this.found.push(what);
    const protocol = protocolOf("raft");
    this.committedLog = new CommittedLog(fail, protocol, new Durability(fail, protocol, undefined));
    const core: Consensus<never> = {
      step: () => undefined,
      drain: () => this.effects.splice(0),
      status: () => ({
        role: "follower",
        term: 1,
        leader: undefined,
        commitIndex: 0,
        firstIndex: 1,
        lastIndex: 0,
        membership: { voters: [], outgoing: [], learners: [], addresses: {} },
        progress: new Map(),
        snapshotsInUse: [],
      }),
      accepts: () => false,
      leaseHolds: () => false,
      entry: () => undefined,
      membershipAt: () => ({ voters: [], outgoing: [], learners: [], addresses: {} }),
    };
    this.observed = new ObservedConsensus(
      "n1",
      core,
      { digest: () => 0 },
      {
        leaderships: new Leaderships(fail),
        committedLog: this.committedLog,
        appliedStates: new AppliedStates(fail),
        ledUnheard: () => this.ledUnheard++,
        fail,
      },
    );
  }

  hear(input: Parameters<Consensus<never>["step"]>[0]): void {
    this.observed.step(input, 0);
  }

  say(...effects: Effect<never>[]): void {
    this.effects = [...effects];
    expect(this.observed.drain()).toEqual(effects);
  }
}

test("a read that is confirmed below what was committed anywhere when it was asked is found", () => {
  const tested = new Tested();
  tested.committedLog.highestIndex = 5;
  tested.hear({ type: "read", id: 1 });
  tested.hear({ type: "read", id: 2 });
  tested.committedLog.highestIndex = 9;
  tested.say({ type: "read", id: 1, index: 5, lease: false });
  expect(tested.found).toEqual([]);
  tested.say({ type: "read", id: 2, index: 4, lease: false });
  expect(tested.found).toEqual(["n1 confirmed a read at 4, asked when 5 was committed"]);
});

test("a term, a commit or an applied index that goes back is found", () => {
  const tested = new Tested();
  tested.say({ type: "role", role: "follower", term: 4, leader: "n2" }, { type: "commit", upTo: 7 });
  tested.hear({ type: "applied", index: 7 });
  expect(tested.found).toEqual([]);
  tested.say({ type: "role", role: "follower", term: 3, leader: "n2" }, { type: "commit", upTo: 6 });
  tested.hear({ type: "applied", index: 6 });
  expect(tested.found).toEqual([
    "n1 went from term 4 back to 3",
    "commit of n1 went from 7 to 6",
    "applied of n1 went from 7 to 6",
  ]);
});

test("a process that leads is told apart by whether it has heard a live entry in its life", () => {
  const payload = Buffer.from("a");
  const write = {
    type: "write",
    id: 1,
    write: { entries: [{ index: 1, term: 1, kind: "command", payload }] },
  } as const;
  const stored = new Tested();
  stored.say({ type: "role", role: "candidate", term: 2, leader: undefined }, write);
  stored.say({ type: "role", role: "leader", term: 2, leader: "n1" });
  expect(stored.ledUnheard).toBe(1);
  const heard = new Tested();
  heard.say({ type: "role", role: "follower", term: 1, leader: "n2" }, write);
  heard.say({ type: "role", role: "leader", term: 2, leader: "n1" });
  expect(heard.ledUnheard).toBe(0);
});
