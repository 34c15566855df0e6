/** A verb of the command line as data: its flags and help are a table, its code is loaded only when it is called. */
import { QuorateError } from "../runtime/errors.ts";
import { bytesOf } from "./byte-size.ts";

export interface Flag {
  readonly name: string;
  /** What follows the flag, as shown in the help ("DIR"); absent: the flag is a switch. */
  readonly value?: string;
  /** The only values allowed. */
  readonly choices?: readonly string[];
  /** An environment variable that stands in when the flag is absent: for what must not show up in `ps`. */
  readonly environment?: string;
  readonly help: string;
}

export interface Verb {
  readonly name: string;
  readonly summary: string;
  /** Usage lines without the program's name. */
  readonly usage: readonly string[];
  readonly flags: readonly Flag[];
  /** How many positional arguments it takes. */
  readonly positionals: { readonly min: number; readonly max: number };
  /** What is most likely meant by more of them, and how to say it. */
  readonly surplus?: string;
  /** Takes its arguments as they come, all as positionals, and has its own help below "help" and "--help". */
  readonly ownArguments?: boolean;
  /** Called by the program itself, not shown in the help. */
  readonly internal?: boolean;
  readonly load: () => Promise<RunVerb>;
}

/** Resolves to the process exit code. */
export type RunVerb = (call: Call) => Promise<number>;

/** The arguments of one call, checked against the verb's table; every accessor throws USAGE with one clear line. */
export class Call {
  readonly positionals: readonly string[];
  private readonly verb: Verb;
  private readonly values: ReadonlyMap<string, string | true>;

  constructor(verb: Verb, values: ReadonlyMap<string, string | true>, positionals: readonly string[]) {
    this.verb = verb;
    this.values = values;
    this.positionals = positionals;
  }

  /** True when the flag was given. */
  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  text(name: string): string | undefined {
    const value = this.raw(name);
    if (value === true || value === "") throw new QuorateError("USAGE", `--${name} needs a value`);
    return value;
  }

  integer(name: string, range: { readonly min: number; readonly max: number }): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d{1,15}$/.test(text) || value < range.min || value > range.max) {
      throw new QuorateError(
        "USAGE",
        `--${name} must be a whole number from ${range.min} to ${range.max}, not "${text}"`,
      );
    }
    return value;
  }

  /** A size such as 64k or 16m: k, m, g and t are binary. */
  bytes(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = bytesOf(text);
    if (Number.isSafeInteger(value)) return value;
    throw new QuorateError(
      "USAGE",
      `--${name} must be a number of bytes such as 4194304 or 4m, not "${text}"`,
    );
  }

  choice<const T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const found = choices.find((choice) => choice === text);
    if (found === undefined) {
      throw new QuorateError("USAGE", `--${name} must be ${alternatives(choices)}, not "${text}"`);
    }
    return found;
  }

  private raw(name: string): string | true | undefined {
    const given = this.values.get(name);
    if (given !== undefined) return given;
    const variable = this.verb.flags.find((flag) => flag.name === name)?.environment;
    return variable === undefined ? undefined : process.env[variable];
  }
}

/** "a, b or c" */
function alternatives(choices: readonly string[]): string {
  const last = choices.at(-1) ?? "";
  return choices.length < 2 ? last : `${choices.slice(0, -1).join(", ")} or ${last}`;
}
