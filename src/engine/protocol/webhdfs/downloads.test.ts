/** Downloads of lent memory: whoever is slow, asks for a part, or goes away, nobody gets another one's bytes. */
import type { IncomingMessage } from "node:http";
import { get } from "node:http";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import { createClock } from "../../../runtime/node/clock.ts";
import { streamBytes } from "../../files/blocks/block-store.testing.ts";
import type { FilePart, PieceRead, PieceReader } from "../../files/blocks/piece-reader.ts";
import { ThreadPieceReader } from "../../files/blocks/piece-reader.ts";
import { seededRandom } from "../../group/write-ahead-log/crash-disk.testing.ts";
import type { ServedNode } from "./served-node.testing.ts";
import { serveNode } from "./served-node.testing.ts";

const MIB = 1024 * 1024;
const FILES = 3;
const ROOT = { user: "quorate", groups: [] };
const LENGTH = 9 * MIB + 777;

/** Spoils what comes back: who sends it afterwards sends something else. */
class SpoilingReader implements PieceReader {
  readonly inner = new ThreadPieceReader({ clock: createClock(), logger: { log: () => undefined } });
  out = 0;
  lentMost = 0;

  get lendableBytes(): number {
    return this.inner.lendableBytes;
  }

  read(content: FilePart, checksums: FilePart, mayLend: boolean, done: PieceRead): boolean {
    return this.inner.read(content, checksums, mayLend, (piece) => {
      if (piece?.giveBack === undefined) return done(piece);
      this.out++;
      this.lentMost = Math.max(this.lentMost, this.out);
      const { giveBack } = piece;
      done({
        ...piece,
        giveBack: () => {
          this.out--;
          piece.content.fill(0xdd);
          giveBack();
        },
      });
    });
  }
}

let reader: SpoilingReader;
let served: ServedNode;
beforeEach(async () => {
  reader = new SpoilingReader();
  served = await serveNode({ blockSize: 4 * MIB }, reader, { idleTimeoutMs: 1_000 });
});
afterEach(async () => {
  await served.close();
  await reader.inner.close();
});

async function write(path: string, content: Bytes): Promise<void> {
  const writer = await served.node.files.create(path, ROOT);
  await writer.write(content);
  await writer.close();
}

interface Download {
  readonly file: number;
  readonly offset: number;
  readonly length: number;
  /** Waits so long before it takes more, sometimes. */
  readonly pauseMs: number;
  /** Goes away after so many bytes. */
  readonly leavesAt: number;
}

async function download(at: ServedNode, wanted: Download, contents: readonly Bytes[]): Promise<number> {
  const { file, offset, length, pauseMs, leavesAt } = wanted;
  const { address } = at;
  const parameters = `op=OPEN&data=true&user.name=${ROOT.user}&offset=${offset}&length=${length}`;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`http://${address}/webhdfs/v1/f${file}?${parameters}`, { agent: false }, resolve).on("error", reject);
  });
  expect(response.statusCode).toBe(200);
  let sum = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    const at = offset + sum;
    if (!part.equals(contents[file]!.subarray(at, at + part.length))) return -1;
    sum += part.length;
    if (sum >= leavesAt) break;
    if (pauseMs > 0 && sum % 5 === 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  response.destroy();
  return sum;
}

test("many readers, quick and slow, of all or of parts, some of whom leave early, get what they asked for", async () => {
  const contents = Array.from({ length: FILES }, (_, k) => streamBytes(k + 1, 0, LENGTH));
  for (const [k, content] of contents.entries()) await write(`/f${k}`, content);
  const random = seededRandom(7);
  const below = (limit: number): number => Math.floor(random.float() * limit);
  for (let round = 0; round < 6; round++) {
    const wanted = Array.from({ length: 12 }, (): Download => {
      const offset = below(2) === 0 ? 0 : below(LENGTH);
      const length = below(2) === 0 ? LENGTH - offset : 1 + below(LENGTH - offset);
      const leavesAt = below(3) === 0 ? below(length) : Infinity;
      return { file: below(FILES), offset, length, pauseMs: below(3) === 0 ? 1 : 0, leavesAt };
    });
    const got = await Promise.all(wanted.map((each) => download(served, each, contents)));
    for (const [k, { length, leavesAt }] of wanted.entries()) {
      expect(got[k]).toBeGreaterThanOrEqual(Math.min(length, leavesAt));
    }
  }
  expect(reader.lentMost).toBeGreaterThan(1);
  await expect.poll(() => reader.out).toBe(0);
});

/** Requests on one connection, one behind the other. */
function pipelined(count: number): Socket {
  const [host, port] = served.address.split(":");
  const socket = connect({ host: host ?? "", port: Number(port) });
  const target = `/webhdfs/v1/f?op=OPEN&data=true&user.name=${ROOT.user}`;
  socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(count));
  return socket;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

test("answers of one connection come in the order of its requests, the later ones however long the first one takes", async () => {
  const content = streamBytes(1, 0, LENGTH);
  await write("/f", content);
  const socket = pipelined(3);
  const parts: Buffer[] = [];
  let sum = 0;
  for await (const part of socket as AsyncIterable<Buffer>) {
    parts.push(part);
    sum += part.length;
    // Longer than an answer may stand still, all in all.
    if (sum % 3 === 0) await pause(20);
    if (sum > 3 * LENGTH) break;
  }
  const got = Buffer.concat(parts);
  let at = 0;
  for (let answer = 0; answer < 3; answer++) {
    at = got.indexOf("\r\n\r\n", at) + 4;
    expect(got.subarray(at, at + LENGTH).equals(content)).toBe(true);
    at += LENGTH;
  }
  socket.destroy();
  expect(reader.lentMost).toBeGreaterThan(0);
  await expect.poll(() => reader.out).toBe(0);
});

test("a client that leaves, or stands still, while answers wait for each other leaves nothing lent", async () => {
  await write("/f", streamBytes(1, 0, 3 * LENGTH));
  let most = 0;
  for (const isSilent of [false, true, false, true]) {
    const sockets = Array.from({ length: 3 }, () => pipelined(3).pause());
    for (const socket of sockets) socket.on("error", () => undefined);
    for (let look = 0; look < 10; look++) {
      await pause(20);
      most = Math.max(most, reader.out);
    }
    if (!isSilent) for (const socket of sockets) socket.destroy();
    await expect.poll(() => reader.out, { timeout: 5_000 }).toBe(0);
    for (const socket of sockets) socket.destroy();
  }
  expect(most).toBeGreaterThan(0);
});
