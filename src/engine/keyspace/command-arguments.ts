/**
 * What COMMAND DOCS calls the arguments of a command, read from the usage in the command table, so that there is one text
 * of both. The notation of a usage is that of Redis's own pages:
 *
 *   key          a value                         [A | B]        one of them, or neither
 *   NX           a word that stands for itself   <A | B>        one of them
 *   EX seconds   a value behind its word         x [x ...]      one or more; also of several values, or behind a word
 *                                                <A | B ...>    some of them, each as often as one likes
 *
 * (https://redis.io/docs/latest/develop/reference/command-arguments/).
 */
import { assert } from "../../runtime/errors.ts";
import { MapReply, SetReply, Status, type Reply } from "./reply.ts";

export type ArgumentType =
  | "string"
  | "integer"
  | "double"
  | "key"
  | "pattern"
  | "unix-time"
  | "pure-token"
  | "oneof"
  | "block";

export interface CommandArgument {
  readonly name: string;
  readonly type: ArgumentType;
  /** The word that stands before it, or that it is. */
  readonly token?: string;
  readonly optional?: boolean;
  readonly multiple?: boolean;
  /** When it is there several times, so is its token. */
  readonly multipleToken?: boolean;
  /** Of "oneof" and "block". */
  readonly arguments?: readonly CommandArgument[];
}

const NAMES_BY_TYPE: readonly (readonly [ArgumentType, string])[] = [
  ["key", "key key1 key2 newkey source destination src dst"],
  ["pattern", "pattern"],
  ["unix-time", "unix-time-seconds unix-time-milliseconds"],
  ["double", "score min max"],
  [
    "integer",
    "seconds milliseconds increment decrement offset start stop end index index1 index2 count rank num-matches len limit " +
      "cursor numkeys weight db destination-db numreplicas timeout port protover slot client-id",
  ],
];
const TYPES = new Map(
  NAMES_BY_TYPE.flatMap(([type, names]) => names.split(" ").map((name) => [name, type] as const)),
);

/** Where a name means something else than elsewhere. */
const OWN_TYPES: Readonly<Record<string, Readonly<Record<string, ArgumentType>>>> = {
  incrbyfloat: { increment: "double" },
  "cluster|keyslot": { key: "string" },
  hincrbyfloat: { increment: "double" },
  zrange: { start: "string", stop: "string" },
  zrangestore: { min: "string", max: "string" },
  zlexcount: { min: "string", max: "string" },
  zrangebylex: { min: "string", max: "string" },
  zrevrangebylex: { min: "string", max: "string" },
  zremrangebylex: { min: "string", max: "string" },
};

/** `command` is the full name, for names that have a type of their own there. A usage that is not of the notation is a defect. */
export function argumentsOf(command: string, usage: string): readonly CommandArgument[] {
  const reader = new UsageReader(command, usage);
  const found = reader.alternatives();
  assert(reader.done && found.length < 2, `usage of ${command}: ${usage}`);
  return found[0] ?? [];
}

/** As COMMAND DOCS answers them. `specificationOf`: the key specification of COMMAND INFO that has the nth key of the usage. */
export function argumentReplies(
  list: readonly CommandArgument[],
  specificationOf: (place: number) => number | undefined,
): readonly Reply[] {
  let keys = 0;
  const reply = (argument: CommandArgument): Reply => {
    const { name, type, token, optional, multiple, multipleToken } = argument;
    const items: Reply[] = ["name", name, "type", type];
    const specification = type === "key" ? specificationOf(keys++) : undefined;
    if (specification !== undefined) items.push("key_spec_index", specification);
    if (token !== undefined) items.push("token", token);
    const flags = [
      ...(optional === true ? ["optional"] : []),
      ...(multiple === true ? ["multiple"] : []),
      ...(multipleToken === true ? ["multiple_token"] : []),
    ];
    if (flags.length > 0) items.push("flags", new SetReply(flags.map((flag) => new Status(flag))));
    if (argument.arguments !== undefined) items.push("arguments", argument.arguments.map(reply));
    return new MapReply(items);
  };
  return list.map(reply);
}

