import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Exit } from "./executable.ts";
import { Executable } from "./executable.ts";

const directory = mkdtempSync(join(tmpdir(), "quorate-executable-"));
afterAll(() => rmSync(directory, { recursive: true }));

interface Run {
  readonly program: Executable;
  readonly output: () => Buffer;
  readonly errors: () => string;
}

function run(command: string, onOutput?: (chunk: Buffer) => void | Promise<void>): Run {
  const chunks: Buffer[] = [];
  let errors = "";
  const program = new Executable({
    command,
    directory,
    environment: { PATH: process.env["PATH"] ?? "", GIVEN: "yes" },
    onOutput: onOutput ?? ((chunk) => void chunks.push(chunk)),
    onError: (chunk) => (errors += chunk.toString()),
  });
  return { program, output: () => Buffer.concat(chunks), errors: () => errors };
}

async function feed({ program }: Run, bytes: Buffer, times: number): Promise<Exit> {
  for (let time = 0; time < times && !program.deaf; time++) if (!program.write(bytes)) await program.room();
  program.end();
  return program.ended;
}

describe("an executable", () => {
  test("gets what is written, in order, and its output comes back whole", async () => {
    const line = Buffer.from(`${"0123456789".repeat(100)}\n`);
    const cat = run("cat");
    expect(await feed(cat, line, 20_000)).toEqual({ code: 0 });
    expect(cat.output().length).toBe(20_000 * line.length);
    expect(cat.output().subarray(-line.length)).toEqual(line);
  });

  test("that writes much before it reads does not wait for ever", async () => {
    const program = run(`sh -c "head -c 20000000 /dev/zero; cat"`);
    expect(await feed(program, Buffer.alloc(100_000, "x"), 100)).toEqual({ code: 0 });
    expect(program.output().length).toBe(30_000_000);
  });

  test("writes no faster than its output is taken", async () => {
    let held = 0;
    let most = 0;
    let taken = 0;
    const program = run("head -c 8000000 /dev/zero", async (chunk) => {
      held += chunk.length;
      most = Math.max(most, held);
      await new Promise((resolve) => setImmediate(resolve));
      held -= chunk.length;
      taken += chunk.length;
    });
    await feed(program, Buffer.alloc(0), 0);
    expect(taken).toBe(8_000_000);
    expect(most).toBeLessThan(300_000);
  });

  test("that reads nothing makes its writer wait, and one that hangs up lets it go", async () => {
    const program = run(`sh -c "exec 0<&-; echo bye"`);
    const exit = await feed(program, Buffer.alloc(1_000_000, "x"), 1_000);
    expect(exit).toEqual({ code: 0 });
    expect(program.output().toString()).toBe("bye\n");
  });

  test("says how it ended, and what it complained about", async () => {
    const program = run(`sh -c "echo oops >&2; exit 7"`);
    expect(await feed(program, Buffer.alloc(0), 0)).toEqual({ code: 7 });
    expect(program.errors()).toBe("oops\n");
    expect(await feed(run(`sh -c "kill -9 $$"`), Buffer.alloc(0), 0)).toEqual({ code: 137 });
  });

  test("runs in the directory and environment that it is given", async () => {
    const program = run(`sh -c "pwd; echo $GIVEN"`);
    await feed(program, Buffer.alloc(0), 0);
    expect(program.output().toString()).toBe(`${directory}\nyes\n`);
  });

  test("that is not there fails with its name", async () => {
    const program = run("no-such-program -x");
    program.program.write(Buffer.from("x"));
    program.program.end();
    await expect(program.program.ended).rejects.toThrow(/"no-such-program" cannot be started/);
  });

  test("whose output cannot be taken is ended", async () => {
    const program = run("yes", () => {
      throw new Error("full");
    });
    await expect(program.program.ended).rejects.toThrow("full");
  });
});
