/** The compiler's half of the house rules: a clock, a timer, a socket or Node itself does not compile in a pure room. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "quorate-purity-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function compile(source: string): string {
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
  writeFileSync(join(folder, "planted.ts"), `${source}\nexport {};\n`);
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: join(ROOT, "tsconfig.pure.json"),
      compilerOptions: { rootDir: "/", noEmit: true, composite: false, tsBuildInfoFile: null },
      include: ["planted.ts"],
      exclude: [],
    }),
  );
  try {
    execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" });
    return "";
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

test("pure code compiles", () => {
  expect(compile("export const answer: number = Math.max(1, 2);")).toBe("");
});

test.each([
  ["a timer", "setTimeout(() => undefined, 1);"],
  ["a module of Node", 'import { readFileSync } from "node:fs"; readFileSync("x");'],
  ["the process", "process.exit(1);"],
  ["the console", 'console.log("x");'],
  ["a fetch", 'void fetch("x");'],
  ["a precise clock", "performance.now();"],
])("%s planted in a pure room does not compile", (_name, source) => {
  expect(compile(source)).toMatch(/error TS/);
});
