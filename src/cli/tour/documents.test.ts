import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { countWords, readLibrary } from "./documents.ts";

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "quorate-documents-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

function put(name: string, content: string | Buffer): void {
  fs.mkdirSync(join(directory, name, ".."), { recursive: true });
  fs.writeFileSync(join(directory, name), content);
}

test("words are counted in any script, case folded, marks and single letters left out", () => {
  expect(Object.fromEntries(countWords("The the CAT; über-größe a 42 ... 日本"))).toEqual({
    the: 2,
    cat: 1,
    über: 1,
    größe: 1,
    "42": 1,
    日本: 1,
  });
});

test("under a path every text file is input; binaries, empty files, hidden ones and links are not", () => {
  put("b/two.txt", "two words");
  put("a.log", "one");
  put("image.bin", Buffer.from([1, 0, 2]));
  put("empty.txt", "");
  put(".hidden", "secret words");
  fs.symlinkSync(directory, join(directory, "loop"));
  const library = readLibrary(directory, "unused");
  expect(library.documents.map(({ name }) => name)).toEqual(["a.log", "b/two.txt"]);
  expect([library.bytes, library.words]).toEqual([12, 3]);
});

test("without a path only the documents of the dependencies are input", () => {
  put("left/README.md", "read me");
  put("left/LICENSE", "licence text");
  put("left/index.js", "code code");
  put("left/docs/guide.md", "guide text");
  const names = readLibrary(undefined, directory).documents.map(({ name }) => name);
  expect(names).toEqual(["left/LICENSE", "left/README.md", "left/docs/guide.md"]);
});

test("one file is input too, and nothing at all is a usage error", () => {
  put("only.txt", "just this");
  expect(readLibrary(join(directory, "only.txt"), "unused").documents).toHaveLength(1);
  fs.mkdirSync(join(directory, "nothing"));
  for (const path of ["nothing", "absent"]) {
    expect(() => readLibrary(join(directory, path), "unused")).toThrow(
      expect.objectContaining({ code: "USAGE" }) as Error,
    );
  }
});
