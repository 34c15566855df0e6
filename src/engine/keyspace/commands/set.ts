/** Sets: distinct members under one key. */
import { SetValue } from "../collections/set-value.ts";
import type { CommandSpec } from "../command.ts";
import { EVENT } from "../events.ts";
import type { Execution } from "../execution.ts";
import { SetReply, SYNTAX_ERROR, type Reply } from "../reply.ts";
import { negatableArgument, positiveArgument } from "./argument.ts";
import { scanCollection } from "./collection-scan.ts";
import { ALL_KEYS, NO_KEYS, TWO_KEYS } from "./key-positions.ts";
import { distinctPositions, randomPosition, randomPositions } from "./random-positions.ts";
import {
  commandRows,
  countedKeys,
  GROW,
  GROW_FAST,
  READ,
  READ_FAST,
  READ_MANY_KEYS,
  WRITE_FAST,
} from "./rows.ts";
import {
  combine,
  combineAndStore,
  countIntersection,
  difference,
  intersection,
  union,
} from "./set-algebra.ts";
import { openToAdd } from "./storing.ts";

function read(context: Execution, args: readonly string[]): SetValue | undefined {
  return context.database.readCollection(args[1]!, "set");
}

function add(context: Execution, args: readonly string[]): Reply {
  const additions = args.length - 2;
  const { collection: set, store } = openToAdd(
    context.database,
    args[1]!,
    "set",
    additions,
    () => new SetValue(),
  );
  let added = 0;
  for (let at = 2; at < args.length; at++) if (set.add(args[at]!)) added += 1;
  if (added > 0) store("sadd");
  return added;
}

function remove(context: Execution, args: readonly string[]): Reply {
  const set = context.database.modify(args[1]!, "set");
  let removed = 0;
  for (let at = 2; at < args.length; at++) if (set?.delete(args[at]!) === true) removed += 1;
  if (removed > 0) context.database.changed(args[1]!, "srem");
  return removed;
}

function hasMany(context: Execution, args: readonly string[]): Reply {
  const set = read(context, args);
  return args.slice(2).map((member) => (set?.has(member) === true ? 1 : 0));
}

function pop(context: Execution, args: readonly string[]): Reply {
  if (args.length > 3) throw SYNTAX_ERROR;
  const count = args.length === 3 ? positiveArgument(args[2]!) : undefined;
  const set = context.database.modify(args[1]!, "set");
  if (set === undefined) return count === undefined ? null : new SetReply([]);
  const positions =
    count === undefined ? [randomPosition(set.size, context)] : distinctPositions(set.size, count, context);
  // All chosen before the first is removed: a removal moves another member into its position.
  const popped = positions.map((position) => set.at(position));
  for (const member of popped) set.delete(member);
  if (popped.length > 0) context.database.changed(args[1]!, "spop");
  return count === undefined ? popped[0]! : new SetReply(popped);
}

function randomMembers(context: Execution, args: readonly string[]): Reply {
  if (args.length > 3) throw SYNTAX_ERROR;
  if (args.length === 2) {
    const set = read(context, args);
    return set === undefined ? null : set.at(randomPosition(set.size, context));
  }
  const count = negatableArgument(args[2]!);
  const set = read(context, args);
  if (set === undefined) return [];
  return randomPositions(set.size, count, context).map((position) => set.at(position));
}

function move(context: Execution, args: readonly string[]): Reply {
  const { database } = context;
  const source = database.modify(args[1]!, "set");
  if (source === undefined) return 0;
  const { collection, store } = openToAdd(database, args[2]!, "set", 1, () => new SetValue());
  const member = args[3]!;
  if (!source.has(member)) return 0;
  if (source === collection) return 1;
  source.delete(member);
  // In Redis the source is done with before the target is touched.
  database.notify(EVENT.set, "srem", args[1]!);
  if (source.size === 0) database.notify(EVENT.generic, "del", args[1]!);
  if (collection.add(member)) store("sadd");
  database.changed(args[1]!);
  return 1;
}

function scan(context: Execution, args: readonly string[]): Reply {
  let set: SetValue | undefined;
  return scanCollection(
    args,
    () => {
      set = read(context, args);
      return set && { size: set.size, members: set.members, small: set.encoding() === "intset" };
    },
    (reply, position) => reply.push(set!.members[position]!),
  );
}

