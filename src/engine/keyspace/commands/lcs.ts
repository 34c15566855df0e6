/** LCS: the longest common subsequence of two strings, by the table of all pairs of prefixes. */
import type { CommandSpec } from "../command.ts";
import type { Execution } from "../execution.ts";
import { indexArgument } from "../numbers.ts";
import { MapReply, ReplyError, SYNTAX_ERROR, type Reply } from "../reply.ts";
import { TWO_KEYS } from "./key-positions.ts";

/** Cells of the table: 256 MiB. Two strings of 8,000 bytes fit. */
const GREATEST_TABLE = 1 << 26;

const NOT_STRINGS: ReplyError = new ReplyError("ERR The specified keys must contain string values");
const TOO_LARGE: ReplyError = new ReplyError(
  "ERR Insufficient memory, failed allocating transient memory for LCS",
);
const LENGTH_AND_INDEXES: ReplyError = new ReplyError(
  "ERR If you want both the length and indexes, please just use IDX.",
);

interface Options {
  length: boolean;
  indexes: boolean;
  matchLength: boolean;
  leastMatch: number;
}

/** A run of equal bytes: where it starts and ends in both strings, ends included. */
interface Match {
  leftStart: number;
  leftEnd: number;
  rightStart: number;
  rightEnd: number;
}

function optionsOf(args: readonly string[]): Options {
  const options: Options = { length: false, indexes: false, matchLength: false, leastMatch: 0 };
  for (let i = 3; i < args.length; i++) {
    const word = args[i]!.toLowerCase();
    if (word === "idx") options.indexes = true;
    else if (word === "len") options.length = true;
    else if (word === "withmatchlen") options.matchLength = true;
    else if (word === "minmatchlen" && i + 1 < args.length) {
      options.leastMatch = Math.max(0, indexArgument(args[++i]!));
    } else throw SYNTAX_ERROR;
  }
  if (options.length && options.indexes) throw LENGTH_AND_INDEXES;
  return options;
}

/** Cell [i][j], at i * (right.length + 1) + j, is the length for the first i and j characters. */
function lengths(left: string, right: string): Uint32Array {
  const width = right.length + 1;
  if ((left.length + 1) * width > GREATEST_TABLE) throw TOO_LARGE;
  const table = new Uint32Array((left.length + 1) * width);
  for (let i = 1; i <= left.length; i++) {
    const code = left.charCodeAt(i - 1);
    for (let j = 1; j <= right.length; j++) {
      const at = i * width + j;
      table[at] =
        code === right.charCodeAt(j - 1)
          ? table[at - width - 1]! + 1
          : Math.max(table[at - width]!, table[at - 1]!);
    }
  }
  return table;
}

/** Walks the table back from its end: the subsequence, and its runs from the last to the first. */
function trace(left: string, right: string, table: Uint32Array): { text: string; matches: Match[] } {
  const width = right.length + 1;
  const reversed: string[] = [];
  const matches: Match[] = [];
  let run: Match | undefined;
  let i = left.length;
  let j = right.length;
  while (i > 0 && j > 0) {
    if (left[i - 1] !== right[j - 1]) {
      run = undefined;
      if (table[(i - 1) * width + j]! > table[i * width + j - 1]!) i--;
      else j--;
      continue;
    }
    i--;
    j--;
    reversed.push(left[i]!);
    if (run === undefined) matches.push((run = { leftStart: i, leftEnd: i, rightStart: j, rightEnd: j }));
    run.leftStart = i;
    run.rightStart = j;
  }
  return { text: reversed.toReversed().join(""), matches };
}

function longestCommonSubsequence({ database }: Execution, args: readonly string[]): Reply {
  const left = database.read(args[1]!) ?? "";
  const right = database.read(args[2]!) ?? "";
  if (typeof left !== "string" || typeof right !== "string") throw NOT_STRINGS;
  const options = optionsOf(args);
  const table = lengths(left, right);
  const length = table[table.length - 1]!;
  if (options.length) return length;
  const { text, matches } = trace(left, right, table);
  if (!options.indexes) return text;
  const rows = matches.flatMap(({ leftStart, leftEnd, rightStart, rightEnd }): Reply[] => {
    const size = leftEnd - leftStart + 1;
    if (size < options.leastMatch) return [];
    const row: Reply[] = [
      [leftStart, leftEnd],
      [rightStart, rightEnd],
    ];
    return [options.matchLength ? [...row, size] : row];
  });
  return new MapReply(["matches", rows, "len", length]);
}

export const LCS_COMMANDS: readonly CommandSpec[] = [
  {
    name: "lcs",
    arity: -3,
    flags: ["readonly"],
    keys: TWO_KEYS,
    docs: {
      summary: "The longest common subsequence of two strings",
      group: "string",
      since: "7.0.0",
      complexity: "O(length * length)",
      usage: "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]",
    },
    execute: longestCommonSubsequence,
  },
];
