/** Random command lines over hashes, lists, sets and sorted sets: sensible ones mostly, wrong ones often enough. */

/** Equal seeds give equal numbers; `next` is uniform in [0, 1). */
export class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  some(least: number, most: number, make: () => string): string[] {
    return Array.from({ length: least + this.below(most - least + 1) }, make);
  }
}

type Line = string[];
type Maker = (dice: Dice) => Line;

const LONG = "x".repeat(65);
const MEMBERS = [
  "a",
  "b",
  "c",
  "d",
  "e",
  "f",
  "g",
  "h",
  "i",
  "j",
  "k",
  "l",
  "1",
  "2",
  "-3",
  "17",
  "",
  "\xff\x00",
  "9223372036854775807",
  "3.5",
  LONG,
];
const INTEGERS = ["0", "1", "-1", "2", "-2", "3", "5", "-5", "100", "-100", "9223372036854775807"];
const WRONG_INTEGERS = [
  "",
  "abc",
  "1.5",
  "+1",
  " 1",
  "01",
  "-0",
  "9223372036854775808",
  "-9223372036854775808",
];
const SCORES = [
  "0",
  "1",
  "-1",
  "2",
  "3.25",
  "0.1",
  "1e3",
  "-2.5e-3",
  "inf",
  "-inf",
  "+inf",
  "1e17",
  "-0",
  "0x1p4",
];
const WRONG_SCORES = ["", "abc", "nan", " 1", "1 ", "(1", "1e400", "1e-400", "infinit"];
const SCORE_BOUNDS = [
  "-inf",
  "+inf",
  "(1",
  "(0",
  "1",
  "2",
  "0",
  "(-inf",
  "(inf",
  "3.25",
  "-1",
  "(3.25",
  "(",
  "",
  " 1",
];
const LEX_BOUNDS = ["-", "+", "[a", "(a", "[c", "(f", "[k", "[", "(", "[ff", "[\xff", "a", "", "--", "+a"];

const key = (dice: Dice, type: string): string => {
  if (dice.chance(0.04)) return dice.pick(["h1", "l1", "s1", "z1", "text", "none"]);
  return `${type}${1 + dice.below(3)}`;
};
const member = (dice: Dice): string => (dice.chance(0.03) ? `m${dice.below(300)}` : dice.pick(MEMBERS));
const integer = (dice: Dice): string => dice.pick(dice.chance(0.05) ? WRONG_INTEGERS : INTEGERS);
const score = (dice: Dice): string => dice.pick(dice.chance(0.05) ? WRONG_SCORES : SCORES);
const word = (dice: Dice, text: string): string => (dice.chance(0.5) ? text : text.toUpperCase());
const members = (dice: Dice, least = 1): string[] => dice.some(least, 5, () => member(dice));
const maybe = (dice: Dice, ...line: (() => string)[]): string[] =>
  dice.chance(0.4) ? line.map((make) => make()) : [];
const count = (dice: Dice): string[] =>
  maybe(
    dice,
    () => word(dice, "count"),
    () => integer(dice),
  );
const limit = (dice: Dice): string[] =>
  maybe(
    dice,
    () => word(dice, "limit"),
    () => integer(dice),
    () => integer(dice),
  );
const numbered = (dice: Dice, type: string): string[] => {
  const keys = dice.some(1, 3, () => key(dice, type));
  return [dice.chance(0.95) ? String(keys.length) : integer(dice), ...keys];
};

const HASH: Readonly<Record<string, Maker>> = {
  hset: (d) => [
    key(d, "h"),
    ...d.some(1, 4, () => "").flatMap(() => [member(d), d.chance(0.5) ? integer(d) : member(d)]),
  ],
  hmset: (d) => [key(d, "h"), member(d), member(d), member(d), score(d)],
  hsetnx: (d) => [key(d, "h"), member(d), member(d)],
  hget: (d) => [key(d, "h"), member(d)],
  hmget: (d) => [key(d, "h"), ...members(d)],
  hgetall: (d) => [key(d, "h")],
  hkeys: (d) => [key(d, "h")],
  hvals: (d) => [key(d, "h")],
  hlen: (d) => [key(d, "h")],
  hexists: (d) => [key(d, "h"), member(d)],
  hstrlen: (d) => [key(d, "h"), member(d)],
  hdel: (d) => [key(d, "h"), ...members(d)],
  hincrby: (d) => [key(d, "h"), member(d), integer(d)],
  hincrbyfloat: (d) => [key(d, "h"), member(d), score(d)],
  hrandfield: (d) => [key(d, "h"), ...maybe(d, () => integer(d)), ...maybe(d, () => word(d, "withvalues"))],
  hscan: (d) => [
    key(d, "h"),
    "0",
    "count",
    "1000",
    ...maybe(
      d,
      () => word(d, "match"),
      () => d.pick(["*", "[a-e]", "m*"]),
    ),
  ],
};

