/** Random command lines over strings, keys and expiry: sensible ones mostly, wrong ones often enough. */
import type { Dice } from "./collection-commands.ts";

export const STRING_KEYS: readonly string[] = ["a", "b", "c", "d", "e:1", "e:2", "list", "hash"];

const INTEGERS = [
  "0",
  "1",
  "-1",
  "5",
  "17",
  "100",
  "-100",
  "9223372036854775807",
  "-9223372036854775808",
  "9223372036854775806",
  "9007199254740993",
  "4611686018427387904",
  "9223372036854775808",
  "01",
  "+1",
  " 1",
  "1 ",
  "",
  "abc",
  "1.0",
  "-0",
];
const FLOATS = [
  "0",
  "1",
  "-1.5",
  "3.0e3",
  "0.1",
  "0.2",
  "1e-17",
  "1e17",
  "123456789012345678",
  "5e-324",
  ".5",
  "5.",
  "+5",
  "inf",
  "-inf",
  "nan",
  "abc",
  "",
  " 1",
  "1 ",
  "1e400",
  "0x10",
  "1e4000",
];
const TEXTS = [
  "",
  "x",
  "hello world",
  "ohmytext",
  "mynewtext",
  "\0\xff\r\n",
  "v".repeat(45),
  "abc".repeat(40),
];
const SECONDS = ["1000", "5000", "100000", "0", "-1", "abc", "9223372036854775807", "9223372036", "1.5"];
const UNIX_SECONDS = ["4000000000", "4000000001", "5000000000", "1", "0", "-1", "x"];
const UNIX_MS = ["4000000000123", "4000000000499", "4000000000500", "1", "0", "-1", "x"];
const CONDITIONS = ["NX", "XX", "GT", "LT", "nx", "XY"];
const PATTERNS = ["*", "e:*", "?", "[a-c]", "[^a]", "h*", "*t", "e:[12]", "\\a", "[", "[a", "**", "a*b", ""];

type Line = readonly string[];

const lines: readonly ((dice: Dice, key: () => string) => Line)[] = [
  (dice, key) => ["SET", key(), value(dice), ...setOptions(dice)],
  (dice, key) => ["SET", key(), dice.pick(INTEGERS)],
  (dice, key) => ["SET", key(), dice.pick(FLOATS)],
  (dice, key) => ["SETNX", key(), value(dice)],
  (dice, key) => ["SETEX", key(), dice.pick(SECONDS), value(dice)],
  (dice, key) => ["PSETEX", key(), dice.pick(["1000000", "0", "-5", "x"]), value(dice)],
  (dice, key) => ["GETSET", key(), value(dice)],
  (_, key) => ["GET", key()],
  (_, key) => ["GETDEL", key()],
  (dice, key) => [
    "GETEX",
    key(),
    ...dice.pick([[], ["PERSIST"], expiry(dice), ["EX"], ["X"], ["PERSIST", "1"]]),
  ],
  (dice, key) => ["MGET", ...dice.some(1, 4, key)],
  (dice, key) => ["MSET", ...dice.some(1, 5, () => (dice.chance(0.5) ? key() : value(dice)))],
  (dice, key) => ["MSETNX", key(), value(dice), key(), value(dice)],
  (dice, key) => [dice.pick(["INCR", "DECR"]), key()],
  (dice, key) => [dice.pick(["INCRBY", "DECRBY"]), key(), dice.pick(INTEGERS)],
  (dice, key) => ["INCRBYFLOAT", key(), dice.pick(FLOATS)],
  (dice, key) => ["APPEND", key(), value(dice)],
  (_, key) => ["STRLEN", key()],
  (dice, key) => [
    "SETRANGE",
    key(),
    dice.pick(["0", "3", "50", "-1", "x", "536870912", "4294967296"]),
    value(dice),
  ],
  (dice, key) => [dice.pick(["GETRANGE", "SUBSTR"]), key(), position(dice), position(dice)],
  (dice, key) => ["LCS", key(), key(), ...lcsOptions(dice)],
  (dice, key) => [dice.pick(["DEL", "UNLINK", "EXISTS", "TOUCH"]), ...dice.some(1, 3, key)],
  (dice, key) => [dice.pick(["TYPE", "PERSIST", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]), key()],
  (dice, key) => ["EXPIRE", key(), dice.pick(SECONDS), ...dice.some(0, 2, () => dice.pick(CONDITIONS))],
  (dice, key) => [
    "EXPIREAT",
    key(),
    dice.pick(UNIX_SECONDS),
    ...dice.some(0, 2, () => dice.pick(CONDITIONS)),
  ],
  (dice, key) => ["PEXPIREAT", key(), dice.pick(UNIX_MS), ...dice.some(0, 2, () => dice.pick(CONDITIONS))],
  (dice, key) => [dice.pick(["RENAME", "RENAMENX"]), key(), key()],
  (dice, key) => [
    "COPY",
    key(),
    key(),
    ...dice.pick([[], ["REPLACE"], ["DB", "1"], ["DB", "99"], ["DB", "x"], ["Y"]]),
  ],
  (dice, key) => ["MOVE", key(), dice.pick(["1", "0", "99", "x", "-1"])],
  (dice) => ["KEYS", dice.pick(PATTERNS)],
  (dice) => [
    "SCAN",
    "0",
    "COUNT",
    "1000",
    "MATCH",
    dice.pick(PATTERNS),
    ...dice.pick([[], ["TYPE", "hash"], ["TYPE"]]),
  ],
  (dice) => [
    "SCAN",
    dice.pick(["0", "x", "-1", "", " 0"]),
    ...dice.pick([
      ["COUNT", "0"],
      ["COUNT", "x"],
      ["Z", "1"],
    ]),
  ],
  () => ["RANDOMKEY"],
  (_, key) => ["OBJECT", "FREQ", key()],
  (dice) => ["SWAPDB", dice.pick(["0", "1", "x", "99"]), dice.pick(["0", "1", "y", "-1"])],
  (dice) => [
    dice.pick(["GET", "SET", "NOPE", "OBJECT", "MSET", "EXPIRE"]),
    ...dice.some(0, 3, () => dice.pick(TEXTS)),
  ],
  (_, key) => ["RPUSH", key().replace(/.*/, "list"), "1", "2"],
  (dice) => ["HSET", "hash", dice.pick(["f", "g"]), "v"],
];

