/** The same scripts against redis-server 7.0 and against this server: session commands, transactions, pub/sub, framing. */
import type { WireReply } from "../../src/wire/resp/reply-parser.ts";
import { expect } from "vitest";
import { plain, RespClient } from "../../src/engine/protocol/resp/resp-client.testing.ts";
import { SESSION_SPECS } from "../../src/engine/protocol/resp/session-commands.ts";
import { bothServers, compare } from "./both-servers.ts";

const { redisPort, ourPort } = bothServers();

/** Runs one script of raw lines on a connection; the replies as plain values. */
async function run(port: number, lines: readonly string[], count: number): Promise<unknown[]> {
  const client = await RespClient.open(port);
  try {
    for (const line of lines) client.send(line);
    return (await client.take(count)).map(plain);
  } finally {
    client.close();
  }
}

async function same(lines: readonly string[], count: number = lines.length): Promise<unknown[]> {
  const inlined = lines.map((line) => (line.endsWith("\n") ? line : `${line}\r\n`));
  const [theirs, mine] = await Promise.all([
    run(redisPort(), inlined, count),
    run(ourPort(), inlined, count),
  ]);
  expect(mine).toEqual(theirs);
  return mine;
}

compare("connection commands answer as Redis does", async () => {
  await same([
    "PING",
    'PING "hello world"',
    "PING a b",
    "ECHO",
    "ECHO x",
    "SELECT 1",
    "SELECT 16",
    "SELECT -1",
    "SELECT x",
    "AUTH x",
    "AUTH default x",
    "AUTH other x",
    "AUTH a b c",
    "HELLO x",
    "HELLO 4",
    "HELLO 3 AUTH default",
    "HELLO 2 SETNAME",
    'HELLO 2 SETNAME "a b"',
    "NOSUCH a b",
    'NOSUCH "a\\nb"',
    `NOSUCH ${"x".repeat(200)} y`,
    "CLIENT",
    "CLIENT NOSUCH",
    "CLIENT GETNAME",
    "CLIENT SETNAME n",
    "CLIENT GETNAME",
    'CLIENT SETNAME "n n"',
    "CLIENT SETNAME",
    "CLIENT GETREDIR",
    "CLIENT NO-EVICT x",
    "CLIENT NO-EVICT on",
    "CLIENT KILL 1.1.1.1:1",
    "CLIENT KILL ID 99999",
    "CLIENT KILL ID 0",
    "CLIENT KILL ID x",
    "CLIENT KILL TYPE nosuch",
    "CLIENT KILL USER nosuch",
    "CLIENT KILL SKIPME yes ID",
    "CLIENT KILL SKIPME maybe",
    "CLIENT KILL LADDR 1.1.1.1:1 TYPE pubsub",
    "CLIENT LIST TYPE nosuch",
    "CLIENT LIST ID x",
    "CLIENT LIST FOO",
    "CLIENT UNBLOCK 99999",
    "CLIENT UNBLOCK x",
    "CLIENT UNBLOCK 1 foo",
    "CLIENT PAUSE x",
    "CLIENT PAUSE -1",
    "CLIENT PAUSE 1 foo",
    "CLIENT UNPAUSE",
    "CLIENT REPLY foo",
    "CLIENT TRACKING off",
    "CLIENT TRACKINGINFO",
    "CLIENT CACHING yes",
    "CLIENT CACHING maybe",
    "RESET",
    "CLIENT GETNAME",
    "READONLY x",
    "QUIT",
  ]);
});