const LIST: Readonly<Record<string, Maker>> = {
  lpush: (d) => [key(d, "l"), ...members(d)],
  rpush: (d) => [key(d, "l"), ...members(d)],
  lpushx: (d) => [key(d, "l"), ...members(d)],
  rpushx: (d) => [key(d, "l"), ...members(d)],
  lpop: (d) => [key(d, "l"), ...maybe(d, () => integer(d))],
  rpop: (d) => [key(d, "l"), ...maybe(d, () => integer(d))],
  llen: (d) => [key(d, "l")],
  lindex: (d) => [key(d, "l"), integer(d)],
  lset: (d) => [key(d, "l"), integer(d), member(d)],
  lrange: (d) => [key(d, "l"), integer(d), integer(d)],
  ltrim: (d) => [key(d, "l"), integer(d), integer(d)],
  linsert: (d) => [key(d, "l"), word(d, d.pick(["before", "after", "beside"])), member(d), member(d)],
  lrem: (d) => [key(d, "l"), integer(d), member(d)],
  lpos: (d) => [
    key(d, "l"),
    member(d),
    ...maybe(
      d,
      () => word(d, "rank"),
      () => integer(d),
    ),
    ...count(d),
    ...maybe(
      d,
      () => word(d, "maxlen"),
      () => integer(d),
    ),
  ],
  lmove: (d) => [key(d, "l"), key(d, "l"), ...d.some(2, 2, () => word(d, d.pick(["left", "right"])))],
  rpoplpush: (d) => [key(d, "l"), key(d, "l")],
  lmpop: (d) => [...numbered(d, "l"), word(d, d.pick(["left", "right", "min"])), ...count(d)],
};

const sets = (d: Dice): string[] => d.some(1, 3, () => key(d, "s"));
const SET: Readonly<Record<string, Maker>> = {
  sadd: (d) => [key(d, "s"), ...members(d)],
  srem: (d) => [key(d, "s"), ...members(d)],
  smembers: (d) => [key(d, "s")],
  sismember: (d) => [key(d, "s"), member(d)],
  smismember: (d) => [key(d, "s"), ...members(d)],
  scard: (d) => [key(d, "s")],
  spop: (d) => [key(d, "s"), ...maybe(d, () => integer(d))],
  srandmember: (d) => [key(d, "s"), ...maybe(d, () => integer(d))],
  smove: (d) => [key(d, "s"), key(d, "s"), member(d)],
  sinter: sets,
  sunion: sets,
  sdiff: sets,
  sinterstore: (d) => [key(d, "s"), ...sets(d)],
  sunionstore: (d) => [key(d, "s"), ...sets(d)],
  sdiffstore: (d) => [key(d, "s"), ...sets(d)],
  sintercard: (d) => [
    ...numbered(d, "s"),
    ...maybe(
      d,
      () => word(d, "limit"),
      () => integer(d),
    ),
  ],
  sscan: (d) => [
    key(d, "s"),
    "0",
    "count",
    "1000",
    ...maybe(
      d,
      () => word(d, "match"),
      () => d.pick(["*", "[^a-e]", "m?"]),
    ),
  ],
};

const zsets = (d: Dice): string[] => numbered(d, d.chance(0.8) ? "z" : "s");
const aggregation = (d: Dice, keys: number): string[] => [
  ...(d.chance(0.3) ? [word(d, "weights"), ...d.some(keys, keys, () => score(d))] : []),
  ...maybe(
    d,
    () => word(d, "aggregate"),
    () => word(d, d.pick(["sum", "min", "max", "avg"])),
  ),
];
const withAggregation = (d: Dice): string[] => {
  const keys = zsets(d);
  return [...keys, ...aggregation(d, keys.length - 1)];
};
const scores = (d: Dice): string[] => maybe(d, () => word(d, "withscores"));
const bounds = (d: Dice): string[] => [d.pick(SCORE_BOUNDS), d.pick(SCORE_BOUNDS)];
const lex = (d: Dice): string[] => [d.pick(LEX_BOUNDS), d.pick(LEX_BOUNDS)];
/** Ranges by bytes are defined only where all scores are equal: these keys get no other score than 0. */
const level = (d: Dice): string => (d.chance(0.05) ? d.pick(["absent", "h2"]) : `level${1 + d.below(2)}`);
const rangeOptions = (d: Dice): string[] => [...maybe(d, () => word(d, "rev")), ...limit(d), ...scores(d)];
const addOption = (d: Dice): string[] =>
  maybe(d, () => word(d, d.pick(["nx", "xx", "gt", "lt", "ch", "incr"])));