export const SET_COMMANDS: readonly CommandSpec[] = commandRows("set", [
  {
    name: "sadd",
    arity: -3,
    flags: GROW_FAST,
    since: "1.0.0",
    complexity: "O(members given)",
    usage: "key member [member ...]",
    summary: "Adds members to a set and counts the new ones",
    execute: add,
  },
  {
    name: "srem",
    arity: -3,
    flags: WRITE_FAST,
    since: "1.0.0",
    complexity: "O(members given)",
    usage: "key member [member ...]",
    summary: "Removes members from a set",
    execute: remove,
  },
  {
    name: "smembers",
    arity: 2,
    flags: READ,
    since: "1.0.0",
    complexity: "O(size)",
    usage: "key",
    summary: "Reads all members of a set",
    execute: (context, args) => new SetReply([...(read(context, args)?.members ?? [])]),
  },
  {
    name: "sismember",
    arity: 3,
    flags: READ_FAST,
    since: "1.0.0",
    complexity: "O(1)",
    usage: "key member",
    summary: "Tells whether a set has a member",
    execute: (context, args) => (read(context, args)?.has(args[2]!) === true ? 1 : 0),
  },
  {
    name: "smismember",
    arity: -3,
    flags: READ_FAST,
    since: "6.2.0",
    complexity: "O(members given)",
    usage: "key member [member ...]",
    summary: "Tells which of the given members a set has",
    execute: hasMany,
  },
  {
    name: "scard",
    arity: 2,
    flags: READ_FAST,
    since: "1.0.0",
    complexity: "O(1)",
    usage: "key",
    summary: "Counts the members of a set",
    execute: (context, args) => read(context, args)?.size ?? 0,
  },
  {
    name: "spop",
    arity: -2,
    flags: WRITE_FAST,
    since: "1.0.0",
    complexity: "O(members returned)",
    usage: "key [count]",
    summary: "Takes random members from a set",
    execute: pop,
  },
  {
    name: "srandmember",
    arity: -2,
    flags: READ,
    since: "1.0.0",
    complexity: "O(members returned)",
    usage: "key [count]",
    summary: "Picks random members of a set",
    execute: randomMembers,
  },
  {
    name: "smove",
    arity: 4,
    flags: WRITE_FAST,
    keys: TWO_KEYS,
    since: "1.0.0",
    complexity: "O(1)",
    usage: "source destination member",
    summary: "Moves a member from one set to another",
    execute: move,
  },
  {
    name: "sinter",
    arity: -2,
    flags: READ,
    keys: ALL_KEYS,
    since: "1.0.0",
    complexity: "O(smallest size * keys)",
    usage: "key [key ...]",
    summary: "Intersects sets",
    execute: combine(intersection),
  },
  {
    name: "sinterstore",
    arity: -3,
    flags: GROW,
    keys: ALL_KEYS,
    since: "1.0.0",
    complexity: "O(smallest size * keys)",
    usage: "destination key [key ...]",
    summary: "Intersects sets and stores the result",
    execute: combineAndStore(intersection, "sinterstore"),
  },
  {
    name: "sintercard",
    arity: -3,
    flags: READ_MANY_KEYS,
    keys: NO_KEYS,
    findKeys: countedKeys(1),
    since: "7.0.0",
    complexity: "O(smallest size * keys)",
    usage: "numkeys key [key ...] [LIMIT limit]",
    summary: "Counts the members of an intersection",
    execute: countIntersection,
  },
  {
    name: "sunion",
    arity: -2,
    flags: READ,
    keys: ALL_KEYS,
    since: "1.0.0",
    complexity: "O(all members)",
    usage: "key [key ...]",
    summary: "Unites sets",
    execute: combine(union),
  },
  {
    name: "sunionstore",
    arity: -3,
    flags: GROW,
    keys: ALL_KEYS,
    since: "1.0.0",
    complexity: "O(all members)",
    usage: "destination key [key ...]",
    summary: "Unites sets and stores the result",
    execute: combineAndStore(union, "sunionstore"),
  },
  {
    name: "sdiff",
    arity: -2,
    flags: READ,
    keys: ALL_KEYS,
    since: "1.0.0",
    complexity: "O(all members)",
    usage: "key [key ...]",
    summary: "Takes from the first set the members of the others",
    execute: combine(difference),
  },
  {
    name: "sdiffstore",
    arity: -3,
    flags: GROW,
    keys: ALL_KEYS,
    since: "1.0.0",
    complexity: "O(all members)",
    usage: "destination key [key ...]",
    summary: "Takes from the first set the members of the others and stores the result",
    execute: combineAndStore(difference, "sdiffstore"),
  },
  {
    name: "sscan",
    arity: -3,
    flags: READ,
    since: "2.8.0",
    complexity: "O(1) a call, O(size) for the whole set",
    usage: "key cursor [MATCH pattern] [COUNT count]",
    summary: "Reads the next part of a set",
    execute: scan,
  },
]);
