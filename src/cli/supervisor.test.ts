import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NodeConfig } from "./node-channel.ts";
import type { SupervisorEvent } from "./supervisor.ts";
import { Supervisor } from "./supervisor.ts";

let directory: string;
const supervisors: Supervisor[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "quorate-supervisor-"));
});
afterEach(async () => {
  for (const supervisor of supervisors.splice(0)) supervisor.killAll();
  await new Promise((resolve) => setTimeout(resolve, 50));
  rmSync(directory, { recursive: true, force: true });
});

/** A program that speaks the channel as a node does; `body` may use `config`, `tell` and `leads`. */
function program(body = ""): string {
  const path = join(directory, "node.mjs");
  writeFileSync(
    path,
    `import { appendFileSync } from "node:fs";
const tell = (message) => process.send(message);
let config;
process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit(0));
process.on("message", (message) => {
  if (message.type === "start") {
    config = message.config;
    ${body}
    tell({ type: "ready" });
  } else if (message.type === "status") {
    const status = { role: config.id === "n2" ? "leader" : "follower", term: 3, leader: "n2", commitIndex: 1, appliedIndex: 1 };
    tell({ type: "status", id: message.id, status });
  } else if (message.type === "stop") {
    appendFileSync(${JSON.stringify(join(directory, "stops"))}, config.id + " " + JSON.stringify(message) + "\\n");
    process.disconnect();
  }
});
`,
  );
  return path;
}

function config(id: string): NodeConfig {
  return {
    id,
    clusterId: "c",
    members: {},
    beginsAs: "founder",
    peerAddress: "127.0.0.1:1",
    dataDir: "memory",
    host: "127.0.0.1",
    respPort: 1,
    httpPort: 2,
    peerPort: 3,
    consensus: "raft",
    durability: "memory",
    readMode: "barrier",
    protectedMode: true,
    browserNames: [],
    rack: "/default-rack",
    cacheWrites: false,
    slots: 1,
    password: "secret",
    secret: undefined,
    logLevel: "info",
    logFormat: "json",
  };
}

