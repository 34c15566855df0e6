/** What a disk was asked for and has not ended: whoever gives the directory away waits for it. */

/** A disk that hangs keeps nobody longer. */
const PATIENCE_MS = 2_000;

export class UnderWay {
  private count = 0;
  private waiting: (() => void)[] = [];

  /** Something begins; it ends when the returned function is called, once. */
  begin(): () => void {
    this.count++;
    return () => {
      this.count--;
      if (this.count > 0) return;
      for (const resolve of this.waiting.splice(0)) resolve();
    };
  }

  /** Something begins that ends when the returned callback is called, once; what `done` goes on with has begun by then. */
  until<Values extends readonly unknown[]>(done: (...values: Values) => void): (...values: Values) => void {
    const end = this.begin();
    return (...values) => {
      try {
        done(...values);
      } finally {
        end();
      }
    };
  }

  /** Resolves when nothing is under way, or after two seconds. */
  async settled(): Promise<void> {
    if (this.count === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, PATIENCE_MS);
      this.waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
