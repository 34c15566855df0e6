/**
 * One attempt in a process of its own: started, watched, ended. A program that crashes, fills its memory or never comes back
 * harms nobody but itself.
 */
import type { ChildProcess } from "node:child_process";
import { forkTask, killGroup } from "./child.ts";
import { recordPlaceText } from "./failure.ts";
import { notePid } from "./leftover.ts";
import { LogLimit } from "./log-limit.ts";
import type { MapOutputSource, Order, Report, TaskOrder } from "./orders.ts";
import { residentBytes } from "./resident-memory.ts";
import type { SpareTasks } from "./spare-tasks.ts";
import { tracedRecord } from "./trace.ts";

export interface TaskOptions {
  /** File to which the process's standard output and error are appended, at most some 16 MiB. Default: thrown away. */
  readonly log?: string;
  /** Called with each report but the last. */
  readonly onReport?: (report: Report) => void;
  /** Where a process may wait for it already; it needs a log. Default: one is started. */
  readonly spares?: SpareTasks;
}

/** How an attempt ended. `killed`: by `kill`. */
export type TaskEnd =
  | Extract<Report, { readonly type: "done" | "failed" }>
  | { readonly type: "killed"; readonly reason: string };

export interface TaskProcess {
  readonly pid: number | undefined;
  /** Resolves when the process is gone; never rejects. A process that ends without a word has failed. */
  readonly ended: Promise<TaskEnd>;
  /** More map outputs for a reduce. */
  send(sources: readonly MapOutputSource[]): void;
  /** At once, without asking the program. */
  kill(reason: string): void;
}

/** Between two looks at how much memory the process has, and how long its log is. */
const LOOK_EVERY_MS = 250;
/** From its last report to its end. */
const END_WITHIN_MS = 10_000;
/** V8's own end, when the heap is full. */
const HEAP_SIGNALS: ReadonlySet<string> = new Set(["SIGABRT", "SIGTRAP", "SIGILL"]);
const MIB = 1024 * 1024;

/**
 * Starts an attempt. It is ended when it holds more memory than `settings.memory`, or says nothing for `settings.progressTimeoutMs`.
 * Throws what the machine throws when `log` cannot be opened.
 */
export function startTask(order: TaskOrder, options: TaskOptions = {}): TaskProcess {
  const { memory, progressTimeoutMs } = order.spec.settings;
  const { log, spares, onReport } = options;
  const spare = log === undefined ? undefined : spares?.take(memory, log);
  const { process: child, word } = spare ?? forkTask(memory, log);
  if (child.pid !== undefined) notePid(order.directory, child.pid, word);
  const watch = new Watch(child, order, (report) => {
    // It is at work: the next one may be started beside it.
    spares?.prepare(memory);
    onReport?.(report);
  });
  void watch.ended.then(() => spares?.prepare(memory));
  watch.limitSilence(progressTimeoutMs);
  watch.limitMemory(memory);
  if (log !== undefined) watch.limitLog(log);
  watch.send(order);
  return {
    pid: child.pid,
    ended: watch.ended,
    send: (sources) => watch.send({ type: "sources", sources }),
    kill: (reason) => watch.end({ type: "killed", reason }),
  };
}

class Watch {
  readonly ended: Promise<TaskEnd>;
  private readonly child: ChildProcess;
  private readonly order: TaskOrder;
  /** What the attempt's end is, once it is known; the process may be there for a moment longer. */
  private result: TaskEnd | undefined;
  private silence: NodeJS.Timeout | undefined;
  private silenceMs = 0;
  private memory: NodeJS.Timeout | undefined;
  private logs: NodeJS.Timeout | undefined;
  private log: LogLimit | undefined;

  constructor(child: ChildProcess, order: TaskOrder, onReport: TaskOptions["onReport"]) {
    this.child = child;
    this.order = order;
    child.on("message", (report: Report) => {
      if (this.result !== undefined) return;
      if (report.type === "done" || report.type === "failed") {
        this.result = report;
        this.limitSilence(END_WITHIN_MS);
      } else {
        this.silence?.refresh();
        onReport?.(report);
      }
    });
    this.ended = new Promise((resolve) => {
      const gone = (code: number | null, signal: string | null, error?: Error): void => {
        clearTimeout(this.silence);
        clearInterval(this.memory);
        clearInterval(this.logs);
        this.log?.look();
        resolve(this.result ?? this.diedSilently(code, signal, error));
      };
      child.on("error", (error) => {
        // A process that could not be started never ends; one that is there ends by itself.
        if (child.pid === undefined) gone(null, null, error);
      });
      child.on("close", (code, signal) => gone(code, signal));
    });
  }

  send(order: Order): void {
    // The process may be gone: that is for `ended` to tell.
    if (this.child.connected) this.child.send(order, () => undefined);
  }

  end(result: TaskEnd): void {
    this.result ??= result;
    killGroup(this.child.pid);
  }

  limitSilence(afterMs: number): void {
    clearTimeout(this.silence);
    this.silenceMs = afterMs;
    this.silence = setTimeout(
      () =>
        this.end(this.failed(`no progress for ${this.silenceMs} ms; task.progress() says that a task lives`)),
      afterMs,
    );
  }

  limitMemory(limit: number): void {
    const { pid } = this.child;
    if (pid === undefined) return;
    this.memory = setInterval(() => {
      const bytes = residentBytes(pid);
      if (bytes !== undefined && bytes > limit)
        this.end(
          this.failed(
            `it holds ${Math.ceil(bytes / MIB)} MiB, more than the ${limit / MIB} MiB of the job (memory)`,
          ),
        );
    }, LOOK_EVERY_MS);
    this.memory.unref();
  }

  limitLog(path: string): void {
    const log = new LogLimit(path);
    this.log = log;
    this.logs = setInterval(() => log.look(), LOOK_EVERY_MS);
    this.logs.unref();
  }

  private diedSilently(code: number | null, signal: string | null, error: Error | undefined): TaskEnd {
    if (error !== undefined) return this.failed(`the process cannot be started: ${error.message}`);
    if (signal !== null && HEAP_SIGNALS.has(signal))
      return this.failed(
        `the process was ended by ${signal}: most likely its heap is full (memory of the job)`,
      );
    if (signal !== null) return this.failed(`the process was ended by ${signal}`);
    return this.failed(`the process ended with exit code ${code} before it was done`);
  }

  /** With the record that was at hand, when it is known. */
  private failed(message: string): TaskEnd {
    const atHand = this.order.trace === true ? tracedRecord(this.order.directory) : undefined;
    const record = atHand && { index: atHand.index, text: atHand.text };
    return {
      type: "failed",
      message: message + recordPlaceText(atHand),
      stack: undefined,
      record,
      retryable: true,
    };
  }
}
