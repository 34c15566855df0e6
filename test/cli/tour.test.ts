import fs from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { ALGORITHMS } from "../../src/consensus/algorithms.ts";
import { cleanUp, isAlive, keptBy, launch, run, scratch, until } from "./program.ts";

const CASE_TIMEOUT_MS = 120_000;

afterEach(cleanUp);

/** A few documents with words in common. */
function library(): string {
  const directory = scratch();
  for (let number = 0; number < 12; number++) {
    const words = Array.from({ length: 400 }, (_, at) => `word${(at * 7 + number) % 300}`);
    fs.writeFileSync(join(directory, `document-${number}.txt`), words.join(" "));
  }
  return directory;
}

test.each(ALGORITHMS)(
  "%s: the tour kills leaders under real work, verifies every acknowledged write, and with --keep leaves a cluster to talk to",
  async (algorithm) => {
    const program = launch(["tour", library(), "--keep", ...keptBy(algorithm)]);
    const stdout = await until("the tour's end", 90_000, async () => {
      if (!isAlive(program.pid)) throw new Error(`the tour ended: ${JSON.stringify(await program.ended)}`);
      return program.stdout().includes("Ctrl-C stops the nodes") ? program.stdout() : undefined;
    });
    expect(stdout).toContain("12 documents");
    expect(stdout).toMatch(new RegExp(`^ +log +${algorithm}$`, "m"));
    expect(stdout.match(/SIGKILL to n\d/g)).toHaveLength(3);
    expect(stdout).toContain("everything verified");
    for (const kind of ["done", "verified", "measured"]) expect(stdout).toContain(kind);
    // What it says to do works as it stands.
    const [, words = ""] = /^ +status +npx quorate (.*)$/m.exec(stdout) ?? [];
    expect(await run(words.split(" "))).toMatchObject({ code: 0, stdout: expect.stringContaining("leader") });
    const [, files = ""] = /^ +files +npx quorate (fs .*)$/m.exec(stdout) ?? [];
    expect(await run(files.split(" "))).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("document-"),
    });
    program.kill("SIGINT");
    expect(await program.ended).toMatchObject({ code: 0, stderr: "" });
  },
  CASE_TIMEOUT_MS,
);

test(
  "Ctrl-C ends a tour early and leaves neither a process nor a directory",
  async () => {
    const temporary = scratch();
    const program = launch(["tour", library()], { TMPDIR: temporary });
    const pids = await until("three pids", 30_000, () => {
      const found = [...program.stdout().matchAll(/pid (\d+)/g)].map((match) => Number(match[1]));
      return found.length === 3 ? found : undefined;
    });
    program.kill("SIGINT");
    expect(await program.ended).toMatchObject({ code: 130 });
    expect(pids.map(isAlive)).toEqual([false, false, false]);
    expect(fs.readdirSync(temporary)).toEqual([]);
  },
  CASE_TIMEOUT_MS,
);
