/** How many files move at a time. */
import type { FileStats } from "../../client/files/file-stats.ts";
import { isSmall } from "./whole-file.ts";

/** Where nobody said how many: small files wait for answers, large ones for disks and the network. */
const SMALL_AT_A_TIME = 64;
/** One that is not small takes the place of so many: four of them at a time. */
const LARGE_SHARE = 16;

export class Pace {
  private readonly threads: number | undefined;
  private left: number;
  private readonly running = new Set<Promise<void>>();
  private wake: () => void = () => undefined;

  /** `threads` undefined: 4 files at a time, or 64 small ones, or some of both. */
  constructor(threads: number | undefined) {
    this.threads = threads;
    this.left = threads ?? SMALL_AT_A_TIME;
  }

  /** Resolves when one more may begin. */
  async room(file: FileStats): Promise<void> {
    while (this.left < this.shareOf(file)) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  /** `moving` never rejects. */
  run(file: FileStats, moving: Promise<void>): void {
    const share = this.shareOf(file);
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

  private shareOf(file: FileStats): number {
    return this.threads !== undefined || isSmall(file) ? 1 : LARGE_SHARE;
  }
}
