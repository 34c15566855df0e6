import { expect, test } from "vitest";
import { redacted } from "./redaction.ts";

test.each([
  ["HELLO 3 AUTH default s3cret SETNAME n", "HELLO 3 AUTH * * SETNAME n"],
  ["HELLO 3 SETNAME auth AUTH default s3cret", "HELLO 3 SETNAME auth AUTH * *"],
  ["HELLO 3 auth u s3cret Auth default s3cret", "HELLO 3 auth * * Auth * *"],
  ["HELLO 3 AUTH auth s3cret SETNAME n", "HELLO 3 AUTH * * SETNAME n"],
  // Refused, but seen.
  ["HELLO 3 SETNAME AUTH default s3cret", "HELLO 3 SETNAME AUTH * *"],
  ["HELLO 3 NAME n AUTH default s3cret", "HELLO 3 NAME n AUTH * *"],
  ["HELLO 3 AUTH s3cret", "HELLO 3 AUTH *"],
  ["HELLO AUTH default s3cret", "HELLO AUTH * *"],
  ["HELLO 3 SETNAME n", "HELLO 3 SETNAME n"],
  ["HELLO", "HELLO"],
])("no password of HELLO is shown: %s", (line, shown) => {
  expect(redacted("hello", line.split(" ")).join(" ").replaceAll("(redacted)", "*")).toBe(shown);
});
