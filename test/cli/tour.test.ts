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
  "%s: the tour kills leaders under real work, verifies every acknowledged write and ends with exit code 0",
  async (algorithm) => {
    const { code, stdout, stderr } = await run(["tour", library(), ...keptBy(algorithm)]);
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("12 documents");
    expect(stdout).toMatch(new RegExp(`^ +log +${algorithm}$`, "m"));
    expect(stdout.match(/SIGKILL to n\d/g)).toHaveLength(3);
    expect(stdout).toContain("everything verified");
    for (const kind of ["done", "verified", "measured"]) expect(stdout).toContain(kind);
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
