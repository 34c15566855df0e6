/** Who keeps bytes that lie in a room holds it for as long as it looks at them, and no longer. */
import { afterEach, expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { BlockCluster, BlockLog, writerAt } from "./block-cluster.testing.ts";
import { streamBytes } from "./block-store.testing.ts";
import { freeRooms, letGo, reclaimRooms, takeRoom } from "./piece-rooms.ts";

const LENGTH = 300_000;
const rooms = freeRooms();
afterEach(reclaimRooms);

/** A part of the stream of block 1, in a room that its taker still holds. */
function lent(from: number): Bytes {
  const room = takeRoom() as Bytes;
  room.set(streamBytes(1, from, LENGTH));
  return room.subarray(0, LENGTH);
}

/** Over all rooms that nobody holds. */
function scribble(): void {
  const free: Bytes[] = [];
  for (let room = takeRoom(); room !== undefined; room = takeRoom()) free.push(room);
  for (const room of free) {
    room.fill(0xee);
    letGo(room);
  }
}

test("a block's bytes are what was put in, though each room is used again at once", () => {
  const cluster = new BlockCluster(1, ["n1", "n2", "n3"]);
  const writer = writerAt(cluster.node("n1"), new BlockLog(1, ["n1", "n2", "n3"]));
  for (let piece = 0; piece < 8; piece++) {
    const bytes = lent(piece * LENGTH);
    cluster.call("write", (done) => writer.write(bytes, () => done(undefined)));
    letGo(bytes);
    scribble();
    cluster.run(piece);
    scribble();
  }
  cluster.call("finish", (done) => writer.finish(done));
  const content = streamBytes(1, 0, 8 * LENGTH);
  for (const id of cluster.ids) expect(cluster.replicaOf(id, 1)?.equals(content), id).toBe(true);
  expect(freeRooms()).toBe(rooms);
});

test("of a writer that gives up at any moment, every byte that its node wrote is right, and no room is kept", () => {
  for (let moment = 0; moment < 40; moment++) {
    const cluster = new BlockCluster(moment, ["n1", "n2"], { disk: { latencyMs: 10 } });
    const writer = writerAt(cluster.node("n1"), new BlockLog(1, ["n1", "n2"]));
    for (let piece = 0; piece < 4; piece++) {
      const bytes = lent(piece * LENGTH);
      writer.write(bytes, () => undefined);
      letGo(bytes);
    }
    cluster.run(moment);
    writer.abort();
    scribble();
    cluster.run(1_000);
    expect(freeRooms(), `after ${moment} ms`).toBe(rooms);
    const length = cluster.node("n1").store.get(1)?.length ?? 0;
    if (length > 0) expect(cluster.replicaOf("n1", 1)?.equals(streamBytes(1, 0, length))).toBe(true);
  }
});

test("a pipeline that loses a node goes on with what it still has, and keeps no room", () => {
  for (const victim of ["n1", "n2"]) {
    for (let moment = 0; moment < 20; moment++) {
      const cluster = new BlockCluster(moment, ["n1", "n2", "n3"], { disk: { latencyMs: 10 } });
      const log = new BlockLog(1, ["n1", "n2"]);
      const writer = writerAt(cluster.node("n3"), log);
      for (let piece = 0; piece < 4; piece++) {
        const bytes = lent(piece * LENGTH);
        writer.write(bytes, () => undefined);
        letGo(bytes);
        scribble();
      }
      cluster.run(moment);
      cluster.losePower(victim);
      cluster.call("finish", (done) => writer.finish(done));
      expect(log.pipeline).not.toContain(victim);
      const content = streamBytes(1, 0, 4 * LENGTH);
      for (const id of log.pipeline) expect(cluster.replicaOf(id, 1)?.equals(content), id).toBe(true);
      expect(freeRooms()).toBe(rooms);
    }
  }
});