const SORTED_SET: Readonly<Record<string, Maker>> = {
  zadd: (d) => [
    key(d, "z"),
    ...addOption(d),
    ...addOption(d),
    ...addOption(d),
    ...d.some(1, 3, () => "").flatMap(() => [score(d), member(d)]),
  ],
  "zadd level": (d) => [level(d), ...d.some(1, 4, () => "").flatMap(() => ["0", member(d)])],
  zincrby: (d) => [key(d, "z"), score(d), member(d)],
  zrem: (d) => [key(d, "z"), ...members(d)],
  zscore: (d) => [key(d, "z"), member(d)],
  zmscore: (d) => [key(d, "z"), ...members(d)],
  zcard: (d) => [key(d, "z")],
  zrank: (d) => [key(d, "z"), member(d)],
  zrevrank: (d) => [key(d, "z"), member(d)],
  zcount: (d) => [key(d, "z"), ...bounds(d)],
  zlexcount: (d) => [level(d), ...lex(d)],
  zrange: (d) => [key(d, "z"), integer(d), integer(d), ...rangeOptions(d)],
  "zrange byscore": (d) => [key(d, "z"), ...bounds(d), word(d, "byscore"), ...rangeOptions(d)],
  "zrange bylex": (d) => [level(d), ...lex(d), word(d, "bylex"), ...rangeOptions(d)],
  zrangestore: (d) => [key(d, "z"), key(d, "z"), integer(d), integer(d), ...rangeOptions(d)],
  "zrangestore byscore": (d) => [key(d, "z"), key(d, "z"), ...bounds(d), "byscore", ...rangeOptions(d)],
  zrevrange: (d) => [key(d, "z"), integer(d), integer(d), ...scores(d)],
  zrangebyscore: (d) => [key(d, "z"), ...bounds(d), ...scores(d), ...limit(d)],
  zrevrangebyscore: (d) => [key(d, "z"), ...bounds(d), ...limit(d), ...scores(d)],
  zrangebylex: (d) => [level(d), ...lex(d), ...limit(d)],
  zrevrangebylex: (d) => [level(d), ...lex(d), ...limit(d)],
  zremrangebyscore: (d) => [key(d, "z"), ...bounds(d)],
  zremrangebyrank: (d) => [key(d, "z"), integer(d), integer(d)],
  zremrangebylex: (d) => [level(d), ...lex(d)],
  zpopmin: (d) => [key(d, "z"), ...maybe(d, () => integer(d))],
  zpopmax: (d) => [key(d, "z"), ...maybe(d, () => integer(d))],
  zmpop: (d) => [...numbered(d, "z"), word(d, d.pick(["min", "max", "left"])), ...count(d)],
  zunion: (d) => [...withAggregation(d), ...scores(d)],
  zinter: (d) => [...withAggregation(d), ...scores(d)],
  zdiff: (d) => [...zsets(d), ...scores(d)],
  zunionstore: (d) => [key(d, "z"), ...withAggregation(d)],
  zinterstore: (d) => [key(d, "z"), ...withAggregation(d)],
  zdiffstore: (d) => [key(d, "z"), ...zsets(d)],
  zintercard: (d) => [
    ...zsets(d),
    ...maybe(
      d,
      () => word(d, "limit"),
      () => integer(d),
    ),
  ],
  zrandmember: (d) => [key(d, "z"), ...maybe(d, () => integer(d)), ...maybe(d, () => word(d, "withscores"))],
  zscan: (d) => [
    key(d, "z"),
    "0",
    "count",
    "1000",
    ...maybe(
      d,
      () => word(d, "match"),
      () => d.pick(["*", "\\a", "[\\a-c]"]),
    ),
  ],
};

const MAKERS: readonly (readonly [string, Maker])[] = Object.entries({
  ...HASH,
  ...LIST,
  ...SET,
  ...SORTED_SET,
});

/** One random command line; one in twenty has an argument too many, too few or exchanged. */
export function randomLine(dice: Dice): readonly string[] {
  const [name, make] = dice.pick(MAKERS);
  const line = [word(dice, name.split(" ", 1)[0]!), ...make(dice)];
  if (name === "zadd level" || !dice.chance(0.05)) return line;
  // Another cursor than 0 asks for a place in Redis's own hash table: nothing to compare.
  const first = name.endsWith("scan") ? 3 : 1;
  const at = first + dice.below(line.length - first + 1);
  if (dice.chance(0.4)) line.splice(at, 1);
  else if (dice.chance(0.5))
    line.splice(at, 0, dice.pick([...WRONG_INTEGERS, "withscores", "limit", "count", "1"]));
  else if (at < line.length) line[at] = dice.pick(["0", "x", "-1", "withscores"]);
  return line;
}

/** The keys that such lines use. */
export const KEYS: readonly string[] = [
  ...["h", "l", "s", "z"].flatMap((type) => [1, 2, 3].map((n) => `${type}${n}`)),
  "level1",
  "level2",
  "text",
  "none",
];
