/** What Redis 7.0 says of commands that others have taken the place of, and of those that are no client's: COMMAND DOCS. */
import { SetReply, Status, type Reply } from "./reply.ts";

/** By full name: the version that deprecated it, and what to use. */
const DEPRECATED: ReadonlyMap<string, readonly [since: string, replacedBy: string]> = new Map([
  ["substr", ["2.0.0", "`GETRANGE`"]],
  ["getset", ["6.2.0", "`SET` with the `GET` argument"]],
  ["hmset", ["4.0.0", "`HSET` with multiple field-value pairs"]],
  ["rpoplpush", ["6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"]],
  ["zrangebylex", ["6.2.0", "`ZRANGE` with the `BYLEX` argument"]],
  ["zrangebyscore", ["6.2.0", "`ZRANGE` with the `BYSCORE` argument"]],
  ["zrevrange", ["6.2.0", "`ZRANGE` with the `REV` argument"]],
  ["zrevrangebylex", ["6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"]],
  ["zrevrangebyscore", ["6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"]],
  ["cluster|slots", ["7.0.0", "`CLUSTER SHARDS`"]],
]);

/** For Redis itself and who works on it. */
const OF_THE_SYSTEM: ReadonlySet<string> = new Set(["debug"]);

/** The fields of a command that has any: `doc_flags`, `deprecated_since`, `replaced_by`. */
export function deprecationFields(name: string): readonly Reply[] {
  if (OF_THE_SYSTEM.has(name)) return ["doc_flags", flag("syscmd")];
  const deprecated = DEPRECATED.get(name);
  if (deprecated === undefined) return [];
  const [since, replacedBy] = deprecated;
  return ["doc_flags", flag("deprecated"), "deprecated_since", since, "replaced_by", replacedBy];
}

function flag(word: string): SetReply {
  return new SetReply([new Status(word)]);
}
