/**
 * The store as a specification: what a sequential Redis would answer, for the commands that tests use.
 *
 * Written apart from the engine on purpose, as plainly as can be: it judges the engine. Inputs are the commands as clients
 * send them, so the same checker reads the history of a simulation and of a test with real processes and real clients.
 */
import type { Model, Operation } from "./linearizability.ts";

/** A reply as JSON: `{ status }` for +OK and the like, `{ error }` for an error that was an answer (its first word). */
export type StoreReply =
  | string
  | number
  | null
  | { readonly status: string }
  | { readonly error: string }
  | readonly StoreReply[];

export type StoreInput =
  | { readonly command: readonly string[] }
  /** MULTI … EXEC; the reply is an array. */
  | { readonly transaction: readonly (readonly string[])[] }
  /**
   * WATCH, a GET of each key that gave these values, then MULTI … EXEC. A null reply claims nothing but that nothing was
   * done; an array claims that the keys still had these values. (Tests write every value once, so equal means unchanged.)
   */
  | {
      readonly watched: Readonly<Record<string, string | null>>;
      readonly transaction: readonly (readonly string[])[];
    };

interface Stored {
  readonly value: string | readonly string[];
  /** By the test's clock; a key with a time to live may be found gone from here on. Undefined: stays. */
  readonly goneNotBeforeMs: number | undefined;
}

export type StoreState = ReadonlyMap<string, Stored>;

export interface StoreModelOptions {
  /** How much earlier than its time to live a key may go, as a fraction, for the drift of clocks. Default 0.02. */
  readonly driftMax?: number;
  /** Times at which log time may have jumped ahead: keys that were stored before may go from then on. Ascending. */
  readonly timeJumps?: readonly number[];
}

type Mutable = Map<string, Stored>;

const OK = { status: "OK" } as const;
const WRONG_TYPE = { error: "WRONGTYPE" } as const;
const NOT_A_NUMBER = { error: "ERR" } as const;

const READS: ReadonlySet<string> = new Set(["GET", "MGET", "EXISTS", "LRANGE", "LLEN", "STRLEN"]);

export function storeModel(options: StoreModelOptions = {}): Model<StoreState, StoreInput, StoreReply> {
  const { driftMax = 0.02, timeJumps = [] } = options;
  return {
    name: "store",
    init: () => new Map(),
    step(state, operation) {
      const next: StoreState[] = [];
      for (const before of withDeaths(state, operation)) {
        const after: Mutable = new Map(before);
        const jumpMs = timeJumps.find((each) => each >= operation.startMs) ?? Infinity;
        const lives = (ms: number): number => Math.min(jumpMs, operation.startMs + ms * (1 - driftMax));
        const reply = carryOut(after, operation, lives);
        if (reply === undefined) continue;
        if (operation.output === undefined || sameReply(reply, operation.output)) next.push(after);
      }
      return next;
    },
    stateKey: keyOf,
    keysOf: (input) => ("command" in input ? keysOfCommand(input.command) : keysOfTransaction(input)),
    readOnly: (input) =>
      "command" in input
        ? READS.has(nameOf(input.command))
        : input.transaction.every((command) => READS.has(nameOf(command))),
    describe: ({ input, output }: Operation<StoreInput, StoreReply>) => {
      const text =
        "command" in input
          ? input.command.join(" ")
          : `${"watched" in input ? `WATCH ${JSON.stringify(input.watched)}; ` : ""}MULTI ${input.transaction
              .map((command) => command.join(" "))
              .join("; ")}`;
      return `${text} -> ${output === undefined ? "unknown" : JSON.stringify(output)}`;
    },
    describeState: (state) =>
      JSON.stringify(Object.fromEntries([...state].map(([key, { value }]) => [key, value]))),
  };
}

/** What a store that works answers to one input, and its state afterwards; no key goes away by time. */
export function answerOf(
  state: StoreState,
  input: StoreInput,
): { readonly reply: StoreReply; readonly state: StoreState } {
  const after: Mutable = new Map(state);
  const reply = carryOut(after, { client: "", input, startMs: 0 }, (ms) => ms);
  return { reply: reply ?? null, state: after };
}

