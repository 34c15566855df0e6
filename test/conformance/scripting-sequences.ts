/** Sequences of commands whose every reply must equal redis-server 7.0's: locks, limiters, SCRIPT and FUNCTION. */

const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;

const EXTEND = `
local owner = redis.call('get', KEYS[1])
if not owner or owner ~= ARGV[1] then return 0 end
if redis.call('pttl', KEYS[1]) < 0 then return 0 end
redis.call('pexpire', KEYS[1], ARGV[2])
return 1`;

/** All of several locks, or none. */
const ACQUIRE_ALL = `
for i, key in ipairs(KEYS) do
  if redis.call('exists', key) == 1 then return redis.error_reply('BUSYLOCK '..i) end
end
for _, key in ipairs(KEYS) do redis.call('set', key, ARGV[1], 'px', ARGV[2]) end
return #KEYS`;

/** A counting semaphore: members of a sorted set by the time they came. */
const SEMAPHORE = `
local key, limit, id, now, ttl = KEYS[1], tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('zremrangebyscore', key, '-inf', now - ttl)
if redis.call('zcard', key) < limit or redis.call('zscore', key, id) then
  redis.call('zadd', key, now, id)
  redis.call('pexpire', key, ttl)
  return 1
end
return 0`;

const LIMITER = `
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
local fresh = redis.call('PTTL', KEYS[1]) == -1
if fresh then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {count, fresh and 1 or 0}`;

/** Moves a packed job from a list to a hash. */
const QUEUE = `
local job = redis.call('rpop', KEYS[1])
if not job then return {err = 'EMPTY nothing waits'} end
local fields = cmsgpack.unpack(job)
local flat = {}
for _, name in ipairs({'id', 'name', 'data'}) do
  flat[#flat + 1] = name
  flat[#flat + 1] = type(fields[name]) == 'table' and cjson.encode(fields[name]) or fields[name]
end
redis.call('hset', KEYS[2] .. fields.id, unpack(flat))
return {fields.id, redis.call('hgetall', KEYS[2] .. fields.id)}`;

const PUSH = `
for i = 1, #ARGV do
  redis.call('lpush', KEYS[1], cmsgpack.pack({id = i, name = ARGV[i], data = {1, 2, {deep = true}}}))
end
return redis.call('llen', KEYS[1])`;

const SHA_OF_ONE = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
const LIBRARY = `#!lua name=mylib
local function double(keys, args) return tonumber(args[1]) * 2 end
redis.register_function('double', double)
redis.register_function{function_name='reader', callback=function(keys) return redis.call('get', keys[1]) end,
  flags={'no-writes'}, description='reads a key'}
redis.register_function('writer', function(keys, args) return redis.call('set', keys[1], args[1]) end)
redis.register_function('fails', function() error('inside') end)
redis.register_function('tables', function(keys, args) return {keys, args, {ok='fine'}} end)`;

const library = (body: string): readonly string[] => ["function", "load", `#!lua name=bad\n${body}`];

