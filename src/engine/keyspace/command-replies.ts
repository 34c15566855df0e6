/**
 * What COMMAND and its subcommands answer, as pure functions over a command table
 * (https://redis.io/docs/latest/commands/command/). The connection's own rows are in the same table.
 */
import { argumentReplies, argumentsOf } from "./command-arguments.ts";
import { deprecationFields } from "./command-deprecations.ts";
import type { CommandTable } from "./command-table.ts";
import type { CommandGroup, CommandSpec } from "./command.ts";
import { matchesGlob } from "./glob.ts";
import { accessOfKey, keyAccess } from "./key-access.ts";
import { MapReply, ReplyError, SetReply, Status, SYNTAX_ERROR, type Reply } from "./reply.ts";

/** Redis's access categories by the group of a command. */
const GROUP_CATEGORIES: Readonly<Record<CommandGroup, string | undefined>> = {
  string: "@string",
  hash: "@hash",
  list: "@list",
  set: "@set",
  "sorted-set": "@sortedset",
  generic: "@keyspace",
  transactions: "@transaction",
  scripting: "@scripting",
  pubsub: "@pubsub",
  connection: "@connection",
  server: undefined,
  cluster: undefined,
};

/** As Redis lists them. */
const CATEGORY_ORDER: readonly string[] =
  "@keyspace @read @write @set @sortedset @list @hash @string @pubsub @admin @fast @slow @blocking @dangerous @connection @transaction @scripting".split(
    " ",
  );

function categoriesOf({ flags, docs, subcommands }: CommandSpec): string[] {
  const categories: string[] = [];
  const group = GROUP_CATEGORIES[docs.group];
  if (group !== undefined && subcommands === undefined) categories.push(group);
  if (flags.includes("write")) categories.push("@write");
  // As in Redis: what a script does, nobody can tell from outside.
  if (flags.includes("readonly") && docs.group !== "scripting") categories.push("@read");
  if (flags.includes("admin")) categories.push("@admin", "@dangerous");
  if (flags.includes("blocking")) categories.push("@blocking");
  categories.push(flags.includes("fast") ? "@fast" : "@slow");
  return categories.toSorted((left, right) => CATEGORY_ORDER.indexOf(left) - CATEGORY_ORDER.indexOf(right));
}

function statuses(words: readonly string[]): SetReply {
  return new SetReply(words.map((word) => new Status(word)));
}

/** The one row of COMMAND's answer that describes a command. */
export function commandRow(spec: CommandSpec): Reply {
  const { first, last, step } = spec.keys;
  const movable = spec.findKeys !== undefined && !spec.flags.includes("movablekeys");
  return [
    spec.name,
    spec.arity,
    statuses(movable ? [...spec.flags, "movablekeys"] : spec.flags),
    first,
    last,
    step,
    statuses(categoriesOf(spec)),
    // Hints for clients: none.
    new SetReply([]),
    new SetReply(first === 0 ? [] : keySpecifications(spec)),
    new SetReply((spec.subcommands ?? []).map(commandRow)),
  ];
}

/** One for all keys, or, where the command does another thing with the first than with the rest, two. */
function keySpecifications(spec: CommandSpec): readonly Reply[] {
  const [one = [], other] = keyAccess(spec);
  const { first, last, step } = spec.keys;
  if (other === undefined || last === first) return [keySpecification(one, first, last, step)];
  return [keySpecification(one, first, first, step), keySpecification(other, first + step, last, step)];
}

function keySpecification(access: readonly string[], first: number, last: number, step: number): Reply {
  // Redis counts the last key from the first one here, and from the end when it is negative.
  const lastKey = last < 0 ? last : last - first;
  const range = ["lastkey", lastKey, "keystep", step, "limit", 0];
  return new MapReply([
    "flags",
    statuses(access),
    "begin_search",
    new MapReply(["type", "index", "spec", new MapReply(["index", first])]),
    "find_keys",
    new MapReply(["type", "range", "spec", new MapReply(range)]),
  ]);
}

/** COMMAND. */
export function commandAll(table: CommandTable): Reply {
  return table.specs.map(commandRow);
}

/** COMMAND COUNT. */
export function commandCount(table: CommandTable): Reply {
  return table.specs.length;
}

