/** A bar on standard error for who looks: only on a terminal, and only when it takes longer than a moment. */
import { formatBytes } from "../style.ts";

const FIRST_AFTER_MS = 1000;
const INTERVAL_MS = 200;
const WIDTH = 30;

interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export class Progress {
  private doneBytes = 0;
  private totalBytes = 0;
  private doneFiles = 0;
  private totalFiles = 0;
  private readonly startedMs = performance.now();
  private readonly timer: NodeJS.Timeout | undefined;
  private isShown = false;

  private readonly stream: Terminal;

  constructor(stream: Terminal = process.stderr) {
    this.stream = stream;
    if (stream.isTTY !== true) return;
    this.timer = setInterval(() => this.draw(), INTERVAL_MS);
    this.timer.unref();
  }

  expect(bytes: number): void {
    this.totalBytes += bytes;
    this.totalFiles++;
  }

  /** Fewer than none: a file is begun anew. */
  moved(bytes: number): void {
    this.doneBytes += bytes;
  }

  finished(): void {
    this.doneFiles++;
  }

  end(): void {
    clearInterval(this.timer);
    this.hide();
  }

  /** Until it is drawn next. */
  hide(): void {
    if (this.isShown) this.stream.write("\r\u001b[K");
    this.isShown = false;
  }

  private draw(): void {
    const elapsedMs = performance.now() - this.startedMs;
    if (elapsedMs < FIRST_AFTER_MS) return;
    this.isShown = true;
    this.stream.write(`\r\u001b[K${this.line(elapsedMs)}`);
  }

  line(elapsedMs: number): string {
    const share = this.totalBytes === 0 ? 0 : Math.min(1, this.doneBytes / this.totalBytes);
    const filled = Math.round(share * WIDTH);
    const bar = `${"#".repeat(filled)}${"-".repeat(WIDTH - filled)}`;
    const percent = String(Math.floor(share * 100)).padStart(3);
    const rate = formatBytes(this.doneBytes / (elapsedMs / 1000));
    const files = `${this.doneFiles} of ${this.totalFiles} files`;
    return `${bar} ${percent} %  ${formatBytes(this.doneBytes)} of ${formatBytes(this.totalBytes)}  ${rate}/s  ${files}`;
  }
}
