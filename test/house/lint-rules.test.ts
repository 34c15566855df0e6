/** The linter refuses the same imports as the house test: a violation planted in each room is found by the real program. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { importRules } from "./boundaries.ts";
import { forbiddenRooms, lintConfig } from "./lint-rules.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const RULE = "eslint(no-restricted-imports)";
const folder = mkdtempSync(join(tmpdir(), "quorate-lint-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Found {
  readonly filename: string;
  readonly code: string;
  readonly message: string;
}

/** What the project's linter says of these files, by path. */
function lint(files: Readonly<Record<string, string>>): readonly Found[] {
  for (const name of [".oxlintrc.json", ".oxlint-rooms.json"])
    copyFileSync(join(ROOT, name), join(folder, name));
  for (const [path, source] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), source);
  }
  const args = ["-c", ".oxlintrc.json", "-f", "json", "src"];
  let output: string;
  try {
    output = execFileSync(join(ROOT, "node_modules/.bin/oxlint"), args, { cwd: folder, encoding: "utf8" });
  } catch (error) {
    output = (error as { stdout: string }).stdout;
  }
  rmSync(join(folder, "src"), { recursive: true });
  return (JSON.parse(output) as { diagnostics: readonly Found[] }).diagnostics.filter(
    ({ code }) => code === RULE,
  );
}

/** An import as a file `depth` folders below its room writes it. */
function importing(room: string, target: string, depth = 0): string {
  return `import { x } from "${"../".repeat(room.split("/").length + depth)}${target}";\nexport const y = x;\n`;
}

test(".oxlint-rooms.json is the table of imports (npx vitest run test/house --update writes it anew)", async () => {
  const text = `${JSON.stringify(lintConfig(), undefined, 2)}\n`;
  await expect(text).toMatchFileSnapshot(join(ROOT, ".oxlint-rooms.json"));
});

test("an import of a forbidden room, planted in each room, is found by the linter", () => {
  const planted: Record<string, string> = {};
  for (const room of Object.keys(importRules)) {
    for (const target of forbiddenRooms(room)) {
      const name = target.replaceAll("/", "-");
      const straight = relative(room, `${target}/x.ts`);
      const path = straight.startsWith(".") ? straight : `./${straight}`;
      planted[`src/${room}/planted-${name}.ts`] = `import { x } from "${path}";\nexport const y = x;\n`;
      planted[`src/${room}/roundabout-${name}.ts`] = importing(room, `${target}/x.ts`);
      // The rooms inside a folder are rooms of their own.
      const isWhole = !Object.keys(importRules).some((other) => other.startsWith(`${room}/`));
      if (isWhole) planted[`src/${room}/below/it/planted-${name}.ts`] = importing(room, `${target}/x.ts`, 2);
    }
  }
  // No room may import all others.
  for (const room of Object.keys(importRules)) expect(forbiddenRooms(room)).not.toEqual([]);
  const found = lint(planted).map(({ filename }) => filename);
  expect([...new Set(found)].toSorted()).toEqual(Object.keys(planted).toSorted());
});

test("a package planted in a pure room is found by the linter, in the others it is allowed", () => {
  const rooms = Object.keys(importRules);
  const source = `import { readFileSync } from "node:fs";\nexport const y = readFileSync;\n`;
  const found = lint(Object.fromEntries(rooms.map((room) => [`src/${room}/planted.ts`, source])));
  const pure = rooms.filter((room) => importRules[room]?.pure === true);
  expect(found.map(({ filename }) => filename).toSorted()).toEqual(
    pure.map((room) => `src/${room}/planted.ts`).toSorted(),
  );
});

test("what the table allows, the linter allows, and tests may look into every room", () => {
  const allowed: Record<string, string> = {};
  for (const [room, { rooms }] of Object.entries(importRules)) {
    for (const target of rooms) {
      const file = target.endsWith(".ts") ? target : `${target}/x.ts`;
      allowed[`src/${room}/to-${target.replaceAll("/", "-").replace(".ts", "")}.ts`] = importing(room, file);
    }
    const forbidden = forbiddenRooms(room)[0] ?? "";
    for (const kind of ["test", "testing"]) {
      allowed[`src/${room}/planted.${kind}.ts`] = importing(room, `${forbidden}/x.ts`);
    }
  }
  expect(lint(allowed)).toEqual([]);
});
