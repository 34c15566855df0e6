import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { unpackArchive } from "./unpack.ts";

const folder = mkdtempSync(join(tmpdir(), "quorate-unpack-"));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, "from/sub"), { recursive: true });
writeFileSync(join(folder, "from/a.txt"), "a\n");
writeFileSync(join(folder, "from/sub/run.sh"), "#!/bin/sh\n", { mode: 0o755 });

const pack = (name: string, ...args: readonly string[]): string => {
  execFileSync("tar", [...args, join(folder, name), "-C", join(folder, "from"), "."]);
  return join(folder, name);
};
/** Debian's Python has what makes archives of that kind; the test's own machine need not have `zip`. */
const zip = (name: string, script: string): string => {
  execFileSync(
    "python3",
    [
      "-c",
      `import zipfile, os, sys\nz = zipfile.ZipFile(sys.argv[1], "w")\n${script}\nz.close()`,
      join(folder, name),
    ],
    {
      cwd: join(folder, "from"),
    },
  );
  return join(folder, name);
};

test.each([
  ["a.tar", () => pack("a.tar", "-cf")],
  ["a.tar.gz", () => pack("a.tar.gz", "-czf")],
  ["a.tgz", () => pack("a.tgz", "-czf")],
  [
    "a.zip",
    () => zip("a.zip", 'z.write("a.txt")\nz.write("sub/run.sh", compress_type=zipfile.ZIP_DEFLATED)'),
  ],
  ["a.jar", () => zip("a.jar", 'z.write("a.txt")\nz.write("sub")\nz.write("sub/run.sh")')],
])("%s is unpacked with its folders and modes", async (name, make) => {
  const into = join(folder, `into-${name}`);
  await unpackArchive(make(), name, into);
  expect(readFileSync(join(into, "a.txt"), "utf8")).toBe("a\n");
  expect(statSync(join(into, "sub/run.sh")).mode & 0o111).toBe(0o111);
});

test("what would write outside, is broken, or is no archive, is refused", async () => {
  const evil = zip("evil.zip", 'z.writestr("../out.txt", "x")');
  await expect(unpackArchive(evil, "evil.zip", join(folder, "evil"))).rejects.toMatchObject({
    code: "ARGUMENT_INVALID",
  });
  writeFileSync(join(folder, "broken.tgz"), "not at all");
  await expect(unpackArchive(join(folder, "broken.tgz"), "broken.tgz", join(folder, "b"))).rejects.toThrow(
    /broken.tgz cannot be unpacked/,
  );
  await expect(unpackArchive(evil, "evil.rar", join(folder, "r"))).rejects.toThrow(/archives are/);
});
