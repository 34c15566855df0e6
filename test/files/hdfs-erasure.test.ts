/** A real HDFS of five data nodes: its coded files lie on its disks as ours do on ours, byte for byte, and count as ours do. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import type { Files } from "../../src/client/files/files.ts";
import { codeOf } from "../../src/engine/files/erasure/reed-solomon.ts";
import type { ErasurePolicy } from "../../src/engine/files/namespace/erasure-policy.ts";
import {
  cellLength,
  erasurePolicy,
  groupCapacity,
  groupSpace,
  shardLength,
  shardUnits,
} from "../../src/engine/files/namespace/erasure-policy.ts";
import { erasureCodingPolicy } from "../../src/engine/protocol/webhdfs/policies.ts";
import { lacks } from "../engines.ts";
import type { Hdfs } from "./clients/hdfs.ts";
import { startHdfs } from "./clients/hdfs.ts";

const START_TIMEOUT_MS = 120_000;
const MIB = 1024 * 1024;
const BLOCK_BYTES = 2 * MIB;
const RS32 = erasurePolicy("RS-3-2-1024k") as ErasurePolicy;

/** Shards of one group, parity made by our codec. */
function shardsOf(content: Buffer): Buffer[] {
  const { dataUnits, cellBytes } = RS32;
  const units = shardUnits(RS32, content.length);
  const shards = units.map((unit) => Buffer.alloc(shardLength(RS32, content.length, unit)));
  for (let stripe = 0; stripe * dataUnits * cellBytes < content.length; stripe++) {
    const cells = Array.from({ length: dataUnits }, (_, unit) => {
      const from = (stripe * dataUnits + unit) * cellBytes;
      return [content.subarray(from, from + cellLength(RS32, content.length, stripe, unit))];
    });
    const size = cellLength(RS32, content.length, stripe, dataUnits);
    const parity = [Buffer.alloc(size), Buffer.alloc(size)];
    codeOf(RS32).encode(cells, parity);
    for (const [at, unit] of units.entries()) {
      const bytes = cells[unit]?.[0] ?? parity[unit - dataUnits];
      shards[at]?.set(bytes as Buffer, stripe * cellBytes);
    }
  }
  return shards;
}

/** Byte by byte the same from run to run, and different in every cell. */
function contentOf(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0, state = length; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

describe.skipIf(lacks("hadoop"))("HDFS 3.4.1 with RS-3-2-1024k", () => {
  let hdfs: Hdfs;
  let files: Files;
  const ask = async (method: string, path: string): Promise<unknown> => {
    const answer = await fetch(`http://${hdfs.address}/webhdfs/v1${path}&user.name=root`, { method });
    const text = await answer.text();
    expect(answer.ok, text).toBe(true);
    return text === "" ? undefined : (JSON.parse(text) as unknown);
  };
  /** Block files, by name. */
  const blockFiles = (): Map<string, string> => {
    const all = readdirSync(hdfs.directory, { recursive: true, encoding: "utf8" });
    const files = all.filter((name) => /^blk_-\d+$/.test(basename(name)));
    return new Map(files.map((name) => [basename(name), join(hdfs.directory, name)]));
  };

  beforeAll(async () => {
    hdfs = await startHdfs(5);
    files = connectFiles(`webhdfs://root@${hdfs.address}`);
    await ask("PUT", "/?op=ENABLEECPOLICY&ecpolicy=RS-3-2-1024k");
    await ask("PUT", "/ec?op=MKDIRS");
    await ask("PUT", "/ec?op=SETECPOLICY&ecpolicy=RS-3-2-1024k");
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    files.close();
    await hdfs.close();
  });

  test("names the policy as we do", async () => {
    expect(await ask("GET", "/ec?op=GETECPOLICY")).toEqual(erasureCodingPolicy(RS32.name));
  });

  test.each([10, MIB + 1, 2.5 * MIB, 3 * MIB, 7_654_321])(
    "keeps the shards of a file of %d bytes that we would keep",
    { timeout: 30_000 },
    async (length) => {
      const content = contentOf(length);
      const before = blockFiles();
      await files.writeFile(`/ec/f${length}`, content, { blockSize: BLOCK_BYTES });
      const expected: string[] = [];
      let space = 0;
      const capacity = groupCapacity(RS32, BLOCK_BYTES);
      for (let at = 0; at < length; at += capacity) {
        const group = content.subarray(at, at + capacity);
        expected.push(...shardsOf(group).map((shard) => shard.toString("latin1")));
        space += groupSpace(RS32, group.length);
      }
      const made = [...blockFiles()].filter(([name]) => !before.has(name));
      const found = made.map(([, file]) => readFileSync(file, "latin1"));
      expect(found.length).toBe(expected.length);
      const missing = expected.filter((shard) => !found.includes(shard));
      expect(missing.map((shard) => shard.length)).toEqual([]);
      const summary = await ask("GET", `/ec/f${length}?op=GETCONTENTSUMMARY`);
      expect(summary).toMatchObject({ ContentSummary: { length, spaceConsumed: space } });
    },
  );
});
