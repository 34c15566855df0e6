/** What every command of `quorate fs` works with: the files, where words become paths, and where output and failures go. */
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { ERRORS, isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { FilesAdministration } from "../../client/files/administration.ts";
import { connectAdministration } from "../../client/files/administration.ts";
import type { Files } from "../../client/files/files.ts";
import type { FileStats } from "../../client/files/file-stats.ts";
import { expandGlob, isGlob } from "../../client/files/glob.ts";
import { EMPTY_PATH } from "./command.ts";

/** One thing that a word named: what it is, and how it is called in the output. */
export interface Item {
  readonly shown: string;
  readonly path: string;
  readonly stats: FileStats;
}

const TEXTS: Partial<Readonly<Record<string, string>>> = {
  PATH_NOT_FOUND: "No such file or directory",
  PATH_EXISTS: "File exists",
  DIRECTORY_NOT_EMPTY: "Directory is not empty",
};

/** Undefined: the error's own words. Of what is above the path they name that: "/f (is not a directory)". */
function textOf({ code, message }: QuorateError): string | undefined {
  if (code !== "PARENT_NOT_DIRECTORY") return TEXTS[code];
  return message.endsWith("(is not a directory)") ? undefined : "Is not a directory";
}

export interface ShellPlace {
  readonly url: string;
  readonly user: string;
}

export class Shell {
  readonly files: Files;
  /** Files of this machine, from its root. */
  readonly local: Files;
  readonly signal: AbortSignal;
  /** Who asks. */
  readonly user: string;
  /** 0 as long as nothing failed. */
  exitCode = 0;
  private readonly command: string;
  private readonly place: ShellPlace;
  private home: string | undefined;
  private connected: FilesAdministration | undefined;

  constructor(command: string, place: ShellPlace, files: Files, local: Files, signal: AbortSignal) {
    this.command = command;
    this.place = place;
    this.user = place.user;
    this.files = files;
    this.local = local;
    this.signal = signal;
  }

  /** What operators ask of the nodes. */
  get administration(): FilesAdministration {
    this.connected ??= connectAdministration(this.place.url, this.place.user);
    return this.connected;
  }

  close(): void {
    this.files.close();
    this.connected?.close();
  }

  /** Asks the one who sits there; whoever says nothing means no. */
  async confirm(question: string): Promise<boolean> {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      const { signal } = this;
      const ended = once(lines, "close", { signal }).then(() => "");
      return /^y(es)?$/i.test(
        await Promise.race([lines.question(`${question} (Y or N) `, { signal }), ended]),
      );
    } finally {
      lines.close();
    }
  }

  /** Ends early with the signal's reason. */
  async pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.signal.addEventListener("abort", done);
    });
    this.signal.throwIfAborted();
  }

  /** Waits for who reads slowly. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (!process.stdout.write(bytes)) await once(process.stdout, "drain");
  }

  print(line: string): Promise<void> {
    return this.write(`${line}\n`);
  }

  note(line: string): void {
    process.stderr.write(`${line}\n`);
  }

  /** The command goes on with what else it was given, and ends with an exit code that is not 0. */
  fail(shown: string, error: unknown): void {
    if (this.signal.aborted || !isQuorateError(error)) throw error;
    if (error.message === EMPTY_PATH) throw error;
    const text = textOf(error);
    const firstLine = error.message.split("\n", 1)[0] ?? "";
    this.note(`${this.command}: ${text === undefined ? firstLine : `\`${shown}': ${text}`}`);
    // What `hdfs dfs` knows no code for keeps that of the error table.
    this.exitCode = Math.max(this.exitCode, ERRORS[error.code].exit === 2 ? 1 : ERRORS[error.code].exit);
  }

  refuse(shown: string, text: string): undefined {
    this.note(`${this.command}: \`${shown}': ${text}`);
    this.exitCode = Math.max(this.exitCode, 1);
  }

  /** Does it, or fails and lets the others go on. */
  async attempt(shown: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.fail(shown, error);
    }
  }

  /** Nothing is at the path, which Hadoop then says in full. */
  refuseMissing(shown: string, files: Files, path: string): undefined {
    return this.refuse(shown, `No such file or directory: \`${files.url.replace(/\/$/, "")}${path}'`);
  }

  /** A word as an absolute path. Throws USAGE for the URL of another file system. */
  async pathOf(word: string): Promise<string> {
    if (word === "") throw new QuorateError("USAGE", EMPTY_PATH);
    const url = /^(\w+:\/\/[^/]*)(\/.*)?$/.exec(word);
    if (url !== null) {
      const [, system = "", path = "/"] = url;
      if (system !== this.files.url)
        throw new QuorateError("USAGE", `${word} is not in ${this.files.url} (--fs)`);
      return tidy(path);
    }
    if (word.startsWith("/")) return tidy(word);
    this.home ??= await this.files.home({ signal: this.signal });
    return tidy(`${this.home}/${word}`);
  }

  /** What the words name, globs expanded; what is not there is reported and left out. */
  async *items(words: readonly string[], followLast = true): AsyncGenerator<Item> {
    for (const word of words) {
      try {
        yield* await this.expand(word, followLast);
      } catch (error) {
        this.fail(word, error);
      }
    }
  }

  async expand(word: string, followLast = true): Promise<readonly Item[]> {
    const path = await this.pathOf(word);
    const { files, signal } = this;
    if (!isGlob(word)) {
      const stats = await (followLast ? files.stat(path, { signal }) : files.lstat(path, { signal })).catch(
        asMissing,
      );
      return [
        { shown: /\/(\/|\.{1,2}(\/|$))/.test(word) && word.startsWith("/") ? path : word, path, stats },
      ];
    }
    const found = await expandGlob(files, path, signal);
    if (found.length === 0) throw new QuorateError("PATH_NOT_FOUND", word);
    const isRelative = !word.startsWith("/") && !word.includes("://");
    const base = `${this.home ?? ""}/`;
    return found.map((stats) => ({
      shown: isRelative && stats.path.startsWith(base) ? stats.path.slice(base.length) : stats.path,
      path: stats.path,
      stats,
    }));
  }

  /** An item of the same name below. */
  below({ shown }: Item, stats: FileStats): Item {
    return { shown: shown === "." ? stats.name : join(shown, stats.name), path: stats.path, stats };
  }

  /** The item and all below it, directories before what is in them. A directory that cannot be read is reported. */
  async *tree(item: Item): AsyncGenerator<Item> {
    yield item;
    if (!item.stats.isDirectory()) return;
    const below: Item[] = [];
    await this.attempt(item.shown, async () => {
      for await (const stats of this.files.walk(item.path, { signal: this.signal }))
        below.push(this.below(item, stats));
    });
    for (const each of below) yield* this.tree(each);
  }
}

/** To who looks for it, what would be below a file is not there. */
function asMissing(error: unknown): never {
  if (!isQuorateError(error) || error.code !== "PARENT_NOT_DIRECTORY") throw error;
  throw new QuorateError("PATH_NOT_FOUND", error.message, { cause: error });
}

/** The path is the directory, or in it. */
export function isWithin(path: string, directory: string): boolean {
  return `${path}/`.startsWith(directory === "/" ? "/" : `${directory}/`);
}

export function join(directory: string, name: string): string {
  return directory === "/" || directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`;
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/** Hadoop takes double slashes and slashes at the end, and "." and "..", for what they mean to people. */
function tidy(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}
