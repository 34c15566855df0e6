/** The same scripts against redis-server 7.0 and against this server where one client sees what another does, or waits for it. */
import { expect } from "vitest";
import { plain, RespClient } from "../../src/engine/protocol/resp/resp-client.testing.ts";
import { bothServers, compare } from "./both-servers.ts";

const { redisPort, ourPort } = bothServers();

/** Runs a script with `count` connections against both; what it gives must be the same. */
async function same(count: number, script: (...clients: RespClient[]) => Promise<unknown>): Promise<void> {
  const run = async (port: number): Promise<unknown> => {
    const clients: RespClient[] = [];
    try {
      for (let at = 0; at < count; at += 1) clients.push(await RespClient.open(port));
      return await script(...clients);
    } finally {
      for (const client of clients) client.close();
    }
  };
  expect(await run(ourPort())).toEqual(await run(redisPort()));
}

/** Sends lines as inline commands, one after the other. */
async function say(client: RespClient, ...lines: readonly string[]): Promise<unknown[]> {
  const replies: unknown[] = [];
  for (const line of lines) {
    client.send(`${line}\r\n`);
    replies.push(...(await client.take(1)).map(plain));
  }
  return replies;
}

/** What MONITOR has shown up to the command ECHO end, without times and ports. */
async function shown(watcher: RespClient, client: RespClient): Promise<string[]> {
  await say(client, "ECHO end");
  const lines: string[] = [];
  while (!lines.at(-1)?.endsWith('"end"')) lines.push(String(plain((await watcher.take(1))[0] ?? null)));
  return lines.map((line) =>
    line.replace(/^\+[\d.]+ \[(\d+) [\d.:]+\]/, "[$1 client]").replace(/^\+[\d.]+ /, ""),
  );
}

const LIBRARY = [
  "#!lua name=seen",
  "redis.register_function{function_name='hello', callback=function() return redis.call('get', 'm') end,",
  " flags={'no-writes'}}",
  "redis.register_function('put', function(keys, args) return redis.call('set', 'm', args[1]) end)",
].join("\\n");

compare(
  "MONITOR shows what scripts and functions call, and the commands of a transaction before EXEC",
  async () => {
    await same(2, async (watcher, client) => {
      await say(client, "FLUSHALL", `FUNCTION LOAD REPLACE "${LIBRARY}"`, "SELECT 3");
      await say(watcher, "MONITOR");
      const lines: string[][] = [];
      for (const script of [
        ["EVAL \"redis.call('set',KEYS[1],ARGV[1]); return redis.call('get',KEYS[1])\" 1 m v"],
        ["EVAL_RO \"return redis.call('GET',KEYS[1])\" 1 m"],
        ["FCALL hello 0", "FCALL_RO hello 0", "FCALL put 0 w"],
        ["EVAL \"redis.call('select',1); redis.call('ping'); redis.call('echo','a'); return 1\" 0"],
        [
          "EVAL \"redis.pcall('nosuch'); redis.pcall('get'); redis.pcall('multi'); redis.pcall('hget','m','x')\" 0",
        ],
        ["EVAL_RO \"redis.pcall('set','m','x'); return 1\" 0"],
        ["EVAL \"for at = 1, 3 do redis.call('publish','c',at) end\" 0"],
        ["MULTI", "SET a 1", "EVAL \"return redis.call('incr','a')\" 0", "GET a", "EXEC"],
        ["MULTI", "NOSUCH", "EXEC"],
        ["MULTI", "EXEC"],
        ["WATCH a", "SET a 9", "MULTI", "GET a", "EXEC"],
        ["MULTI", "SELECT 5", "EVAL \"return redis.call('set','five',1)\" 0", "SELECT 3", "EXEC"],
        ["CONFIG SET maxmemory 1", "EVAL \"return redis.pcall('set','a','b')\" 0", "CONFIG SET maxmemory 0"],
        ["SET a", "NOSUCH", "GET a b", "DISCARD", "EXEC"],
        ["AUTH x", "AUTH default y", "HELLO 3 AUTH default z SETNAME n", "HELLO 2", "CLIENT ID", "SELECT 4"],
        [
          "WATCH a",
          "UNWATCH",
          "PUBLISH c m",
          "SUBSCRIBE c",
          "PING",
          "UNSUBSCRIBE c",
          "TIME",
          "RESET",
          "SELECT 3",
        ],
      ]) {
        await say(client, ...script);
        lines.push(await shown(watcher, client));
      }
      await say(client, "FUNCTION FLUSH", "FLUSHALL");
      return lines;
    });
  },
);