function supervise(
  ids: readonly string[],
  entry: string,
  restart = true,
): { supervisor: Supervisor; events: SupervisorEvent[] } {
  const events: SupervisorEvent[] = [];
  const supervisor = new Supervisor({
    nodes: ids.map(config),
    entry,
    restart,
    onEvent: (event) => events.push(event),
  });
  supervisors.push(supervisor);
  return { supervisor, events };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 8000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("a node that is killed is started again within two seconds", async () => {
  const { supervisor, events } = supervise(["n1"], program());
  await supervisor.start();
  const first = supervisor.pid("n1");
  const killedMs = performance.now();
  supervisor.kill("n1");
  await until(() => supervisor.isReady("n1") && supervisor.pid("n1") !== first, "a second process");
  expect(performance.now() - killedMs).toBeLessThan(2000);
  expect(events.map(({ type }) => type)).toEqual(["up", "died", "up"]);
});

test("a node that dies again and again is tried with growing pauses, never above two seconds", async () => {
  const { supervisor, events } = supervise(["n1"], program("setTimeout(() => process.exit(7), 5);"));
  await supervisor.start();
  await until(() => events.filter(({ type }) => type === "died").length >= 4, "four deaths");
  const delays = events.flatMap((event) => (event.type === "died" ? [event.restartMs] : []));
  expect(delays.slice(0, 4)).toEqual([100, 200, 400, 800]);
});

test.each([
  { how: "is told of later", execPath: "/nonexistent/node" },
  { how: "is thrown", execPath: "no\0path" },
])(
  "a process that cannot be started again is tried until it can: an error that $how",
  async ({ execPath }) => {
    const { supervisor, events } = supervise(["n1"], program());
    await supervisor.start();
    const { execPath: usual } = process;
    try {
      process.execPath = execPath;
      supervisor.kill("n1");
      await until(() => events.filter(({ type }) => type === "died").length >= 3, "two tries");
    } finally {
      process.execPath = usual;
    }
    await until(() => supervisor.isReady("n1"), "a second process");
    const deaths = events.filter((event) => event.type === "died");
    expect(deaths.slice(0, 3)).toMatchObject([
      { how: "ended (SIGKILL)", restartMs: 100 },
      { how: expect.stringMatching(/^could not be started \(.+\)$/) as string, restartMs: 200 },
      { how: expect.stringMatching(/^could not be started \(.+\)$/) as string, restartMs: 400 },
    ]);
    expect(events.at(-1)?.type).toBe("up");
  },
);

test.each(["/nonexistent/node", "no\0path"])(
  "where a first process cannot be started, the start of all ends with the reason: %j",
  async (execPath) => {
    const { supervisor } = supervise(["n1", "n2"], program());
    const { execPath: usual } = process;
    try {
      process.execPath = execPath;
      await expect(supervisor.start()).rejects.toThrow(/^n1 could not be started \(.+\)$/);
    } finally {
      process.execPath = usual;
    }
    expect(supervisor.pid("n1")).toBeUndefined();
  },
);

test("without restart it stays down, and the supervisor says when nothing is left", async () => {
  const { supervisor, events } = supervise(["n1"], program(), false);
  await supervisor.start();
  supervisor.kill("n1");
  await until(() => events.some(({ type }) => type === "empty"), "the last event");
  expect(supervisor.pid("n1")).toBeUndefined();
});

test("a node that says why it cannot run stops the start of all, with its own error", async () => {
  const body = `if (config.id === "n3") { tell({ type: "failed", code: "DATA_DIRECTORY_FOREIGN", message: "not mine" }); process.disconnect(); return; }`;
  const { supervisor } = supervise(["n1", "n2", "n3"], program(body));
  await expect(supervisor.start()).rejects.toMatchObject({
    code: "DATA_DIRECTORY_FOREIGN",
    message: "not mine",
  });
  expect(["n1", "n2", "n3"].map((id) => supervisor.pid(id))).toEqual([undefined, undefined, undefined]);
});

test("a node that later says why it cannot go on is not started again and again", async () => {
  const told = `tell({ type: "failed", code: "DATA_DIRECTORY_FOREIGN", message: "n2 refused this node" })`;
  const { supervisor, events } = supervise(
    ["n1"],
    program(`setTimeout(() => { ${told}; process.exit(1); }, 20);`),
  );
  await supervisor.start();
  await until(() => events.some(({ type }) => type === "empty"), "the last event");
  expect(events.map(({ type }) => type)).toEqual(["up", "failed", "empty"]);
  expect(events[1]).toMatchObject({ error: { message: "n2 refused this node" } });
});

test("the leader stops first, while the others here can take over", async () => {
  const { readFileSync } = await import("node:fs");
  const { supervisor } = supervise(["n1", "n2", "n3"], program());
  await supervisor.start();
  expect(await supervisor.leader()).toEqual({ id: "n2", term: 3 });
  await supervisor.stop();
  expect(readFileSync(join(directory, "stops"), "utf8").match(/^n\d/gm)).toEqual(["n2", "n1", "n3"]);
});

test("the last node here, and an only one, is asked to stop as every other: successors may be elsewhere", async () => {
  const { readFileSync } = await import("node:fs");
  for (const ids of [["n1", "n2"], ["n3"]]) {
    const { supervisor } = supervise(ids, program());
    await supervisor.start();
    await supervisor.stop();
  }
  const stops = readFileSync(join(directory, "stops"), "utf8").trimEnd().split("\n");
  const stop = JSON.stringify({ type: "stop" });
  expect(stops).toEqual([`n2 ${stop}`, `n1 ${stop}`, `n3 ${stop}`]);
});

test("what a node prints is passed on line by line with its name", async () => {
  const { supervisor, events } = supervise(
    ["n1"],
    program(`console.log("one\\ntwo"); console.error("three");`),
  );
  await supervisor.start();
  await until(() => events.filter(({ type }) => type === "output").length === 3, "three lines");
  const lines = events.flatMap((event) => (event.type === "output" ? [event.line] : []));
  expect(lines.sort()).toEqual(["one", "three", "two"]);
});

test("a password is not in the arguments of the process", async () => {
  const { readFileSync } = await import("node:fs");
  const { supervisor } = supervise(["n1"], program());
  await supervisor.start();
  const commandLine = readFileSync(`/proc/${supervisor.pid("n1") ?? 0}/cmdline`, "utf8");
  expect(commandLine).toContain("n1");
  expect(commandLine).not.toContain("secret");
});