/** Of these SORT is asked; the weights are under "w:*" and "h:*". */
const SORTED = ["numbers", "words", "mixed", "members", "ranked", "a", "none"];

/** What SORT sorts: sent once to both sides, before `randomSortLine`. */
export const SORT_FIXTURES: readonly Line[] = [
  ["RPUSH", "numbers", "3", "1", "2", "10", "-5", "1.5", "1e3", "10"],
  ["RPUSH", "words", "pear", "apple", "Fig", "apple", "\xff", ""],
  ["RPUSH", "mixed", "1", "x", "2"],
  ["SADD", "members", "7", "8", "9", "5"],
  ["ZADD", "ranked", "3", "30", "1", "20", "2", "10"],
  ["MSET", "w:3", "9", "w:1", "1", "w:2", "5", "w:10", "abc", "w:7", "0", "w:apple", "zz", "w:pear", "aa"],
  ["HSET", "h:1", "f", "5"],
  ["HSET", "h:2", "f", "4"],
  ["HSET", "h:8", "f", "-1"],
];

export function randomSortLine(dice: Dice): Line {
  const name = dice.pick(["SORT", "SORT", "SORT", "SORT_RO"]);
  const options = dice.some(0, 4, () => "").flatMap(() => sortOption(dice));
  return [name, dice.pick(SORTED), ...options];
}

function sortOption(dice: Dice): Line {
  return dice.pick<Line>([
    ["ALPHA"],
    ["DESC"],
    ["ASC"],
    ["LIMIT", dice.pick(["0", "1", "3", "-1", "100", "x"]), dice.pick(["2", "-1", "0", "100"])],
    ["BY", dice.pick(["nosort", "w:*", "h:*->f", "*", "h:*->"])],
    ["GET", dice.pick(["#", "w:*", "h:*->f", "none", "h:*->", "h:*"])],
    ["STORE", dice.pick(["sorted", "sorted2"])],
    [dice.pick(["BY", "LIMIT", "GET", "STORE", "nope"])],
  ]);
}

function value(dice: Dice): string {
  return dice.pick(dice.chance(0.5) ? TEXTS : INTEGERS);
}

function position(dice: Dice): string {
  return dice.pick([
    "0",
    "1",
    "-1",
    "-3",
    "5",
    "100",
    "-100",
    "x",
    "9223372036854775807",
    "-9223372036854775808",
  ]);
}

function expiry(dice: Dice): string[] {
  return dice.pick([
    ["EX", dice.pick(SECONDS)],
    ["PX", dice.pick(["1000000", "2000000", "0", "x"])],
    ["EXAT", dice.pick(UNIX_SECONDS)],
    ["PXAT", dice.pick(UNIX_MS)],
  ]);
}

function setOptions(dice: Dice): string[] {
  return dice
    .some(0, 3, () => dice.pick(["NX", "XX", "GET", "KEEPTTL", "EX", "nope"]))
    .concat(dice.chance(0.4) ? expiry(dice) : []);
}

function lcsOptions(dice: Dice): string[] {
  return dice.some(0, 3, () => dice.pick(["LEN", "IDX", "WITHMATCHLEN", "MINMATCHLEN", "4", "-1"]));
}

export function randomStringLine(dice: Dice): Line {
  return dice.pick(lines)(dice, () => dice.pick(STRING_KEYS));
}
