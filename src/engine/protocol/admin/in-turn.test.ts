import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inTurn } from "./in-turn.ts";

let taken: string[];
let answers: ServerResponse[];
const server = createServer((request, response) => {
  inTurn(request, response, () => {
    taken.push(request.url ?? "");
    answers.push(response);
  });
});
let socket: Socket;
beforeEach(async () => {
  [taken, answers] = [[], []];
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => undefined);
});
afterEach(async () => {
  socket.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const requests = (count: number, from = 0): string =>
  Array.from({ length: count }, (_, k) => `GET /${from + k} HTTP/1.1\r\nHost: x\r\n\r\n`).join("");

test("a request is taken when those before it are answered, on its connection only", async () => {
  socket.write(requests(3));
  const other = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await expect.poll(() => taken).toEqual(["/0"]);
  other.write(requests(1, 9));
  await expect.poll(() => taken).toEqual(["/0", "/9"]);
  answers[0]?.end("first");
  await expect.poll(() => taken).toEqual(["/0", "/9", "/1"]);
  answers[2]?.end("second");
  await expect.poll(() => taken).toEqual(["/0", "/9", "/1", "/2"]);
  other.destroy();
  let got = "";
  socket.on("data", (part: Buffer) => (got += part.toString()));
  answers[3]?.end("third");
  await expect.poll(() => got.match(/first|second|third/g)).toEqual(["first", "second", "third"]);
});

test("what waits when its client leaves is never taken; who sends more than may wait is cut off", async () => {
  socket.write(requests(3));
  await expect.poll(() => taken).toEqual(["/0"]);
  socket.destroy();
  await expect.poll(() => answers[0]?.destroyed).toBe(true);
  const flood = connect((server.address() as AddressInfo).port, "127.0.0.1");
  flood.on("error", () => undefined);
  flood.write(requests(65, 100));
  await expect.poll(() => taken).toEqual(["/0", "/100"]);
  expect(flood.destroyed).toBe(false);
  flood.write(requests(1, 165));
  await once(flood, "close");
  expect(taken).toEqual(["/0", "/100"]);
});
