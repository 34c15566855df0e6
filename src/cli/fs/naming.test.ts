import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectFiles } from "../../client/files/connect.ts";
import { parseArguments } from "./command.ts";
import { rm } from "./naming.ts";
import type { Item } from "./shell.ts";
import { Shell } from "./shell.ts";

let root = "";
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "quorate-rm-"))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Every word is the root of a local file system, which is a directory that may be lost. */
class RootShell extends Shell {
  readonly notes: string[] = [];
  override async expand(): Promise<readonly Item[]> {
    const files = connectFiles(pathToFileURL(root).href);
    return [{ files, path: "/", prefix: "file://", shown: "file:///", stats: await files.stat("/") }];
  }
  override note(line: string): void {
    this.notes.push(line);
  }
}

test("rm refuses the root of a local file system, with or without -skipTrash", async () => {
  writeFileSync(join(root, "a"), "kept\n");
  const place = { url: "webhdfs://127.0.0.1:1", user: "quorate", kept: {} };
  for (const words of [["-r"], ["-R", "-skipTrash"], ["-r", "-f", "-safely"]]) {
    const shell = new RootShell("rm", place, new AbortController().signal);
    await rm.run(shell, parseArguments(rm, [...words, "root"]));
    const refused = "rm: `file:///': Is the root of a local file system, which is not removed";
    expect([shell.exitCode, shell.notes]).toEqual([1, [refused]]);
    shell.close();
  }
  expect(existsSync(join(root, "a"))).toBe(true);
});
