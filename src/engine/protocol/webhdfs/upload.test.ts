import type { Socket } from "node:net";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { QuorateError } from "../../../runtime/errors.ts";
import { freeBuffers } from "../../files/blocks/buffer-pool.ts";
import type { FileWriter } from "../../files/file-system.ts";
import type { Served } from "./served.testing.ts";
import { serveMemory } from "./served.testing.ts";

const MIB = 1024 * 1024;
const SOMEONE = { user: "quorate", groups: [] };
/** No two pieces of it are alike. */
const CONTENT = Buffer.from(Uint32Array.from({ length: 1.25 * MIB }, (_, at) => at * 2_654_435_761).buffer);

const buffers = freeBuffers();
let served: Served;
const clients: Socket[] = [];
beforeEach(async () => {
  served = await serveMemory({ settings: { blockSize: MIB } });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await served.close();
  // Whatever became of the upload.
  await until(() => freeBuffers() === buffers);
});

interface Client {
  readonly socket: Socket;
  /** All that has come so far. */
  readonly answer: () => string;
  readonly ended: Promise<void>;
}

function dial(): Client {
  const [host = "", port = ""] = (served.addresses[0] ?? "").split(":");
  const socket = connect({ port: Number(port), host, allowHalfOpen: true });
  clients.push(socket);
  let text = "";
  socket.on("data", (bytes) => (text += bytes.toString("latin1")));
  socket.on("error", () => undefined);
  const ended = new Promise<void>((resolve) => {
    socket.once("end", resolve);
    socket.once("close", () => resolve());
  });
  return { socket, answer: () => text, ended };
}

const FRAMINGS = ["Content-Length", "chunks"] as const;
type Framing = (typeof FRAMINGS)[number];

