import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { findExecutable, splitCommand } from "./command-line.ts";

test.each([
  ["cat", ["cat"]],
  ["uniq -c", ["uniq", "-c"]],
  ["  a   b  ", ["a", "b"]],
  ["awk '{print $1}' x", ["awk", "{print $1}", "x"]],
  ['sh -c "a | b; c"', ["sh", "-c", "a | b; c"]],
  [`sed 's/"/q/' y`, ["sed", 's/"/q/', "y"]],
  [`a "it's" b`, ["a", "it's", "b"]],
  ["a '' b", ["a", "b"]],
  // A quote parts a word, unlike in a shell.
  ["--x='y z'", ["--x=", "y z"]],
  [String.raw`a\ b`, ["a\\", "b"]],
  ["a 'b c", ["a", "b c"]],
  ["", []],
])("the command %j has the words that Hadoop gives it", (command, words) => {
  expect(splitCommand(command)).toEqual(words);
});

describe("a program", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-command-"));
  writeFileSync(join(folder, "map.py"), "x");
  chmodSync(join(folder, "map.py"), 0o644);
  afterAll(() => rmSync(folder, { recursive: true }));

  test("in the task's directory comes first, and is made executable", () => {
    expect(findExecutable("map.py", folder, "/usr/bin:/bin")).toBe(join(folder, "map.py"));
    expect(findExecutable("./map.py", folder, "/usr/bin:/bin")).toBe(join(folder, "map.py"));
    expect(statSync(join(folder, "map.py")).mode & 0o777).toBe(0o755);
  });

  test("is looked for along PATH, and stays as it is when it is nowhere", () => {
    expect(findExecutable("sh", folder, "/nowhere::/bin")).toBe("/bin/sh");
    expect(findExecutable("no-such-program", folder, "/bin")).toBe("no-such-program");
    expect(findExecutable("/opt/x", folder, "/bin")).toBe("/opt/x");
  });
});