compare("words too many, and odd ones in the right places, are refused as Redis refuses them", async () => {
  await same([
    "CLIENT PAUSE x on",
    "CLIENT PAUSE x WRITE more",
    "CLIENT UNBLOCK x foo",
    "CLIENT UNBLOCK x TIMEOUT",
    "CLIENT UNBLOCK 1 TIMEOUT more",
    "PUBSUB CHANNELS a b",
    "pubsub shardchannels a b",
    "PUBSUB NUMPAT a",
    "SLOWLOG GET x y",
    "SLOWLOG GET -2",
    "CONFIG SET maxmemory 0 timeout",
    "MEMORY USAGE nosuch SAMPLES x",
    "MEMORY USAGE nosuch SAMPLES -1",
    "MEMORY USAGE nosuch SAMPLES 1 SAMPLES 2",
    "MEMORY USAGE nosuch SAMPLES",
    "MEMORY USAGE nosuch 1",
    "MOVE nosuch 2147483648",
    "MOVE nosuch -2147483648",
    "COPY nosuch other DB 9223372036854775807",
    "COPY nosuch other DB -2147483649",
    "COPY nosuch other DB 16",
    "SELECT 9223372036854775807",
    "SWAPDB 0 9223372036854775807",
    "SWAPDB 9223372036854775807 x",
    "SELECT -0",
    "SELECT 01",
    "SELECT 2147483648",
    "MULTI",
    "SELECT x",
    "SELECT 2147483648",
    "SELECT 99",
    "EXEC",
  ]);
});

compare("RESP3 replies have the same types", async () => {
  const kinds = new Set<string>();
  for (const hello of ["HELLO 3", "HELLO 2"]) {
    const replies = await withoutHello([
      hello,
      "CLIENT TRACKINGINFO",
      "GET nosuch3",
      "SET k3 v",
      "GET k3",
      "MULTI",
      "GET k3",
      "EXEC",
      "SUBSCRIBE c3",
      "PING",
      "GET k3",
      "UNSUBSCRIBE c3",
      "PUBSUB NUMSUB c3",
      "CONFIG GET maxmemory-policy",
      "COMMAND DOCS nosuch",
      "COMMAND INFO nosuch",
      "WATCH w3",
      "INCR w3",
      "MULTI",
      "INCR w3",
      "EXEC",
      "DEL k3 w3",
      "HSET h3 f v",
      "HGETALL h3",
      "ZADD z3 1.5 a 2 b",
      "ZRANGE z3 0 -1 WITHSCORES",
      "ZSCORE z3 a",
      "SMEMBERS nosuch3",
      "DEL h3 z3",
    ]);
    for (const reply of replies) kinds.add(JSON.stringify(reply));
  }
  // Had HELLO chosen nothing, both would have been told the same.
  expect(kinds.size).toBeGreaterThan(25);
});

/** As `same`, of a script whose first line is a HELLO: its reply names the server. */
async function withoutHello(lines: readonly string[]): Promise<unknown[]> {
  const sent = lines.map((line) => `${line}\r\n`);
  const [theirs, mine] = await Promise.all(
    [redisPort(), ourPort()].map(async (port) => (await run(port, sent, lines.length)).slice(1)),
  );
  expect(mine).toEqual(theirs);
  return mine ?? [];
}

compare(
  "HELLO is answered in the protocol that it asks for, also in a transaction, and what follows too",
  async () => {
    for (const lines of [
      ["HELLO 3", "HELLO 3", "HELLO", "HELLO 2", "HELLO", "CONFIG GET maxmemory-policy"],
      ["HELLO 3 SETNAME me", "CONFIG GET maxmemory-policy", "HELLO 2", "CONFIG GET maxmemory-policy"],
      ["MULTI", "CONFIG GET maxmemory-policy", "HELLO 3", "CONFIG GET maxmemory-policy", "EXEC"],
      ["MULTI", "SET t3 1", "HELLO 3", "GET nosuch3", "HELLO 2", "GET nosuch3", "DEL t3", "EXEC"],
      ["HELLO 3", "HELLO 4", "HELLO", "RESET", "HELLO"],
    ]) {
      const answered = async (port: number): Promise<string> => {
        const client = await RespClient.open(port);
        let text = "";
        client.socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
        client.send(lines.map((line) => `${line}\r\n`).join(""));
        await client.take(lines.length);
        client.close();
        // The server's version and the connection's number are its own.
        return text
          .replaceAll(/\$7\r\nversion\r\n\$\d+\r\n[^\r]*/g, "version")
          .replaceAll(/(\$2\r\nid\r\n):\d+/g, "$1");
      };
      const [theirs, mine] = await Promise.all([answered(redisPort()), answered(ourPort())]);
      expect(mine).toBe(theirs);
      expect(mine).toMatch(/%7\r\n/);
    }
  },
);

