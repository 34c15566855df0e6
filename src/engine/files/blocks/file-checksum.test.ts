import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { BlockCluster, BlockLog, writerAt } from "./block-cluster.testing.ts";
import { streamBytes } from "./block-store.testing.ts";
import { askBlockMd5, fileChecksum, md5OfContent } from "./file-checksum.ts";

test("an empty file has the checksum that HDFS gives it", () => {
  const { algorithm, bytes } = fileChecksum([], 0);
  expect(algorithm).toBe("MD5-of-0MD5-of-0CRC32");
  // The MD5 of 32 zeros, well known from every listing of empty files.
  expect(bytes.toString("hex")).toBe(`${"00".repeat(12)}70bc8f4b72a86921468bf8e8441dce51`);
});

test("the MD5s are hashed with the zeros behind them, as HDFS does; the head tells chunk and block", () => {
  const md5s = [1, 2, 3].map((seed) => md5OfContent(streamBytes(seed, 0, 1000)));
  const one = fileChecksum(md5s.slice(0, 1), 1000);
  const padded = Buffer.concat([md5s[0] as Bytes, Buffer.alloc(16)]);
  expect(one.algorithm).toBe("MD5-of-0MD5-of-512CRC32C");
  expect(one.bytes.subarray(12).toString("hex")).toBe(createHash("md5").update(padded).digest("hex"));
  const three = fileChecksum(md5s, 1024);
  expect(three.algorithm).toBe("MD5-of-2MD5-of-512CRC32C");
  expect(three.bytes.subarray(0, 12).toString("hex")).toBe("000002000000000000000002");
  const gathered = Buffer.concat([...md5s, Buffer.alloc(16)]);
  expect(three.bytes.subarray(12).toString("hex")).toBe(createHash("md5").update(gathered).digest("hex"));
});

test("a node tells the MD5 of its block's checksums; a node without it is passed over", () => {
  const cluster = new BlockCluster(1, ["n1", "n2", "n3"]);
  const writer = writerAt(cluster.node("n1"), new BlockLog(1, ["n1", "n2"]));
  const content = streamBytes(1, 0, 100_001);
  writer.write(content, () => undefined);
  cluster.call("finish", (done) => writer.finish(done));
  const block = { id: 1, stamp: 1, length: 100_001 };
  const { link } = cluster.node("n3");
  const md5 = cluster.call<Bytes>("ask", (done) => askBlockMd5(link, block, ["n3", "n2"], done));
  expect(md5.equals(md5OfContent(content))).toBe(true);
  expect(() => cluster.call("ask", (done) => askBlockMd5(link, block, ["n3"], done))).toThrow("no checksum");
});
