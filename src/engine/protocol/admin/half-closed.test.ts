import type { ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { answerBrokenRequests } from "./broken-requests.ts";
import { answerHalfClosed } from "./half-closed.ts";

const NEVER_MS = 60_000;

/** A server that is answered by the test; the function gives what a client gets that sends this and closes its side. */
async function serve(
  silenceMs: number,
  take: (response: ServerResponse, url: string) => void,
): Promise<(text: string) => Promise<string>> {
  const server = createServer((request, response) => take(response, request.url ?? ""));
  answerBrokenRequests(server);
  answerHalfClosed(server, silenceMs);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return async (text) => {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    let answer = "";
    socket.setEncoding("latin1").on("data", (part: string) => (answer += part));
    socket.on("error", () => undefined);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.end(text);
    await closed;
    return answer;
  };
}

/** Answers when the server has heard that the client closed its side. */
function answerBehindEnd(response: ServerResponse, url: string): void {
  const answer = (): void => void setImmediate(() => response.end(`this is ${url}`));
  const { socket } = response;
  if (socket?.readableEnded === false) socket.once("end", answer);
  else answer();
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const statuses = (answer: string): readonly string[] => answer.match(/HTTP\/1\.1 \d+/g) ?? [];

test("a client that closes its side gets the answers to its whole requests, however late, and the end of the connection", async () => {
  const send = await serve(NEVER_MS, answerBehindEnd);
  const one = await send(get("/a"));
  expect(statuses(one)).toEqual(["HTTP/1.1 200"]);
  expect(one).toMatch(/this is \/a$/);
  const two = await send(`${get("/a")}${get("/b")}`);
  expect(statuses(two)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
  expect(two).toMatch(/this is \/a.*this is \/b$/s);
  const upload = await send("PUT /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  expect(upload).toMatch(/this is \/c$/);
});

test("what is broken behind a whole request is answered behind it", async () => {
  const send = await serve(NEVER_MS, answerBehindEnd);
  for (const more of ["extra", "no HTTP at all\r\n\r\n", "GET /half HTTP/1.1\r\nHost"]) {
    const answer = await send(`${get("/a")}${more}`);
    expect(statuses(answer), more).toEqual(["HTTP/1.1 200", "HTTP/1.1 400"]);
    expect(answer, more).toContain("this is /aHTTP/1.1 400");
  }
});

test("who closed his side and is sent nothing for so long counts as gone: what was asked for him ends", async () => {
  let closed: Promise<unknown> | undefined;
  const send = await serve(30, (response) => {
    closed = new Promise((resolve) => response.once("close", resolve));
  });
  expect(await send(get("/never"))).toBe("");
  await closed;
});

test("an answer that goes on is not cut", async () => {
  const send = await serve(500, (response) => {
    let parts = 0;
    const timer = setInterval(() => {
      response.write("part ");
      if (++parts < 60) return;
      clearInterval(timer);
      response.end("end");
    }, 20);
  });
  expect(await send("GET /slow HTTP/1.0\r\n\r\n")).toMatch(/(part ){60}end$/);
});