/** What no value is. */
const ENDS: ReadonlySet<string> = new Set(["]", ">", "|", "..."]);

class UsageReader {
  private readonly command: string;
  private readonly words: readonly string[];
  private at = 0;

  constructor(command: string, usage: string) {
    this.command = command;
    this.words = usage.match(/[[\]<>|]|[^\s[\]<>|]+/g) ?? [];
  }

  get done(): boolean {
    return this.at === this.words.length;
  }

  /** Up to the closing bracket, or the end: sequences with bars between them. */
  alternatives(): readonly (readonly CommandArgument[])[] {
    const found: (readonly CommandArgument[])[] = [];
    if (this.done) return found;
    do found.push(this.sequence());
    while (this.took("|"));
    return found;
  }

  private sequence(): readonly CommandArgument[] {
    const token = this.words[this.at];
    if (token === undefined || !isToken(token)) return this.values(undefined);
    this.at++;
    const values = this.values(token);
    if (values.length === 0) return [{ name: token.toLowerCase(), type: "pure-token", token }];
    const only = values[0]!;
    // One value carries the word itself.
    if (values.length === 1 && only.token === undefined && only.optional !== true) {
      return [{ ...only, token }];
    }
    return [{ ...group("block", values), token }];
  }

  /** Values and brackets; `token`: the word before them, which may be repeated with them. */
  private values(token: string | undefined): readonly CommandArgument[] {
    const found: CommandArgument[] = [];
    for (;;) {
      const repeated = this.repetition(token);
      if (repeated > 0) {
        const again = found.splice(-repeated);
        const whole = again.length === 1 ? again[0]! : group("block", again);
        found.push({
          ...whole,
          multiple: true,
          ...(this.words[this.at] === token ? { multipleToken: true } : {}),
        });
        this.at = this.words.indexOf("]", this.at) + 1;
      } else if (this.took("[")) {
        found.push({ ...this.bracket("]"), optional: true });
      } else if (this.took("<")) {
        found.push(this.bracket(">"));
      } else if (this.done || ENDS.has(this.words[this.at]!)) {
        return found;
      } else {
        const name = this.words[this.at++]!;
        const type = isToken(name)
          ? "pure-token"
          : (OWN_TYPES[this.command]?.[name] ?? TYPES.get(name) ?? "string");
        found.push(type === "pure-token" ? { name: name.toLowerCase(), type, token: name } : { name, type });
      }
    }
  }

  /** At "[x y ...]": how many values come again, and then behind the bracket. Else 0. */
  private repetition(token: string | undefined): number {
    if (this.words[this.at] !== "[") return 0;
    const end = this.words.indexOf("]", this.at);
    const again = this.words.slice(this.at + 1, end);
    if (again.at(-1) !== "..." || again.includes("[")) return 0;
    this.at++;
    return again.length - 1 - (again[0] === token ? 1 : 0);
  }

  private bracket(end: "]" | ">"): CommandArgument {
    const found = this.alternatives();
    const again = this.took("...");
    assert(this.took(end), `usage of ${this.command}: ${end} is missing`);
    const parts = found.map((list) => (list.length === 1 ? list[0]! : group("block", list)));
    const whole = parts.length === 1 ? parts[0]! : group("oneof", parts);
    return again ? { ...whole, multiple: true } : whole;
  }

  private took(word: string): boolean {
    if (this.words[this.at] !== word) return false;
    this.at++;
    return true;
  }
}

/** Values have names in lower case. */
function isToken(word: string): boolean {
  return /^[A-Z]/.test(word);
}

function group(type: "oneof" | "block", parts: readonly CommandArgument[]): CommandArgument {
  return { name: parts.map(({ name }) => name).join("_"), type, arguments: parts };
}