function nameOf(command: readonly string[]): string {
  return (command[0] ?? "").toUpperCase();
}

function keysOfCommand(command: readonly string[]): readonly string[] {
  switch (nameOf(command)) {
    case "MGET":
    case "DEL":
    case "EXISTS":
      return command.slice(1);
    case "MSET":
      return command.slice(1).filter((_, at) => at % 2 === 0);
    default:
      return command.slice(1, 2);
  }
}

function keysOfTransaction(input: Exclude<StoreInput, { command: readonly string[] }>): readonly string[] {
  const watched = "watched" in input ? Object.keys(input.watched) : [];
  return [...new Set([...watched, ...input.transaction.flatMap(keysOfCommand)])];
}

/** The state, and every state in which keys of the operation are gone whose time may have come. */
function withDeaths(state: StoreState, operation: Operation<StoreInput, StoreReply>): readonly StoreState[] {
  let states = [state];
  for (const [key, stored] of state) {
    if (stored.goneNotBeforeMs === undefined) continue;
    if ((operation.endMs ?? Infinity) < stored.goneNotBeforeMs) continue;
    states = states.flatMap((each) => {
      const without = new Map(each);
      without.delete(key);
      return [each, without];
    });
  }
  return states;
}

/** The reply, and the state changed; undefined: cannot have happened like this. */
function carryOut(
  state: Mutable,
  { input, output }: Operation<StoreInput, StoreReply>,
  lives: (ms: number) => number,
): StoreReply | undefined {
  if ("command" in input) return execute(state, input.command, lives);
  if ("watched" in input) {
    if (output === null) return null;
    for (const [key, value] of Object.entries(input.watched)) {
      // With an unknown outcome, a transaction whose keys had changed did nothing.
      if ((state.get(key)?.value ?? null) !== value) return output === undefined ? null : undefined;
    }
  }
  return input.transaction.map((command) => execute(state, command, lives));
}

function execute(state: Mutable, command: readonly string[], lives: (ms: number) => number): StoreReply {
  const name = nameOf(command);
  const [key = "", ...args] = command.slice(1);
  switch (name) {
    case "MGET":
      return command.slice(1).map((each) => text(state, each));
    case "MSET":
      for (let at = 1; at + 1 < command.length; at += 2) put(state, command[at] ?? "", command[at + 1] ?? "");
      return OK;
    case "DEL":
      return command.slice(1).filter((each) => state.delete(each)).length;
    case "EXISTS":
      return command.slice(1).filter((each) => state.has(each)).length;
    case "PEXPIRE": {
      const stored = state.get(key);
      if (stored === undefined) return 0;
      state.set(key, { ...stored, goneNotBeforeMs: lives(Number(args[0])) });
      return 1;
    }
    case "PERSIST": {
      const stored = state.get(key);
      if (stored?.goneNotBeforeMs === undefined) return 0;
      state.set(key, { ...stored, goneNotBeforeMs: undefined });
      return 1;
    }
    case "LPUSH":
    case "RPUSH":
    case "LPOP":
    case "RPOP":
    case "LLEN":
    case "LRANGE":
      return executeOnList(state, name, key, args);
    default:
      return executeOnString(state, name, key, args, lives);
  }
}

function executeOnString(
  state: Mutable,
  name: string,
  key: string,
  args: readonly string[],
  lives: (ms: number) => number,
): StoreReply {
  if (name === "SET") return set(state, key, args, lives);
  const { value: old, goneNotBeforeMs } = state.get(key) ?? { value: null, goneNotBeforeMs: undefined };
  if (old !== null && typeof old !== "string") return WRONG_TYPE;
  switch (name) {
    case "GET":
      return old;
    case "STRLEN":
      return old?.length ?? 0;
    case "GETDEL":
      state.delete(key);
      return old;
    case "SETNX":
      if (old !== null) return 0;
      put(state, key, args[0] ?? "");
      return 1;
    case "APPEND": {
      const value = (old ?? "") + (args[0] ?? "");
      state.set(key, { value, goneNotBeforeMs });
      return value.length;
    }
    case "INCR":
    case "DECR":
    case "INCRBY": {
      const by = name === "INCRBY" ? Number(args[0]) : name === "INCR" ? 1 : -1;
      if (old !== null && !/^-?\d+$/.test(old)) return NOT_A_NUMBER;
      const value = Number(old ?? 0) + by;
      state.set(key, { value: `${value}`, goneNotBeforeMs });
      return value;
    }
    default:
      throw new RangeError(`the model does not know ${name}`);
  }
}

