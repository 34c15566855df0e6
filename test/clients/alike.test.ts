/** The same unchanged programs against every node of three real processes and against redis-server 7.0: they see the same. */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cleanUp, scratch, startCluster } from "../cli/program.ts";
import type { RedisServer } from "../conformance/redis-server.ts";
import { startRedisServer } from "../conformance/redis-server.ts";
import { lacks, python, REDIS_PYS } from "../engines.ts";
import { PROGRAMS } from "./programs.ts";

const CASE_TIMEOUT_MS = 60_000;
const NODES = [0, 1, 2] as const;
const PYTHON_PROGRAMS = resolve(import.meta.dirname, "programs");

const noReference = lacks("redis-server");

let redis: RedisServer | undefined;
let ports: readonly number[] = [];

beforeAll(async () => {
  if (!noReference) redis = await startRedisServer();
  const { urls } = await startCluster(["--nodes", "3", "--data", scratch()]);
  ports = urls.map((url) => Number(new URL(url).port));
}, CASE_TIMEOUT_MS);

afterAll(async () => {
  await redis?.stop();
  await cleanUp();
});

/** A program's output, with its exit code when that is not 0. */
function outputOf(command: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("latin1")));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString("latin1")));
    child.once("error", fail);
    child.once("close", (code) => done(code === 0 ? output : `${output}exit code ${code ?? "of a signal"}`));
    child.stdin.end(input);
  });
}

describe.skipIf(noReference).each(Object.entries(PROGRAMS))(
  "%s sees what it sees at redis-server",
  (_, program) => {
    test.each(NODES)(
      "at node %i",
      async (node) => {
        expect(await program(ports[node] ?? 0)).toEqual(await program(redis?.port ?? 0));
      },
      CASE_TIMEOUT_MS,
    );
  },
);

describe.each(REDIS_PYS)("%s", (kind) => {
  const missing = lacks(kind);

  test.skipIf(missing).each(NODES)(
    "holds a lock in an unchanged program at node %i",
    async (node) => {
      const program = resolve(PYTHON_PROGRAMS, "lock.py");
      const [command, ...words] = python(kind);
      const output = await outputOf(command, [...words, program, "localhost", `${ports[node]}`]);
      expect(output).toBe("paid True\nNone\n");
    },
    CASE_TIMEOUT_MS,
  );

  test.skipIf(missing || noReference).each(NODES)(
    "sees what it sees at redis-server at node %i",
    async (node) => {
      const [command, ...words] = python(kind);
      const program = resolve(PYTHON_PROGRAMS, "replies.py");
      const seen = (port: number | undefined): Promise<string> =>
        outputOf(command, [...words, program, "127.0.0.1", `${port}`]);
      const ours = await seen(ports[node]);
      expect(ours.split("\n")).toEqual((await seen(redis?.port)).split("\n"));
      expect(ours).toMatch(/dbsize \d+\n$/);
    },
    CASE_TIMEOUT_MS,
  );
});

const CLI_LINES = [
  "FLUSHALL",
  'SET greeting "hello \\x00 world"',
  "GET greeting",
  "GET nosuch",
  "INCR greeting",
  "RPUSH list a b c",
  "LRANGE list 0 -1",
  "HSET hash f 1 g 2",
  "HGET hash f",
  "ZADD scores 1 one 2.5 two",
  "ZRANGE scores 0 -1 WITHSCORES",
  "SINTER nosuch1 nosuch2",
  "MULTI",
  "INCR n",
  "LPUSH list x",
  "EXEC",
  "EVAL \"return {1, 'two', {3, false}}\" 0",
  "EVAL \"return redis.error_reply('MINE is it')\" 0",
  "SET",
  "NOSUCH a b",
  "SELECT 3",
  "DBSIZE",
  "OBJECT ENCODING n",
  "TYPE list",
];

describe.skipIf(lacks("redis-server", "redis-cli"))("redis-cli prints what it prints at redis-server", () => {
  test.each(NODES.flatMap((node) => ["-2", "-3"].map((protocol) => [node, protocol] as const)))(
    "at node %i with %s",
    async (node, protocol) => {
      const printed = async (port: number | undefined): Promise<readonly string[]> => {
        const input = `${CLI_LINES.join("\n")}\n`;
        const output = await outputOf("redis-cli", ["-p", `${port}`, protocol, "--no-raw"], input);
        return output.replaceAll(`127.0.0.1:${port}`, "SERVER").split("\n");
      };
      expect(await printed(ports[node])).toEqual(await printed(redis?.port));
    },
    CASE_TIMEOUT_MS,
  );
});

describe.skipIf(lacks("redis-benchmark"))("redis-benchmark", () => {
  const tests =
    "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset";
  test.each(NODES)(
    "runs its tests to the end at node %i",
    async (node) => {
      const load = ["-n", "500", "-c", "20", "-r", "1000", "-P", node === 1 ? "8" : "1"];
      const output = await outputOf("redis-benchmark", [
        "-p",
        `${ports[node]}`,
        "-t",
        tests,
        ...load,
        "--csv",
      ]);
      expect(output).not.toMatch(/error|exit code/i);
      // A line for each test, one more where LRANGE fills its list, one of headings.
      const rows = output.split("\n").filter((line) => line.startsWith('"'));
      expect(rows.length, output).toBeGreaterThanOrEqual(tests.split(",").length + 1);
    },
    CASE_TIMEOUT_MS,
  );
});
