/**
 * When the leader lets the next entry wait for the clients that the last one has just answered.
 *
 * Clients that wait for their replies come back together, moments after a commit. A leader that seals what little came
 * meanwhile splits them into two crowds that take turns for ever, each waiting for the other's entry: twice the entries, and
 * an entry costs the same few system calls on every node whatever it carries. So the next entry waits for about as much as the
 * last one carried, for a moment only. (PostgreSQL's commit_delay waits before the commit; here the wait ends by itself.)
 */

/** How long after a commit, at most. A timer of Node.js cannot wait for less. */
export const GATHER_MS = 1;
/** What commits faster than this costs too little to wait for. */
const ROUND_MIN_MS = GATHER_MS / 4;
/** The part of the last entry's bytes that ends the wait. */
const ENOUGH = 0.9;

export class Gathering {
  private sealedBytes = 0;
  private sealedMs = 0;
  private committedMs = Number.NEGATIVE_INFINITY;
  private roundMs = 0;

  /** An entry of so many bytes was sealed. */
  sealed(bytes: number, nowMs: number): void {
    this.sealedBytes = bytes;
    this.sealedMs = nowMs;
  }

  /** The last entry is committed. */
  committed(nowMs: number): void {
    this.committedMs = nowMs;
    this.roundMs = nowMs - this.sealedMs;
  }

  /** Whether `bytes` should wait for more; asked when no entry is under way. */
  waits(bytes: number, nowMs: number): boolean {
    if (this.roundMs < ROUND_MIN_MS || bytes >= this.sealedBytes * ENOUGH) return false;
    return nowMs - this.committedMs < GATHER_MS;
  }
}
