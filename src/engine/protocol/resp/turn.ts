/**
 * One turn of the event loop: when gathered replies leave, and what time it is meanwhile.
 *
 * Replies are gathered per socket and written once. What is answered while sockets are being read leaves at the end of the
 * turn, so that all read events share it; what is answered later (the log applied a batch) leaves as soon as that batch
 * is through, or when there are replies for a few clients: these take them up while the others are being answered. One socket
 * write per reply instead would cost more than half of the throughput.
 */

/** So many clients are answered before their replies leave, at most. */
const ANSWERED_TOGETHER = 8;

export interface Flushable {
  flush(): void;
}

export class Turn {
  /** True while a socket is being read: set by the connection around its read event. */
  reading = false;
  private answered: Flushable[] = [];
  private waiting: Flushable[] = [];
  private scheduled = false;
  private time = 0;
  private readonly flushAll = (): void => {
    this.scheduled = false;
    this.time = 0;
    this.flushAnswered();
    const flushed = this.waiting;
    this.waiting = [];
    for (const target of flushed) target.flush();
  };

  /** Asks for one `flush` at the end of the turn; the caller asks once until then. */
  flushLater(target: Flushable): void {
    this.waiting.push(target);
    this.schedule();
  }

  /**
   * As `flushLater`, for one who has a reply: it may leave before others are answered. What goes to many at a time, a message to
   * its subscribers, does not: each of the next messages would leave alone.
   */
  flushReply(target: Flushable): void {
    if (this.answered.length >= ANSWERED_TOGETHER && !this.reading) this.flushAnswered();
    this.answered.push(target);
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

  private flushAnswered(): void {
    const flushed = this.answered;
    this.answered = [];
    for (const target of flushed) target.flush();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    if (this.reading) setImmediate(this.flushAll);
    else process.nextTick(this.flushAll);
  }
}
