import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Connection, pipeline } from "./connection.ts";

const servers: { server: Server; sockets: Set<Socket> }[] = [];
const connections: Connection[] = [];

/** A node that greets as Redis does and answers GET with what `onGet` says; undefined: it hangs up instead. */
async function fakeNode(onGet: () => string | undefined): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk) => {
      for (const [, name] of chunk.toString("latin1").matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
        const reply = name === "GET" ? onGet() : name === "HELLO" ? "%1\r\n+server\r\n+redis\r\n" : "+OK\r\n";
        if (reply === undefined) socket.destroy();
        else socket.write(reply);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push({ server, sockets });
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function connectTo(...urls: string[]): Connection {
  const connection = new Connection(urls, 0, new AbortController().signal);
  connections.push(connection);
  return connection;
}

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

test("what a node refuses was not carried out, and is tried again until it is done", async () => {
  const replies = ["-CLUSTERDOWN no majority\r\n", "-TRYAGAIN later\r\n", "$2\r\nhi\r\n"];
  const connection = connectTo(await fakeNode(() => replies.shift()));
  expect(await connection.attempt((client) => client.get("a"))).toMatchObject({ type: "refused" });
  expect(await connection.untilDone((client) => client.get("a"))).toBe("hi");
  expect(connection.statistics).toMatchObject({ refused: 2, unknown: 0 });
});

test("a connection lost while waiting leaves the outcome unknown, and the next node is used", async () => {
  const dying = await fakeNode(() => undefined);
  const well = await fakeNode(() => "$2\r\nhi\r\n");
  const connection = connectTo(dying, well);
  expect(await connection.attempt((client) => client.get("a"))).toMatchObject({ type: "unknown" });
  expect(connection.url).toBe(well);
  expect(await connection.attempt((client) => client.get("a"))).toEqual({ type: "done", value: "hi" });
});

test("a node that says that it does not know is believed", async () => {
  const connection = connectTo(await fakeNode(() => "-UNKNOWNOUTCOME no majority confirmed it\r\n"));
  expect(await connection.attempt((client) => client.get("a"))).toMatchObject({ type: "unknown" });
});

test("a node that is not there is passed by, without an unknown outcome", async () => {
  const well = await fakeNode(() => "$2\r\nhi\r\n");
  const connection = connectTo("redis://127.0.0.1:1", well);
  expect(await connection.untilDone((client) => client.get("a"))).toBe("hi");
  expect(connection.statistics.unknown).toBe(0);
});

test("a program's own mistake is not tried again", async () => {
  const connection = connectTo(await fakeNode(() => "-WRONGTYPE Operation against a key\r\n"));
  await expect(connection.untilDone((client) => client.get("a"))).rejects.toThrow(/WRONGTYPE/);
});

test("one failure in a pipeline fails the whole of it, and leaves no rejection behind", async () => {
  const replies = [
    "$1\r\n1\r\n",
    "-CLUSTERDOWN x\r\n",
    "-CLUSTERDOWN y\r\n",
    "$1\r\n1\r\n",
    "$1\r\n2\r\n",
    "$1\r\n3\r\n",
  ];
  const connection = connectTo(await fakeNode(() => replies.shift()));
  const values = await connection.untilDone((client) =>
    pipeline(["a", "b", "c"].map((key) => client.get(key))),
  );
  expect(values).toEqual(["1", "2", "3"]);
});
