/** MONITOR over one node whose scripts call more than can be shown. */
import { afterEach, expect, test } from "vitest";
import { SCRIPT_CALLS_MAX_BYTES } from "../../keyspace/script-calls.ts";
import { loadScriptEngine } from "../../scripting/script-engine.ts";
import type { TestServer } from "./local-node.testing.ts";
import { startTestServer } from "./local-node.testing.ts";
import { plain, RespClient } from "./resp-client.testing.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A client, and what MONITOR shows of it up to its next ECHO, without times and ports. */
async function watched(): Promise<{
  started: TestServer;
  client: RespClient;
  lines: () => Promise<string[]>;
}> {
  const started = await startTestServer({ scripts: await loadScriptEngine() });
  ends.push(() => started.server.close());
  const [watcher, client] = [await RespClient.open(started.port), await RespClient.open(started.port)];
  ends.push(() => [watcher, client].forEach((each) => each.close()));
  await watcher.call("MONITOR");
  const lines = async (): Promise<string[]> => {
    await client.call("ECHO", "end");
    const found: string[] = [];
    while (!found.at(-1)?.endsWith('"end"')) found.push(String(plain((await watcher.take(1))[0] ?? null)));
    return found.map((line) => line.replace(/^\+[\d.]+ \[\d+ ([^\]:]+)[^\]]*\] /, "$1 "));
  };
  return { started, client, lines };
}

const called = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith("lua "));
const lengthOf = (lines: readonly string[]): number => lines.reduce((sum, line) => sum + line.length, 0);

test("a long argument of a script's call is cut, and says so", async () => {
  const { client, lines } = await watched();
  await client.call(
    "EVAL",
    "redis.call('set', 'k', string.rep('x', 1000000)) return redis.call('get', 'k')",
    "0",
  );
  expect(called(await lines())).toEqual([
    `lua "set" "k" "${"x".repeat(1024)}... (998976 more bytes)"`,
    'lua "get" "k"',
  ]);
});

test("what scripts call is shown up to a bound of bytes: of a script, of a pipelined run, of a batch of reads", async () => {
  const { client, lines } = await watched();
  const text = (name: string): string =>
    `local long = string.rep('x', 900) for at = 1, 900 do redis.call('${name}', 'k', long) end return 1`;
  const reading = text("hget").replace("'k'", "'none'");
  for (const [count, command, script] of [
    [1, "EVAL", text("set").replace("900 do", "3000 do")],
    [5, "EVAL", text("set")],
    [5, "EVAL_RO", reading],
  ] as const) {
    const replies = await client.pipeline(...Array.from({ length: count }, () => [command, script, "0"]));
    expect(replies).toEqual(Array.from({ length: count }, () => 1));
    const length = lengthOf(called(await lines()));
    expect(length, `${count} ${command}`).toBeGreaterThan(SCRIPT_CALLS_MAX_BYTES / 2);
    expect(length, `${count} ${command}`).toBeLessThan(SCRIPT_CALLS_MAX_BYTES);
  }
  // And begins anew with what comes next.
  await client.call("EVAL", "return redis.call('get', 'k')", "0");
  expect(called(await lines())).toEqual(['lua "get" "k"']);
});

test("a call of more arguments than there is room for says how many are missing", async () => {
  const { client, lines } = await watched();
  const script =
    "local list = {} for at = 1, 5000 do list[at] = string.rep('x', 1000) end return redis.call('del', unpack(list))";
  await client.call("EVAL", script, "0");
  const shown = called(await lines());
  expect(shown).toHaveLength(1);
  const words = shown[0]!.split(" ");
  const missing = 5000 - (shown[0]!.split('"').length - 1) / 2 + 2;
  expect(words[1]).toBe('"del"');
  expect(shown[0]!.slice(-30)).toMatch(new RegExp(`x" "\\.\\.\\. \\(${missing} more arguments\\)"$`));
  expect(shown[0]!.length).toBeLessThan(SCRIPT_CALLS_MAX_BYTES + 2000);
  expect(missing).toBeGreaterThan(3900);
});

test("every byte is shown as it is or escaped, as by Redis", async () => {
  const { client, lines } = await watched();
  const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code));
  await client.call("ECHO", bytes);
  await client.call("ECHO", "plain");
  const [shown, plainly] = await lines();
  const hex = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, at) => `\\x${(from + at).toString(16).padStart(2, "0")}`).join("");
  expect(shown?.slice(shown.indexOf('"ECHO"'))).toBe(
    `"ECHO" "${hex(0, 7)}\\a\\b\\t\\n${hex(11, 13)}\\r${hex(14, 32)} !\\"${bytes.slice(35, 92)}\\\\${bytes.slice(93, 127)}${hex(127, 256)}"`,
  );
  expect(plainly).toMatch(/"ECHO" "plain"$/);
});