compare("INFO counts what scripts call as Redis does", async () => {
  const text = `redis.call('set', 'a', 'x') redis.call('get', 'a') redis.pcall('incr', 'a') redis.pcall('get')
    redis.pcall('subscribe', 'x') redis.pcall('nosuch') redis.call('ping') redis.pcall('config', 'get', 'x')
    redis.call('select', 3) return redis.call('hget', 'b', 'c')`;
  const told: unknown[] = [];
  for (const port of [redisPort(), ourPort()]) {
    const client = await RespClient.open(port);
    await client.call("FLUSHALL");
    await client.call("FUNCTION", "FLUSH");
    await client.call(
      "FUNCTION",
      "LOAD",
      "#!lua name=l\nredis.register_function('f', function() redis.call('hset', 'h', 'f', 'v') end)",
    );
    await client.call("CONFIG", "RESETSTAT");
    await client.call("EVAL", text, "0");
    await client.call("EVAL_RO", "redis.pcall('lpush', 'l', 'x') return redis.call('llen', 'l')", "0");
    await client.pipeline(
      ...Array.from({ length: 3 }, () => ["EVAL_RO", "return redis.call('strlen', 'a')", "0"]),
    );
    await client.pipeline(
      ...Array.from({ length: 3 }, () => ["EVAL", "return redis.call('append', 'z', 'z')", "0"]),
    );
    await client.call("FCALL", "f", "0");
    await client.call("MULTI");
    await client.call("EVAL", "return redis.call('sadd', 's', 'm')", "0");
    await client.call("SADD", "s", "n");
    await client.call("EXEC");
    await client.call("EVAL", "redis.call('del', 'a') redis.call('incrby', 's', 1)", "0");
    const lines = String(plain((await client.call("INFO", "commandstats", "stats")) as WireReply)).split(
      "\r\n",
    );
    const counted = lines
      // INFO counts itself here, and RESETSTAT does not.
      .filter((line) => /^(cmdstat_(?!info|config.resetstat)|total_commands)/.test(line))
      .map((line) => line.replace(/usec=\d+,usec_per_call=[\d.]+,/, ""));
    const histogram = plain(
      (await client.call("LATENCY", "HISTOGRAM", "strlen", "append", "del")) as WireReply,
    );
    told.push({ counted: counted.toSorted(), calls: JSON.stringify(histogram).match(/"calls",\d+/g) });
    client.close();
  }
  expect(told[1]).toEqual(told[0]);
});

compare("INFO counts errors by their first word as Redis does", async () => {
  await same([
    "CONFIG RESETSTAT",
    "INFO errorstats",
    "SET es x",
    "INCR es",
    "LPUSH es 1",
    "NOSUCH a",
    "GET",
    "MULTI",
    "INCR es",
    "LPUSH es 1",
    "EXEC",
    "MULTI",
    "SET es",
    "EXEC",
    "DEL es",
    "INFO errorstats",
    "CONFIG RESETSTAT",
    "INFO errorstats",
  ]);
});

