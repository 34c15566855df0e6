import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";

test("a JSON line holds time, level, event and every field, and nothing below the level is written", () => {
  const lines: string[] = [];
  const sink = (line: string): number => lines.push(line);
  const logger = createLogger({ format: "json", level: "warn", fields: { node: "n1" }, sink });
  logger.log("info", "quiet");
  logger.log("warn", "peer.down", { peer: "n2", tries: 3, reason: "a\nb" });
  expect(lines).toHaveLength(1);
  const [line = ""] = lines;
  expect(line).not.toContain("\n");
  expect(JSON.parse(line)).toMatchObject({
    level: "warn",
    event: "peer.down",
    node: "n1",
    peer: "n2",
    tries: 3,
    reason: "a\nb",
  });
});

test("a pretty line cannot be broken by what a field holds", () => {
  const lines: string[] = [];
  const sink = (line: string): number => lines.push(line);
  createLogger({ format: "pretty", sink }).log("error", "bad", {
    text: "\u001b[2J\n",
    port: 6379,
    none: undefined,
  });
  const plain = stripVTControlCharacters(lines[0] ?? "");
  expect(plain).toMatch(/^\d\d:\d\d:\d\d\.\d{3} error bad text="\\u001b\[2J\\n" port=6379$/);
  expect(lines[0]).not.toContain("\u001b[2J");
});
