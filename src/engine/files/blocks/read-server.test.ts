import { expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import { TestClock, TestDisk } from "../../group/write-ahead-log/crash-disk.testing.ts";
import { BlockCluster } from "./block-cluster.testing.ts";
import { BlockLink } from "./block-link.ts";
import { readBlock } from "./block-reader.ts";
import type { BlockStore, Outcome, ReadPiece } from "./block-store.ts";
import { streamBytes, sumsBehind } from "./block-store.testing.ts";
import type { BlockFrame } from "./protocol.ts";
import { READ_PIECE_BYTES } from "./protocol.ts";
import { ReadServer } from "./read-server.ts";

test("pieces leave in their order, however they are read, and nothing behind one that failed or is short", () => {
  const content = streamBytes(1, 0, 4 * READ_PIECE_BYTES);
  const cluster = new BlockCluster(1, ["n1"]);
  const failure = new QuorateError("CHECKSUM_MISMATCH", "rot");
  for (const third of ["good", "short", "bad"] as const) {
    const asked: { at: number; length: number; done: Outcome<ReadPiece> }[] = [];
    const store = {
      read: (_id, _stamp, at, length, done) => asked.push({ at, length, done }),
    } satisfies Partial<BlockStore> as unknown as BlockStore;
    const link = new BlockLink({ self: "n1", ...cluster.node("n1").world });
    new ReadServer(link, store);
    const got: Bytes[] = [];
    const damaged: NodeId[] = [];
    let end: { readonly error: QuorateError | undefined } | undefined;
    readBlock(
      link,
      { block: 1, stamp: 1, offset: 0, length: content.length, from: ["n1"] },
      {
        piece(bytes, more) {
          got.push(bytes);
          more();
        },
        damaged: (node) => damaged.push(node),
        end: (error) => (end = { error }),
      },
    );
    const answer = ({ at, length, done }: (typeof asked)[number]): void => {
      const isThird = at === 2 * READ_PIECE_BYTES;
      if (isThird && third === "bad") return done(failure);
      const bytes = content.subarray(at, at + (isThird && third === "short" ? 512 : length));
      const checksums = sumsBehind(NO_BYTES, bytes);
      done(undefined, { bytes, chunks: { offset: at, content: bytes, checksums }, replicaLength: 0 });
    };
    cluster.run(10);
    while (asked.length > 0) {
      for (const each of asked.splice(0).reverse()) answer(each);
      cluster.run(10);
    }
    const length = { good: content.length, short: 2 * READ_PIECE_BYTES + 512, bad: 2 * READ_PIECE_BYTES };
    expect(Buffer.concat(got).equals(content.subarray(0, length[third]))).toBe(true);
    expect(end?.error?.code).toBe(third === "good" ? undefined : "BLOCK_MISSING");
    expect(damaged).toEqual(third === "bad" ? ["n1"] : []);
  }
});

test("a server that is closed waits for no reader that is under way, and takes no other", () => {
  const cluster = new BlockCluster(2, ["n1"]);
  const clock = new TestClock();
  const disk = new TestDisk();
  const link = new BlockLink({ self: "n1", ...cluster.node("n1").world, clock });
  const store = { read: () => undefined } satisfies Partial<BlockStore> as unknown as BlockStore;
  const server = new ReadServer(link, store);
  const answers: BlockFrame[] = [];
  link.on("close", (_, frame) => answers.push(frame));
  const ask = (stream: number): void =>
    link.send("n1", { type: "read", stream, block: 1, minStamp: 1, offset: 0, length: 10_000_000 });
  ask(1);
  clock.run(disk);
  expect(server.size).toBe(1);
  expect(clock.idle).toBe(false);
  server.close();
  ask(2);
  clock.run(disk);
  expect(server.size).toBe(0);
  expect(clock.idle).toBe(true);
  expect(answers).toEqual([
    expect.objectContaining({ stream: 2, failure: expect.objectContaining({ code: "SHUTTING_DOWN" }) }),
  ]);
});
