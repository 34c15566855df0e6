/**
 * What a leader knows of one peer's log, and what is on its way there.
 *
 * `probe`: where the logs agree is not known; one append at a time. `replicate`: appends leave without waiting for answers,
 * up to a small window: enough to fill a round trip, and few enough that entries gather into batches behind it.
 * `snapshot`: the entries that the peer needs are compacted; a snapshot is on its way instead.
 */
import { assert } from "../runtime/errors.ts";
import type { NodeId } from "../runtime/world.ts";
import type { Index, PeerProgress, SnapshotMeta } from "./consensus.ts";
import type { FailureDetector } from "./failure-detector.ts";

/** While appends of more bytes together are on their way, no other leaves: a few small ones hide the round trip. */
const SMALL_MAX_BYTES = 2 * 1024 * 1024;

interface InFlight {
  readonly prevIndex: Index;
  readonly lastIndex: Index;
  readonly bytes: number;
  readonly sentMs: number;
  /** The newest round of heartbeats that had left before. */
  readonly round: number;
}

/** A snapshot on its way to a peer: one chunk at a time, from where the peer says it is. */
export interface SnapshotSending {
  readonly snapshot: SnapshotMeta;
  offset: number;
  /** The chunk at `offset` was sent at this time; undefined: it is due. */
  sentMs: number | undefined;
  /** When the peer last got further. */
  progressMs: number;
}

export class Progress {
  readonly id: NodeId;
  readonly detector: FailureDetector;
  /** The life of the peer that all of this is about (`Membership.identities`). */
  readonly identity: string | undefined;
  /** Invariant: matchIndex < nextIndex. The peer's disk holds the log up to here. */
  matchIndex: Index = 0;
  nextIndex: Index;
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** The newest round of heartbeats that it answered. */
  ackedRound = 0;
  /** When an append was last sent to it. */
  appendedMs: number = Number.NEGATIVE_INFINITY;
  /** All that there was had been sent to it when last something could be; what came since gathers. */
  gathers = false;
  /** The newest commit index that was sent to it. */
  commitSent: Index = 0;
  /** The newest entry whose commit it awaits: it is told at once. */
  awaitedIndex: Index = 0;
  sending: SnapshotSending | undefined;
  /** The entry that removed it: it is served until it knows. Infinity for a member. */
  removedAt: Index = Number.POSITIVE_INFINITY;
  private inflight: InFlight[] = [];
  private inflightBytes = 0;

  constructor(id: NodeId, nextIndex: Index, detector: FailureDetector, identity?: string) {
    this.id = id;
    this.identity = identity;
    this.nextIndex = nextIndex;
    this.detector = detector;
  }

  /** The peer itself said that its disk holds the log up to here, and perhaps no further. */
  startAfter(index: Index): void {
    this.matchIndex = index;
    this.nextIndex = index + 1;
  }

  /** Whether another append may leave: of large ones, which fill the link by themselves, only one at a time. */
  hasRoom(window: number): boolean {
    if (this.inflight.length === 0) return true;
    const limit = this.state === "replicate" ? window : 1;
    return this.inflight.length < limit && this.inflightBytes <= SMALL_MAX_BYTES;
  }

  get idle(): boolean {
    return this.inflight.length === 0;
  }

  sent(prevIndex: Index, lastIndex: Index, bytes: number, round: number, nowMs: number): void {
    this.inflight.push({ prevIndex, lastIndex, bytes, sentMs: nowMs, round });
    this.inflightBytes += bytes;
    this.appendedMs = nowMs;
    if (this.state === "replicate") this.nextIndex = lastIndex + 1;
  }

  /** The peer holds the log up to `index` on its disk. */
  acknowledge(index: Index): void {
    if (index > this.matchIndex) {
      this.matchIndex = index;
      if (this.sending !== undefined && index >= this.sending.snapshot.index) this.startProbe();
    }
    while (this.inflight.length > 0 && this.inflight[0]!.lastIndex <= index) {
      this.inflightBytes -= this.inflight.shift()!.bytes;
    }
    // It agreed with the entry before the next one: from here on appends may follow each other without waiting.
    if (this.state === "probe" && index >= this.nextIndex - 1) this.startReplicate();
    this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1);
  }

  /**
   * The peer refused what follows `prevIndex`; it can agree with this log at `limit` at the most. A peer that is `recovering`
   * takes back what it acknowledged. To count it as lost is always safe, but a late copy of such an answer would cost round
   * trips for nothing: so it must answer an append that is on its way.
   */
  reject(prevIndex: Index, limit: Index, recovering: boolean): void {
    if (recovering && this.inflight.some((each) => each.prevIndex === prevIndex)) this.matchIndex = 0;
    const stale =
      this.state === "replicate" ? prevIndex <= this.matchIndex : prevIndex !== this.nextIndex - 1;
    if (stale || this.state === "snapshot") return;
    this.clearInflight();
    this.state = "probe";
    this.nextIndex = Math.max(Math.min(limit, prevIndex - 1), this.matchIndex) + 1;
  }

  /**
   * True when the oldest append is neither answered nor received although it left `limitMs` ago. A heartbeat that left before
   * it says nothing about it: it may have waited long behind something large.
   */
  isLost(receivedIndex: Index, round: number, limitMs: number, nowMs: number): boolean {
    const oldest = this.inflight[0];
    if (oldest === undefined || receivedIndex >= oldest.lastIndex || round <= oldest.round) return false;
    return nowMs - oldest.sentMs >= limitMs;
  }

  /**
   * True when the peer does not know that its log agrees with this leader's as far as it does, and nothing is on its way that
   * would show it: it gave the leader up for a moment, or was started again.
   */
  isInDoubt(receivedIndex: Index): boolean {
    return this.state === "replicate" && this.idle && receivedIndex < this.matchIndex;
  }

  /** What was on its way is lost: start again after what the peer surely has. */
  startProbe(): void {
    this.clearInflight();
    this.state = "probe";
    this.sending = undefined;
    this.nextIndex = this.matchIndex + 1;
  }

  startSnapshot(snapshot: SnapshotMeta, nowMs: number): void {
    assert(snapshot.index > this.matchIndex, `peer ${this.id} holds snapshot ${snapshot.index} already`);
    this.clearInflight();
    this.state = "snapshot";
    this.sending = { snapshot, offset: 0, sentMs: undefined, progressMs: nowMs };
  }

  view(nowMs: number): PeerProgress {
    const { matchIndex, nextIndex, state, inflightBytes } = this;
    return { matchIndex, nextIndex, state, inflightBytes, silentMs: nowMs - this.detector.heardMs };
  }

  private startReplicate(): void {
    this.state = "replicate";
    const newest = this.inflight[this.inflight.length - 1];
    this.nextIndex = Math.max(newest?.lastIndex ?? 0, this.matchIndex) + 1;
  }

  private clearInflight(): void {
    this.inflight.length = 0;
    this.inflightBytes = 0;
  }
}
