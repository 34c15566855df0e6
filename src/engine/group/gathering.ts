/**
 * When the leader lets the next entry wait for the clients that the last one has just answered.
 *
 * Clients that wait for their replies come back together, moments after a commit. A leader that seals what little came
 * meanwhile splits them into two crowds that take turns for ever, each waiting for the other's entry: twice the entries, and
 * an entry costs the same few system calls on every node whatever it carries. So the next entry waits, for a moment only, until
 * about as much is there as the last one carried, on top of what had gathered behind it: then there is one crowd.
 *
 * Who was answered need not come back, or not soon: when nothing has come for a millisecond, the wait is over. And not all who come
 * are a crowd: commands may flow in steadily, whoever is answered. A crowd shows itself in that hardly anything comes while its
 * entry is under way. A wait that ended by time, or behind which it went on flowing, was in vain and is not soon repeated: for some
 * entries, twice as many each time, the next one waits for no more than the last one carried, and for a millisecond in all.
 * (PostgreSQL's commit_delay waits before the commit.)
 *
 * All sizes are bytes of commands.
 */

/** How long after a commit, at most: so many times as long as the last entry took, and never longer than this. */
export const GATHER_ROUNDS = 6;
export const GATHER_MAX_MS = 8;
/** The same after waits in vain. */
export const MODEST_MAX_MS = 1;
/** When nothing comes for so long, nobody is waited for. A timer of Node.js cannot wait for less. */
export const SILENCE_MS = 1;
/** What commits faster than this costs too little to wait for. */
const ROUND_MIN_MS = 0.25;
/** The part of what is expected that ends the wait. */
const ENOUGH = 0.9;
/** Behind the entry of a whole crowd comes no more than this part of it. */
const QUIET = 0.3;
/** An entry of so much waits neither for more clients nor for the commit of the one before it. */
export const PLENTY_BYTES: number = 192 * 1024;
/** Modest entries after many waits in vain. */
const MODEST_MAX = 64;

export class Gathering {
  /** Of the last entry. */
  private sealedBytes = 0;
  private sealedMs = 0;
  private underWay = false;
  /** It had waited until enough was there. */
  private gotEnough = false;
  /** What ends the wait for the next one: so much, or this time. */
  private enoughBytes = 0;
  private endMs = Number.NEGATIVE_INFINITY;
  private waited = false;
  /** How much is there, and since when, as far as anybody looked. */
  private seenBytes = 0;
  private seenMs = 0;
  /** Entries yet to come that do not wait for all; and how many after the next wait in vain. */
  private modest = 0;
  private modestNext = 1;

  /** An entry of so many bytes was sealed. */
  sealed(bytes: number, nowMs: number): void {
    const isEnough = bytes >= this.enoughBytes;
    if (this.waited && this.modest === 0 && !isEnough) this.wasInVain();
    else if (this.modest > 0) this.modest--;
    else this.gotEnough = this.waited;
    this.waited = false;
    this.endMs = Number.NEGATIVE_INFINITY;
    this.underWay = true;
    this.sealedBytes = bytes;
    this.sealedMs = nowMs;
  }

  /** All entries are committed, and so many bytes have gathered behind the last one that was sealed. */
  committed(gatheredBytes: number, nowMs: number): void {
    if (!this.underWay) return;
    this.underWay = false;
    if (this.gotEnough) {
      if (gatheredBytes <= this.sealedBytes * QUIET) this.modestNext = Math.max(this.modestNext / 2, 1);
      else this.wasInVain();
      this.gotEnough = false;
    }
    this.seenBytes = 0;
    const isModest = this.modest > 0;
    const roundMs = nowMs - this.sealedMs;
    const maxMs = isModest ? MODEST_MAX_MS : GATHER_MAX_MS;
    if (roundMs >= ROUND_MIN_MS) this.endMs = nowMs + Math.min(roundMs * GATHER_ROUNDS, maxMs);
    const expectedBytes = this.sealedBytes + (isModest ? 0 : gatheredBytes);
    this.enoughBytes = Math.min(expectedBytes * ENOUGH, PLENTY_BYTES);
  }

  /** How long `bytes` should wait for more, at most; 0: not at all. Asked when no entry is under way. */
  waitMs(bytes: number, nowMs: number): number {
    if (bytes >= this.enoughBytes || nowMs >= this.endMs) return 0;
    // More than at the last look: however long ago that was, this node itself may have been busy.
    if (bytes > this.seenBytes) {
      this.seenBytes = bytes;
      this.seenMs = nowMs;
    }
    this.waited = true;
    return Math.max(Math.min(this.endMs, this.seenMs + SILENCE_MS) - nowMs, 0);
  }

  private wasInVain(): void {
    this.modest = this.modestNext;
    this.modestNext = Math.min(this.modestNext * 2, MODEST_MAX);
  }
}
