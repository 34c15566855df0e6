/** A command of `quorate fs` as data, with its words cut up as `hdfs dfs` cuts them: options first, one dash, then paths. */
import { QuorateError } from "../../runtime/errors.ts";
import type { Shell } from "./shell.ts";

export interface FsCommand {
  readonly name: string;
  /** What follows the name, as Hadoop's help has it. */
  readonly usage: string;
  readonly summary: string;
  /** Options that are there or not, without their dash. */
  readonly switches?: readonly string[];
  /** Options that may have letters right behind them: "p" with "topax" takes `-p` and `-pto`. */
  readonly lettered?: Readonly<Record<string, string>>;
  /** Options that take a value. */
  readonly values?: readonly string[];
  /** Options whose value may be missing: what follows is none when it begins with a dash. */
  readonly optionals?: readonly string[];
  /** Paths and other words. Default at least one, no limit. */
  readonly min?: number;
  readonly max?: number;
  /** Options may also stand behind the words, with one dash or two, and with "=" before their values. */
  readonly anywhere?: boolean;
  /** Words with a dash are no options (expressions of `find`, modes of `chmod`). */
  readonly free?: boolean;
  run(shell: Shell, args: Arguments): Promise<void>;
}

export class Arguments {
  readonly words: readonly string[];
  private readonly options: ReadonlyMap<string, string>;

  constructor(words: readonly string[], options: ReadonlyMap<string, string>) {
    this.words = words;
    this.options = options;
  }

  has(option: string): boolean {
    return this.options.has(option);
  }

  value(option: string): string | undefined {
    return this.options.get(option);
  }

  /** The same words with one more option. */
  with(option: string): Arguments {
    return new Arguments(this.words, new Map([...this.options, [option, ""]]));
  }

  /** Throws USAGE unless it is a whole number of at least `min`. */
  count(option: string, min: number): number | undefined {
    const text = this.options.get(option);
    if (text === undefined) return undefined;
    return wholeNumber(`-${option}`, text, min);
  }
}

export const EMPTY_PATH = "Can not create a Path from an empty string";

/** Throws USAGE. */
export function wholeNumber(what: string, text: string, min: number): number {
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= min) return value;
  throw new QuorateError("USAGE", `${what} must be a whole number of at least ${min}, not "${text}"`);
}

const INT_MAX = 2 ** 31 - 1;
const SHORT_MAX = 2 ** 15 - 1;

/**
 * A number of which Hadoop's shell says first what it should be, then, with its usage, what Java thinks of the text. A length beyond
 * what JavaScript counts is none. Throws USAGE.
 */
export function javaNumber(shell: Shell, type: "short" | "long", text: string, expected: string): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
  if (Math.abs(value) <= (type === "short" ? SHORT_MAX : Number.MAX_SAFE_INTEGER)) return value;
  shell.complain(expected);
  const isTooLong = type === "short" && Math.abs(value) <= INT_MAX;
  const why = isTooLong ? `Value out of range. Value:"${text}" Radix:10` : `For input string: "${text}"`;
  throw new QuorateError("USAGE", why);
}

/** Of commands that take one path, with Hadoop's words for none and for more. Throws USAGE. */
export function onePath(words: readonly string[], missing: string, tooMany: string): string {
  const [word, ...more] = words;
  if (word === undefined) throw new QuorateError("USAGE", missing);
  if (more.length > 0) throw new QuorateError("USAGE", tooMany);
  return word;
}

/** Throws USAGE with one line. */
export function parseArguments(command: FsCommand, args: readonly string[]): Arguments {
  const options = new Map<string, string>();
  const words =
    command.anywhere === true ? allOptions(command, args, options) : firstOptions(command, args, options);
  const { min = 1, max = Infinity } = command;
  if (words.length < min)
    throw new QuorateError("USAGE", `Not enough arguments: expected ${min} but got ${words.length}`);
  if (words.length > max)
    throw new QuorateError("USAGE", `Too many arguments: expected ${max} but got ${words.length}`);
  // Of an unset variable: to take it for this directory could move or remove it.
  if (command.free !== true && words.includes("")) throw new QuorateError("USAGE", EMPTY_PATH);
  return new Arguments(words, options);
}

/** As `hdfs dfs` does it. */
function firstOptions(
  { switches = [], values = [], optionals = [], lettered = {}, free, min = 1 }: FsCommand,
  args: readonly string[],
  options: Map<string, string>,
): readonly string[] {
  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at] ?? "";
    if (word === "--") {
      at++;
      break;
    }
    if (!word.startsWith("-") || word === "-") break;
    const name = word.slice(1);
    if (values.includes(name)) {
      const value = args[++at];
      if (value === undefined) throw new QuorateError("USAGE", `option ${word} requires 1 argument.`);
      options.set(name, value);
    } else if (optionals.includes(name)) {
      // Where there are no more words than must be, there is no value, as in Hadoop.
      const isThere = args[at + 1]?.startsWith("-") === false && args.length - at - 1 > min;
      options.set(name, isThere ? (args[++at] ?? "") : "");
    } else if (switches.includes(name)) options.set(name, "");
    else if (hasLetters(lettered, name)) options.set(name.slice(0, 1), name.slice(1));
    else if (free === true) break;
    else throw new QuorateError("USAGE", `Illegal option ${word}`);
  }
  return args.slice(at);
}

function hasLetters(lettered: Readonly<Record<string, string>>, name: string): boolean {
  const allowed = lettered[name.slice(0, 1)];
  return (
    allowed !== undefined &&
    name
      .slice(1)
      .split("")
      .every((letter) => allowed.includes(letter))
  );
}

/** As `hdfs fsck` does it. */
function allOptions(
  { switches = [], values = [] }: FsCommand,
  args: readonly string[],
  options: Map<string, string>,
): readonly string[] {
  const words: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    const match = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(word);
    if (match === null) {
      if (word.startsWith("-")) throw new QuorateError("USAGE", `Illegal option ${word}`);
      words.push(word);
      continue;
    }
    const [, name = "", inline] = match;
    if (values.includes(name)) {
      const value = inline ?? args[++at];
      if (value === undefined) throw new QuorateError("USAGE", `option ${word} requires 1 argument.`);
      options.set(name, value);
    } else if (switches.includes(name) && inline === undefined) options.set(name, "");
    else throw new QuorateError("USAGE", `Illegal option ${word}`);
  }
  return words;
}
