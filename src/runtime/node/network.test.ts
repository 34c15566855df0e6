import { createServer, connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { LogFields, Logger } from "../world.ts";
import { createClock } from "./clock.ts";
import type { TcpNetwork, TcpNetworkOptions } from "./network.ts";
import { openTcpNetwork } from "./network.ts";
import { createRandom } from "./random.ts";

interface Station {
  readonly network: TcpNetwork;
  readonly frames: { readonly from: string; readonly text: string }[];
  readonly links: string[];
  readonly logged: { readonly event: string; readonly fields: LogFields }[];
  readonly up: Set<string>;
}

const stations: Station[] = [];

async function station(id: string, options: Partial<TcpNetworkOptions> = {}): Promise<Station> {
  const logged: Station["logged"] = [];
  const logger: Logger = { log: (_level, event, fields = {}) => void logged.push({ event, fields }) };
  const network = await openTcpNetwork({
    id,
    clusterId: "test",
    port: 0,
    clock: createClock(),
    random: createRandom(),
    logger,
    ...options,
  });
  const made: Station = { network, frames: [], links: [], logged, up: new Set() };
  network.onFrame((from, frame) => made.frames.push({ from, text: frame.toString("latin1") }));
  network.onLink((peer, up) => {
    made.links.push(`${peer} ${up ? "up" : "down"}`);
    if (up) made.up.add(peer);
    else made.up.delete(peer);
  });
  stations.push(made);
  return made;
}

function introduce(all: Readonly<Record<string, Station>>): void {
  const peers = new Map(Object.entries(all).map(([id, { network }]) => [id, `127.0.0.1:${network.port}`]));
  for (const each of Object.values(all)) each.network.setPeers(peers);
}

async function until(condition: () => boolean, what: string, withinMs = 8000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const bytes = (text: string): Uint8Array[] => [Buffer.from(text)];
const address = (network: TcpNetwork): string => `127.0.0.1:${network.port}`;

afterEach(async () => {
  for (const { network } of stations) network.close();
  await Promise.all(stations.map(({ network }) => network.closed));
  stations.length = 0;
});

test("three nodes that all dial at once settle on one link per pair and reach each other", async () => {
  const all = { a: await station("a"), b: await station("b"), c: await station("c") };
  introduce(all);
  const everyone = Object.values(all);
  await until(() => everyone.every(({ up }) => up.size === 2), "all links up");
  for (const from of ["a", "b", "c"] as const) {
    for (const to of ["a", "b", "c"]) {
      if (from !== to) all[from].network.send(to, bytes(`${from}>${to}`));
    }
  }
  await until(() => everyone.every(({ frames }) => frames.length === 2), "all frames");
  expect(all.b.frames.map(({ from, text }) => `${from}:${text}`).sort()).toEqual(["a:a>b", "c:c>b"]);
  // One connection per pair: no link was replaced or lost on the way.
  for (const { links, network } of everyone) {
    expect(links.filter((line) => line.endsWith("down"))).toEqual([]);
    expect(network.stats().linksUp).toBe(2);
  }
});

test("crossing dials never leave a pair without a link or with two", async () => {
  for (let round = 0; round < 25; round++) {
    const pair = { a: await station("a"), b: await station("b") };
    introduce(pair);
    await until(() => pair.a.up.has("b") && pair.b.up.has("a"), `round ${round}`);
    pair.a.network.send("b", bytes("x"));
    pair.b.network.send("a", bytes("y"));
    await until(() => pair.a.frames.length === 1 && pair.b.frames.length === 1, `frames of round ${round}`);
    pair.a.network.close();
    pair.b.network.close();
    await Promise.all([pair.a.network.closed, pair.b.network.closed]);
  }
});

test("parts arrive as one frame, in order, large and small", async () => {
  const pair = { a: await station("a"), b: await station("b") };
  introduce(pair);
  await until(() => pair.a.up.has("b"), "link");
  const large = Buffer.alloc(3_000_000, "L");
  pair.a.network.send("b", [Buffer.from("he"), Buffer.from("llo")]);
  pair.a.network.send("b", [Buffer.from("<"), large, Buffer.from(">")]);
  pair.a.network.send("b", bytes("end"));
  expect(pair.a.network.queuedBytes("b")).toBeGreaterThan(3_000_000);
  await until(() => pair.b.frames.length === 3, "frames");
  expect(pair.b.frames[0]?.text).toBe("hello");
  expect(pair.b.frames[1]?.text.length).toBe(3_000_002);
  expect(pair.b.frames[2]?.text).toBe("end");
  await until(() => pair.a.network.queuedBytes("b") === 0, "drained");
});

test("a peer that goes away is noticed at once, and its return brings the link back without being asked", async () => {
  const a = await station("a");
  const first = await station("b");
  introduce({ a, b: first });
  await until(() => a.up.has("b"), "link");
  first.network.close();
  await until(() => !a.up.has("b"), "loss noticed", 1000);
  a.network.send("b", bytes("into the void"));
  await first.network.closed;
  const second = await station("b", { port: first.network.port });
  // Only a dials: b does not know where a is.
  await until(() => a.up.has("b"), "link again");
  a.network.send("b", bytes("again"));
  await until(() => second.frames.length === 1, "frame");
  expect(second.frames).toEqual([{ from: "a", text: "again" }]);
  expect(a.links).toEqual(["b up", "b down", "b up"]);
});

test("whoever is told that a link broke is told when it stands again, however soon a node is started again", async () => {
  const a = await station("a");
  let b = await station("b");
  const told: string[] = [];
  for (let round = 0; round < 20; round++) {
    // Both dial, and a finds the port closed or open, with and without a link that still looks whole.
    introduce({ a, b });
    await until(() => a.up.has("b") && b.up.has("a"), `both know of round ${round}`);
    a.network.send("b", bytes("x"));
    b.network.send("a", bytes("y"));
    await until(() => a.frames.length > round && b.frames.length === 1, `frames of round ${round}`);
    expect([a.network.stats().linksUp, b.network.stats().linksUp]).toEqual([1, 1]);
    const { port, closed } = b.network;
    const { links } = b;
    b.network.close();
    await closed;
    told.push(...links);
    b = await station("b", { port });
  }
  for (const links of [a.links, told]) {
    expect(links.filter((line, at) => line.endsWith(at % 2 === 0 ? "down" : "up"))).toEqual([]);
  }
});

test("a restarted peer replaces the half-open link of its former self", async () => {
  const a = await station("a");
  const first = await station("b");
  introduce({ a, b: first });
  await until(() => a.up.has("b"), "link");
  // The same id with another incarnation while the old link still looks open, as after a power cut.
  const second = await station("b");
  second.network.setPeers(new Map([["a", address(a.network)]]));
  await until(() => second.up.has("a") && a.links.length >= 3, "replaced");
  expect(a.links.slice(0, 3)).toEqual(["b up", "b down", "b up"]);
});

test.each([
  ["cluster", { clusterId: "other" }, /cluster "(test|other)" met cluster/],
  ["secret", { secret: "guess" }, /secret differs/],
] as const)(
  "a node of another %s is refused with one clear line on both sides",
  async (_what, options, line) => {
    const a = await station("a", { secret: "right" });
    const b = await station("b", { secret: "right", ...options });
    b.network.setPeers(new Map([["a", address(a.network)]]));
    await until(() => a.logged.length > 0 && b.logged.length > 0, "complaints");
    for (const side of [a, b]) {
      expect(side.logged.map(({ event }) => event)).toEqual(["peer.rejected"]);
      expect(side.logged[0]?.fields["reason"]).toMatch(line);
      expect(side.links).toEqual([]);
    }
  },
);

test("a port where another node answers is not taken for the one that was meant", async () => {
  const a = await station("a");
  const b = await station("b");
  a.network.setPeers(new Map([["c", address(b.network)]]));
  await until(() => a.logged.length > 0, "complaint");
  expect(a.logged[0]?.fields["reason"]).toBe('"c" was called, "b" answers here');
  expect(a.links).toEqual([]);
});

async function stranger(port: number, sent: Buffer): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(sent);
  await new Promise((resolve) => socket.once("close", resolve));
  return socket;
}

test("garbage on the peer port is closed with a log line and harms nobody", async () => {
  const pair = { a: await station("a"), b: await station("b") };
  introduce(pair);
  await until(() => pair.a.up.has("b"), "link");
  await stranger(pair.a.network.port, Buffer.from("GET / HTTP/1.1\r\n\r\n"));
  await stranger(pair.a.network.port, Buffer.concat([Buffer.from("QRT\n"), Buffer.alloc(64, 0xff)]));
  expect(pair.a.logged.filter(({ event }) => event === "peer.garbage")).toHaveLength(2);
  pair.b.network.send("a", bytes("still here"));
  await until(() => pair.a.frames.length === 1, "frame");
});

test("a receiver that calls a frame malformed loses the link, not the process", async () => {
  const pair = { a: await station("a"), b: await station("b") };
  introduce(pair);
  await until(() => pair.a.up.has("b"), "link");
  const { QuorateError } = await import("../errors.ts");
  pair.b.network.onFrame(() => {
    throw new QuorateError("PROTOCOL", "not a message");
  });
  pair.a.network.send("b", bytes("???"));
  await until(() => pair.b.logged.some(({ event }) => event === "peer.garbage"), "complaint");
  await until(() => pair.a.up.has("b") && pair.a.links.length === 3, "dialled again");
});

test("frames to a peer that does not read are dropped beyond the bound, and one larger than it passes alone", async () => {
  const a = await station("a", { queueMaxBytes: 1_000_000 });
  const b = await station("b");
  introduce({ a, b });
  await until(() => a.up.has("b"), "link");
  const piece = Buffer.alloc(300_000);
  for (let count = 0; count < 10; count++) a.network.send("b", [piece]);
  expect(a.network.queuedBytes("b")).toBeLessThanOrEqual(1_000_100);
  expect(a.network.stats().droppedFrames).toBe(7);
  expect(a.logged.filter(({ event }) => event === "peer.slow")).toHaveLength(1);
  await until(() => b.frames.length === 3, "what fitted");
  a.network.send("b", [Buffer.alloc(5_000_000)]);
  await until(() => b.frames.length === 4, "the large one");
});

test("a peer that is removed is hung up on, and is dialled again when it is named again", async () => {
  const pair = { a: await station("a"), b: await station("b") };
  pair.a.network.setPeers(new Map([["b", address(pair.b.network)]]));
  await until(() => pair.a.up.has("b") && pair.b.up.has("a"), "link");
  pair.a.network.setPeers(new Map());
  expect(pair.a.up.has("b")).toBe(false);
  await until(() => !pair.b.up.has("a"), "loss");
  pair.a.network.setPeers(new Map([["b", address(pair.b.network)]]));
  await until(() => pair.b.up.has("a"), "link again");
});

test("a port in use is one clear error", async () => {
  const a = await station("a");
  await expect(station("b", { port: a.network.port })).rejects.toMatchObject({ code: "PORT_IN_USE" });
});

test("an address that nobody answers is tried again with growing patience, not in a tight loop", async () => {
  let dials = 0;
  const hangUp = createServer((socket) => {
    dials++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => hangUp.listen(0, "127.0.0.1", resolve));
  const a = await station("a");
  a.network.setPeers(new Map([["b", `127.0.0.1:${(hangUp.address() as AddressInfo).port}`]]));
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(dials).toBeGreaterThan(3);
  expect(dials).toBeLessThan(14);
  await new Promise((resolve) => hangUp.close(resolve));
});

test("a hundred thousand small frames arrive once each and in order", async () => {
  const pair = { a: await station("a"), b: await station("b") };
  introduce(pair);
  await until(() => pair.a.up.has("b"), "link");
  const total = 100_000;
  let next = 0;
  let wrong = 0;
  pair.b.network.onFrame((_from, frame) => {
    if (frame.readUInt32LE(0) !== next++) wrong++;
  });
  for (let count = 0; count < total;) {
    for (let burst = 0; burst < 500; burst++, count++) {
      const frame = Buffer.alloc(100);
      frame.writeUInt32LE(count, 0);
      pair.a.network.send("b", [frame]);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => next === total, "all frames");
  expect(wrong).toBe(0);
});

test("a closed network leaves no socket and no timer behind", async () => {
  const open = (): string[] => process.getActiveResourcesInfo().filter((name) => /^TCP|^Timeout/.test(name));
  await until(() => !open().some((name) => name.startsWith("TCP")), "the sockets of earlier tests gone");
  const before = open().length;
  const pair = { a: await station("a"), b: await station("b"), c: await station("c") };
  introduce(pair);
  pair.c.network.setPeers(new Map([["away", "127.0.0.1:9"]]));
  await until(() => pair.a.up.has("b") && pair.b.up.has("a"), "link");
  expect(open().length).toBeGreaterThan(before);
  for (const { network } of Object.values(pair)) network.close();
  await Promise.all(Object.values(pair).map(({ network }) => network.closed));
  await new Promise((resolve) => setImmediate(resolve));
  expect(open().length).toBeLessThanOrEqual(before);
});

test("while a large frame is on its way, both sides hear that the other lives", async () => {
  const [a, b] = [await station("a"), await station("b")];
  const arriving: string[] = [];
  a.network.onArriving((peer) => arriving.push(`a hears ${peer}`));
  b.network.onArriving((peer) => arriving.push(`b hears ${peer}`));
  introduce({ a, b });
  await until(() => a.up.has("b") && b.up.has("a"), "the link");
  a.network.send("b", [Buffer.alloc(32 << 20)]);
  await until(() => b.frames.length === 1, "the frame");
  await until(() => arriving.includes("a hears b") && arriving.includes("b hears a"), "the signs of life");
});

test("planes share a port and nothing else: each reaches its own, and one that is stuck holds none up", async () => {
  const [a, b] = [await station("a"), await station("b")];
  const planeOf = ({ network }: Station): Station => {
    const plane = network.plane({ name: "blocks", queueMaxBytes: 10_000 });
    const made: Station = { network: plane, frames: [], links: [], logged: [], up: new Set() };
    plane.onFrame((from, frame) => made.frames.push({ from, text: frame.toString("latin1") }));
    plane.onLink((peer, up) => void (up ? made.up.add(peer) : made.up.delete(peer)));
    stations.push(made);
    return made;
  };
  const [planeA, planeB] = [planeOf(a), planeOf(b)];
  expect(planeA.network.port).toBe(a.network.port);
  introduce({ a, b });
  introduce({ a: planeA, b: planeB });
  await until(() => a.up.has("b") && planeA.up.has("b") && planeB.up.has("a"), "both are linked");
  a.network.send("b", bytes("first"));
  planeA.network.send("b", bytes("second"));
  planeB.network.send("a", bytes("third"));
  await until(() => planeA.frames.length + planeB.frames.length + b.frames.length === 3, "all arrive");
  expect([b.frames, planeB.frames, planeA.frames].map(([each]) => each?.text)).toEqual([
    "first",
    "second",
    "third",
  ]);
  planeA.network.close();
  await planeA.network.closed;
  await until(() => !planeB.up.has("a"), "the plane is gone");
  expect(a.up.has("b") && b.up.has("a")).toBe(true);
  expect(a.links).toEqual(["b up"]);
});

test("a plane that the other side does not have is refused, and the network beside it stays", async () => {
  const [a, b] = [await station("a"), await station("b")];
  introduce({ a, b });
  const plane = a.network.plane({ name: "blocks" });
  let isUp = false;
  plane.onLink((_, up) => (isUp = up));
  plane.setPeers(new Map([["b", address(b.network)]]));
  await until(() => b.logged.some(({ event }) => event === "peer.rejected"), "it is refused");
  expect(isUp).toBe(false);
  await until(() => a.up.has("b"), "the network stands");
  plane.close();
  await plane.closed;
});
