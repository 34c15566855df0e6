/**
 * Processes that wait for the next attempts, with all loaded that an attempt needs: starting one takes longer than many small
 * tasks do. Each runs one attempt, as every process; the program's code it sees only then.
 */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TaskChild } from "./child.ts";
import { forkTask, killGroup } from "./child.ts";

interface Spare {
  readonly child: TaskChild;
  readonly memory: number;
  readonly log: string;
}

/** Without an attempt for so long, nothing waits any more. */
const IDLE_MS = 300_000;
/** A map and the reduce that comes right behind it. Each holds some 50 MB. */
const WAITING = 2;

export class SpareTasks {
  private readonly directory: string;
  /** The oldest first: it is the most likely to have loaded everything. */
  private waiting: Spare[] = [];
  private timer: NodeJS.Timeout | undefined;
  private made = 0;
  private closed = false;

  /** `directory`: for what a process prints before it has an attempt. It is made, and emptied; the logs of attempts are beside it. */
  constructor(directory: string) {
    this.directory = directory;
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { mode: 0o700 });
  }

  /** A process that waits, if it has this memory: it prints into the file `log` from now on. */
  take(memory: number, log: string): TaskChild | undefined {
    const spare = this.waiting[0];
    if (spare === undefined) return undefined;
    if (spare.memory !== memory) {
      this.drop();
      return undefined;
    }
    this.waiting.shift();
    try {
      renameSync(spare.log, log);
      return spare.child;
    } catch {
      // Whoever is in the way: another process is started as if there had been none.
      end(spare);
      return undefined;
    }
  }

  /** Attempts are coming: has processes wait. What keeps one from starting is an error of the attempt that would have got it. */
  prepare(memory: number): void {
    if (this.closed) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.drop(), IDLE_MS);
    this.timer.unref();
    while (this.waiting.length < WAITING) {
      const log = join(this.directory, `${++this.made}.log`);
      try {
        this.add({ child: forkTask(memory, log, true), memory, log });
      } catch {
        rmSync(log, { force: true });
        return;
      }
    }
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.drop();
  }

  private add(spare: Spare): void {
    this.waiting.push(spare);
    const lost = (): void => {
      const at = this.waiting.indexOf(spare);
      if (at < 0) return;
      this.waiting.splice(at, 1);
      end(spare);
    };
    spare.child.process.once("exit", lost);
    spare.child.process.on("error", lost);
  }

  private drop(): void {
    for (const spare of this.waiting.splice(0)) end(spare);
  }
}

function end({ child, log }: Spare): void {
  killGroup(child.process.pid);
  rmSync(log, { force: true });
}
