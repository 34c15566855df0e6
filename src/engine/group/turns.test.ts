/** In which order a replica sends, writes, acknowledges and applies: its clock, consensus and disk are the test. */
import { beforeEach, expect, test } from "vitest";
import type { Effect, Entry, Input } from "../../consensus/consensus.ts";
import { bytesFromUtf8 } from "../../runtime/bytes.ts";
import type { Clock } from "../../runtime/world.ts";
import { encodeBatch, sealEntry } from "./batch.ts";
import { createMemoryStorage } from "./memory-storage.ts";
import { Replica } from "./replica.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";

let events: string[];
let nowMs: number;
let turn: (() => void)[];
let effects: Effect<string>[];
let inputs: Input<string>[];
let written: (() => void)[];
let sweep: () => void;
/** Of each command's carrying out. */
let applyMs: number;
let replica: Replica<string, number, string>;

beforeEach(() => {
  events = [];
  nowMs = 1000;
  turn = [];
  effects = [];
  inputs = [];
  written = [];
  applyMs = 0;
  const clock: Clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    setTimer: () => ({ cancel: () => undefined }),
    endOfTurn: (run) => void turn.push(run),
  };
  const membership = { voters: ["a", "b", "c"], outgoing: [], learners: [], addresses: {} };
  replica = new Replica<string, number, string>({
    id: "b",
    directory: "directory of b",
    clock,
    random: { next32: () => 1, float: () => 0.5 },
    logger: { log: () => undefined },
    consensus: {
      step: (input) => void inputs.push(input),
      drain: () => effects.splice(0),
      status: () => ({
        role: "follower",
        term: 1,
        leader: "a",
        commitIndex: 0,
        firstIndex: 1,
        lastIndex: 9,
        membership,
        progress: new Map(),
        snapshotsInUse: [],
      }),
      accepts: () => false,
      leaseHolds: () => false,
      entry,
      membershipAt: () => membership,
    },
    codec: {
      encode: (message) => [bytesFromUtf8(message)],
      decode: (frame) => frame.toString("utf8"),
      withChunk: (message) => message,
    },
    storage: {
      ...createMemoryStorage(clock),
      append(_write, done) {
        events.push("write");
        written.push(done);
      },
    },
    machine: {
      decode: (bytes) => bytes.toString("utf8"),
      apply(command) {
        nowMs += applyMs;
        return events.push(`apply ${command}`);
      },
      snapshot: () => ({ next: () => undefined, close: () => undefined }),
      restore: () => undefined,
      digest: () => 0,
      upkeep: () => undefined,
    },
    recovered: undefined,
    heartbeatIntervalMs: 50,
    entryMaxBytes: 1_000,
    commandMaxBytes: 1_000,
    requestTimeoutMs: 5_000,
    congestedBytes: 10_000,
    snapshotEveryBytes: 1_000_000,
    snapshotTrailingBytes: 0,
    every(intervalMs, work) {
      if (intervalMs === 50) sweep = work;
      return { cancel: () => undefined };
    },
    transmit: (to, kind, parts) => {
      if (kind === "consensus") events.push(`send ${String(parts[0])} to ${to}`);
    },
    queuedBytes: () => 0,
    onMembership: () => undefined,
    onRole: () => undefined,
    onDigest: () => undefined,
    fatal(error) {
      throw error;
    },
  });
  replica.start();
  effects.push({ type: "role", role: "follower", term: 1, leader: "a" });
  endTurn();
  events = [];
});

function entry(index: number): Entry {
  const command = bytesFromUtf8(`${index}`);
  const body = new ByteWriter().bytes(command).take();
  const batch = encodeBatch({ kind: "upkeep", node: "a", session: 0, abandonedFrom: 0, seq: 0, body });
  return {
    index,
    term: 1,
    kind: "command",
    payload: sealEntry(1_000, [batch], (bytes) => Buffer.alloc(bytes) as never),
  };
}

/** Everything of this turn, and of those that it asks for. */
function endTurn(): void {
  for (let run = turn.shift(); run !== undefined; run = turn.shift()) run();
}

/** What the leader sends: entry `index`, with word of what is chosen. */
function receive(index: number, upTo: number): void {
  effects.push({ type: "write", id: index, write: { entries: [entry(index)] } });
  effects.push({ type: "send", to: "a", message: `ack ${index}`, after: index });
  effects.push({ type: "commit", upTo });
  replica.receive("a", "consensus", bytesFromUtf8("append"));
  endTurn();
}

test("a follower that nobody waits at acknowledges the next entry before it applies the last one", () => {
  receive(1, 0);
  receive(2, 1);
  written.shift()!();
  endTurn();
  expect(events).toEqual(["write", "write", "send ack 1 to a", "apply 1"]);
});

test("it applies after every write, though another is always under way", () => {
  receive(1, 0);
  for (let index = 2; index <= 4; index++) {
    receive(index, index - 1);
    written.shift()!();
    endTurn();
  }
  expect(events.filter((event) => event.startsWith("apply"))).toEqual(["apply 1", "apply 2", "apply 3"]);
});

test("a disk that hangs does not keep a follower from applying", () => {
  receive(1, 0);
  receive(2, 1);
  expect(events).toEqual(["write", "write"]);
  sweep();
  endTurn();
  expect(events).toEqual(["write", "write", "apply 1"]);
});

test("it goes on until all is applied, in slices, without another write", () => {
  for (let index = 1; index <= 5; index++) receive(index, index - 1);
  applyMs = 20;
  written.shift()!();
  endTurn();
  expect(events.filter((event) => event.startsWith("apply"))).toHaveLength(4);
});

test("where a client waits, for a read or a write, what is chosen is applied at once", () => {
  receive(1, 0);
  replica.barrier(() => undefined);
  receive(2, 1);
  expect(events).toContain("apply 1");
});

test("where a command waits to be applied, what is chosen is applied at once", () => {
  receive(1, 0);
  replica.propose("mine", bytesFromUtf8("mine"), () => undefined);
  receive(2, 1);
  expect(events).toContain("apply 1");
});

test("what needs no disk is sent before the write of the same turn, and both before anything is applied", () => {
  effects.push({ type: "role", role: "leader", term: 2, leader: "b" });
  effects.push({ type: "write", id: 1, write: { entries: [entry(1)] } });
  effects.push({ type: "commit", upTo: 1 });
  effects.push({ type: "send", to: "c", message: "append 1", after: 0 });
  effects.push({ type: "send", to: "a", message: "vote", after: 1 });
  sweep();
  endTurn();
  expect(events).toEqual(["send append 1 to c", "write", "apply 1"]);
  written.shift()!();
  endTurn();
  expect(events.at(-1)).toBe("send vote to a");
});
