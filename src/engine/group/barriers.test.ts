import { expect, test } from "vitest";
import { QuorateError } from "../../runtime/errors.ts";
import { Barriers } from "./barriers.ts";

function barriers(): {
  barriers: Barriers;
  asked: number[];
  answers: string[];
  read: (name: string, nowMs: number) => void;
} {
  const asked: number[] = [];
  const answers: string[] = [];
  const tested = new Barriers((id) => asked.push(id));
  const read = (name: string, nowMs: number): void =>
    tested.add((error) => answers.push(`${name} ${error === undefined ? "ok" : error.code}`), nowMs);
  return { barriers: tested, asked, answers, read };
}

test("reads of one turn share a round, and wait until its index is applied", () => {
  const { barriers: tested, asked, answers, read } = barriers();
  read("a", 0);
  read("b", 0);
  tested.start(0);
  expect(asked).toEqual([1]);
  tested.confirmed(1, 7, false);
  tested.release(6);
  expect(answers).toEqual([]);
  tested.release(7);
  expect(answers).toEqual(["a ok", "b ok"]);
});

test("a round without an answer is asked again, and its reads fail when they are too old", () => {
  const { barriers: tested, asked, answers, read } = barriers();
  read("a", 0);
  tested.start(0);
  tested.expire(500, 0);
  tested.start(500);
  expect(asked).toEqual([1, 2]);
  tested.expire(600, 100);
  expect(answers).toEqual(["a NO_QUORUM"]);
  tested.confirmed(1, 7, false);
  tested.release(7);
  expect(answers.length).toBe(1);
});

test("a read whose barrier was confirmed, but whose index never arrives, fails as well", () => {
  const { barriers: tested, answers, read } = barriers();
  read("a", 0);
  tested.start(0);
  tested.confirmed(1, 7, false);
  tested.release(3);
  tested.expire(600, 0);
  expect(answers).toEqual([]);
  tested.expire(5600, 100);
  expect(answers).toEqual(["a NO_QUORUM"]);
  tested.release(7);
  expect(answers.length).toBe(1);
});

test("a read that needs what this node cannot store is refused at once; one that needs less is answered", () => {
  const { barriers: tested, answers, read } = barriers();
  read("fresh", 0);
  tested.start(0);
  tested.confirmed(1, 7, false);
  read("later", 1);
  tested.start(1);
  tested.confirmed(2, 5, false);
  tested.release(6);
  tested.failUnapplied(6, new QuorateError("DISK_FULL", "no space"));
  expect(answers).toEqual(["later ok", "fresh DISK_FULL"]);
});
