import { expect, test } from "vitest";
import { Turn } from "./turn.ts";

/** Clients that ask for a flush, numbered; `flushed` has who was flushed, in order. */
function clientsOf(
  turn: Turn,
  how: "flushReply" | "flushLater" = "flushReply",
): { ask: (count: number) => void; flushed: number[] } {
  const flushed: number[] = [];
  let asked = 0;
  const ask = (count: number): void => {
    for (let left = count; left > 0; left--) {
      const number = asked++;
      turn[how]({ flush: () => flushed.push(number) });
    }
  };
  return { ask, flushed };
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number);
const nextTick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

test("the first of many clients get their replies while the others are still being answered", async () => {
  const clients = clientsOf(new Turn());
  clients.ask(100);
  const early = clients.flushed.length;
  expect(early).toBeGreaterThan(80);
  expect(early).toBeLessThan(100);
  await nextTick();
  expect(clients.flushed).toEqual(numbers(100));
});

test("replies to a few leave together, when all of them are there", async () => {
  const clients = clientsOf(new Turn());
  clients.ask(5);
  expect(clients.flushed).toEqual([]);
  await nextTick();
  expect(clients.flushed).toEqual(numbers(5));
});

test("what goes to many at a time leaves when all of it is there, whatever is answered meanwhile", async () => {
  const turn = new Turn();
  const subscribers = clientsOf(turn, "flushLater");
  const clients = clientsOf(turn);
  subscribers.ask(100);
  clients.ask(100);
  expect(subscribers.flushed).toEqual([]);
  await nextTick();
  expect(subscribers.flushed).toEqual(numbers(100));
  expect(clients.flushed).toEqual(numbers(100));
});

test("what is answered while sockets are being read leaves when all were read", async () => {
  const turn = new Turn();
  const clients = clientsOf(turn);
  turn.reading = true;
  clients.ask(100);
  turn.reading = false;
  await nextTick();
  expect(clients.flushed).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(clients.flushed).toEqual(numbers(100));
});

test("who asks again is flushed again, and nobody twice for one time", async () => {
  const turn = new Turn();
  const clients = clientsOf(turn);
  clients.ask(20);
  await nextTick();
  clients.ask(20);
  await nextTick();
  await new Promise((resolve) => setImmediate(resolve));
  expect(clients.flushed).toEqual(numbers(40));
});
