/** What every command of `quorate fs` works with: the files, where words become paths, and where output and failures go. */
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { ERRORS, isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { FilesAdministration } from "../../client/files/administration.ts";
import { connectAdministration } from "../../client/files/administration.ts";
import type { WriteOptions } from "../../client/files/driver.ts";
import type { Files } from "../../client/files/files.ts";
import type { FileStats } from "../../client/files/file-stats.ts";
import { expandGlob, isGlob } from "../../client/files/glob.ts";
import type { Place } from "./places.ts";
import { Places } from "./places.ts";

/** One thing that a word named: where and what it is, and how it is called in the output. */
export interface Item extends Place {
  readonly shown: string;
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

/** How files are kept that are made here; what is left out is as their file system has it. */
export type Kept = Pick<WriteOptions, "replication" | "blockSize">;

export interface ShellPlace {
  readonly url: string;
  readonly user: string;
  readonly kept: Kept;
}

export class Shell {
  readonly signal: AbortSignal;
  /** Who asks. */
  readonly user: string;
  readonly kept: Kept;
  /** 0 as long as nothing failed. */
  exitCode = 0;
  /** What is drawn on standard error just now: lines go in its place. */
  bar: { hide(): void } | undefined;
  private readonly command: string;
  private readonly url: string;
  private readonly places: Places;
  private connected: FilesAdministration | undefined;

  constructor(command: string, { url, user, kept }: ShellPlace, signal: AbortSignal) {
    this.command = command;
    this.url = url;
    this.user = user;
    this.kept = kept;
    this.places = new Places(url, user);
    this.signal = signal;
  }

  /** Those of `--fs`. */
  get files(): Files {
    return this.places.files;
  }

  /** Files of this machine, from its root. */
  get local(): Files {
    return this.places.local;
  }

  /** What operators ask of the nodes. */
  get administration(): FilesAdministration {
    this.connected ??= connectAdministration(this.url, this.user);
    return this.connected;
  }

  close(): void {
    this.places.close();
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
    this.bar?.hide();
    process.stderr.write(`${line}\n`);
  }

  /** The command goes on with what else it was given, and ends with an exit code that is not 0. */
  fail(shown: string, error: unknown): void {
    if (this.signal.aborted || !isQuorateError(error)) throw error;
    // What is no path at all ends the command, as in Hadoop.
    if (error.code === "USAGE") throw error;
    const text = textOf(error);
    const firstLine = error.message.split("\n", 1)[0] ?? "";
    this.note(`${this.command}: ${text === undefined ? firstLine : `\`${shown}': ${text}`}`);
    // What `hdfs dfs` knows no code for keeps that of the error table.
    this.exitCode = Math.max(this.exitCode, ERRORS[error.code].exit === 2 ? 1 : ERRORS[error.code].exit);
  }

  /** Of the command's words, before its usage is shown. */
  complain(text: string): void {
    this.note(`${this.command}: ${text}`);
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

  /** Throws USAGE for what is no path, FILE_OPERATION_REFUSED for a file system of another kind. */
  placeOf(word: string): Promise<Place> {
    return this.places.placeOf(word, this.signal);
  }

  /** Of commands that read or write on this machine: a path of it, or its URL. */
  localPlace(word: string): Place {
    return this.places.localPlace(word);
  }

  /** Of commands that only the file system of `--fs` takes: an absolute path of it. Throws USAGE for the URL of another. */
  async pathOf(word: string): Promise<string> {
    const { files, path } = await this.placeOf(word);
    if (files !== this.files) throw new QuorateError("USAGE", `${word} is not in ${this.files.url} (--fs)`);
    return path;
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

  /** What the word names as it stands, also where it looks like a pattern. */
  async exactly(word: string, followLast = true): Promise<Item> {
    const place = await this.placeOf(word);
    const { files, path, prefix } = place;
    const { signal } = this;
    const look = followLast ? files.stat(path, { signal }) : files.lstat(path, { signal });
    const stats = await look.catch(asMissing);
    return {
      ...place,
      shown: isAsMeant(word, prefix) ? shownAs(word, path, prefix) : `${prefix}${path}`,
      stats,
    };
  }

  /** Where words lead that may name what is not there yet. A pattern that fits nothing is reported, and makes nothing of its own name. */
  async *targets(words: readonly string[]): AsyncGenerator<Place & { readonly shown: string }> {
    for (const word of words) {
      try {
        yield* isGlob(word) ? await this.expand(word) : [{ ...(await this.placeOf(word)), shown: word }];
      } catch (error) {
        this.fail(word, error);
      }
    }
  }

  /** What a pattern fits. */
  async matching({ files, path }: Place): Promise<readonly FileStats[]> {
    return expandGlob(files, path, this.signal).catch((error: unknown) => {
      if (!isQuorateError(error) || error.code !== "USAGE") throw error;
      throw new QuorateError("FILE_OPERATION_REFUSED", error.message, { cause: error });
    });
  }

  async expand(word: string, followLast = true): Promise<readonly Item[]> {
    if (!isGlob(word)) return [await this.exactly(word, followLast)];
    const place = await this.placeOf(word);
    const { files, prefix } = place;
    const found = await this.matching(place);
    if (found.length === 0) throw new QuorateError("PATH_NOT_FOUND", word);
    const isRelative = !word.startsWith("/") && prefix === "";
    const base = isRelative ? `${await this.places.homeOf(files, this.signal)}/` : "";
    return found.map((stats) => ({
      files,
      prefix,
      shown:
        isRelative && stats.path.startsWith(base) ? stats.path.slice(base.length) : `${prefix}${stats.path}`,
      path: stats.path,
      stats,
    }));
  }

  /** An item of the same name below. */
  below({ shown, files, prefix }: Item, stats: FileStats): Item {
    const name = shown === "." ? stats.name : join(shown, stats.name);
    return { shown: name, files, prefix, path: stats.path, stats };
  }

  /** The item and all below it, directories before what is in them. A directory that cannot be read is reported. */
  async *tree(item: Item): AsyncGenerator<Item> {
    yield item;
    if (!item.stats.isDirectory()) return;
    const below: Item[] = [];
    await this.attempt(item.shown, async () => {
      for await (const stats of item.files.walk(item.path, { signal: this.signal }))
        below.push(this.below(item, stats));
    });
    for (const each of below) yield* this.tree(each);
  }
}

/** Without slashes at the end, but that of a root: "file:///" names another thing than "file:". */
export function shownAs(word: string, path: string, prefix: string): string {
  return path === "/" && prefix !== "" ? `${prefix}/` : word.replace(/(.)\/+$/, "$1");
}

/** Words are shown as they were given, unless they are written in a roundabout way. */
function isAsMeant(word: string, prefix: string): boolean {
  // Such as "file:/x", and a host without a path, which is one's home.
  if (!word.startsWith(`${prefix}/`)) return prefix === "";
  return !/\/(\/|\.{1,2}(\/|$))/.test(word.slice(prefix.length));
}

/** To who looks for it, what would be below a file is not there. */
function asMissing(error: unknown): never {
  if (!isQuorateError(error) || error.code !== "PARENT_NOT_DIRECTORY") throw error;
  throw new QuorateError("PATH_NOT_FOUND", error.message, { cause: error });
}

export function join(directory: string, name: string): string {
  return directory === "/" || directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`;
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}