compare("transactions queue, abort, and watch as Redis's do", async () => {
  await same([
    "EXEC",
    "DISCARD",
    "MULTI",
    "MULTI",
    "SET t 1",
    "INCR t",
    "GET t",
    "EXEC",
    "MULTI",
    "SET t",
    "SET t 2",
    "EXEC",
    "GET t",
    "MULTI",
    "NOSUCH",
    "EXEC",
    "MULTI",
    "HSET",
    "DISCARD",
    "MULTI",
    "EXEC",
    "MULTI",
    "WATCH t",
    "PING",
    "ECHO x",
    "EXEC",
    "WATCH t",
    "SET t 3",
    "MULTI",
    "GET t",
    "EXEC",
    "WATCH t",
    "UNWATCH",
    "SET t 4",
    "MULTI",
    "GET t",
    "EXEC",
    "WATCH t nosuch",
    "MULTI",
    "INCR t",
    "UNWATCH",
    "SELECT 3",
    "SET other 1",
    "SELECT 99",
    "DBSIZE",
    "EXEC",
    "GET other",
    "DEL other",
    "SELECT 0",
    "WATCH",
    "WATCH absent",
    "SET absent now",
    "MULTI",
    "PING",
    "EXEC",
    "DEL absent",
    "WATCH absent",
    "SET absent now",
    "DEL absent",
    "MULTI",
    "PING",
    "EXEC",
    "WATCH absent",
    "SET absent now PXAT 1",
    "MULTI",
    "PING",
    "EXEC",
    "WATCH absent",
    "FLUSHDB",
    "DEL absent",
    "MULTI",
    "PING",
    "EXEC",
    "WATCH t",
    "SWAPDB 0 0",
    "MULTI",
    "PING",
    "EXEC",
    "SET t 4",
    "WATCH t",
    "SWAPDB 0 3",
    "SWAPDB 0 3",
    "MULTI",
    "PING",
    "EXEC",
    "MULTI",
    "INCR t",
    "HSET t a b",
    "INCR t",
    "EXEC",
    "MULTI",
    "PUBLISH nobody x",
    "CLIENT GETNAME",
    "CONFIG GET maxmemory",
    "TYPE t",
    "EXEC",
    "MULTI",
    "RESET",
    "EXEC",
    "EXEC x",
    "WATCH t",
    "MULTI",
    "INCR t",
    "EXEC x",
    "GET t",
    "EXEC",
    "DISCARD x",
    "MULTI",
    "DISCARD x",
    "MULTI x",
    "EXEC",
    "DEL t absent",
  ]);
});

compare("CONFIG SET in a transaction takes effect where it stands in it, or says what is wrong", async () => {
  await same([
    "SET k v",
    "MULTI",
    "CONFIG SET maxmemory 64mb",
    "CONFIG GET maxmemory",
    "EXEC",
    "GET k",
    "MULTI",
    "CONFIG SET maxmemory 0",
    "SET k x",
    "EXEC",
    "MULTI",
    "CONFIG SET maxmemory 0 maxmemory-policy allkeys-lru",
    "CONFIG SET maxmemory-policy nosuch",
    "CONFIG SET maxmemory bla",
    "CONFIG SET maxmemory 0 maxmemory 1",
    "CONFIG SET timeout 7",
    "CONFIG SET timeout x",
    "CONFIG SET maxmemory-policy noeviction",
    "GET k",
    "CONFIG GET timeout",
    "EXEC",
    "CONFIG GET maxmemory-policy",
    "CONFIG SET timeout 0",
    "WATCH k",
    "SET k 1",
    "MULTI",
    "CONFIG SET maxmemory 64mb",
    "EXEC",
    "CONFIG GET maxmemory",
    "EVAL \"return redis.call('config','set','maxmemory','1')\" 0",
    "DEL k",
  ]);
});

compare("subscriptions answer and restrict as Redis's do", async () => {
  await same(
    [
      "SUBSCRIBE a b a",
      "PSUBSCRIBE p*",
      "SSUBSCRIBE s1",
      "PING",
      "PING x",
      "GET k",
      "NOSUCH",
      "UNSUBSCRIBE b",
      "UNSUBSCRIBE nosuch",
      "PUNSUBSCRIBE",
      "SUNSUBSCRIBE",
      "UNSUBSCRIBE",
      "UNSUBSCRIBE",
      "PUNSUBSCRIBE",
      "SUNSUBSCRIBE",
      "GET k",
      "PUBSUB NUMSUB a b",
      "PUBSUB NUMPAT",
      "PUBSUB CHANNELS",
      "PUBSUB SHARDCHANNELS",
      "PUBSUB SHARDNUMSUB s1",
      "PUBSUB NOSUCH",
      "PUBLISH a",
      "PUBLISH a m",
      "SPUBLISH s1 m",
      "SUBSCRIBE",
      "SUBSCRIBE a",
      "RESET",
      "GET k",
    ],
    31,
  );
});

