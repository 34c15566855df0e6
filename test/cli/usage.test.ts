import fs from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { cleanUp, run, scratch } from "./program.ts";

afterEach(cleanUp);

test.each([
  [["strat"], /^quorate: unknown verb strat, did you mean start\?/],
  [["start", "--nods", "3"], /^quorate: unknown flag --nods, did you mean --nodes\?$/],
  [["start", "--nodes", "0"], /^quorate: --nodes must be a whole number from 1 to 255, not "0"$/],
  [["start", "--nodes", "256"], /^quorate: --nodes must be a whole number from 1 to 255, not "256"$/],
  [["start", "--nodes", "three"], /^quorate: --nodes must be a whole number from 1 to 255, not "three"$/],
  [["start", "--port", "70000"], /^quorate: --port must be a whole number/],
  [
    ["start", "--durability", "often"],
    /^quorate: --durability must be always, everysec or memory, not "often"$/,
  ],
  [["start", "--consensus", "guessing"], /^quorate: --consensus must be raft.*, not "guessing"$/],
  [["tour", "--consensus", "guessing"], /^quorate: --consensus must be raft.*, not "guessing"$/],
  [["simulate", "--consensus", "guessing"], /^quorate: --consensus must be raft.*, not "guessing"$/],
  [
    ["simulate", "--files", "--mutant", "skip-fsync"],
    /^quorate: --mutant does not go together with --files$/,
  ],
  [["start", "--advertise-host", "::"], /^quorate: --advertise-host is a name or an address, .*, not "::"$/],
  [["start", "--advertise-host", "a:6379"], /^quorate: --advertise-host is .*, not "a:6379"$/],
  [["start", "--scrub-rate", "fast"], /^quorate: --scrub-rate must be a number of bytes .*, not "fast"$/],
  [["start", "--name", "n1"], /^quorate: --name and --cluster belong together$/],
  [["start", "--name", "n1", "--cluster", "n2=127.0.0.1:1"], /^quorate: --name n1 is not in --cluster/],
  [["start", "--name", "n1", "--cluster", "n1=nowhere"], /^quorate: "nowhere" is not host:port$/],
  [["status", "--url", "http://localhost"], /^quorate: --url must be redis:\/\/host:port/],
  [["start", "--name", "n4", "--join", "n1:6379"], /^quorate: --join must be redis:\/\/host:port/],
  [["start", "--join", "redis://127.0.0.1:1"], /^quorate: --join belongs together with --name/],
  [["members", "ad", "n4"], /^quorate: unknown action ad, did you mean add\?$/],
  [["members", "remove"], /^quorate: members remove needs the name of a node$/],
  [["members", "--accept-loss"], /^quorate: --accept-loss belongs to --force-new-cluster$/],
  [["members", "--force-new-cluster"], /^quorate: --force-new-cluster takes --name and --data/],
  [["tour", "/does/not/exist"], /^quorate: there is no \/does\/not\/exist$/],
  [["mr", "show"], /^quorate: mr show needs one argument: quorate mr show JOB \[--tasks\] \[--follow\]$/],
  [
    ["mr", "run", "job.ts", "--input", "a", "b", "--output", "c"],
    /^quorate: mr run takes one argument, not job\.ts and b: say --input once for each path, or put a pattern in quotes$/,
  ],
  [["mr", "ls", "x"], /^quorate: "x" is not understood: mr ls takes no arguments$/],
  [["node", "n1"], /^quorate: quorate node is started by quorate start/],
])("quorate %j is one clear line and exit code 2", async (args, line) => {
  const { code, stdout, stderr } = await run(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(stderr.trimEnd()).toMatch(line);
});

test("help tells every verb and every flag; the version is the package's", async () => {
  const help = await run(["--help"]);
  expect(help).toMatchObject({ code: 0, stderr: "" });
  for (const verb of ["start", "status", "members", "tour"])
    expect(help.stdout).toContain(`quorate ${verb} `);
  expect(help.stdout).not.toContain("quorate node");
  const start = await run(["start", "--help"]);
  expect(start.code).toBe(0);
  for (const flag of ["--nodes", "--data", "--consensus", "--durability", "--scrub-rate", "--no-restart"])
    expect(start.stdout).toContain(flag);
  const { version } = JSON.parse(fs.readFileSync("package.json", "utf8")) as { version: string };
  expect((await run(["--version"])).stdout).toBe(`${version}\n`);
  expect(await run([])).toMatchObject({ code: 2, stdout: "" });
});

// fs has the exit codes of hdfs dfs.
test.each([
  { verb: "mr", exit: 2 },
  { verb: "fs", exit: 255 },
])("quorate $verb without a word lists its commands, exit code $exit", async ({ verb, exit }) => {
  const { code, stdout, stderr } = await run([verb]);
  expect({ code, stdout }).toEqual({ code: exit, stdout: "" });
  const help = await run([verb, "help"]);
  expect(help.code).toBe(0);
  expect(stderr).toMatch(/a command is missing\n/);
  expect(stderr).toContain(help.stdout.trimEnd());
});

test("status where nobody answers is exit code 4", async () => {
  const { code, stderr } = await run(["status", "--url", "redis://127.0.0.1:1"]);
  expect(code).toBe(4);
  expect(stderr).toMatch(/^quorate: no node answers at redis:\/\/127\.0\.0\.1:1: .+\n$/);
});

test("a taken port stops the start before anything is written", async () => {
  const data = join(scratch(), "data");
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  try {
    const args = ["start", "--nodes", "1", "--data", data, "--port", "0", "--peer-port", "0", "--http-port"];
    const { code, stderr } = await run([...args, String(port)]);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `quorate: HTTP port of n1 127.0.0.1:${port} is in use; choose another with --http-port\n`,
    );
  } finally {
    await new Promise((done) => server.close(done));
  }
  expect(fs.existsSync(data)).toBe(false);
});

test("a directory that cannot be used, or that holds something else, is one clear line, and stays as it is", async () => {
  const directory = scratch();
  fs.writeFileSync(join(directory, "letter.txt"), "dear all");
  const ports = ["--port", "0", "--http-port", "0", "--peer-port", "0"];
  const foreign = await run(["start", "--data", directory, ...ports]);
  expect(foreign.code).toBe(1);
  expect(foreign.stderr).toMatch(/^quorate: .+ is not empty and is not a data directory of Quorate; .+\n$/);
  expect(fs.readdirSync(directory)).toEqual(["letter.txt"]);
  const unusable = await run(["start", "--data", join(directory, "letter.txt", "below"), ...ports]);
  expect(unusable.code).toBe(1);
  expect(unusable.stderr).toMatch(/^quorate: .+ cannot be used: .+\n$/);
  // Where Node.js's own way of making a directory never ends.
  if (fs.existsSync("/proc/self")) {
    const endless = await run(["start", "--data", "/proc/quorate", ...ports]);
    expect(endless.code).toBe(1);
    expect(endless.stderr).toMatch(/^quorate: \/proc\/quorate cannot be used: ENOENT.+\n$/);
  }
});
