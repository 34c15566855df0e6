/**
 * One executable at work: bytes go to its standard input, its output comes back in pieces, both at the pace of the slower
 * side, so that neither a program that does not read nor one that writes without end fills memory, and none waits for the other
 * for ever: reading and writing go on beside each other.
 *
 * It belongs to the process group of the task, which whoever started the task ends as a whole.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { QuorateError } from "../../runtime/errors.ts";
import { findExecutable, splitCommand } from "./command-line.ts";

export interface ExecutableOptions {
  /** Words and quotes, no shell. */
  readonly command: string;
  /** Where it runs, and is looked for first. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Takes a piece of standard output; nothing more comes until the promise, if there is one, resolves. */
  readonly onOutput: (chunk: Buffer) => void | Promise<void>;
  readonly onError: (chunk: Buffer) => void;
}

export interface Exit {
  /** As a shell has it: 128 and the number of the signal that ended it. */
  readonly code: number;
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};
/** Small records are put together to pieces of this size. Hadoop's buffer. */
const PIECE_BYTES = 128 * 1024;

export class Executable {
  /** Settles when it has ended and all of its output was taken; rejects when it could not be started, or `onOutput` failed. */
  readonly ended: Promise<Exit>;
  private readonly child: ReturnType<typeof spawn>;
  private readonly stdin: NodeJS.WritableStream & { readonly writableNeedDrain?: boolean };
  private piece: Buffer = Buffer.allocUnsafe(PIECE_BYTES);
  private filled = 0;
  private hung = false;
  private over = false;
  private missed = false;

  /** Starts it. */
  constructor({ command, directory, environment, onOutput, onError }: ExecutableOptions) {
    const [name, ...words] = splitCommand(command);
    if (name === undefined)
      throw new QuorateError("JOB_FAILED", `there is no program in the command "${command}"`);
    const path = findExecutable(name, directory, environment["PATH"] ?? "");
    this.child = spawn(path, words, { cwd: directory, env: environment, stdio: "pipe" });
    const { stdin, stdout, stderr } = this.child;
    if (stdin === null || stdout === null || stderr === null)
      throw new QuorateError("INVARIANT", "a child without pipes");
    this.stdin = stdin;
    stdin.on("error", () => (this.hung = true));
    stderr.on("data", onError);
    this.ended = this.settle(name, stdout, onOutput, once(stderr, "end"));
    this.ended.catch(() => undefined);
  }

  /** It closed its input, or ended: what is written goes nowhere. */
  get deaf(): boolean {
    return this.hung || this.over;
  }

  /** It did not take a piece of its input that was not the last one. */
  get missedInput(): boolean {
    return this.missed;
  }

  /** Adds bytes to its input. False: wait for `room` before more are given. The bytes are copied. */
  write(bytes: Uint8Array, start = 0, end: number = bytes.length): boolean {
    for (let at = start; at < end;) {
      const taken = Math.min(end - at, PIECE_BYTES - this.filled);
      copyBytes(bytes, at, at + taken, this.piece, this.filled);
      this.filled += taken;
      at += taken;
      if (this.filled === PIECE_BYTES) this.flush();
    }
    return this.deaf || this.stdin.writableNeedDrain !== true;
  }

  private flush(): void {
    const bytes = this.piece.subarray(0, this.filled);
    this.filled = 0;
    this.piece = Buffer.allocUnsafe(PIECE_BYTES);
    this.stdin.write(bytes, (error) => {
      if (error != null) this.missed = true;
    });
  }

  /** Resolves when it has read enough that more may be given, or reads no more. */
  async room(): Promise<void> {
    while (!this.deaf && this.stdin.writableNeedDrain === true) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          for (const event of ["drain", "close", "error"]) this.stdin.removeListener(event, done);
          resolve();
        };
        for (const event of ["drain", "close", "error"]) this.stdin.once(event, done);
      });
    }
  }

  /** The end of its input. */
  end(): void {
    this.stdin.end(this.piece.subarray(0, this.filled));
  }

  /** Ends it at once; what others that it started still write is not waited for. */
  kill(): void {
    this.child.kill("SIGKILL");
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
  }

  private async settle(
    name: string,
    stdout: NodeJS.ReadableStream,
    onOutput: ExecutableOptions["onOutput"],
    errorsRead: Promise<unknown>,
  ): Promise<Exit> {
    const exited = once(this.child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    exited.catch(() => undefined);
    try {
      for await (const chunk of stdout) {
        const later = onOutput(chunk as Buffer);
        if (later !== undefined) await later;
      }
      const [code, signal] = await exited.catch((cause: unknown) => {
        throw new QuorateError("JOB_FAILED", `"${name}" cannot be started: ${(cause as Error).message}`, {
          cause,
        });
      });
      await errorsRead;
      return { code: code ?? 128 + (SIGNALS[signal ?? ""] ?? 0) };
    } finally {
      this.over = true;
      this.kill();
      this.stdin.end();
    }
  }
}

/** Short ones by hand: a call of native code costs as much as some forty of them. */
function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > SHORT_BYTES) to.set(from.subarray(start, end), at);
  else for (let read = start, write = at; read < end;) to[write++] = from[read++] ?? 0;
}

const SHORT_BYTES = 48;
