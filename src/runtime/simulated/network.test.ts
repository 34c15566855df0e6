import { expect, test } from "vitest";
import { allocateOwnedBytes, bytesFromLatin1 } from "../bytes.ts";
import type { World } from "../world.ts";
import type { NetworkOptions } from "./network.ts";
import { SimulatedWorld } from "./world.ts";

interface Pair {
  world: SimulatedWorld;
  a: World;
  b: World;
  /** What b received, with its time. */
  received: [string, number][];
  links: string[];
  send: (text: string) => void;
  run: (ms: number) => void;
}

function pair(options: Partial<NetworkOptions> = {}, seed = 1): Pair {
  const world = new SimulatedWorld(seed, options);
  const worlds: World[] = [];
  const received: [string, number][] = [];
  const links: string[] = [];
  for (const id of ["a", "b"]) {
    world.addMachine(id).start((each) => {
      worlds.push(each);
      each.network.onFrame((_, frame) => received.push([frame.toString("latin1"), world.scheduler.nowMs]));
      each.network.onLink((peer, up) => links.push(`${id}: ${peer} ${up ? "up" : "down"}`));
      each.network.setPeers(
        new Map([
          ["a", ""],
          ["b", ""],
        ]),
      );
    });
  }
  world.scheduler.runUntil(50);
  const [a, b] = worlds;
  if (a === undefined || b === undefined) throw new Error("not started");
  return {
    world,
    a,
    b,
    received,
    links,
    send: (text) => a.network.send("b", [bytesFromLatin1(text)]),
    run: (ms) => world.scheduler.runUntil(world.scheduler.nowMs + ms),
  };
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, at) => `${at}`);

test("a calm network delivers every frame once, in order, whole", () => {
  const { received, run, a, send } = pair();
  a.network.send("b", [bytesFromLatin1("one "), bytesFromLatin1("frame")]);
  for (const text of numbers(100)) send(text);
  run(100);
  expect(received.map(([text]) => text)).toEqual(["one frame", ...numbers(100)]);
});

test("loss, duplication and reordering happen at about their rates", () => {
  const lossy = pair({ loss: 0.3 });
  for (const text of numbers(1000)) lossy.send(text);
  lossy.run(2000);
  expect(lossy.received.length).toBeGreaterThan(600);
  expect(lossy.received.length).toBeLessThan(800);

  const repeating = pair({ duplicate: 0.3 });
  for (const text of numbers(1000)) repeating.send(text);
  repeating.run(2000);
  expect(repeating.received.length).toBeGreaterThan(1200);
  expect(new Set(repeating.received.map(([text]) => text)).size).toBe(1000);

  const shuffling = pair({ reorder: 0.3 });
  for (const text of numbers(1000)) shuffling.send(text);
  shuffling.run(2000);
  const order = shuffling.received.map(([text]) => text);
  expect(order).not.toEqual(numbers(1000));
  expect(order.toSorted((x, y) => Number(x) - Number(y))).toEqual(numbers(1000));
});

test("a one-way partition stops one direction only, and links look broken to both", () => {
  const { world, a, b, received, links, run } = pair();
  expect(links.toSorted()).toEqual(["a: b up", "b: a up"]);
  world.network.block("a", "b", "drop");
  a.network.send("b", [bytesFromLatin1("lost")]);
  b.network.send("a", [bytesFromLatin1("comes through")]);
  run(100);
  expect(received.map(([text]) => text)).toEqual(["comes through"]);
  expect(links.slice(2).toSorted()).toEqual(["a: b down", "b: a down"]);
  world.network.heal();
  a.network.send("b", [bytesFromLatin1("again")]);
  run(100);
  expect(received.map(([text]) => text)).toEqual(["comes through", "again"]);
  expect(links.slice(4).toSorted()).toEqual(["a: b up", "b: a up"]);
});

test("a holding partition delivers its frames late, when it heals", () => {
  const { world, received, run, send } = pair();
  world.network.partition(["b"], "hold");
  send("late");
  run(5000);
  expect(received).toEqual([]);
  world.network.heal();
  run(10);
  expect(received.map(([text]) => text)).toEqual(["late"]);
});

test("a full partition stops both directions", () => {
  const { world, a, b, received, run } = pair();
  world.network.partition(["b"]);
  a.network.send("b", [bytesFromLatin1("x")]);
  b.network.send("a", [bytesFromLatin1("y")]);
  run(1000);
  expect(received).toEqual([]);
});

test("a slow link is slow, a narrow one queues, and a full queue drops", () => {
  const slow = pair({ delayMinMs: 1, delayMeanMs: 0 });
  slow.world.network.slow("a", "b", 200);
  const sentAt = slow.world.scheduler.nowMs;
  slow.send("x");
  slow.run(1000);
  expect(slow.received[0]?.[1]).toBeCloseTo(sentAt + 200);

  const narrow = pair({ bytesPerMs: 1, queueMaxBytes: 250, delayMinMs: 0, delayMeanMs: 0 });
  for (let sent = 0; sent < 4; sent++) narrow.a.network.send("b", [allocateOwnedBytes(100)]);
  expect(narrow.a.network.queuedBytes("b")).toBe(200);
  narrow.run(150);
  expect(narrow.received.length).toBe(1);
  narrow.run(1000);
  expect(narrow.received.length).toBe(2);
  expect(narrow.a.network.queuedBytes("b")).toBe(0);
});

test("a peer's end is noticed, or not, as the notices are reliable or not", () => {
  const noticed = pair();
  noticed.world.machine("b").kill();
  noticed.run(100);
  expect(noticed.links.at(-1)).toBe("a: b down");

  const silent = pair({ breakNotice: 0 });
  silent.world.machine("b").kill();
  silent.run(100);
  expect(silent.links.some((text) => text.endsWith("down"))).toBe(false);
});

test("false notices of a break are followed by a new link", () => {
  const { links, run, send } = pair({ falseBreak: 1 });
  links.length = 0;
  send("x");
  run(1000);
  expect(links.filter((text) => text.startsWith("a"))).toEqual(["a: b down", "a: b up"]);
});

test("a buffer that its sender writes into after sending arrives spoilt, as from a real socket's queue", () => {
  const { a, received, run } = pair();
  const buffer = bytesFromLatin1("before");
  a.network.send("b", [buffer]);
  buffer.set(bytesFromLatin1("AFTER!"));
  run(100);
  expect(received[0]?.[0]).toBe("AFTER!");
});

test("a closed network neither sends nor receives", () => {
  const { b, received, run, send } = pair();
  b.network.close();
  send("x");
  run(100);
  expect(received).toEqual([]);
});