compare("messages reach subscribers in RESP2 and RESP3 with the same bytes", async () => {
  const script = async (port: number): Promise<unknown[]> => {
    const two = await RespClient.open(port);
    const three = await RespClient.open(port);
    const publisher = await RespClient.open(port);
    try {
      three.send("HELLO 3\r\nSUBSCRIBE ch\r\nPSUBSCRIBE c* *h\r\nSSUBSCRIBE sh\r\n");
      two.send("SUBSCRIBE ch\r\nPSUBSCRIBE c* *h\r\nSSUBSCRIBE sh\r\n");
      await three.take(1);
      const confirmed = [await two.take(4), await three.take(4)];
      const counts = await publisher.pipeline(
        "PUBLISH ch m1",
        "PUBLISH cx m2",
        "PUBLISH no m3",
        "SPUBLISH sh m4",
      );
      // Redis has no order between two patterns that match the same message.
      const sorted = (replies: readonly WireReply[]): WireReply[] =>
        replies.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
      const messages = [sorted(await two.take(5)), sorted(await three.take(5))];
      const numbers = await publisher.pipeline(
        "PUBSUB NUMSUB ch x",
        "PUBSUB NUMPAT",
        "PUBSUB SHARDNUMSUB sh",
      );
      return [...confirmed, counts, ...messages, numbers].map((replies) => replies.map(plain));
    } finally {
      for (const client of [two, three, publisher]) client.close();
    }
  };
  expect(await script(ourPort())).toEqual(await script(redisPort()));
});

compare("a store without room refuses as Redis does, scripts and a store without keys included", async () => {
  const noWrites = "#!lua flags=no-writes\\nreturn redis.call('get','k')";
  await same([
    "FLUSHALL",
    "SET k v",
    "CONFIG SET maxmemory 1",
    "SET k w",
    "EVAL \"return redis.call('set','k','x')\" 0",
    "EVAL \"return redis.call('get','k')\" 0",
    'EVAL "#!lua\\nreturn 1" 0',
    'EVAL "#!lua flags=\\nreturn 1" 0',
    `EVAL "${noWrites}" 0`,
    "EVAL \"#!lua flags=allow-oom\\nreturn redis.call('set','k','x')\" 0",
    "GET k",
    "FLUSHALL",
    "SET k v",
    "GET k",
    'EVAL "#!lua\\nreturn 1" 0',
    "CONFIG SET maxmemory 0",
    "SET k v",
    "CONFIG SET maxmemory 1 maxmemory-policy allkeys-lru",
    'EVAL "#!lua\\nreturn 1" 0',
    "DBSIZE",
    "CONFIG SET maxmemory 0 maxmemory-policy noeviction",
  ]);
});

compare("RESET ends MONITOR, and is not seen by it", async () => {
  await same(["MONITOR", "RESET", "PING"]);
});

compare("server commands refuse wrong arguments as Redis does", async () => {
  await same([
    "CONFIG",
    "CONFIG GET",
    "CONFIG GET maxmemory-policy",
    "CONFIG GET nosuch",
    "CONFIG SET nosuch 1",
    "CONFIG SET timeout",
    "CONFIG SET timeout x",
    "CONFIG SET timeout 0 timeout 1",
    "CONFIG SET maxmemory-policy allkeys-lru",
    "CONFIG GET maxmemory-policy",
    "CONFIG SET maxmemory-policy noeviction maxmemory 0",
    "CONFIG REWRITE",
    "CONFIG RESETSTAT",
    "CONFIG NOSUCH",
    "SLOWLOG RESET",
    "SLOWLOG GET -2",
    "SLOWLOG GET x",
    "SLOWLOG LEN x",
    "LATENCY LATEST",
    "LATENCY HISTORY command",
    "LATENCY RESET",
    "MEMORY USAGE",
    "MEMORY USAGE nosuch",
    "MEMORY NOSUCH",
    "COMMAND GETKEYS GET a",
    "COMMAND GETKEYS MSET a 1 b 2",
    "COMMAND GETKEYSANDFLAGS SET a b",
    "COMMAND GETKEYSANDFLAGS SET a b GET",
    "COMMAND GETKEYSANDFLAGS GET a",
    "COMMAND GETKEYSANDFLAGS DEL a b",
    "COMMAND GETKEYSANDFLAGS RENAME a b",
    "COMMAND GETKEYSANDFLAGS SUNIONSTORE a b c",
    "COMMAND GETKEYSANDFLAGS LMOVE a b LEFT LEFT",
    "COMMAND GETKEYS PING",
    "COMMAND GETKEYS NOSUCH a",
    "COMMAND GETKEYS GET",
    "COMMAND NOSUCH",
    "WAIT 0 10",
    "WAIT x 10",
    "WAIT 0 -1",
    "DEBUG",
    "ROLE x",
    "SHUTDOWN foo",
    "FAILOVER foo",
  ]);
});

