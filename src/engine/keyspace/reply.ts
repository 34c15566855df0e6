/**
 * Replies as values: what a command answers, before it is written in RESP2 or RESP3.
 *
 * The common shapes are plain JavaScript: a binary string is a bulk string, a number or bigint an integer, null the null
 * bulk, an array an array. The rest are small tagged classes, so that one `switch` in the encoder covers all.
 */
export type Reply =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly Reply[]
  | Status
  | ReplyError
  | DoubleReply
  | MapReply
  | SetReply
  | PairsReply
  | VerbatimReply
  | BigNumberReply
  | NullArray
  | PushReply;

/** A simple string, such as +OK. */
export class Status {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An error line: prefix and message, such as "WRONGTYPE Operation against …". Thrown or returned by commands. */
export class ReplyError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** RESP3 double; RESP2 bulk string (formatted as Redis formats doubles). */
export class DoubleReply {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** RESP3 map; RESP2 flat array. `items` holds key, value, key, value… */
export class MapReply {
  readonly items: readonly Reply[];
  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/** RESP3 set; RESP2 array. */
export class SetReply {
  readonly items: readonly Reply[];
  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/**
 * RESP3 an array of [first, second] arrays; RESP2 flat array: members with their scores, fields with their values, where
 * the order matters and a member may occur twice. `items` holds first, second, first, second…
 */
export class PairsReply {
  readonly items: readonly Reply[];
  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

/** RESP3 verbatim string; RESP2 bulk string. */
export class VerbatimReply {
  readonly format: "txt" | "mkd";
  readonly text: string;
  constructor(format: "txt" | "mkd", text: string) {
    this.format = format;
    this.text = text;
  }
}

/** The null array of RESP2 (*-1); RESP3 null. What an aborted EXEC answers. */
export class NullArray {
  readonly type = "null-array";
}

/** RESP3 big number; RESP2 bulk string. `digits` is sent as it is: a script says what is in it. */
export class BigNumberReply {
  readonly digits: string;
  constructor(digits: string) {
    this.digits = digits;
  }
}

/** RESP3 push; RESP2 array. Pub/sub messages. */
export class PushReply {
  readonly items: readonly Reply[];
  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

export const OK: Status = new Status("OK");
export const QUEUED: Status = new Status("QUEUED");
export const NULL_ARRAY: NullArray = new NullArray();

export const WRONG_TYPE: ReplyError = new ReplyError(
  "WRONGTYPE Operation against a key holding the wrong kind of value",
);
export const NOT_AN_INTEGER: ReplyError = new ReplyError("ERR value is not an integer or out of range");
export const OUT_OF_RANGE: ReplyError = new ReplyError("ERR value is out of range");
export const NOT_A_FLOAT: ReplyError = new ReplyError("ERR value is not a valid float");
export const SYNTAX_ERROR: ReplyError = new ReplyError("ERR syntax error");
export const NO_SUCH_KEY: ReplyError = new ReplyError("ERR no such key");
export const INDEX_OUT_OF_RANGE: ReplyError = new ReplyError("ERR index out of range");
export const OUT_OF_MEMORY: ReplyError = new ReplyError(
  "OOM command not allowed when used memory > 'maxmemory'.",
);

/** What a command answers that was called with a wrong number of arguments. */
export function wrongArguments(name: string): ReplyError {
  return new ReplyError(`ERR wrong number of arguments for '${name}' command`);
}

/** Too many words behind a subcommand whose row only bounds them from below; `args` is the whole line. */
export function subcommandMisused(args: readonly string[]): ReplyError {
  const [container = "", word = ""] = args;
  return new ReplyError(
    `ERR unknown subcommand or wrong number of arguments for '${echoed(word)}'. Try ${container.toUpperCase()} HELP.`,
  );
}

/** A client's text as an error line may repeat it: up to a zero byte, as C prints it, bounded, and on one line. */
export function echoed(text: string, limit = 128): string {
  const end = text.indexOf("\0");
  return text.slice(0, end < 0 ? limit : Math.min(end, limit)).replaceAll(/[\r\n]/g, " ");
}
