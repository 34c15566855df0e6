/** The largest commands, against real processes: nobody is unseated, nobody waits for long, and nothing larger gets in. */
import { once } from "node:events";
import { connect } from "node:net";
import { createClient } from "redis";
import { afterEach, describe, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import { cleanUp } from "../cli/program.ts";
import type { NodePlace } from "./cluster.ts";
import { leaderOf, pidsOf, startThree, statuses } from "./cluster.ts";

/** As docs/redis-protocol.md states it. */
const COMMAND_MAX_BYTES = 16 * 1024 * 1024;
/** Room for the framing of SET and its key. */
const LARGEST_VALUE = "v".repeat(COMMAND_MAX_BYTES - 100);

const clients: { destroy(): void }[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await cleanUp();
});

async function clientOf({ host, port }: NodePlace) {
  const client = createClient({ url: `redis://${host}:${port}`, socket: { reconnectStrategy: false } });
  client.on("error", () => undefined);
  clients.push(client);
  await client.connect();
  return client;
}

async function termsOf(nodes: readonly NodePlace[]): Promise<readonly (number | undefined)[]> {
  return (await statuses(nodes)).map((status) => status?.groups[0]?.term);
}

describe.each(ALGORITHMS)("%s", (algorithm) => {
  test("the largest commands, through every node, unseat no leader and fail no other client", async () => {
    const nodes = await startThree(algorithm);
    const { term } = await leaderOf(nodes);
    const writers = await Promise.all(nodes.map(clientOf));
    const others = await Promise.all(nodes.map(clientOf));
    let writing = true;
    let answered = 0;
    const load = others.map(async (client, at) => {
      while (writing) {
        await client.incr(`counter:${at}`);
        await client.get(`counter:${at}`);
        answered++;
      }
    });
    for (let round = 0; round < 3; round++) {
      for (const writer of writers) expect(await writer.set("large", LARGEST_VALUE)).toBe("OK");
    }
    // All at once: the bounds of what waits hold them back, and each is carried out.
    await Promise.all(writers.map((writer, at) => writer.set(`large:${at}`, LARGEST_VALUE)));
    writing = false;
    await Promise.all(load);
    expect(answered).toBeGreaterThan(0);
    expect(await termsOf(nodes)).toEqual([term, term, term]);
    expect(await writers[0]?.strLen("large:2")).toBe(LARGEST_VALUE.length);
  }, 120_000);

  test("a command above the limit is refused with TOO_LARGE at every node, and nothing falls over", async () => {
    const nodes = await startThree(algorithm);
    const { term } = await leaderOf(nodes);
    const pids = await pidsOf(nodes);
    for (const node of nodes) {
      expect(await sendHuge(node, 400 * 1024 * 1024)).toMatch(
        /^-ERR the command is larger than the limit of 16777216 bytes\r\n\+PONG\r\n$/,
      );
      const client = await clientOf(node);
      const half = "v".repeat(COMMAND_MAX_BYTES / 2);
      const transaction = client.multi().set("a", half).set("b", half).exec();
      await expect(transaction).rejects.toThrow(/transaction is too large|EXECABORT/);
      await expect(client.publish("channel", LARGEST_VALUE + LARGEST_VALUE)).rejects.toThrow(/larger than/);
      expect(await client.exists(["huge", "a", "b"])).toBe(0);
    }
    expect(await termsOf(nodes)).toEqual([term, term, term]);
    expect(await pidsOf(nodes)).toEqual(pids);
  }, 120_000);
});

/** SET of so many bytes, piece by piece, and PING behind it: what came back. */
async function sendHuge({ host, port }: NodePlace, bytes: number): Promise<string> {
  const socket = connect({ host, port });
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  await once(socket, "connect");
  socket.write(`*3\r\n$3\r\nSET\r\n$4\r\nhuge\r\n$${bytes}\r\n`);
  const piece = Buffer.alloc(1 << 20, "v");
  for (let sent = 0; sent < bytes; sent += piece.length) {
    if (!socket.write(piece)) await once(socket, "drain");
  }
  socket.write("\r\n*1\r\n$4\r\nPING\r\n");
  while (!received.endsWith("+PONG\r\n")) await once(socket, "data");
  socket.destroy();
  return received;
}
