import { expect, test } from "vitest";
import type { NodeConfig } from "./node-channel.ts";
import type { Standing } from "./start-lines.ts";
import { startLines } from "./start-lines.ts";

function configOf(id: string, members: readonly string[]): NodeConfig {
  return {
    id,
    clusterId: "c",
    members: Object.fromEntries(members.map((name, at) => [name, `127.0.0.1:${18_000 + at}`])),
    beginsAs: "founder",
    peerAddress: "127.0.0.1:18000",
    dataDir: `/data/${id}`,
    host: "127.0.0.1",
    respPort: 18_100,
    httpPort: 18_200,
    peerPort: 18_000,
    consensus: "raft",
    durability: "always",
    readMode: "barrier",
    password: undefined,
    protectedMode: true,
    browserNames: [],
    secret: undefined,
    rack: "/default-rack",
    cacheWrites: false,
    slots: 1,
    logLevel: "warn",
    logFormat: "json",
  };
}

const FIVE = ["n1", "n2", "n3", "n4", "n5"];

function linesOf(configs: readonly NodeConfig[], standing: Standing): Record<string, string> {
  const text = startLines(configs, 10, standing, (_, plain) => plain);
  return Object.fromEntries([...text.matchAll(/^ {2}(\w+) +(.*)$/gm)].map(([, name, line]) => [name, line]));
}

test("a node that is to join says that it is none of the members", () => {
  const lines = linesOf([configOf("n6", FIVE)], { readiness: "waits to be admitted", members: undefined });
  expect(lines["nodes"]).toBe(
    "n6, not one of the 5 yet, raft, always: acknowledged when on disk on a majority",
  );
  expect(lines["admit"]).toBe("quorate members add n6 --url URL");
});

test("a node that joined counts itself, and who joined later", () => {
  const lines = linesOf([configOf("n6", FIVE)], { readiness: "led", members: 7 });
  expect(lines["nodes"]).toMatch(/^n6 of 7, raft/);
});

test("a member that lost its directory is one of them, and to be replaced", () => {
  const lines = linesOf([configOf("n2", FIVE)], { readiness: "waits to be admitted", members: undefined });
  expect(lines["nodes"]).toMatch(/^n2 of 5, raft/);
  expect(lines["admit"]).toBe("quorate members replace n2 --url URL");
});

test("a node that was alone, and is not any more, acknowledges on a majority", () => {
  const alone = configOf("n1", ["n1"]);
  expect(linesOf([alone], { readiness: "led", members: 1 })["nodes"]).toMatch(/when on disk here$/);
  const lines = linesOf([alone], { readiness: "waits for a majority", members: 3 });
  expect(lines["nodes"]).toBe("n1 of 3, raft, always: acknowledged when on disk on a majority");
});
