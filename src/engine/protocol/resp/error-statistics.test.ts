import { expect, test } from "vitest";
import { ReplyError } from "../../keyspace/reply.ts";
import { ErrorStatistics } from "./error-statistics.ts";

const counted = (...messages: readonly string[]): ReadonlyMap<string, number> => {
  const errors = new ErrorStatistics();
  for (const message of messages) errors.count(new ReplyError(message));
  expect(errors.total).toBe(messages.length);
  return new Map(errors.prefixes());
};

test("an error without a first word, or with one that is none, counts as ERR; no word breaks a line", () => {
  const long = "L".repeat(31);
  expect(counted("ERR a", "alone", `${long} a`, "A:\r\n# b", "WRONGTYPE x", "WRONGTYPE y")).toEqual(
    new Map([
      ["A____", 1],
      ["ERR", 3],
      ["WRONGTYPE", 2],
    ]),
  );
});

test("words that scripts make up take no more memory than 128 do", () => {
  const messages = Array.from({ length: 300 }, (_, n) => `WORD${n} text`);
  const shown = counted(...messages, "WORD0 again");
  expect(shown.size).toBe(129);
  expect(shown.get("WORD0")).toBe(2);
  expect(shown.get("ERRORSTATS_OVERFLOW")).toBe(300 - 128);
});
