import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import type { SocketReads } from "./socket-reads.ts";
import { onread, readAccepted } from "./socket-reads.ts";

const shared = Buffer.alloc(64 * 1024);
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A server that keeps what it reads, by connection, and answers `bye` to the end of what a client sends. */
async function listen(): Promise<{
  server: Server;
  open: () => Promise<Socket>;
  texts: string[];
  sockets: Socket[];
}> {
  const texts: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
    const place = texts.push("") - 1;
    const socket = readAccepted(accepted, {
      room: shared,
      took: (_, length) => {
        texts[place] += shared.toString("latin1", 0, length);
      },
    });
    socket.on("end", () => socket.end("bye"));
    socket.on("error", () => socket.destroy());
    sockets.push(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => server.close());
  const open = async (): Promise<Socket> => {
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    ends.push(() => client.destroy());
    await once(client, "connect");
    return client;
  };
  return { server, open, texts, sockets };
}

test("connections that share the buffer do not mix what they read, however much it is", async () => {
  const { server, open, texts } = await listen();
  const clients = [await open(), await open(), await open()];
  const sent = ["a", "b", "c"].map((letter) => `${letter}${"0123456789".repeat(40_000)}${letter}`);
  for (const [index, client] of clients.entries()) client.end(sent[index]!);
  const replies = await Promise.all(clients.map(async (client) => (await once(client, "data"))[0] as Buffer));
  expect(replies.map(String)).toEqual(["bye", "bye", "bye"]);
  expect(texts.toSorted()).toEqual(sent);
  // The server sees that every connection has ended.
  await new Promise((resolve) => server.close(resolve));
});

test("a room that differs from read to read gets the bytes in their order, on both sides of a connection", async () => {
  const sent = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251));
  const gather = (): { got: Buffer; reads: SocketReads } => {
    const got = Buffer.alloc(sent.length + 1);
    let at = 0;
    return {
      got,
      reads: {
        room: () => got.subarray(at, at + 1 + (at % 7_000)),
        took: (_, length) => {
          at += length;
        },
      },
    };
  };
  const [there, here] = [gather(), gather()];
  const server = createServer({ pauseOnConnect: true }, (accepted) => {
    readAccepted(accepted, there.reads).end(sent);
  });
  ends.push(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: "127.0.0.1", onread: onread(here.reads) });
  client.write(sent);
  await once(client, "close");
  expect(here.got.subarray(0, -1).equals(sent)).toBe(true);
  await expect.poll(() => there.got.subarray(0, -1).equals(sent)).toBe(true);
});

test("a paused socket is not read from until it is resumed", async () => {
  const { open, texts, sockets } = await listen();
  const client = await open();
  client.write("one");
  await expect.poll(() => texts[0]).toBe("one");
  sockets[0]!.pause();
  client.write("two");
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(texts[0]).toBe("one");
  sockets[0]!.resume();
  await expect.poll(() => texts[0]).toBe("onetwo");
});

test("a connection knows its addresses, and ends with its client's", async () => {
  const { open, sockets } = await listen();
  const client = await open();
  await expect.poll(() => sockets.length).toBe(1);
  expect([sockets[0]!.remoteAddress, sockets[0]!.remotePort]).toEqual(["127.0.0.1", client.localPort]);
  const closed = new Promise((resolve) => sockets[0]!.once("close", resolve));
  client.resetAndDestroy();
  await closed;
});
