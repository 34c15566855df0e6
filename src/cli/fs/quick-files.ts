/** Which files move in one request from and to each server. Only Quorate can; others need several, and connections for them. */
import type { FileStats } from "../../client/files/file-stats.ts";
import type { Files } from "../../client/files/files.ts";
import { isLocal } from "../../client/files/real-place.ts";
import { isSmall } from "./whole-file.ts";

const NONE = -1;

export class QuickFiles {
  private readonly signal: AbortSignal;
  /** Bytes of a file that a file system takes in one request. Asked for once. */
  private readonly limits = new Map<Files, Promise<number>>();

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  async has(from: Files, file: FileStats, to: Files): Promise<boolean> {
    if (!isSmall(file)) return false;
    const [source, target] = await Promise.all([this.limitOf(from), this.limitOf(to)]);
    return source !== NONE && file.size <= target;
  }

  private limitOf(files: Files): Promise<number> {
    const known = this.limits.get(files);
    if (known !== undefined) return known;
    const { signal } = this;
    const asked = isLocal(files)
      ? Promise.resolve(Infinity)
      : // What is wrong with the server is told of by the file that meets it.
        files.driver.putMaxBytes({ signal }).catch(() => NONE);
    this.limits.set(files, asked);
    return asked;
  }
}
