/**
 * `quorate fs`: the shell of a file system behind WebHDFS, with the words, the output and the exit codes of `hdfs dfs`. A
 * command may have a dash in front, as there. Exit codes: 0 done, 1 refused or failed, 255 wrong usage; 3 and 4, which
 * `hdfs dfs` does not know, as for the other verbs.
 */
import { setMaxListeners } from "node:events";
import { ERRORS, isQuorateError, QuorateError } from "../../runtime/errors.ts";
import { userName } from "../../runtime/node/user-name.ts";
import { bytesOf } from "../byte-size.ts";
import { unknown } from "../parse.ts";
import { formatTable } from "../style.ts";
import type { Call } from "../verb.ts";
import type { FsCommand } from "./command.ts";
import { parseArguments, wholeNumber } from "./command.ts";
import { FS_COMMANDS } from "./commands.ts";
import { OPTION_TEXTS } from "./option-texts.ts";
import type { Kept, ShellPlace } from "./shell.ts";
import { Shell } from "./shell.ts";

export const DEFAULT_FS = "webhdfs://localhost:9870";
/** As `hdfs dfs` ends when its words are wrong. */
const USAGE_EXIT = 255;
const INTERRUPTED_EXIT = 130;

export async function fs(call: Call): Promise<number> {
  try {
    const { place, rest } = globalFlags(call.positionals);
    const [word, ...args] = rest;
    if (word === undefined) throw new QuorateError("USAGE", `a command is missing\n${overview()}`);
    const name = word.replace(/^--?/, "");
    if (name === "usage") return tell(name, args, usageOf);
    if (name === "help" || name === "h") return tell("help", args, helpOf);
    const command = commandOf(word);
    if (args.includes("--help")) return print(helpOf(command));
    return await run(command, args, place);
  } catch (error) {
    if (!isQuorateError(error) || error.code !== "USAGE") throw error;
    process.stderr.write(`${error.message}\n`);
    return USAGE_EXIT;
  }
}

/** `--fs URL`, `--user NAME` (also with one dash, as Hadoop writes them) and `-D NAME=VALUE` come before the command. */
function globalFlags(words: readonly string[]): {
  readonly place: ShellPlace;
  readonly rest: readonly string[];
} {
  let url = process.env["QUORATE_FS"] ?? DEFAULT_FS;
  let user = process.env["HADOOP_USER_NAME"];
  let kept: Kept = {};
  let at = 0;
  for (; at < words.length; at++) {
    const property = /^-D(.*)$/s.exec(words[at] ?? "")?.[1];
    if (property !== undefined) {
      kept = { ...kept, ...keptBy(property === "" ? (words[++at] ?? "") : property) };
      continue;
    }
    const [flag = "", inline] = (words[at] ?? "").split("=", 2);
    const name = flag.replace(/^--?/, "");
    if (!flag.startsWith("-") || (name !== "fs" && name !== "user")) break;
    const value = inline ?? words[++at];
    if (value === undefined || value === "") throw new QuorateError("USAGE", `${flag} needs a value`);
    if (name === "fs") url = value;
    else user = value;
  }
  const inUrl = /^webhdfs:\/\/([^@/]+)@/.exec(url)?.[1];
  return { place: { url, user: user ?? inUrl ?? userName(), kept }, rest: words.slice(at) };
}

/** What Hadoop's shell is told by `-D NAME=VALUE`, of which few names mean anything here. */
function keptBy(property: string): Kept {
  const [, name = "", value = ""] = /^([^=]*)=(.*)$/s.exec(property) ?? [];
  switch (name) {
    case "dfs.replication":
      return { replication: wholeNumber(name, value, 1) };
    case "dfs.blocksize":
    case "dfs.block.size": {
      const blockSize = bytesOf(value);
      if (blockSize >= 1) return { blockSize };
      throw new QuorateError("USAGE", `${name} must be a number of bytes such as 64m, not "${value}"`);
    }
    default:
      throw new QuorateError(
        "USAGE",
        `-D takes dfs.replication=N and dfs.blocksize=BYTES, not "${property}"`,
      );
  }
}

function commandOf(word: string): FsCommand {
  const name = word.replace(/^-/, "");
  const found = FS_COMMANDS.find((command) => command.name === name);
  if (found !== undefined) return found;
  const known = FS_COMMANDS.map((command) => command.name);
  throw new QuorateError(
    "USAGE",
    `${word}: Unknown command\n${unknown("command", name, known)} (quorate fs help lists them)`,
  );
}

async function run(command: FsCommand, args: readonly string[], place: ShellPlace): Promise<number> {
  const interrupt = new AbortController();
  const stop = (): void => interrupt.abort(new Error("interrupted"));
  // As many files as there are threads wait on it.
  setMaxListeners(0, interrupt.signal);
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  const shell = new Shell(command.name, place, interrupt.signal);
  try {
    await command.run(shell, parseArguments(command, args));
    return interrupt.signal.aborted ? INTERRUPTED_EXIT : shell.exitCode;
  } catch (error) {
    if (interrupt.signal.aborted) {
      process.stderr.write(`${command.name}: interrupted\n`);
      return INTERRUPTED_EXIT;
    }
    if (!isQuorateError(error)) throw error;
    const isUsage = error.code === "USAGE";
    process.stderr.write(`${isUsage ? "-" : ""}${command.name}: ${error.message}\n`);
    if (isUsage) process.stderr.write(`${usageOf(command)}\n`);
    return isUsage ? USAGE_EXIT : ERRORS[error.code].exit;
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    shell.close();
  }
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

type Told = Pick<FsCommand, "name" | "usage" | "summary">;

/** What tells of commands, and is none itself. */
const TELLING = ["help", "usage"].map((name) => ({
  name,
  usage: "[cmd ...]",
  summary: name === "help" ? "tell what commands do" : "tell what commands take",
}));

/** Of commands, one by one; of none the overview. Those before one that there is not are told. */
function tell(verb: string, words: readonly string[], text: (command: Told) => string): number {
  if (words.length === 0) return print(overview());
  for (const word of words) {
    const command = [...FS_COMMANDS, ...TELLING].find(({ name }) => name === word.replace(/^-/, ""));
    if (command === undefined)
      throw new QuorateError(
        "USAGE",
        `-${verb}: \`${word}': Unknown command\n${usageOf({ name: verb, usage: "[cmd ...]" })}`,
      );
    print(text(command));
  }
  return 0;
}

function usageOf({ name, usage }: Pick<Told, "name" | "usage">): string {
  return `Usage: quorate fs ${name} ${usage}`.trimEnd();
}

function helpOf(command: Told): string {
  const options = Object.entries(OPTION_TEXTS[command.name] ?? {});
  const rows = options.map(([option, text]) => [`    ${option}`, text]);
  return [usageOf(command), `  ${command.summary}`, ...(rows.length === 0 ? [] : [formatTable(rows)])].join(
    "\n",
  );
}

function overview(): string {
  const rows = [...FS_COMMANDS, ...TELLING].map(({ name, usage }) => [`  ${name}`, usage]);
  return [
    "quorate fs [--fs webhdfs://host:port] [--user NAME] [-D dfs.replication=N] [-D dfs.blocksize=BYTES] COMMAND ...",
    "",
    formatTable(rows),
    "",
    `Default --fs ${DEFAULT_FS} (or $QUORATE_FS), --user: yours (or $HADOOP_USER_NAME).`,
    "quorate fs help COMMAND tells more.",
  ].join("\n");
}