compare("SUBSCRIBE and its kin are confirmed also after CLIENT REPLY OFF", async () => {
  await same(2, async (subscriber, publisher) => {
    subscriber.send("CLIENT REPLY OFF\r\nSUBSCRIBE c\r\nPSUBSCRIBE c*\r\nSSUBSCRIBE s\r\n");
    const confirmed = (await subscriber.take(3)).map(plain);
    const receivers = await say(publisher, "PUBLISH c m", "SPUBLISH s m");
    const messages = (await subscriber.take(3)).map(plain);
    subscriber.send(
      "UNSUBSCRIBE c\r\nPUNSUBSCRIBE\r\nSUNSUBSCRIBE s\r\nUNSUBSCRIBE\r\nPING\r\nSUBSCRIBE\r\n",
    );
    const ended = (await subscriber.take(4)).map(plain);
    subscriber.send("MULTI\r\nPING\r\nEXEC\r\nCLIENT REPLY ON\r\nECHO x\r\n");
    return [confirmed, receivers, messages, ended, (await subscriber.take(2)).map(plain)];
  });
});

compare("CLIENT PAUSE WRITE lets scripts run that say they do not write, and holds the others", async () => {
  await same(3, async (admin, client, held) => {
    await say(admin, "FLUSHALL", "SET m v", `FUNCTION LOAD REPLACE "${LIBRARY}"`);
    const [sha] = await say(admin, 'SCRIPT LOAD "#!lua flags=no-writes\\nreturn 2"');
    const [writing] = await say(admin, 'SCRIPT LOAD "return 3"');
    await say(admin, "CLIENT PAUSE 60000 WRITE");
    const free = await say(
      client,
      "EVAL \"#!lua flags=no-writes\\nreturn 'new'\" 0",
      "EVAL \"#!lua flags=no-writes,allow-oom\\nreturn 'new'\" 0",
      "EVAL_RO \"return redis.call('get','m')\" 0",
      `EVALSHA ${String(sha)} 0`,
      `EVALSHA_RO ${String(sha)} 0`,
      "FCALL hello 0",
      "FCALL_RO hello 0",
      'SCRIPT LOAD "return 4"',
      "SCRIPT EXISTS nosuch",
      "SCRIPT KILL",
      "FUNCTION LIST LIBRARYNAME nosuch",
      "FUNCTION KILL",
      "MULTI",
      'EVAL "#!lua flags=no-writes\\nreturn 12" 0',
      "FCALL hello 0",
      "GET m",
      "EXEC",
    );
    const waited: unknown[] = [];
    for (const line of [
      'EVAL "return 1" 0',
      'EVAL "#!lua\\nreturn 1" 0',
      `EVALSHA ${String(writing)} 0`,
      "FCALL put 0 x",
      "FCALL nosuch 0",
      "FUNCTION DELETE nosuch",
      "EVALSHA ffffffffffffffffffffffffffffffffffffffff 0",
      'EVAL "#!lua flags=nosuch\\nreturn 1" 0',
      "PUBLISH c m",
      'MULTI EVAL "return 1" 0',
    ]) {
      if (line.startsWith("MULTI ")) await say(held, "MULTI", line.slice(6));
      await say(admin, "CLIENT PAUSE 60000 WRITE");
      held.send(line.startsWith("MULTI ") ? "EXEC\r\n" : `${line}\r\n`);
      // Only a pause that holds it back lets it be counted.
      const info = async (): Promise<string> => String((await say(admin, "INFO clients"))[0]);
      const deadline = performance.now() + 5000;
      while (!(await info()).includes("blocked_clients:1")) {
        if (performance.now() > deadline) throw new Error(`${line} was not held back`);
      }
      await say(admin, "CLIENT UNPAUSE");
      waited.push((await held.take(1)).map(plain));
    }
    await say(admin, "FUNCTION FLUSH", "FLUSHALL");
    return [free, waited];
  });
});

