import { expect, test } from "vitest";
import { bytesFromLatin1, concatBytes } from "../../runtime/bytes.ts";
import type { Clock } from "../../runtime/world.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import type { Batch } from "./batch.ts";
import { commandsOf, decodeBatch, decodeRegistration } from "./batch.ts";
import type { Session } from "./session-table.ts";
import { Submission } from "./submission.ts";

const REQUEST_TIMEOUT_MS = 5_000;
/** The replica's own interval. */
const SWEEP_MS = 50;
const BUSY_BYTES = 1024 * 1024;

/** A submission of node n1, with what it sends and answers. */
class Tested {
  readonly sent: string[] = [];
  readonly outcomes: string[] = [];
  readonly submission: Submission<string, string>;
  queuedBytes = 0;
  nonce = 0;
  private nowMs = 1_000;
  private draws = 0;

  constructor() {
    const clock: Clock = {
      monotonicMs: () => this.nowMs,
      wallMs: () => this.nowMs,
      setTimer: () => ({ cancel: () => undefined }),
      endOfTurn: () => undefined,
    };
    this.submission = new Submission(
      {
        id: "n1",
        directory: "d1",
        clock,
        random: { next32: () => ++this.draws, float: () => 0.5 },
        logger: { log: () => undefined },
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
        congestedBytes: 100,
        transmit: (to, _kind, parts) => {
          this.note(to, decodeBatch(new ByteReader(concatBytes([...parts]))));
        },
        queuedBytes: () => this.queuedBytes,
      },
      (batch) => this.note("own intake", batch),
    );
  }

  /** A follower of n2 whose registration was applied: its session has this id. */
  static withSession(id: number): Tested {
    const tested = new Tested();
    tested.submission.follow("n2");
    tested.submission.registered(tested.session(id));
    tested.sent.length = 0;
    return tested;
  }

  /** What the log's table holds for this process after its last registration. */
  session(id: number, lastSeq = 0): Session {
    return { id, nonce: this.nonce, directory: "d1", lastSeq };
  }

  write(text: string): void {
    this.submission.propose(text, bytesFromLatin1(text), (reply, error) => {
      this.outcomes.push(`${text}: ${reply ?? error?.code}`);
    });
    this.submission.closeBatch();
  }

  /** The log applied a batch of this node. */
  apply(session: number, seq: number): void {
    this.submission.applied(session, seq)?.dones.forEach((done) => done("applied", undefined));
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs += SWEEP_MS;
      this.submission.sweep();
    }
  }

  /** What was sent since the last look. */
  took(): string[] {
    return this.sent.splice(0);
  }

  private note(to: string, { kind, session, seq, abandonedFrom, body }: Batch): void {
    if (kind === "register") {
      this.nonce = decodeRegistration(body).nonce;
      this.sent.push(`${to}: register`);
      return;
    }
    const given = abandonedFrom < seq ? ` from ${abandonedFrom}` : "";
    const texts = commandsOf(body, (bytes) => bytes.toString("latin1"));
    this.sent.push(`${to}: ${session}#${seq}${given} ${texts.join(" ")}`);
  }
}

const IMPOSTOR: Session = { id: 9, nonce: 1, directory: "d1", lastSeq: 0 };

test("without a leader nothing is sent; the first one is sent a registration, and what waits once that is applied", () => {
  const tested = new Tested();
  tested.write("a");
  tested.pass(1_000);
  expect(tested.took()).toEqual([]);
  tested.submission.follow("n2");
  expect(tested.took()).toEqual(["n2: register"]);
  tested.submission.registered(tested.session(4));
  expect(tested.took()).toEqual(["n2: 4#1 a"]);
});

test("a registration that was lost is sent again, with the same nonce", () => {
  const tested = new Tested();
  tested.submission.follow("n2");
  const { nonce } = tested;
  tested.took();
  tested.pass(500);
  expect(tested.took()).toEqual([]);
  tested.pass(50);
  expect(tested.took()).toEqual(["n2: register"]);
  expect(tested.nonce).toBe(nonce);
});

test("a leader's own batches go to its own intake", () => {
  const tested = Tested.withSession(4);
  tested.submission.follow("n1");
  tested.write("a");
  expect(tested.took()).toEqual(["own intake: 4#1 a"]);
});

test("another leader is sent everything that was not seen applied, in order", () => {
  const tested = Tested.withSession(4);
  for (const text of ["a", "b", "c"]) tested.write(text);
  tested.apply(4, 1);
  tested.took();
  tested.submission.follow(undefined);
  expect(tested.took()).toEqual([]);
  tested.submission.follow("n3");
  expect(tested.took()).toEqual(["n3: 4#2 b", "n3: 4#3 c"]);
});

test("after a gap everything that waits is sent again at the next sweep, once", () => {
  const tested = Tested.withSession(4);
  tested.write("a");
  tested.write("b");
  tested.took();
  tested.submission.refusedForGap(4);
  tested.pass(SWEEP_MS);
  expect(tested.took()).toEqual(["n2: 4#1 a", "n2: 4#2 b"]);
  tested.pass(SWEEP_MS);
  expect(tested.took()).toEqual([]);
});

