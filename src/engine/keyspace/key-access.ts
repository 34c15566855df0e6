/**
 * What a command does with each of its keys, in the words of Redis (https://redis.io/docs/latest/develop/reference/key-specs/):
 * for COMMAND INFO and GETKEYSANDFLAGS only; what a command may do is decided by its own flags.
 */
import type { CommandSpec } from "./command.ts";

/** Commands by what they do to their keys: to the first, and to all behind it where that differs. Source: redis-server 7.0. */
const ROWS: readonly (readonly [names: string, ...access: string[]])[] = [
  ["append hsetnx linsert lpush lpushx rpush rpushx sadd", "RW insert"],
  ["expire expireat hmset hset lset persist pexpire pexpireat setrange zadd", "RW update"],
  ["getdel lmpop lpop rpop spop zmpop zpopmax zpopmin", "RW access delete"],
  ["hdel lrem ltrim srem zrem zremrangebylex zremrangebyrank zremrangebyscore", "RW delete"],
  ["del unlink", "RM delete"],
  ["set", "RW access update variable_flags"],
  ["mset psetex setex", "OW update"],
  ["msetnx setnx", "OW insert"],
  ["exists hexists hlen hstrlen llen scard sismember strlen touch type zcard watch", "RO"],
  ["memory|usage object|encoding object|freq object|idletime object|refcount", "RO"],
  ["copy", "RO access", "OW update"],
  ["sort", "RO access", "OW update"],
  ["lmove rpoplpush smove", "RW access delete", "RW insert"],
  ["rename", "RW access delete", "OW update"],
  ["renamenx", "RW access delete", "OW insert"],
  ["sdiffstore sunionstore zdiffstore zinterstore zrangestore zunionstore", "OW update", "RO access"],
  ["sinterstore", "RW update", "RO access"],
  ["spublish ssubscribe sunsubscribe", "not_key"],
];

const ACCESS: ReadonlyMap<string, readonly string[]> = new Map(
  ROWS.flatMap(([names, ...access]) => names.split(" ").map((name) => [name, access] as const)),
);

/** The words for the first key, and those for the others where they differ. */
export function keyAccess(spec: CommandSpec): readonly (readonly string[])[] {
  const usual = spec.flags.includes("readonly") ? "RO access" : "RW access update";
  return (ACCESS.get(spec.name) ?? [usual]).map((words) => words.split(" "));
}

/** The words for the key at `place` (0: the first) of one call. */
export function accessOfKey(spec: CommandSpec, args: readonly string[], place: number): readonly string[] {
  if (spec.name === "set") {
    // It reads only with GET: what "variable_flags" means.
    const reads = args.slice(3).some((word) => word.toLowerCase() === "get");
    return reads ? ["RW", "access", "update"] : ["OW", "update"];
  }
  const access = keyAccess(spec);
  return access[Math.min(place, access.length - 1)] ?? [];
}
