import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { localNames } from "./local-names.ts";

function namesIn(text: string) {
  const folder = mkdtempSync(join(tmpdir(), "quorate-names-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "group");
  writeFileSync(path, text);
  return localNames(path);
}

test("a number has the first name that the file gives it, and a name its number", () => {
  const names = namesIn("# comment:x:7:\nroot:x:0:\nwheel:x:0:\nstaff:x:50:ann,bob\n+nis\n\nbroken\n");
  expect(names.nameOf(0)).toBe("root");
  expect(names.idOf("wheel")).toBe(0);
  expect(names.nameOf(50)).toBe("staff");
  expect(names.idOf("staff")).toBe(50);
});

test("what the file does not name stays a number, also where there is no file", () => {
  for (const names of [namesIn("root:x:0:\n"), localNames("/nowhere/at/all")]) {
    expect(names.nameOf(1234)).toBe("1234");
    expect(names.idOf("1234")).toBe(1234);
    expect(names.idOf("nobody-knows")).toBeNaN();
  }
});
