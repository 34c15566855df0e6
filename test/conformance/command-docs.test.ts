/** COMMAND DOCS against redis-server 7.0: what clients build their hints and forms from. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../../src/engine/protocol/resp/local-node.testing.ts";
import { RespClient, plain } from "../../src/engine/protocol/resp/resp-client.testing.ts";
import { lacks } from "../engines.ts";
import { startRedis, type RedisPeer } from "./redis-peer.ts";

/** Those that take less here, or that redis-server has no arguments of. */
const OTHERWISE: ReadonlySet<string> = new Set([
  "client|tracking",
  "command|getkeys",
  "command|getkeysandflags",
]);

interface Argument {
  readonly name: string;
  readonly type: string;
  readonly keySpecification: unknown;
  readonly token: unknown;
  readonly flags: readonly string[];
  readonly parts: readonly Argument[];
}

type Fields = ReadonlyMap<unknown, unknown>;

/** A map of RESP2 or RESP3, as `plain` shows it. */
function fields(reply: unknown): Fields {
  const items = (Array.isArray(reply) ? reply : (reply as { map: unknown[] }).map) as readonly unknown[];
  return new Map(items.flatMap((key, at) => (at % 2 === 0 ? [[key, items[at + 1]] as const] : [])));
}

function list(reply: unknown): readonly unknown[] {
  if (reply === undefined) return [];
  return Array.isArray(reply) ? (reply as unknown[]) : (reply as { set: unknown[] }).set;
}

function argument(reply: unknown): Argument {
  const of = fields(reply);
  const flags = list(of.get("flags")).map(String);
  const parts = list(of.get("arguments")).map(argument);
  const [only] = parts;
  // A group of one says nothing more than the one.
  if (of.get("type") === "block" && parts.length === 1 && only !== undefined) {
    return { ...only, token: only.token ?? of.get("token"), flags: [...flags, ...only.flags].toSorted() };
  }
  const type = String(of.get("type"));
  // Only values show their names.
  const name = type === "pure-token" || parts.length > 0 ? "" : String(of.get("name"));
  const [keySpecification, token] = [of.get("key_spec_index"), of.get("token")];
  return { name, type, keySpecification, token, flags: flags.toSorted(), parts };
}

/** By full name. */
function argumentsIn(docs: unknown): Map<string, readonly Argument[]> {
  const found = new Map<string, readonly Argument[]>();
  for (const [name, reply] of fields(docs)) {
    const of = fields(reply);
    found.set(String(name), list(of.get("arguments")).map(argument));
    const subcommands = of.get("subcommands");
    if (subcommands === undefined) continue;
    for (const [full, parts] of argumentsIn(subcommands)) found.set(full, parts);
  }
  return found;
}

/** With `like`'s key specifications where there is none. */
function completed(own: readonly Argument[], like: readonly Argument[]): readonly Argument[] {
  return own.map((argument, at) => ({
    ...argument,
    keySpecification: argument.keySpecification ?? like[at]?.keySpecification,
    parts: completed(argument.parts, like[at]?.parts ?? []),
  }));
}

/** What stands beside the arguments, by full name: of commands that have any of it. */
function notesIn(docs: unknown): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, reply] of fields(docs)) {
    const of = fields(reply);
    const notes = ["doc_flags", "deprecated_since", "replaced_by"].flatMap((field) =>
      of.has(field) ? [[field, of.get(field)] as const] : [],
    );
    if (notes.length > 0) found.set(String(name), notes);
    const subcommands = of.get("subcommands");
    for (const [full, own] of subcommands === undefined ? [] : notesIn(subcommands)) found.set(full, own);
  }
  return found;
}

describe.skipIf(lacks("redis-server"))("COMMAND DOCS", () => {
  let redis: RedisPeer;
  let ours: TestServer;
  beforeAll(async () => {
    redis = await startRedis();
    ours = await startTestServer();
  });
  afterAll(async () => {
    await redis?.stop();
    await ours?.server.close();
  });

  async function docs(port: number, version: 2 | 3): Promise<unknown> {
    const client = await RespClient.open(port);
    try {
      client.send(`HELLO ${version}\r\nCOMMAND DOCS\r\n`);
      return plain((await client.take(2))[1]!);
    } finally {
      client.close();
    }
  }

  test.each([2, 3] as const)(
    "tells the arguments of every command as redis-server 7.0 does, RESP%i",
    async (version) => {
      const theirs = argumentsIn(await docs(redis.port, version));
      const mine = argumentsIn(await docs(ours.port, version));
      const compared = [...mine.keys()].filter((name) => theirs.has(name) && !OTHERWISE.has(name));
      expect(compared.length).toBeGreaterThan(200);
      for (const name of compared) {
        const expected = theirs.get(name)!;
        expect([name, completed(mine.get(name)!, expected)]).toEqual([name, expected]);
      }
    },
  );

  test.each([2, 3] as const)(
    "tells which commands are deprecated, since when and for what, as redis-server 7.0 does, RESP%i",
    async (version) => {
      const ownDocs = await docs(ours.port, version);
      const known = new Set(argumentsIn(ownDocs).keys());
      const theirs = [...notesIn(await docs(redis.port, version))].filter(([name]) => known.has(name));
      expect(theirs.length).toBeGreaterThan(10);
      // "`!GET`" there is the notation of its own sources.
      const wanted = JSON.parse(JSON.stringify(theirs).replaceAll("`!", "`")) as [string, unknown][];
      expect(notesIn(ownDocs)).toEqual(new Map(wanted));
    },
  );
});
