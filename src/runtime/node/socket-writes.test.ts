import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { afterEach, expect, test, vi } from "vitest";
import { SocketWrites } from "./socket-writes.ts";

const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Both ends of a connection. */
async function connection(): Promise<{ here: Socket; there: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  ends.push(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const accepted = once(server, "connection");
  const there = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [here] = (await accepted) as [Socket];
  ends.push(
    () => there.destroy(),
    () => here.destroy(),
  );
  here.on("error", () => here.destroy());
  there.on("error", () => there.destroy());
  return { here, there };
}

async function contentOf(socket: Socket): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString("latin1");
}

/** Characters of all bytes, so that another encoding or another order shows. */
function text(seed: number, length: number): string {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at++) bytes[at] = Math.imul(at + seed, 2_654_435_761) >>> 24;
  return bytes.toString("latin1");
}

test.each([true, false])(
  "all arrives in its order, whether the client reads or not: direct %s",
  async (isDirect) => {
    const { here, there } = await connection();
    let drained = 0;
    const writes = new SocketWrites(here, isDirect);
    writes.onDrained = () => drained++;
    const texts = [
      text(1, 5),
      text(2, 20_000),
      text(3, 3_000_000),
      text(4, 1),
      text(5, 6_000_000),
      text(6, 300),
    ];
    for (const each of texts) writes.write(each);
    // More than any socket takes while nobody reads.
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(writes.waitingBytes).toBeGreaterThan(100_000);
    expect(drained).toBe(0);
    here.end();
    expect(await contentOf(there)).toBe(texts.join(""));
    expect(writes.waitingBytes).toBe(0);
  },
);

test.each([true, false])(
  "it is told when what waited has left, and again the next time: direct %s",
  async (isDirect) => {
    const { here, there } = await connection();
    const drained: number[] = [];
    const writes = new SocketWrites(here, isDirect);
    writes.onDrained = () => drained.push(writes.waitingBytes);
    writes.write("short");
    await expect.poll(() => writes.waitingBytes).toBe(0);
    expect(drained).toEqual([]);
    for (const times of [1, 2]) {
      there.pause();
      for (let k = 0; k < 10; k++) writes.write(text(k, 4_000_000));
      expect(writes.waitingBytes).toBeGreaterThan(0);
      there.resume();
      await expect.poll(() => drained.length, { timeout: 10_000 }).toBe(times);
      expect(drained.every((bytes) => bytes === 0)).toBe(true);
    }
  },
);

test("small texts that come while something waits are gathered, and leave in their order", async () => {
  const { here, there } = await connection();
  const stream = vi.spyOn(here, "write");
  const writes = new SocketWrites(here);
  let drained = 0;
  writes.onDrained = () => drained++;
  const texts = [text(1, 9_000_000), ...Array.from({ length: 20_000 }, (_, k) => `:${k}\r\n`)];
  for (const each of texts) writes.write(each);
  expect(writes.waitingBytes).toBeGreaterThan(texts.join("").length - 9_000_000);
  expect(stream).toHaveBeenCalledTimes(20_000);
  const content = contentOf(there);
  await expect.poll(() => writes.waitingBytes, { timeout: 5_000 }).toBe(0);
  await expect.poll(() => drained).toBe(1);
  here.end();
  expect(await content).toBe(texts.join(""));
  expect(drained).toBe(1);
});

test("a short text behind a long one that waits is told of when both have left", async () => {
  const { here, there } = await connection();
  const writes = new SocketWrites(here);
  let drained = 0;
  writes.onDrained = () => drained++;
  writes.write(text(1, 9_000_000));
  writes.write("short");
  there.resume();
  await expect.poll(() => drained, { timeout: 5_000 }).toBe(1);
  expect(writes.waitingBytes).toBe(0);
});

test("what the system takes at once does not wait, and costs the stream nothing", async () => {
  const { here, there } = await connection();
  const stream = vi.spyOn(here, "write");
  const writes = new SocketWrites(here);
  const received = once(there, "data");
  writes.write("+PONG\r\n");
  expect(writes.waitingBytes).toBe(0);
  expect(String((await received)[0])).toBe("+PONG\r\n");
  // In a Node.js that does not show what is needed this fails, so that it does not silently become slow.
  expect(stream).not.toHaveBeenCalled();
});

test("a client that leaves while something waits closes the connection, and nothing is told after it", async () => {
  for (const how of ["reset", "destroyed here"] as const) {
    const { here, there } = await connection();
    let drained = 0;
    const writes = new SocketWrites(here);
    writes.onDrained = () => drained++;
    for (let k = 0; k < 3; k++) writes.write(text(k, 4_000_000));
    const closed = new Promise((resolve) => here.once("close", resolve));
    if (how === "reset") there.resetAndDestroy();
    else here.destroy();
    await closed;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(drained).toBe(0);
  }
});

test("a write to a client that has left closes the connection", async () => {
  const { here, there } = await connection();
  const writes = new SocketWrites(here);
  const closed = new Promise((resolve) => here.once("close", resolve));
  there.resetAndDestroy();
  const writing = setInterval(() => {
    if (!here.destroyed) writes.write("hello");
  }, 1);
  await closed;
  clearInterval(writing);
});
