import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Logger } from "../../runtime/world.ts";
import { openPeerDirectories } from "./peer-directories.ts";

let directory: string;
let logged: string[];
const logger: Logger = { log: (_level, event) => void logged.push(event) };

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "quorate-peers-"));
  logged = [];
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

test("what was remembered of a peer is there in the next life, and can be corrected", () => {
  const first = openPeerDirectories(directory, logger);
  expect(first.tagOf("n2")).toBeUndefined();
  first.remember("n2", 2 ** 47 + 1);
  first.remember("n3", 3);
  const second = openPeerDirectories(directory, logger);
  expect([second.tagOf("n2"), second.tagOf("n3")]).toEqual([2 ** 47 + 1, 3]);
  second.remember("n3", 4);
  expect(openPeerDirectories(directory, logger).tagOf("n3")).toBe(4);
  expect(fs.readdirSync(directory)).toEqual(["peers.json"]);
});

test("a damaged file is reported and counts for nothing", () => {
  openPeerDirectories(directory, logger).remember("n2", 22);
  const path = join(directory, "peers.json");
  fs.writeFileSync(path, fs.readFileSync(path, "utf8").replace("22", "23"));
  expect(openPeerDirectories(directory, logger).tagOf("n2")).toBeUndefined();
  expect(logged).toEqual(["peer directories are damaged and noted anew"]);
});

test("a node that cannot remember says so", () => {
  const peers = openPeerDirectories(join(directory, "absent"), logger);
  expect(() => peers.remember("n2", 1)).toThrow(
    expect.objectContaining({ code: "DATA_DIRECTORY_UNUSABLE" }) as Error,
  );
});