compare("the slow log has commands of administrators too, what is secret in them replaced", async () => {
  await same(1, async (client) => {
    await say(client, "CONFIG SET slowlog-log-slower-than 0", "SLOWLOG RESET");
    await say(client, "SADD s a", "AUTH x", "AUTH default y", "HELLO 3 AUTH default z SETNAME n", "HELLO 2");
    await say(client, "CONFIG SET requirepass secret", 'CONFIG SET requirepass "" timeout 0', "CLIENT ID");
    await say(client, "CONFIG GET timeout", "NOSUCH", "DEL s");
    const [entries] = await say(client, "SLOWLOG GET 20");
    await say(client, "CONFIG SET slowlog-log-slower-than 10000");
    return (entries as unknown[][]).map((entry) => entry[3]);
  });
});

compare("LATENCY HISTOGRAM tells of what was called and carried out, by command and subcommand", async () => {
  await same(1, async (client) => {
    const script = [
      "SET a b",
      "SET a c",
      "GET a",
      "GET",
      "INCR a",
      "CLIENT ID",
      "MULTI",
      "GET a",
      "DISCARD",
      "NOSUCH",
    ];
    await say(client, "CONFIG RESETSTAT", ...script, "DEL a");
    const seen: unknown[] = [];
    for (const words of [
      "",
      "set get",
      "SET",
      "client",
      "client|id",
      "nosuch client|nosuch get|x client|id|x",
      "incr",
    ]) {
      const [reply] = await say(client, `LATENCY HISTOGRAM ${words}`);
      const rows: unknown[] = [];
      const found = reply as [string, unknown[]][];
      for (let at = 0; at < found.length; at += 2) {
        const [calls, total, usec, bounds] = found[at + 1] as unknown as [string, number, string, number[]];
        rows.push([found[at], calls, total, usec, bounds.at(-1)]);
      }
      // Redis has them in the order of a hash table.
      seen.push(rows.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))));
    }
    return seen;
  });
});

compare("INFO tells calls that were refused for want of room from those that failed", async () => {
  await same(1, async (client) => {
    await say(client, "FLUSHALL", "CONFIG RESETSTAT", "SET a b", "INCR a", "SET a", "CONFIG SET maxmemory 1");
    await say(
      client,
      "SET a c",
      "INCR a",
      'EVAL "#!lua\\nreturn 1" 0',
      "GET a",
      "CONFIG SET maxmemory 0",
      "SET a d",
    );
    const [text] = await say(client, "INFO commandstats errorstats");
    const rows = String(text)
      .split("\r\n")
      .filter((row) => /_(set|incr|eval|get|OOM|ERR):/.test(row));
    await say(client, "DEL a", "CONFIG RESETSTAT");
    return rows.map((row) => row.replaceAll(/usec\w*=[\d.]+,/g, "")).sort();
  });
});

compare("CLIENT LIST and INFO count the bytes of the command that asks", async () => {
  await same(1, async (client) => {
    const seen: unknown[] = [];
    for (const words of [
      ["CLIENT", "LIST"],
      ["CLIENT", "INFO"],
      ["client", "list", "type", "normal"],
    ]) {
      const reply = String(plain(await client.call(...words)));
      seen.push(/qbuf=\d+/.exec(reply)?.[0]);
    }
    return seen;
  });
});
