import { once } from "node:events";
import type { Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { createMetrics } from "../../cluster/metrics.ts";
import { keepPlaces } from "./connection-places.ts";

let server: Server;
const sockets: Socket[] = [];
const waiting: ServerResponse[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  waiting.splice(0);
  await new Promise((resolve) => server.close(resolve));
});

/** Answers when the test says so. */
async function serve(max: number): Promise<{ readonly metrics: () => string; readonly told: string[] }> {
  const metrics = createMetrics();
  const told: string[] = [];
  server = createServer((_, response) => waiting.push(response));
  keepPlaces(server, { max, metrics, logger: { log: (_, event) => void told.push(event) } });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { metrics: () => metrics.render(), told };
}

async function open(): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  sockets.push(socket.on("error", () => undefined).resume());
  const accepted = once(server, "connection");
  await Promise.all([once(socket, "connect"), accepted]);
  return socket;
}

async function ask(socket: Socket, requests = 1): Promise<void> {
  const before = waiting.length;
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(requests));
  await vi.waitUntil(() => waiting.length === before + requests, { timeout: 5_000 });
}

async function answer(socket: Socket): Promise<void> {
  const answered = once(socket, "data");
  const response = waiting.shift();
  const closed = once(response as ServerResponse, "close");
  response?.end("done");
  await Promise.all([answered, closed]);
}

/** With a reset or without. */
async function gone(socket: Socket): Promise<void> {
  if (!socket.destroyed) await new Promise<void>((resolve) => socket.once("close", () => resolve()));
}

test("while all are at work, a new connection is closed at once", async () => {
  const { metrics, told } = await serve(2);
  const first = await open();
  await ask(first);
  const second = await open();
  await ask(second);
  await gone(await open());
  await gone(await open());
  expect(metrics()).toContain("quorate_http_connections_refused_total 2");
  expect(metrics()).toContain("quorate_http_connections_displaced_total 0");
  expect(told).toEqual(["http.connections-refused"]);
  await answer(first);
  await answer(second);
  expect([first.destroyed, second.destroyed]).toEqual([false, false]);
});

test("who sent half a request makes place before who is kept alive, and the longest idle first", async () => {
  const { metrics } = await serve(3);
  const keptFirst = await open();
  await ask(keptFirst);
  const keptSecond = await open();
  await ask(keptSecond);
  await answer(keptFirst);
  await answer(keptSecond);
  const half = await open();
  half.write("GET / HT");
  const third = await open();
  await gone(half);
  await ask(third);
  const fourth = await open();
  await gone(keptFirst);
  await ask(fourth);
  await open();
  await gone(keptSecond);
  expect(metrics()).toContain("quorate_http_connections_displaced_total 3");
  expect([third.destroyed, fourth.destroyed]).toEqual([false, false]);
});

test("a connection with several requests is at work until the last is answered", async () => {
  const { metrics } = await serve(1);
  const busy = await open();
  await ask(busy, 2);
  await answer(busy);
  await gone(await open());
  expect(metrics()).toContain("quorate_http_connections_refused_total 1");
  await answer(busy);
  const next = await open();
  await gone(busy);
  expect(next.destroyed).toBe(false);
});

test("a connection that is closed leaves its place", async () => {
  const { metrics } = await serve(1);
  for (let count = 0; count < 3; count++) {
    const socket = await open();
    socket.destroy();
    await vi.waitUntil(
      () => new Promise<boolean>((done) => server.getConnections((_, open) => done(open === 0))),
      {
        timeout: 5_000,
      },
    );
  }
  expect(metrics()).toMatch(/refused_total 0\n[^]*displaced_total 0|displaced_total 0\n[^]*refused_total 0/);
});
