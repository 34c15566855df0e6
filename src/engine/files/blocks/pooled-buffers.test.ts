/** Who keeps bytes of a pooled buffer retains it for as long as it looks at them, and no longer. */
import { afterEach, expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { BlockCluster, BlockLog, writerAt } from "./block-cluster.testing.ts";
import { streamBytes } from "./block-store.testing.ts";
import { BUFFER_BYTES, freeBuffers, release, reclaimBuffers, takeBuffer } from "./buffer-pool.ts";

const LENGTH = 300_000;
const buffers = freeBuffers();
afterEach(reclaimBuffers);

/** A part of the stream of block 1, in a buffer that is still retained for its taker. */
function lent(from: number, length = LENGTH): Bytes {
  const buffer = takeBuffer() as Bytes;
  buffer.set(streamBytes(1, from, length));
  return buffer.subarray(0, length);
}

/** Over all buffers that nobody retains. */
function scribble(): void {
  const free: Bytes[] = [];
  for (let buffer = takeBuffer(); buffer !== undefined; buffer = takeBuffer()) free.push(buffer);
  for (const buffer of free) {
    buffer.fill(0xee);
    release(buffer);
  }
}

test("a block's bytes are what was put in, in pieces of any length, though each buffer is used again at once", () => {
  const cluster = new BlockCluster(1, ["n1", "n2", "n3"]);
  const writer = writerAt(cluster.node("n1"), new BlockLog(1, ["n1", "n2", "n3"]));
  let length = 0;
  // Together with what is before it, a large one is more than a packet.
  for (const size of [300_000, 200_000, BUFFER_BYTES, 1, 100_000, BUFFER_BYTES, 300_000, 250_000, 900_000]) {
    const bytes = lent(length, size);
    length += size;
    cluster.call("write", (done) => writer.write(bytes, () => done(undefined)));
    release(bytes);
    scribble();
    if (size === 300_000) cluster.run(2);
    scribble();
  }
  cluster.call("finish", (done) => writer.finish(done));
  const content = streamBytes(1, 0, length);
  for (const id of cluster.ids) expect(cluster.replicaOf(id, 1)?.equals(content), id).toBe(true);
  expect(freeBuffers()).toBe(buffers);
});

test("of a writer that gives up at any moment, every byte that its node wrote is right, and no buffer is kept", () => {
  for (let moment = 0; moment < 40; moment++) {
    const cluster = new BlockCluster(moment, ["n1", "n2"], { disk: { latencyMs: 10 } });
    const writer = writerAt(cluster.node("n1"), new BlockLog(1, ["n1", "n2"]));
    for (let piece = 0; piece < 4; piece++) {
      const bytes = lent(piece * LENGTH);
      writer.write(bytes, () => undefined);
      release(bytes);
    }
    cluster.run(moment);
    writer.abort();
    scribble();
    cluster.run(1_000);
    expect(freeBuffers(), `after ${moment} ms`).toBe(buffers);
    const length = cluster.node("n1").store.get(1)?.length ?? 0;
    if (length > 0) expect(cluster.replicaOf("n1", 1)?.equals(streamBytes(1, 0, length))).toBe(true);
  }
});

test("a pipeline that loses a node goes on with what it still has, and keeps no buffer", () => {
  for (const victim of ["n1", "n2"]) {
    for (let moment = 0; moment < 20; moment++) {
      const cluster = new BlockCluster(moment, ["n1", "n2", "n3"], { disk: { latencyMs: 10 } });
      const log = new BlockLog(1, ["n1", "n2"]);
      const writer = writerAt(cluster.node("n3"), log);
      for (let piece = 0; piece < 4; piece++) {
        const bytes = lent(piece * LENGTH);
        writer.write(bytes, () => undefined);
        release(bytes);
        scribble();
      }
      cluster.run(moment);
      cluster.losePower(victim);
      cluster.call("finish", (done) => writer.finish(done));
      expect(log.pipeline).not.toContain(victim);
      const content = streamBytes(1, 0, 4 * LENGTH);
      for (const id of log.pipeline) expect(cluster.replicaOf(id, 1)?.equals(content), id).toBe(true);
      expect(freeBuffers()).toBe(buffers);
    }
  }
});

test("a disk that is full before the first bytes are written costs their writer nothing", () => {
  for (let moment = 0; moment < 10; moment++) {
    const cluster = new BlockCluster(moment, ["n1", "n2", "n3"], { disk: { latencyMs: 10 } });
    const { disk } = cluster.world.machine("n1");
    disk.options.capacityBytes = disk.usedBytes() + 100_000;
    const log = new BlockLog(1, ["n1", "n2"]);
    const writer = writerAt(cluster.node("n1"), log);
    for (let piece = 0; piece < 4; piece++) {
      const bytes = lent(piece * LENGTH);
      writer.write(bytes, () => undefined);
      release(bytes);
      scribble();
    }
    cluster.call("finish", (done) => {
      writer.finish(done);
      scribble();
    });
    expect(log.pipeline).toEqual(["n2"]);
    expect(cluster.replicaOf("n2", 1)?.equals(streamBytes(1, 0, 4 * LENGTH))).toBe(true);
    expect(freeBuffers()).toBe(buffers);
  }
});
