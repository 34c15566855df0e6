import { expect, test } from "vitest";
import { causesOf, QuorateError } from "../errors.ts";
import type { LogFields } from "../world.ts";
import { openLocalWorld } from "./world.ts";

test("a node that ends says why: the error, what caused it, and where that was thrown", () => {
  const lines: LogFields[] = [];
  const ended: Error[] = [];
  const logger = { log: (_level: string, _event: string, fields: LogFields = {}) => void lines.push(fields) };
  const { fatal } = openLocalWorld(logger, (error) => ended.push(error));
  const root = new QuorateError("PROTOCOL", "malformed keyspace command: bulk string end");
  const error = new QuorateError("INVARIANT", "applying the log failed", { cause: root });
  expect(() => fatal(error)).toThrow(error);
  expect(ended).toEqual([error]);
  expect(lines).toEqual([
    {
      error: "applying the log failed",
      cause: "malformed keyspace command: bulk string end",
      stack: root.stack,
    },
  ]);
});

test("a chain of causes is told outermost first, and one that runs in a circle is cut", () => {
  const chain = new Error("a", { cause: new Error("b", { cause: "c" }) });
  expect(causesOf(chain)).toBe("b: c");
  expect(causesOf(new Error("alone"))).toBeUndefined();
  const circle = new Error("again");
  circle.cause = circle;
  expect(causesOf(circle)?.split(": ")).toHaveLength(8);
});
