/**
 * `find`: what is below paths, looked at by an expression of Hadoop's: tests and actions, joined by `-a` or by nothing, done one
 * after the other until one says no. There is no `-o` and no `!` there, so that parentheses mean nothing.
 */
import { posix } from "node:path";
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import { alternatives, nameExpression } from "../../client/files/glob.ts";
import type { Files } from "../../client/files/files.ts";
import { isWithin } from "../../client/files/path.ts";
import type { FsCommand } from "./command.ts";
import type { Item, Shell } from "./shell.ts";
import { join, parentOf } from "./shell.ts";

/** False: what stands behind it is not looked at any more. */
type Primary = (item: Item) => boolean | Promise<boolean>;

export const find: FsCommand = {
  name: "find",
  usage: "<path> ... <expression> ...",
  summary: [
    "print what is below and fits: -name PATTERN, -iname PATTERN (of any case), joined by -a, -and or nothing;",
    "-print and -print0 print where they stand, at the end when neither is there; -L follows links, -H those that were named",
  ].join("\n  "),
  switches: ["L", "H"],
  free: true,
  async run(shell, args) {
    const start = args.words.findIndex((word) => word.startsWith("-"));
    const paths = start < 0 ? args.words : args.words.slice(0, start);
    const primaries = expressionOf(shell, start < 0 ? [] : args.words.slice(start));
    const follows = args.has("L");
    for await (const item of shell.items(paths.length > 0 ? paths : ["."])) {
      for await (const each of follows ? followed(shell, item, item.path, []) : shell.tree(item)) {
        for (const primary of primaries) if (!(await primary(each))) break;
      }
    }
  },
};

const DANGLING = "-a stands between two of an expression";

/** Throws USAGE where Hadoop's shell fails too, if in other words; FILE_OPERATION_REFUSED for what it does not know. */
function expressionOf(shell: Shell, words: readonly string[]): readonly Primary[] {
  const primaries: Primary[] = [];
  const print = (end: string) => async (item: Item) => {
    await shell.write(`${item.shown}${end}`);
    return true;
  };
  let prints = false;
  // Whether the word before asks for one more.
  let isJoining = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "(" || word === ")") continue;
    if (word === "-a" || word === "-and") {
      if (isJoining || primaries.length === 0) throw new QuorateError("USAGE", DANGLING);
      isJoining = true;
      continue;
    }
    isJoining = false;
    if (word === "-print" || word === "-print0") {
      primaries.push(print(word === "-print" ? "\n" : "\0"));
      prints = true;
    } else if (word === "-name" || word === "-iname") {
      const pattern = words[++at];
      if (pattern === undefined) throw new QuorateError("USAGE", `${word} takes a pattern`);
      primaries.push(named(pattern, word === "-iname" ? "i" : ""));
    } else {
      throw new QuorateError("FILE_OPERATION_REFUSED", `Unexpected argument: ${word}`);
    }
  }
  if (isJoining) throw new QuorateError("USAGE", DANGLING);
  return prints ? primaries : [...primaries, print("\n")];
}

function named(pattern: string, flags: string): Primary {
  const expressions = alternatives(pattern).map((each) => nameExpression(each, flags));
  return ({ stats }) => expressions.some((each) => each.test(stats.name));
}

/**
 * As `Shell.tree`, over links. `real`: the item's path, without the links on the way to it; `above`: those of the directories
 * that it is in. A link to one of them is not followed.
 */
async function* followed(
  shell: Shell,
  item: Item,
  real: string,
  above: readonly string[],
): AsyncGenerator<Item> {
  yield item;
  const { files, path, shown, stats } = item;
  const { signal } = shell;
  let place = real;
  if (stats.isSymbolicLink()) {
    const target = await linkedDirectory(files, path, signal);
    if (target === undefined) return;
    place = posix.resolve(parentOf(real), target);
    if (above.some((each) => isWithin(each, place)))
      return shell.note(`Infinite loop ignored: ${shown} -> ${place}`);
  } else if (!stats.isDirectory()) return;
  const below: Item[] = [];
  await shell.attempt(shown, async () => {
    for await (const each of files.walk(path, { signal })) below.push(shell.below(item, each));
  });
  for (const each of below) yield* followed(shell, each, join(place, each.stats.name), [...above, place]);
}

/** Undefined: what is there is none, or nothing is there. */
async function linkedDirectory(files: Files, path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const isDirectory = (await files.stat(path, { signal })).isDirectory();
    return isDirectory ? await files.readlink(path, { signal }) : undefined;
  } catch (error) {
    if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return undefined;
    throw error;
  }
}