function set(
  state: Mutable,
  key: string,
  args: readonly string[],
  lives: (ms: number) => number,
): StoreReply {
  const [value = "", ...flags] = args;
  const options = flags.map((flag) => flag.toUpperCase());
  const old = state.get(key);
  const wantsOld = options.includes("GET");
  if (wantsOld && old !== undefined && typeof old.value !== "string") return WRONG_TYPE;
  const reply = wantsOld ? ((old?.value as string | undefined) ?? null) : OK;
  if ((options.includes("NX") && old !== undefined) || (options.includes("XX") && old === undefined)) {
    return wantsOld ? reply : null;
  }
  const px = options.indexOf("PX");
  const goneNotBeforeMs = px >= 0 ? lives(Number(options[px + 1])) : undefined;
  state.set(key, {
    value,
    goneNotBeforeMs: options.includes("KEEPTTL") ? old?.goneNotBeforeMs : goneNotBeforeMs,
  });
  return reply;
}

function executeOnList(state: Mutable, name: string, key: string, args: readonly string[]): StoreReply {
  const stored = state.get(key);
  if (stored !== undefined && typeof stored.value === "string") return WRONG_TYPE;
  const items: readonly string[] = (stored?.value as readonly string[] | undefined) ?? [];
  const keep = (value: readonly string[]): void => {
    if (value.length === 0) state.delete(key);
    else state.set(key, { value, goneNotBeforeMs: stored?.goneNotBeforeMs });
  };
  switch (name) {
    case "LPUSH":
      keep([...args.toReversed(), ...items]);
      return items.length + args.length;
    case "RPUSH":
      keep([...items, ...args]);
      return items.length + args.length;
    case "LPOP":
      keep(items.slice(1));
      return items[0] ?? null;
    case "RPOP":
      keep(items.slice(0, -1));
      return items.at(-1) ?? null;
    case "LRANGE": {
      const from = Number(args[0]);
      const to = Number(args[1]);
      return items.slice(from, to === -1 ? undefined : to + 1);
    }
    default:
      return items.length;
  }
}

function text(state: StoreState, key: string): string | null {
  const value = state.get(key)?.value;
  return typeof value === "string" ? value : null;
}

function put(state: Mutable, key: string, value: string): void {
  state.set(key, { value, goneNotBeforeMs: undefined });
}

const stateKeys = new WeakMap<StoreState, string>();

/** Kept per state: the search asks for it again and again. */
function keyOf(state: StoreState): string {
  let key = stateKeys.get(state);
  if (key !== undefined) return key;
  const rows = [...state].sort(([left], [right]) => (left < right ? -1 : 1));
  key = JSON.stringify(
    rows.map(([name, { value, goneNotBeforeMs }]) => [name, value, goneNotBeforeMs ?? null]),
  );
  stateKeys.set(state, key);
  return key;
}

function sameReply(left: StoreReply, right: StoreReply): boolean {
  if (left === null || right === null || typeof left !== "object" || typeof right !== "object") {
    return left === right;
  }
  if (isList(left) || isList(right)) {
    if (!isList(left) || !isList(right) || left.length !== right.length) return false;
    return left.every((each, at) => sameReply(each, right[at] ?? null));
  }
  if ("status" in left) return "status" in right && left.status === right.status;
  return "error" in right && left.error === right.error;
}

function isList(reply: StoreReply): reply is readonly StoreReply[] {
  return Array.isArray(reply);
}
