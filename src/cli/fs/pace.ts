/** How many files move at a time. */

/** Where nobody said how many: those that go in one request wait for answers, others for disks, the network and connections. */
const QUICK_AT_A_TIME = 64;
/** Another one takes the place of so many: four of them at a time. */
const OTHER_SHARE = 16;

export class Pace {
  private readonly threads: number | undefined;
  private left: number;
  private readonly running = new Set<Promise<void>>();
  private wake: () => void = () => undefined;

  /** `threads` undefined: 4 files at a time, or 64 quick ones (`quick-files.ts`), or some of both. */
  constructor(threads: number | undefined) {
    this.threads = threads;
    this.left = threads ?? QUICK_AT_A_TIME;
  }

  /** Resolves when one more may begin. */
  async room(isQuick: boolean): Promise<void> {
    while (this.left < this.shareOf(isQuick)) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  /** `moving` never rejects. */
  run(isQuick: boolean, moving: Promise<void>): void {
    const share = this.shareOf(isQuick);
    this.left -= share;
    const one = moving.finally(() => {
      this.running.delete(one);
      this.left += share;
      this.wake();
    });
    this.running.add(one);
  }

  async end(): Promise<void> {
    await Promise.all(this.running);
  }

  private shareOf(isQuick: boolean): number {
    return this.threads !== undefined || isQuick ? 1 : OTHER_SHARE;
  }
}
