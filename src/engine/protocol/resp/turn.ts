/**
 * One turn of the event loop: when gathered replies leave, and what time it is meanwhile.
 *
 * Replies are gathered per socket and written once. What is answered while sockets are being read leaves at the end of the
 * turn, so that all read events share it; what is answered later (the log applied a batch) leaves as soon as that batch
 * is through, or when there are replies for a few clients: these take them up while the others are being answered. One socket
 * write per reply instead would cost more than half of the throughput.
 */

/** So many clients are answered before their replies leave, at most. */
const FLUSHED_TOGETHER = 8;

export interface Flushable {
  flush(): void;
}

export class Turn {
  /** True while a socket is being read: set by the connection around its read event. */
  reading = false;
  private waiting: Flushable[] = [];
  private scheduled = false;
  private time = 0;
  private readonly flushAll = (): void => {
    this.scheduled = false;
    this.time = 0;
    this.flushWaiting();
  };

  /** Asks for one `flush`; the caller asks once until then. */
  flushLater(target: Flushable): void {
    if (this.waiting.length >= FLUSHED_TOGETHER && !this.reading) this.flushWaiting();
    this.waiting.push(target);
    this.schedule();
  }

  /** Monotonic milliseconds, read once per turn: exact enough for statistics, and free per command. */
  nowMs(): number {
    if (this.time === 0) {
      this.time = performance.now();
      this.schedule();
    }
    return this.time;
  }

  private flushWaiting(): void {
    const flushed = this.waiting;
    this.waiting = [];
    for (const target of flushed) target.flush();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    if (this.reading) setImmediate(this.flushAll);
    else process.nextTick(this.flushAll);
  }
}
