/**
 * The house rules that a machine can check: file sizes, names, purity and the direction of imports. Each room has a
 * planted violation, so that a rule which stopped working is noticed.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";
import { importRules, violationsOf } from "./house/boundaries.ts";

const ROOT = resolve(import.meta.dirname, "..");

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((name) => statSync(join(ROOT, name)).isFile());
}

const sources = ["src", "test"].flatMap(filesUnder).filter((name) => name.endsWith(".ts"));
const text = (name: string): string => readFileSync(join(ROOT, name), "utf8");
const locate = (from: string, path: string): string => relative(ROOT, resolve(ROOT, dirname(from), path));

test("no source file is longer than 700 lines", () => {
  expect(sources.filter((name) => text(name).split("\n").length > 701)).toEqual([]);
});

test("no file of the consensus is longer than 300 lines", () => {
  const core = sources.filter((name) => /^src\/consensus\/.*(?<!\.test|\.testing)\.ts$/.test(name));
  expect(core.length).toBeGreaterThan(20);
  expect(core.filter((name) => text(name).split("\n").length > 301)).toEqual([]);
});

test("no file is named for a kind of syntax", () => {
  const vague = /(^|[/.-])(utils?|helpers?|common|manager|types|misc)([/.-]|$)/;
  expect(sources.filter((name) => vague.test(name.replace(/\.ts$/, "")))).toEqual([]);
});

test("files are named in kebab case", () => {
  expect(sources.filter((name) => !/^[a-z0-9./-]+$/.test(name))).toEqual([]);
});

test("imports point only where the design allows", () => {
  const built = sources.filter((name) => name.startsWith("src/") && !/\.(test|testing)\.ts$/.test(name));
  expect(built.flatMap((name) => violationsOf(name, text(name), locate))).toEqual([]);
});

test.each(Object.keys(importRules))("an import of the command line planted in %s is found", (room) => {
  const planted = `import { x } from "../cli/main.ts";\n`;
  const found = violationsOf(`src/${room}/planted.ts`, planted, () => "src/cli/main.ts");
  expect(found).toHaveLength(room === "cli" ? 0 : 1);
});

test.each(Object.keys(importRules))("a package planted in %s is found when the room is pure", (room) => {
  const found = violationsOf(`src/${room}/planted.ts`, `import { readFileSync } from "node:fs";\n`, locate);
  expect(found).toHaveLength(importRules[room]?.pure === true ? 1 : 0);
});

test("no test is skipped without its reason", () => {
  const silent = /\b(test|it|describe)\.(todo|only)\(|\b(test|it|describe)\.skip\(/;
  expect(sources.filter((name) => name !== "test/house.test.ts" && silent.test(text(name)))).toEqual([]);
});

test("the lock file names every optional package of every platform, or npm ci refuses it", () => {
  interface Locked {
    readonly version?: string;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  }
  const lock = JSON.parse(text("package-lock.json")) as { packages: Readonly<Record<string, Locked>> };
  const wanted = Object.values(lock.packages).flatMap((each) => Object.keys(each.optionalDependencies ?? {}));
  const missing = wanted.filter((name) => lock.packages[`node_modules/${name}`]?.version === undefined);
  expect(missing).toEqual([]);
});
