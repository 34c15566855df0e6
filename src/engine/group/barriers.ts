/**
 * Linearizable reads without a log entry: a read waits until this node has applied everything that was chosen when the
 * read arrived (Raft section 8, read-index). All reads that arrive in one event-loop turn, or while the allowed rounds are
 * out, share the next round.
 */
import { QuorateError } from "../../runtime/errors.ts";

export type BarrierDone = (error: QuorateError | undefined) => void;

interface Waiter {
  readonly done: BarrierDone;
  readonly sinceMs: number;
}

interface Round {
  readonly id: number;
  waiters: readonly Waiter[];
  readonly askedMs: number;
  /** Known once the barrier was confirmed: the index that must be applied first. */
  index: number | undefined;
  lease: boolean;
}

/** A second round in flight would halve the size of each, and a round costs the same whatever it carries. */
const ROUNDS_IN_FLIGHT = 1;

export class Barriers {
  private readonly ask: (id: number) => void;
  private gathering: Waiter[] = [];
  /**
   * In the order they were asked: few at a time, in one array for ever. A Map would leave tables behind as rounds come and go;
   * one that has grown old keeps the rounds in it, and all that waits for them, until the collector's next full run.
   */
  private readonly rounds: Round[] = [];
  private nextId = 1;
  private unconfirmed = 0;
  private lastByLease = false;

  /** `ask` steps a read with this id into the consensus core. */
  constructor(ask: (id: number) => void) {
    this.ask = ask;
  }

  add(done: BarrierDone, nowMs: number): void {
    this.gathering.push({ done, sinceMs: nowMs });
  }

  /** Nobody waits for a read. */
  get idle(): boolean {
    return this.rounds.length === 0 && this.gathering.length === 0;
  }

  /** At the end of a turn: starts a round for what has gathered. */
  start(nowMs: number): void {
    if (this.gathering.length === 0 || this.unconfirmed >= ROUNDS_IN_FLIGHT) return;
    const id = this.nextId++;
    this.rounds.push({ id, waiters: this.gathering, askedMs: nowMs, index: undefined, lease: false });
    this.unconfirmed++;
    this.gathering = [];
    this.ask(id);
  }

  confirmed(id: number, index: number, lease: boolean): void {
    const round = this.unconfirmedRound(id);
    if (round === undefined) return;
    round.index = index;
    round.lease = lease;
    this.unconfirmed--;
  }

  /** No leader answered this round: its waiters gather again. */
  failed(id: number): void {
    const round = this.unconfirmedRound(id);
    if (round === undefined) return;
    this.rounds.splice(this.rounds.indexOf(round), 1);
    this.unconfirmed--;
    this.gathering = [...round.waiters, ...this.gathering];
  }

  /** Calls back every read whose barrier is confirmed and applied. Rounds are answered in the order they were asked. */
  release(appliedIndex: number): void {
    while (this.rounds.length > 0) {
      const at = this.rounds.findIndex(({ index }) => index !== undefined && index <= appliedIndex);
      if (at < 0) return;
      const [round] = this.rounds.splice(at, 1) as [Round];
      this.lastByLease = round.lease;
      for (const waiter of round.waiters) waiter.done(undefined);
    }
  }

  /** This node will not apply more for now: what waits for it is told why. */
  failUnapplied(appliedIndex: number, error: QuorateError): void {
    for (;;) {
      const at = this.rounds.findIndex(({ index }) => index !== undefined && index > appliedIndex);
      if (at < 0) return;
      const [round] = this.rounds.splice(at, 1) as [Round];
      for (const waiter of round.waiters) waiter.done(error);
    }
  }

  /** True when the reads that are being released right now rest on a leader lease. */
  get byLease(): boolean {
    return this.lastByLease;
  }

  /**
   * Rounds without an answer are asked again under a new id. Waiters that are too old get an error, also those whose
   * barrier was confirmed: this node may be cut off before it has applied what they wait for.
   */
  expire(askedBeforeMs: number, sinceBeforeMs: number): void {
    const old = this.rounds.filter(({ askedMs }) => askedMs < askedBeforeMs);
    for (const { id } of old) this.failed(id);
    const late: Waiter[] = [];
    const keepYoung = (waiters: readonly Waiter[]): Waiter[] =>
      waiters.filter((waiter) => waiter.sinceMs >= sinceBeforeMs || !late.push(waiter));
    this.gathering = keepYoung(this.gathering);
    for (const round of this.rounds) {
      if (round.index !== undefined) round.waiters = keepYoung(round.waiters);
    }
    if (late.length === 0) return;
    const error = new QuorateError("NO_QUORUM", "no majority confirmed the read in time");
    for (const waiter of late) waiter.done(error);
  }

  failAll(error: QuorateError): void {
    const waiters = this.rounds.flatMap((round) => round.waiters).concat(this.gathering);
    this.rounds.length = 0;
    this.gathering = [];
    this.unconfirmed = 0;
    for (const waiter of waiters) waiter.done(error);
  }

  private unconfirmedRound(id: number): Round | undefined {
    return this.rounds.find((round) => round.id === id && round.index === undefined);
  }
}