test("a gap in a session of the past is nobody's: nothing is sent again", () => {
  const tested = Tested.withSession(4);
  tested.write("a");
  tested.took();
  tested.submission.refusedForGap(3);
  tested.pass(SWEEP_MS);
  expect(tested.took()).toEqual([]);
});

test("what waits is sent again when nothing was applied for half a second, not while the log gets on", () => {
  const tested = Tested.withSession(4);
  for (const text of ["a", "b", "c"]) tested.write(text);
  tested.took();
  tested.pass(400);
  tested.apply(4, 1);
  tested.pass(400);
  tested.apply(4, 2);
  tested.pass(500);
  expect(tested.took()).toEqual([]);
  tested.pass(SWEEP_MS);
  expect(tested.took()).toEqual(["n2: 4#3 c"]);
});

test("what may still wait for a busy link is not sent again, but no longer than a request may take", () => {
  const tested = Tested.withSession(4);
  tested.queuedBytes = BUSY_BYTES;
  tested.write("a");
  tested.took();
  tested.pass(REQUEST_TIMEOUT_MS - SWEEP_MS);
  tested.write("b");
  expect(tested.took()).toEqual(["n2: 4#2 b"]);
  tested.pass(2 * SWEEP_MS);
  expect(tested.outcomes).toEqual(["a: OUTCOME_UNKNOWN"]);
  expect(tested.took()).toEqual([]);
  tested.pass(600);
  expect(tested.took()).toEqual(["n2: 4#2 from 1 b"]);
});

test("a link on which little waits, or that is idle again, holds nothing up", () => {
  const tested = Tested.withSession(4);
  tested.queuedBytes = 100;
  tested.write("a");
  tested.took();
  tested.pass(550);
  expect(tested.took()).toEqual(["n2: 4#1 a"]);
  tested.queuedBytes = BUSY_BYTES;
  tested.pass(2_000);
  tested.queuedBytes = 0;
  tested.pass(500);
  expect(tested.took()).toEqual([]);
  tested.pass(SWEEP_MS);
  expect(tested.took()).toEqual(["n2: 4#1 a"]);
});

test("a displaced session is followed by another, under which what waits is numbered from one", () => {
  const tested = Tested.withSession(4);
  for (const text of ["a", "b", "c"]) tested.write(text);
  tested.apply(4, 1);
  const { nonce } = tested;
  tested.took();
  tested.submission.registered(IMPOSTOR);
  expect(tested.took()).toEqual(["n2: register"]);
  expect(tested.nonce).not.toBe(nonce);
  tested.write("d");
  // Copies of the old session's batches, and the end of its numbers, mean nothing any more.
  expect(tested.submission.applied(4, 2)).toBeUndefined();
  expect(tested.took()).toEqual([]);
  tested.submission.registered(tested.session(11));
  expect(tested.took()).toEqual(["n2: 11#1 b", "n2: 11#2 c", "n2: 11#3 d"]);
  for (const seq of [1, 2, 3]) tested.apply(11, seq);
  expect(tested.outcomes).toEqual(["a: applied", "b: applied", "c: applied", "d: applied"]);
});

test("a session that ended inside a snapshot takes with it what was sent; what was not sent goes on", () => {
  const tested = Tested.withSession(4);
  tested.write("a");
  tested.submission.follow(undefined);
  tested.write("b");
  tested.submission.restored(IMPOSTOR);
  expect(tested.outcomes).toEqual(["a: OUTCOME_UNKNOWN"]);
  tested.submission.follow("n3");
  tested.submission.registered(tested.session(11));
  tested.apply(11, 1);
  expect(tested.outcomes).toEqual(["a: OUTCOME_UNKNOWN", "b: applied"]);
});

test("what a snapshot of the same session holds is answered as carried out, with its reply lost", () => {
  const tested = Tested.withSession(4);
  tested.write("a");
  tested.write("b");
  tested.took();
  tested.submission.restored(tested.session(4, 1));
  expect(tested.outcomes).toEqual(["a: REPLY_LOST"]);
  tested.submission.follow("n3");
  expect(tested.took()).toEqual(["n3: 4#2 b"]);
});

test("who waits for room is called once, when half of the limit is free", () => {
  const tested = Tested.withSession(4);
  let calls = 0;
  for (const size of [60, 20, 40]) tested.write("x".repeat(size));
  expect(tested.submission.congested()).toBe(true);
  tested.submission.onDrain(() => calls++);
  tested.apply(4, 1);
  expect(tested.submission.congested()).toBe(false);
  tested.submission.tellDrained();
  expect(calls).toBe(0);
  tested.apply(4, 2);
  tested.submission.tellDrained();
  tested.submission.tellDrained();
  expect(calls).toBe(1);
});