/** COMMAND INFO [name …]: null for an unknown one; without names, all. */
export function commandInfo(table: CommandTable, names: readonly string[]): Reply {
  if (names.length === 0) return commandAll(table);
  return names.map((name) => {
    const spec = table.byFullName(name);
    return spec === undefined ? null : commandRow(spec);
  });
}

/** COMMAND DOCS [name …]: unknown ones are left out; without names, all. */
export function commandDocs(table: CommandTable, names: readonly string[]): Reply {
  const found = names.length === 0 ? table.specs : names.map((name) => table.byFullName(name));
  return docsOf(found.filter((spec) => spec !== undefined));
}

function docsOf(specs: readonly CommandSpec[]): MapReply {
  return new MapReply(
    specs.flatMap((spec) => {
      const { summary, since, group, complexity } = spec.docs;
      const items: Reply[] = ["summary", summary, "since", since, "group", group, "complexity", complexity];
      items.push(...deprecationFields(spec.name));
      const list = argumentsOf(spec.name, spec.docs.usage);
      if (list.length > 0)
        items.push(
          "arguments",
          argumentReplies(list, (place) => keyPlace(spec, place)),
        );
      if (spec.subcommands !== undefined) items.push("subcommands", docsOf(spec.subcommands));
      return [spec.name, new MapReply(items)];
    }),
  );
}

/** Which specification the nth key has. Those that are found in another way than by their place have none. */
function keyPlace(spec: CommandSpec, place: number): number | undefined {
  const count = spec.keys.first === 0 ? 0 : keySpecifications(spec).length;
  if (place < count) return place;
  return count === 0 || spec.findKeys !== undefined ? undefined : count - 1;
}

/** COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]; `filter` is what follows LIST. */
export function commandList(table: CommandTable, filter: readonly string[]): Reply {
  const names = table.specs.flatMap((spec) => [spec, ...(spec.subcommands ?? [])]);
  if (filter.length === 0) return names.map((spec) => spec.name);
  if (filter.length !== 3 || filter[0]!.toLowerCase() !== "filterby") throw SYNTAX_ERROR;
  const value = filter[2]!;
  switch (filter[1]!.toLowerCase()) {
    case "module":
      return [];
    case "aclcat":
      return names
        .filter((spec) => categoriesOf(spec).includes(`@${value.toLowerCase()}`))
        .map((spec) => spec.name);
    case "pattern":
      return names.filter((spec) => matchesGlob(value, spec.name, true)).map((spec) => spec.name);
    default:
      throw SYNTAX_ERROR;
  }
}

/** COMMAND GETKEYS; `args` is the command line that is asked about, its name included. */
export function commandGetKeys(table: CommandTable, args: readonly string[]): Reply {
  if (table.find(args) === undefined) return new ReplyError("ERR Invalid command specified");
  const spec = table.resolve(args);
  if (spec instanceof ReplyError) {
    return new ReplyError("ERR Invalid number of arguments specified for command");
  }
  if (spec.keys.first === 0 && spec.findKeys === undefined) {
    return new ReplyError("ERR The command has no key arguments");
  }
  const indices = table.keyIndices(spec, args);
  // A script may have none.
  if (indices.length === 0 && spec.docs.group !== "scripting") {
    return new ReplyError("ERR The command has no key arguments");
  }
  return indices.map((index) => args[index]!);
}

/** COMMAND GETKEYSANDFLAGS; `args` as for `commandGetKeys`. */
export function commandGetKeysAndFlags(table: CommandTable, args: readonly string[]): Reply {
  const keys = commandGetKeys(table, args);
  const spec = table.find(args);
  if (!isList(keys) || spec === undefined) return keys;
  return keys.map((key, place): Reply => [key, statuses(accessOfKey(spec, args, place))]);
}

function isList(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply);
}

/** What "<container> HELP" answers, from the table itself. */
export function subcommandHelp(container: CommandSpec): Reply {
  const lines = [`${container.name.toUpperCase()} <subcommand> [<arg> ...]. The subcommands:`];
  for (const { name, docs } of container.subcommands ?? []) {
    const word = name.slice(name.indexOf("|") + 1).toUpperCase();
    lines.push(docs.usage === "" ? word : `${word} ${docs.usage}`, `    ${docs.summary}.`);
  }
  return lines.map((line) => new Status(line));
}