function head(target: string, framing: Framing, length: number, more = ""): string {
  const [method, op] = target.startsWith("+") ? ["POST", "APPEND"] : ["PUT", "CREATE"];
  const line = `${method} /webhdfs/v1${target.replace("+", "")}?op=${op}&data=true&user.name=quorate HTTP/1.1`;
  const framed = framing === "chunks" ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`;
  return `${line}\r\nHost: x\r\n${framed}\r\n${more}\r\n`;
}

function chunked(content: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < content.length; at += size) {
    const chunk = content.subarray(at, at + size);
    parts.push(Buffer.from(`${chunk.length.toString(16)};n=${at}\r\n`), chunk, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from("0\r\nChecked: no\r\n\r\n")]);
}

const body = (framing: Framing, content = CONTENT, size = 40_000): Buffer =>
  framing === "chunks" ? chunked(content, size) : content;

async function stored(path: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of await served.files.read(path, SOMEONE)) parts.push(part);
  return Buffer.concat(parts);
}

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { timeout: 10_000, interval: 5 }).toBe(true);
}

async function leavesNothing(path: string): Promise<void> {
  await until(() => served.files.openStreams === 0);
  await expect(served.files.status(path, SOMEONE)).rejects.toThrow(/does not exist/);
}

/** Every writer from now on is changed like that. */
function changeWriters(change: (writer: FileWriter) => void): void {
  const { files } = served;
  const create = files.create.bind(files);
  files.create = async (...args) => {
    const writer = await create(...args);
    change(writer);
    return writer;
  };
}

test.each(FRAMINGS)(
  "a large body with %s arrives whole, wherever its connection cuts it",
  async (framing) => {
    for (const [count, size] of [1, 1_000, 40_000, 3 * MIB].entries()) {
      for (const first of [0, 1, 7, 60_000, 70_000]) {
        const path = `/${count}-${first}`;
        const { socket, answer, ended } = dial();
        const raw = body(framing, CONTENT, size === 1 ? 997 : size);
        socket.write(
          Buffer.concat([Buffer.from(head(path, framing, CONTENT.length)), raw.subarray(0, first)]),
        );
        await until(() => served.files.openStreams === 1);
        for (let at = first; at < raw.length; at += 300_007) socket.write(raw.subarray(at, at + 300_007));
        await ended;
        expect(answer()).toMatch(/^HTTP\/1\.1 201 Created\r\n(.+\r\n)*Connection: close\r\n/);
        expect((await stored(path)).equals(CONTENT)).toBe(true);
      }
    }
  },
);

test.each(FRAMINGS)("a large body with %s is appended to what is there", async (framing) => {
  for (const [path, content] of [
    ["/f", Buffer.from("before")],
    ["+/f", CONTENT],
  ] as const) {
    const { socket, answer } = dial();
    socket.write(head(path, framing, content.length));
    socket.write(body(framing, content));
    await until(() => /^HTTP\/1\.1 20[01] /.test(answer()));
  }
  expect((await stored("/f")).equals(Buffer.concat([Buffer.from("before"), CONTENT]))).toBe(true);
});

test.each(FRAMINGS)(
  "a connection is kept behind a small body with %s, and serves large ones",
  async (framing) => {
    const { socket, answer, ended } = dial();
    const small = CONTENT.subarray(0, 900_000);
    for (const path of ["/a", "/b"]) {
      socket.write(Buffer.concat([Buffer.from(head(path, framing, small.length)), body(framing, small)]));
      await until(() => answer().includes(path));
      expect((await stored(path)).equals(small)).toBe(true);
    }
    socket.write(Buffer.concat([Buffer.from(head("/c", framing, CONTENT.length)), body(framing)]));
    await ended;
    expect(answer().match(/HTTP\/1\.1 201 /g)).toHaveLength(3);
    expect((await stored("/c")).equals(CONTENT)).toBe(true);
  },
);

test.each(FRAMINGS)("what follows a large body with %s is no request", async (framing) => {
  const { socket, answer, ended } = dial();
  const next = "PUT /webhdfs/v1/smuggled?op=MKDIRS&user.name=quorate HTTP/1.1\r\nHost: x\r\n\r\n";
  socket.write(Buffer.concat([Buffer.from(head("/f", framing, CONTENT.length)), body(framing)]));
  socket.write(next);
  await ended;
  expect(answer().match(/HTTP\/1\.1 /g)).toHaveLength(1);
  expect((await stored("/f")).equals(CONTENT)).toBe(true);
  await leavesNothing("/smuggled");
});

test.each(FRAMINGS)(
  "who expects 100 Continue sends a large body with %s when it was told to",
  async (framing) => {
    const { socket, answer, ended } = dial();
    socket.write(head("/f", framing, CONTENT.length, "Expect: 100-continue\r\n"));
    await until(() => answer() === "HTTP/1.1 100 Continue\r\n\r\n");
    socket.write(body(framing));
    await ended;
    expect(answer()).toMatch(/ 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
    expect((await stored("/f")).equals(CONTENT)).toBe(true);
  },
);

test.each(FRAMINGS)(
  "a large body with %s that breaks off leaves nothing, and who still listens is told",
  async (framing) => {
    for (const ending of ["destroy", "end"] as const) {
      let taken = 0;
      changeWriters((writer) => {
        const write = writer.write.bind(writer);
        writer.write = (bytes) => {
          taken += bytes.length;
          return write(bytes);
        };
      });
      const { socket, answer, ended } = dial();
      socket.write(head("/half", framing, CONTENT.length));
      socket.write(body(framing).subarray(0, 4 * MIB));
      await until(() => taken > 2 * MIB);
      socket[ending]();
      await leavesNothing("/half");
      await ended;
      if (ending === "end") expect(answer()).toMatch(/^HTTP\/1\.1 400 [^]*IllegalArgumentException/);
    }
  },
);

test.each(FRAMINGS)(
  "a large body with %s in which nothing moves is ended, and leaves nothing",
  async (framing) => {
    await served.close();
    served = await serveMemory({ door: { idleTimeoutMs: 100 } });
    const { socket, ended } = dial();
    socket.write(head("/idle", framing, CONTENT.length));
    socket.write(body(framing).subarray(0, 3 * MIB));
    await ended;
    await leavesNothing("/idle");
  },
);

test("what is no chunk, far into a body, is refused, and nothing of it is left", async () => {
  const { socket, answer, ended } = dial();
  const raw = chunked(CONTENT, 40_000).subarray(0, 100 * 40_000);
  socket.write(Buffer.concat([Buffer.from(head("/bad", "chunks", 0)), raw, CONTENT.subarray(0, 80_000)]));
  await ended;
  expect(answer()).toMatch(/^HTTP\/1\.1 400 [^]*x-quorate-error: PROTOCOL[^]*this is no body in chunks/);
  await leavesNothing("/bad");
});

test.each(FRAMINGS)(
  "a client that reads only when it has sent a large body with %s sees why it was refused",
  async (framing) => {
    for (const where of ["before the body", "in its middle"]) {
      if (where === "in its middle") {
        changeWriters((writer) => {
          writer.write = () => Promise.reject(new QuorateError("NO_TARGETS", "no node is left"));
        });
      }
      const { socket, answer, ended } = dial();
      const path = where === "in its middle" ? "/f" : "/f/../..";
      socket.pause();
      socket.write(head(path, framing, 4 * CONTENT.length));
      const four = Buffer.concat([CONTENT, CONTENT, CONTENT, CONTENT]);
      await new Promise((resolve) => socket.write(body(framing, four), resolve));
      socket.resume();
      await until(() => answer().includes("RemoteException"));
      expect(answer()).toMatch(where === "in its middle" ? /no node is left/ : /^HTTP\/1\.1 400 /);
      socket.end();
      await ended;
      await leavesNothing("/f");
    }
  },
);

test.each(FRAMINGS)("a large body with %s waits in the client while its writer is busy", async (framing) => {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  changeWriters((writer) => {
    const write = writer.write.bind(writer);
    writer.write = (bytes) => gate.then(() => write(bytes));
  });
  const { socket, answer, ended } = dial();
  const content = Buffer.alloc(100 * MIB, CONTENT);
  const raw = body(framing, content, 1 << 20);
  let flushed = 0;
  socket.write(head("/slow", framing, content.length));
  for (let at = 0; at < raw.length; at += 64 * 1024) {
    const part = raw.subarray(at, at + 64 * 1024);
    socket.write(part, () => (flushed += part.length));
  }
  // Until nothing moves: what was taken by then is in the buffers of the system, and in ours.
  for (let before = -1; before !== flushed;) {
    before = flushed;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(flushed).toBeLessThan(40 * MIB);
  expect(answer()).toBe("");
  open();
  await ended;
  expect((await stored("/slow")).equals(content)).toBe(true);
});

test.each(FRAMINGS)(
  "the end of a large body with %s is not lost on a writer that is slow, whatever the client does behind it",
  async (framing) => {
    for (const [path, behind] of [
      ["/junk", (socket: Socket) => socket.write(Buffer.alloc(100_000, "x"))],
      ["/ended", (socket: Socket) => socket.end()],
      ["/gone", (socket: Socket) => socket.destroy()],
    ] as const) {
      let open: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (open = resolve));
      let isAsked = false;
      let isClosed = false;
      changeWriters((writer) => {
        const write = writer.write.bind(writer);
        writer.write = (bytes) => {
          isAsked = true;
          return gate.then(() => write(bytes));
        };
        const close = writer.close.bind(writer);
        writer.close = async () => {
          isClosed = true;
          return close();
        };
      });
      const { socket } = dial();
      // Less than is read ahead of the writer: the client is rid of all of it.
      const content = CONTENT.subarray(0, 2 * MIB + 12_345);
      socket.write(head(path, framing, content.length));
      await new Promise((resolve) => socket.write(body(framing, content), resolve));
      await until(() => isAsked);
      behind(socket);
      await new Promise((resolve) => setTimeout(resolve, 100));
      open();
      await until(() => isClosed && served.files.openStreams === 0);
      expect((await stored(path)).equals(content), path).toBe(true);
    }
  },
);

test("what still comes of a refused body is in no other upload", async () => {
  let refuse: () => void = () => undefined;
  const refused = new Promise<void>((resolve) => (refuse = resolve));
  let isAsked = false;
  const create = served.files.create.bind(served.files);
  changeWriters((writer) => {
    writer.write = async () => {
      isAsked = true;
      await refused;
      throw new QuorateError("NO_TARGETS", "no node is left");
    };
  });
  const first = dial();
  first.socket.write(head("/refused", "Content-Length", CONTENT.length));
  first.socket.write(CONTENT.subarray(0, 2_200_000));
  await until(() => isAsked && first.socket.writableLength === 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  refuse();
  await until(() => served.files.openStreams === 0);

  served.files.create = create;
  const second = dial();
  const content = CONTENT.subarray(2 * MIB);
  second.socket.write(head("/f", "Content-Length", content.length));
  second.socket.write(content.subarray(0, 700_000));
  await until(() => served.files.openStreams === 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  // It comes where the first one's next bytes belonged.
  first.socket.write(CONTENT.subarray(2_200_000, 2_300_000));
  await new Promise((resolve) => setTimeout(resolve, 100));
  second.socket.write(content.subarray(700_000));
  await second.ended;
  // Nor does it keep a buffer for as long as it comes.
  await expect.poll(freeBuffers, { timeout: 1_000 }).toBe(buffers);
  expect((await stored("/f")).equals(content)).toBe(true);
});

test.each(FRAMINGS)(
  "a server that closes its connections closes that of a large body with %s",
  async (framing) => {
    const { socket, ended } = dial();
    socket.write(head("/f", framing, CONTENT.length));
    socket.write(body(framing).subarray(0, 3 * MIB));
    await until(() => served.files.openStreams === 1);
    await served.close();
    await ended;
    await leavesNothing("/f");
    served = await serveMemory();
  },
);

test.each(["useUserBuffer", "getCurrentBuffer"])(
  "uploads are served without %s of Node.js, too",
  async (name) => {
    served.servers[0]?.on("connection", (socket) => {
      const { _handle: handle, parser } = socket as unknown as { _handle: object; parser: object };
      const owner = name === "useUserBuffer" ? handle : parser;
      expect(owner).toHaveProperty(name);
      Object.defineProperty(owner, name, { value: undefined, configurable: true });
    });
    const { socket, answer } = dial();
    socket.write(Buffer.concat([Buffer.from(head("/f", "chunks", 0)), body("chunks")]));
    await until(() => answer().includes("HTTP/1.1 201 "));
    expect(answer()).not.toContain("Connection: close");
    expect((await stored("/f")).equals(CONTENT)).toBe(true);
  },
);