compare("what a command is, and what it does with its keys, is told in the forms of RESP3", async () => {
  const hello = "HELLO 3\r\n";
  const told = async (port: number): Promise<unknown[]> => {
    const [greeting, ...replies] = await run(port, [hello, ...asked], 4);
    expect(greeting).not.toBeInstanceOf(Array);
    return replies;
  };
  const asked = [
    "COMMAND INFO get rename sunionstore expire lmove hdel setnx multi",
    "COMMAND GETKEYSANDFLAGS SET a b",
    "COMMAND GETKEYSANDFLAGS COPY a b",
  ].map((line) => `${line}\r\n`);
  expect(await told(ourPort())).toEqual(await told(redisPort()));
});

compare("flags and categories of commands that run scripts are Redis's", async () => {
  const names = ["eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro"];
  const told = async (port: number): Promise<unknown[]> => {
    const [rows] = (await run(port, [`COMMAND INFO ${names.join(" ")}\r\n`], 1)) as unknown[][][];
    // Behind the categories come tips and the specifications of keys, which are none here.
    return rows?.map((row) => row.slice(0, 7)) ?? [];
  };
  const mine = await told(ourPort());
  expect(mine).toEqual(await told(redisPort()));
  expect(mine).toHaveLength(names.length);
});

compare("bad framing gets Redis's error and the end of the connection", async () => {
  for (const bytes of [
    "*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n",
    "*3000000000\r\n",
    "*1\r\n$-10\r\n",
    "*1\r\n$2000000000\r\n",
    "*1\r\n$blabla\r\n",
    '"unbalanced\r\n',
    `PING\r\n\0${"x".repeat(70_000)}\r\n`,
  ]) {
    const ends = await Promise.all(
      [redisPort(), ourPort()].map(async (port) => {
        const client = await RespClient.open(port);
        client.send(bytes);
        await client.ended();
        return client.replies.map(plain);
      }),
    );
    expect(ends[1]).toEqual(ends[0]);
  }
});

compare("CLIENT REPLY hides replies as in Redis", async () => {
  await same(
    [
      "CLIENT REPLY SKIP",
      "PING hidden",
      "PING a",
      "CLIENT REPLY OFF",
      "PING hidden",
      "CLIENT REPLY ON",
      "PING b",
    ],
    3,
  );
});

compare("the rows of session commands have Redis's arity, keys and flags", async () => {
  const names = SESSION_SPECS.map(({ name }) => name);
  const rows = async (port: number): Promise<Map<string, unknown>> => {
    const client = await RespClient.open(port);
    const found = new Map<string, unknown>();
    const add = (reply: unknown): void => {
      const [name, arity, flags, first, last, step, , , , subcommands] = reply as unknown[];
      // Flags that say how Redis replicates or logs have no meaning here.
      const kept = (flags as string[]).filter(
        (flag) => !/skip_slowlog|skip_monitor|no_async_loading/.test(flag),
      );
      found.set(name as string, [arity, kept.sort(), first, last, step]);
      for (const sub of (subcommands ?? []) as unknown[]) add(sub);
    };
    for (const reply of (await client.call("COMMAND", "INFO", ...names)) as unknown[]) {
      if (reply !== null && !(reply as { type?: string }).type) add(plain(reply as never));
    }
    client.close();
    return found;
  };
  const [theirs, mine] = [await rows(redisPort()), await rows(ourPort())];
  const shared = [...mine.keys()].filter((name) => theirs.has(name));
  expect(shared.length).toBeGreaterThan(60);
  for (const name of shared) expect([name, mine.get(name)]).toEqual([name, theirs.get(name)]);
});
