/**
 * Read barriers at the leader (thesis section 6.4): note the commit index, learn from a quorum that no newer leader existed
 * after that, answer. One round of heartbeats covers every read that waits when it starts.
 *
 * A round has a number that is never used again by this node, and answers count only in the term they were asked in: an
 * answer to an earlier round says nothing about now. It is put to just as many as make a quorum; when one of them is silent, the
 * next is put to all.
 */
import type { NodeId } from "../runtime/world.ts";
import type { Index } from "./consensus.ts";

export interface WaitingRead {
  /** The follower that forwarded it, or undefined for a read of this node. */
  readonly origin: NodeId | undefined;
  readonly id: number;
}

interface Round {
  readonly round: number;
  readonly sentMs: number;
  readonly index: Index;
  readonly reads: readonly WaitingRead[];
}

const NONE: readonly WaitingRead[] = [];
/** Rounds with reads on their way at a time: enough to hide the round trip, few enough that reads gather. */
const ROUNDS_IN_FLIGHT = 2;
/** A round that was not put to all and has no answer for so long may never get one. */
const OVERDUE_MS = 5;

export class ReadBarrier {
  private round: number;
  private readonly firstRound: number;
  private readonly reuseRound: boolean;
  private waiting: WaitingRead[] = [];
  private readonly rounds: Round[] = [];
  private roundsWithReads = 0;
  /** The newest round that all voters were asked in. */
  private lastForAll = 0;

  constructor(firstRound: number, reuseRound: boolean) {
    this.round = firstRound;
    this.firstRound = firstRound;
    this.reuseRound = reuseRound;
  }

  get lastRound(): number {
    return this.round;
  }

  add(read: WaitingRead): void {
    this.waiting.push(read);
  }

  wantsRound(): boolean {
    return this.waiting.length > 0 && this.roundsWithReads < ROUNDS_IN_FLIGHT;
  }

  /** Whether reads wait for an answer that may never come: somebody was left out, and those who were asked are silent. */
  isOverdue(nowMs: number): boolean {
    const oldest = this.roundsWithReads === 0 ? undefined : this.rounds.find(({ reads }) => reads.length > 0);
    return oldest !== undefined && oldest.round > this.lastForAll && nowMs - oldest.sentMs >= OVERDUE_MS;
  }

  /**
   * Starts a round, of all voters or of some; the waiting reads join it if `index` is known to be a safe point to read at.
   */
  begin(nowMs: number, index: Index | undefined, forAll: boolean): number {
    if (!this.reuseRound || this.round === this.firstRound) this.round += 1; // mutant: reuse-read-id
    const reads = index === undefined || this.waiting.length === 0 ? NONE : this.waiting;
    if (reads !== NONE) {
      this.waiting = [];
      this.roundsWithReads += 1;
    }
    if (forAll) this.lastForAll = this.round;
    this.rounds.push({ round: this.round, sentMs: nowMs, index: index ?? 0, reads });
    return this.round;
  }

  /** A quorum answered `round`, and so every earlier one; returns when it was sent, or undefined if that is not news. */
  confirm(round: number, answer: (read: WaitingRead, index: Index) => void): number | undefined {
    let sentMs: number | undefined;
    let done = 0;
    for (const next of this.rounds) {
      if (next.round > round) break;
      done += 1;
      sentMs = next.sentMs;
      if (next.reads.length > 0) this.roundsWithReads -= 1;
      for (const read of next.reads) answer(read, next.index);
    }
    if (done > 0) this.rounds.splice(0, done);
    return sentMs;
  }

  /** Gives up every read: the leadership ended. */
  abandon(fail: (read: WaitingRead) => void): void {
    for (const round of this.rounds) round.reads.forEach(fail);
    this.waiting.forEach(fail);
    this.rounds.length = 0;
    this.waiting = [];
    this.roundsWithReads = 0;
  }
}
