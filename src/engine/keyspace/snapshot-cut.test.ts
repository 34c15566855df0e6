import { expect, test } from "vitest";
import type { Bytes } from "../../runtime/bytes.ts";
import { concatBytes } from "../../runtime/bytes.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { TestKeyspace } from "./keyspace.testing.ts";
import { testKeyspace } from "./keyspace.testing.ts";
import { PART, recordsOf } from "./snapshot-format.ts";

/** Each collection takes more than a megabyte. */
const ELEMENTS = 12_000;

function withLargeCollections(): TestKeyspace {
  const keyspace = testKeyspace();
  keyspace.run("SET before 1");
  const names = Array.from({ length: ELEMENTS }, (_, n) => `element:${n}`);
  keyspace.run("HSET", "hash", ...names.flatMap((name, n) => [name, `value:${n}`]));
  keyspace.run("ZADD", "zset", ...names.flatMap((name, n) => [String(n % 77), name]));
  keyspace.run("SADD", "set", ...names);
  keyspace.run("RPUSH", "list", ...names);
  keyspace.run("SADD", "untouched", ...names);
  keyspace.run(
    "SET",
    "string",
    Array.from({ length: 1 << 20 }, (_, n) => String.fromCharCode(n & 255)).join(""),
  );
  keyspace.run("SET after 2");
  return keyspace;
}

function whole(keyspace: TestKeyspace): Bytes {
  const cut = keyspace.machine.snapshot();
  const chunks: Bytes[] = [];
  for (let bytes = cut.next(1 << 20); bytes !== undefined; bytes = cut.next(1 << 20)) chunks.push(bytes);
  return concatBytes(chunks);
}

/** Every way in which a collection changes, in place or as a whole. */
const CHANGES: readonly string[] = [
  "HSET hash element:7 changed",
  "HSET hash new field",
  "HDEL hash element:0",
  "ZADD zset 1000 element:5",
  "ZREM zset element:11999",
  "ZADD zset 5 new",
  "SREM set element:3",
  "SADD set new",
  "LPUSH list first",
  "RPOP list",
  "LSET list 500 changed",
  "LINSERT list BEFORE element:900 inserted",
  "LTRIM list 100 5000",
  "RENAME hash renamed",
  "COPY zset copied",
  "DEL set",
  "SET list string",
  "APPEND string end",
  "SET after changed",
  "DEL before",
];

test("a large value is written in parts, and is read back whole", () => {
  const keyspace = withLargeCollections();
  const snapshot = whole(keyspace);
  const parts = [...recordsOf([snapshot])].filter((record) => record[0] === PART);
  expect(parts.length).toBeGreaterThan(5 * 3 + 32);
  for (const part of parts) expect(part.length).toBeLessThan(40 * 1024);
  const restored = testKeyspace();
  restored.machine.restore([snapshot]);
  expect(whole(restored).equals(snapshot)).toBe(true);
});

test.each([0, 1, 5, 9, 17, 60])(
  "a snapshot holds the moment it was begun, whatever changes after %i of its slices",
  (slices) => {
    const keyspace = withLargeCollections();
    const moment = whole(keyspace);
    const cut = keyspace.machine.snapshot();
    const chunks: Bytes[] = [];
    const read = (): boolean => {
      const bytes = cut.next(32 * 1024);
      if (bytes !== undefined) chunks.push(bytes);
      return bytes !== undefined;
    };
    for (let n = 0; n < slices; n++) read();
    for (const change of CHANGES) {
      expect(keyspace.run(change)).not.toBeInstanceOf(Error);
      read();
    }
    while (read());
    const restored = testKeyspace();
    restored.machine.restore(chunks);
    expect(whole(restored).equals(moment)).toBe(true);
  },
);

test("keys that come to be while a snapshot is taken have not come to be in it, in any database", () => {
  const keyspace = testKeyspace();
  for (const database of [0, 1, 7]) {
    keyspace.database = database;
    keyspace.run("SET before 1");
  }
  const moment = whole(keyspace);
  const cut = keyspace.machine.snapshot();
  for (const database of [0, 1, 7]) {
    keyspace.database = database;
    keyspace.run("SET after 1");
    keyspace.run("SWAPDB 0 1");
  }
  const chunks: Bytes[] = [];
  for (let bytes = cut.next(100); bytes !== undefined; bytes = cut.next(100)) chunks.push(bytes);
  const restored = testKeyspace();
  restored.machine.restore(chunks);
  expect(whole(restored).equals(moment)).toBe(true);
});

test("the parts of a collection must all be there", () => {
  const records = [...recordsOf([whole(withLargeCollections())])];
  const framed = (record: Bytes): Bytes => new ByteWriter().bytes(record).take();
  const firstPart = records.findIndex((record) => record[0] === PART);
  const without = records.filter((_, at) => at !== firstPart + 2);
  const bytes = concatBytes(without.map(framed));
  expect(() => testKeyspace().machine.restore([bytes])).toThrow(/snapshot/);
});
