import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { bundleModule } from "./bundle.ts";

const folder = mkdtempSync(join(tmpdir(), "quorate-bundle-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

async function load(name: string): Promise<{ readonly default: unknown }> {
  const { code, sha256 } = await bundleModule(join(folder, name));
  const path = join(folder, `${sha256}.mjs`);
  writeFileSync(path, code);
  return (await import(pathToFileURL(path).href)) as { readonly default: unknown };
}

describe("a job's module", () => {
  test("is one file with the files and packages that it imports", async () => {
    write({
      "node_modules/old/package.json": '{"name":"old","main":"i.js"}',
      "node_modules/old/i.js": 'const { sep } = require("node:path"); exports.sep = sep;',
      "node_modules/new/package.json": '{"name":"new","type":"module","exports":"./i.js"}',
      "node_modules/new/i.js": "export const two = 2;",
      "lib/three.ts": "export const three: number = 3;",
      "whole.ts":
        'import { sep } from "old";\nimport { two } from "new";\nimport { three } from "./lib/three.ts";\n' +
        "interface Nothing { readonly x: number }\nexport default [sep, two, three] satisfies unknown[] as Nothing[] | unknown[];\n",
    });
    expect((await load("whole.ts")).default).toEqual(["/", 2, 3]);
  });

  test("has of this package what it uses, and nothing else", async () => {
    write({
      "own.ts":
        'import { QuorateError } from "quorate";\nexport default new QuorateError("USAGE", "x").code;\n',
    });
    expect((await load("own.ts")).default).toBe("USAGE");
    const { code } = await bundleModule(join(folder, "own.ts"));
    expect(Buffer.from(code).toString()).not.toMatch(/wasmoon|from "redis"|RaftLog/);
  });

  test("is named by its content, wherever it is bundled and however often", async () => {
    write({ "same.ts": "export default 1;\n", "other.ts": "export default 2;\n" });
    const [first, second, other] = await Promise.all(
      ["same.ts", "same.ts", "other.ts"].map((name) => bundleModule(join(folder, name))),
    );
    expect(first?.sha256).toBe(second?.sha256);
    expect(first?.sha256).not.toBe(other?.sha256);
    expect(first?.name).toBe("same");
  });

  test("brings its source map, so that stacks tell of the source", async () => {
    write({
      "map.ts": 'type A = 1;\nexport default function fails(): void {\n  throw new Error("here");\n}\n',
    });
    const { code } = await bundleModule(join(folder, "map.ts"));
    const inline = /sourceMappingURL=data:application\/json;base64,(\S+)/.exec(
      Buffer.from(code).toString(),
    )?.[1];
    const map = JSON.parse(Buffer.from(inline ?? "", "base64").toString()) as {
      readonly sources: readonly string[];
    };
    expect(map.sources).toEqual(["map.ts"]);
  });

  test.each([
    [
      "syntax",
      "export default 1;\nconst ü = (1;\n",
      /syntax\.ts:2:13: Expected "\)" but found ";"\n +const ü = \(1;\n {16}\^/,
    ],
    ["missing", 'import x from "nope";\nexport default x;\n', /missing\.ts:1:15: Could not resolve "nope"/],
    ["nothing", "export const a = 1;\n", /has no default export; .*export default job/],
    ["part", 'import "quorate/nope";\nexport default 1;\n', /quorate has no part "quorate\/nope"/],
    [
      "name",
      'import { nope } from "quorate";\nexport default nope;\n',
      /name\.ts:1:10: No matching export .* "nope"/,
    ],
  ])("with a fault (%s) is refused, and the place is told", async (name, text, message) => {
    write({ [`${name}.ts`]: text });
    const failure: unknown = await bundleModule(join(folder, `${name}.ts`)).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "JOB_INVALID" });
    expect((failure as Error).message).toMatch(message);
    expect((failure as Error).message, "no advice to the bundler's own users").not.toContain("external");
  });

  test("that is not there is refused", async () => {
    await expect(bundleModule(join(folder, "no.ts"))).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  });
});