export const SEQUENCES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "a lock is released and extended by its owner only": [
    ["set", "lock", "me", "nx", "px", "100000"],
    ["eval", RELEASE, "1", "lock", "other"],
    ["eval", EXTEND, "1", "lock", "other", "5000"],
    ["eval", EXTEND, "1", "lock", "me", "200000"],
    ["eval", RELEASE, "1", "lock", "me"],
    ["eval", RELEASE, "1", "lock", "me"],
    ["eval", EXTEND, "1", "lock", "me", "5000"],
  ],
  "several locks are taken at once or not": [
    ["eval", ACQUIRE_ALL, "3", "a", "b", "c", "me", "100000"],
    ["eval", ACQUIRE_ALL, "2", "d", "b", "other", "100000"],
    ["exists", "a", "b", "c", "d"],
  ],
  "a semaphore counts its holders": [
    ["eval", SEMAPHORE, "1", "sem", "2", "a", "1000", "500"],
    ["eval", SEMAPHORE, "1", "sem", "2", "b", "1100", "500"],
    ["eval", SEMAPHORE, "1", "sem", "2", "c", "1200", "500"],
    ["eval", SEMAPHORE, "1", "sem", "2", "a", "1300", "500"],
    ["eval", SEMAPHORE, "1", "sem", "2", "c", "1700", "500"],
    ["zrange", "sem", "0", "-1", "withscores"],
  ],
  "a limiter counts within its window": [
    ["eval", LIMITER, "1", "rate", "1", "100"],
    ["eval", LIMITER, "1", "rate", "2", "100"],
    ["eval", LIMITER, "1", "rate", "x", "100"],
  ],
  "jobs pass packed through a list": [
    ["eval", PUSH, "1", "queue", "first", "second"],
    ["eval", QUEUE, "2", "queue", "job:"],
    ["eval", QUEUE, "2", "queue", "job:"],
    ["eval", QUEUE, "2", "queue", "job:"],
  ],
  "what a script wrote before its error stays": [
    ["eval", "redis.call('set','a','1') redis.call('lpush','a','x') return 1", "0"],
    ["get", "a"],
    ["eval", "redis.call('set','b','1') error('boo')", "0"],
    ["get", "b"],
  ],
  "SCRIPT and EVALSHA": [
    ["script", "flush"],
    ["evalsha", SHA_OF_ONE, "0"],
    ["evalsha", "short", "0"],
    ["evalsha", "short", "x"],
    ["evalsha_ro", "short", "2"],
    ["evalsha", "0".repeat(40), "x"],
    ["evalsha", "0".repeat(40), "2"],
    ["evalsha_ro", "0".repeat(40), "-1"],
    ["script", "load", "return 1"],
    ["evalsha", SHA_OF_ONE, "0"],
    ["evalsha", SHA_OF_ONE.toUpperCase(), "0"],
    ["evalsha_ro", SHA_OF_ONE, "0"],
    ["evalsha", SHA_OF_ONE, "1"],
    ["evalsha", SHA_OF_ONE, "x"],
    ["script", "exists", SHA_OF_ONE, "other"],
    ["script", "load", "return +"],
    ["script", "flush", "sync"],
    ["script", "flush", "never"],
    ["script", "exists", SHA_OF_ONE],
    ["script", "kill"],
    ["script", "nope"],
    ["script", "load"],
    ["script"],
    ["eval", "return 1"],
    ["evalsha", "x"],
  ],
  "read-only scripts and shebang lines": [
    ["set", "k", "v"],
    ["eval_ro", "return redis.call('get','k')", "0"],
    ["eval_ro", "return redis.call('set','k','x')", "0"],
    ["eval_ro", "return redis.pcall('set','k','x')", "0"],
    ["eval_ro", "#!lua\nreturn 1", "0"],
    ["eval_ro", "#!lua flags=no-writes\nreturn redis.call('get','k')", "0"],
    ["eval", "#!lua flags=no-writes\nreturn redis.call('set','k','x')", "0"],
    ["eval", "#!lua flags=allow-oom,allow-stale,no-cluster\nreturn redis.call('set','k','x')", "0"],
    ["eval", "#!lua\n\nerror('third line')", "0"],
    ["eval", "#!lua flags=nope\nreturn 1", "0"],
    ["eval", "#!lua name=x\nreturn 1", "0"],
    ["eval", "#!python\nreturn 1", "0"],
    ["eval", "#!lua", "0"],
    ["eval", " #!lua\nreturn 1", "0"],
  ],
  "names of functions in either case, and headers of libraries": [
    ["function", "flush"],
    ["function", "load", LIBRARY],
    ["fcall", "DOUBLE", "0", "21"],
    ["function", "load", "#!lua name=other\nredis.register_function('Double', function() return 1 end)"],
    ["function", "load", "#!lua name=\"quoted\"\nredis.register_function('q', function() return 1 end)"],
    ["fcall", "q", "0"],
    ["function", "load", "#! name=x\nredis.register_function('f', function() return 1 end)"],
    ["function", "delete", "mylib"],
    ["fcall", "Double", "0", "21"],
    ["function", "flush"],
  ],
  "functions are loaded, called, listed and deleted": [
    ["function", "flush"],
    ["function", "load", LIBRARY],
    ["function", "load", LIBRARY],
    ["function", "load", "replace", LIBRARY],
    ["fcall", "double", "0", "21"],
    ["fcall", "writer", "1", "k", "v"],
    ["fcall", "reader", "1", "k"],
    ["fcall_ro", "reader", "1", "k"],
    ["fcall_ro", "writer", "1", "k", "v"],
    ["fcall", "tables", "2", "a", "b", "c"],
    ["fcall", "fails", "0"],
    ["fcall", "nope", "0"],
    ["fcall", "double", "x"],
    ["fcall", "double", "-1"],
    ["fcall", "double", "5", "a"],
    ["function", "stats"],
    ["function", "list", "libraryname", "nope*"],
    ["function", "list", "libraryname"],
    ["function", "list", "nope"],
    ["function", "delete", "nope"],
    ["function", "delete", "mylib"],
    ["fcall", "double", "0", "21"],
    ["function", "list"],
    ["function", "kill"],
    ["function", "flush", "nope"],
    ["function", "nope"],
    ["function", "restore", "garbage"],
    ["function", "restore", "garbage", "nope"],
  ],
  "a library that is wrong is refused": [
    ["function", "flush"],
    ["function", "load", "return 1"],
    ["function", "load", "#!lua"],
    ["function", "load", "#!lua\n"],
    ["function", "load", "#!lua name=a-b\nreturn 1"],
    ["function", "load", "#!lua name=a name=b\nreturn 1"],
    ["function", "load", "#!lua nope=a\nreturn 1"],
    ["function", "load", "#!nope name=a\nreturn 1"],
    ["function", "load", "nope", "#!lua name=a\nreturn 1"],
    ["function", "load", "replace"],
    library("return 1"),
    library("return +"),
    library("x = 1"),
    library("return x"),
    library("redis.call('ping')"),
    library("return string"),
    library("redis.register_function()"),
    library("redis.register_function(1)"),
    library("redis.register_function('f')"),
    library("redis.register_function('f', 1)"),
    library("redis.register_function(1, function() end)"),
    ["function", "flush"],
    library("redis.register_function('f', function() end, 3)"),
    library("redis.register_function('f-g', function() end)"),
    library("redis.register_function('f', function() end) redis.register_function('f', function() end)"),
    library("redis.register_function{function_name='f'}"),
    library("redis.register_function{callback=function() end}"),
    library("redis.register_function{function_name=1, callback=function() end}"),
    ["function", "flush"],
    library("redis.register_function{function_name='f', callback=1}"),
    library("redis.register_function{function_name='f', callback=function() end, description=1}"),
    library("redis.register_function{function_name='f', callback=function() end, flags=1}"),
    library("redis.register_function{function_name='f', callback=function() end, flags={'nope'}}"),
    library("redis.register_function{function_name='f', callback=function() end, nope=1}"),
    library("redis.register_function{function_name='f', callback=function() end, [1]=1}"),
    ["function", "list"],
  ],
  "inside a function": [
    ["function", "flush"],
    [
      "function",
      "load",
      `#!lua name=inner
redis.register_function('keys', function() return KEYS end)
redis.register_function('register', function() return redis.register_function('x', function() end) end)
redis.register_function('global', function() x = 1 end)
redis.register_function('missing', function() return x end)
redis.register_function('err', function() return redis.error_reply('MY error') end)
redis.register_function('call', function() return redis.call('nope') end)
redis.register_function('resp', function() redis.setresp(3) return redis.call('get', 'none') end)
redis.register_function('libs', function() return {type(cjson), type(redis.call), type(string.rep), _VERSION} end)`,
    ],
    ...["keys", "register", "global", "missing", "err", "call", "resp", "libs"].map((name) => [
      "fcall",
      name,
      "0",
    ]),
    ["function", "flush"],
  ],
};
