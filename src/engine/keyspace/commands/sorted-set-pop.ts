/** Taking the members with the lowest or highest scores. */
import type { ScoredMember, SortedSetValue } from "../collections/sorted-set-value.ts";
import type { Execution } from "../execution.ts";
import { DoubleReply, NULL_ARRAY, SYNTAX_ERROR, type Reply } from "../reply.ts";
import { positiveArgument } from "./argument.ts";
import { popManyArguments } from "./list-ends.ts";
import { entriesReply } from "./sorted-set-range.ts";

export type ScoreEnd = "min" | "max";

function popMany(
  context: Execution,
  key: string,
  zset: SortedSetValue,
  end: ScoreEnd,
  count: number,
): ScoredMember[] {
  const popped = zset.range(end === "min" ? 0 : zset.size - 1, count, end === "max");
  for (const { member } of popped) zset.delete(member);
  if (popped.length > 0) context.database.changed(key, `zpop${end}`);
  return popped;
}

export function pop(end: ScoreEnd) {
  return (context: Execution, args: readonly string[]): Reply => {
    if (args.length > 3) throw SYNTAX_ERROR;
    const count = args.length === 3 ? positiveArgument(args[2]!) : undefined;
    const zset = context.database.modify(args[1]!, "zset");
    if (zset === undefined) return [];
    const popped = popMany(context, args[1]!, zset, end, count ?? 1);
    if (count !== undefined) return entriesReply(popped, true);
    // Without a count the one pair is flat, in RESP3 as well.
    return popped.flatMap(({ member, score }) => [member, new DoubleReply(score)]);
  };
}

export function popFirstPresent(context: Execution, args: readonly string[]): Reply {
  const { keys, where, count } = popManyArguments<ScoreEnd>(args, ["min", "max"]);
  for (const key of keys) {
    const zset = context.database.modify(key, "zset");
    if (zset === undefined) continue;
    const popped = popMany(context, key, zset, where, count);
    return [key, popped.map(({ member, score }) => [member, new DoubleReply(score)])];
  }
  return NULL_ARRAY;
}
