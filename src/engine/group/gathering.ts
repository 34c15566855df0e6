/**
 * When the leader lets the next entry wait for the clients that the last one has just answered.
 *
 * Clients that wait for their replies come back together, moments after a commit. A leader that seals what little came
 * meanwhile splits them into two crowds that take turns for ever, each waiting for the other's entry: twice the entries, and
 * an entry costs the same few system calls on every node whatever it carries. So the next entry waits, for a moment only, until
 * about as much is there as the last one carried, on top of what had gathered behind it: then there is one crowd.
 *
 * Those who were answered need not come back at once, or at all. A wait that was in vain is not soon repeated: for a while, which
 * doubles each time, the next entry waits only until it is about as large as the last one, which what comes by itself soon is.
 * (PostgreSQL's commit_delay waits before the commit; here the wait ends by itself.)
 */

/** How long after a commit, at most: so many times as long as the last entry took, and never longer than this. */
export const GATHER_ROUNDS = 6;
export const GATHER_MAX_MS = 8;
/** What commits faster than this costs too little to wait for. */
const ROUND_MIN_MS = 0.25;
/** The part of what is expected that ends the wait. */
const ENOUGH = 0.9;
/** So much is not worth waiting for more, be it other clients or the entry before. */
export const PLENTY_BYTES: number = 192 * 1024;
/** Entries that wait for no more than the last one carried, after many waits in vain. */
const MODEST_MAX = 64;

export class Gathering {
  private sealedBytes = 0;
  private sealedMs = 0;
  private endMs = Number.NEGATIVE_INFINITY;
  private enoughBytes = 0;
  /** Whether the wait is for more than the last entry carried, with what had gathered behind it. */
  private isForAll = false;
  /** Entries yet to come that do not wait for all; and how many after the next wait in vain. */
  private modest = 0;
  private modestNext = 1;

  /** An entry of so many bytes was sealed. */
  sealed(bytes: number, nowMs: number): void {
    if (this.isForAll) this.learn(bytes >= this.enoughBytes);
    this.isForAll = false;
    this.sealedBytes = bytes;
    this.sealedMs = nowMs;
  }

  /** The last entry is committed, and so many bytes have gathered behind it. */
  committed(gatheredBytes: number, nowMs: number): void {
    const roundMs = nowMs - this.sealedMs;
    this.endMs = roundMs < ROUND_MIN_MS ? nowMs : nowMs + Math.min(roundMs * GATHER_ROUNDS, GATHER_MAX_MS);
    this.isForAll = this.modest === 0 && gatheredBytes > 0;
    if (this.modest > 0) this.modest--;
    const expected = this.sealedBytes + (this.isForAll ? gatheredBytes : 0);
    this.enoughBytes = Math.min(expected * ENOUGH, PLENTY_BYTES);
  }

  /** How long `bytes` should wait for more, at most; 0: not at all. Asked when no entry is under way. */
  waitMs(bytes: number, nowMs: number): number {
    return bytes >= this.enoughBytes ? 0 : Math.max(this.endMs - nowMs, 0);
  }

  private learn(cameBack: boolean): void {
    this.modest = cameBack ? 0 : this.modestNext;
    this.modestNext = cameBack ? 1 : Math.min(this.modestNext * 2, MODEST_MAX);
  }
}
