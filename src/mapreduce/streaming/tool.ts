/** An executable that is the mapper or reducer of a task: records go in, records come out, reports go to the task. */
import { QuorateError } from "../../runtime/errors.ts";
import type { TaskOrder } from "../task/orders.ts";
import type { TaskState } from "../task/task-state.ts";
import { environmentOf } from "./environment.ts";
import { Executable } from "./executable.ts";
import type { KeyRule } from "./key-split.ts";
import { memoryLimit, watchMemory } from "./memory-watch.ts";
import { LineSplitter } from "./lines.ts";
import type { PairReader, TakePair } from "./record-pipes.ts";
import { pairReader } from "./record-pipes.ts";
import { parseReport } from "./reporter.ts";
import type { PipeFormat, StreamingProgram, StreamingSettings } from "./settings.ts";
import { taskProperties } from "./task-properties.ts";

export interface ToolOptions {
  readonly role: "mapper" | "reducer" | "combiner";
  readonly command: string;
  readonly order: TaskOrder;
  readonly program: StreamingProgram;
  readonly settings: StreamingSettings;
  readonly task: TaskState;
  readonly from: { readonly format: PipeFormat; readonly rule: KeyRule };
  readonly take: TakePair;
  /** Called after each piece of output: a promise is waited for. */
  readonly settle: () => void | Promise<void>;
  /** Its reports count for nothing. */
  readonly mute?: boolean;
}

/** Of what it last complained about. */
const REASON_MAX_LENGTH = 300;

export class Tool {
  readonly executable: Executable;
  private readonly options: ToolOptions;
  private readonly listener: ErrorListener;
  private readonly reader: PairReader;
  private readonly unwatch: () => void;
  private failure: { readonly error: unknown } | undefined;

  constructor(options: ToolOptions) {
    const { command, order, from, take, settle, task } = options;
    this.options = options;
    this.listener = new ErrorListener(options.settings.reporterPrefix, task, options.mute === true);
    this.reader = pairReader(from.format, from.rule, take);
    this.executable = new Executable({
      command,
      directory: order.directory,
      environment: toolEnvironment(order, options.program, options.settings),
      onOutput: (chunk) => {
        this.reader.push(chunk);
        task.tick();
        return settle();
      },
      onError: (chunk) => this.attempt(() => this.listener.push(chunk)),
    });
    this.unwatch = watchMemory(memoryLimit(order.spec.settings.memory), (message) =>
      this.attempt(() => {
        throw new QuorateError("JOB_FAILED", message);
      }),
    );
  }

  /** It reads no more, and there is more for it: rejects with why that is a failure, unless what it wrote `isEnough`. */
  async deafened(isEnough: () => boolean): Promise<void> {
    await this.ended();
    if (!isEnough()) throw this.inattentive();
  }

  /**
   * The end of its input: resolves when it has ended well and all that it wrote was taken. What it left of the last piece,
   * 128 KiB at most, never matters, as with Hadoop.
   */
  async finish(isEnough: () => boolean): Promise<void> {
    this.executable.end();
    await this.ended();
    if (this.executable.missedInput && !isEnough()) throw this.inattentive();
    this.reader.end();
    await this.options.settle();
  }

  private inattentive(): QuorateError {
    return new QuorateError(
      "JOB_FAILED",
      `the ${this.options.role} ended before it had read all of its input`,
    );
  }

  /** The code is looked at before what it wrote last, as by Hadoop. */
  private async ended(): Promise<void> {
    const { role, command, settings } = this.options;
    const { code } = await this.executable.ended.catch((error: unknown) => {
      throw this.failure === undefined ? error : this.failure.error;
    });
    this.unwatch();
    this.attempt(() => this.listener.end());
    if (this.failure !== undefined) throw this.failure.error;
    if (code !== 0 && settings.failsOnExitCode)
      throw exitFailure(role, command, code, this.listener.lastLine);
    if (code !== 0) process.stderr.write(`the ${role} ended with code ${code}, which is no failure here\n`);
  }

  /** In a callback nobody hears what is thrown. */
  private attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.failure ??= { error };
      this.executable.kill();
    }
  }
}

export function exitFailure(role: string, command: string, code: number, lastLine: string): QuorateError {
  const reason = lastLine === "" ? "" : `: ${lastLine.slice(0, REASON_MAX_LENGTH)}`;
  return new QuorateError(
    "JOB_FAILED",
    `the ${role} "${command.slice(0, 100)}" ended with code ${code}${reason}`,
  );
}

export function toolEnvironment(
  order: TaskOrder,
  program: StreamingProgram,
  { properties }: StreamingSettings,
): Record<string, string> {
  return environmentOf({
    properties: { ...taskProperties(order), ...properties },
    added: program.environment,
    inherited: process.env,
    temporary: order.directory,
  });
}

/** Reports become counters and status of the task; all else goes to its log. */
export class ErrorListener {
  /** What it complained about last. */
  lastLine = "";
  private readonly lines: LineSplitter;

  constructor(prefix: string, task: TaskState, mute: boolean) {
    this.lines = new LineSplitter((bytes, start, end) => {
      const said = parseReport(bytes.toString("utf8", start, end), prefix);
      switch (said.type) {
        case "counter":
          if (!mute) task.count(said.group, said.name, said.amount);
          break;
        case "status":
          if (!mute) task.status(said.text);
          break;
        case "odd":
          process.stderr.write(`not understood: ${said.line}\n`);
          break;
        case "log":
          process.stderr.write(`${said.line}\n`);
          if (said.line.trim() !== "") this.lastLine = said.line.trim();
      }
      task.tick();
    });
  }

  push(chunk: Buffer): void {
    this.lines.push(chunk);
  }

  end(): void {
    this.lines.end();
  }
}
