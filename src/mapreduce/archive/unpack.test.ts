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

const pack = (name: string, flags: string): string => {
  execFileSync("tar", [flags, join(folder, name), "-C", join(folder, "from"), "."]);
  return join(folder, name);
};
/** Of the same files, and one that would write beside its directory: made by another program. */
const ZIP =
  "UEsDBBQAAAAAADKdeV0HoerdAgAAAAIAAAAFAAAAYS50eHRhClBLAwQUAAAAAAAynXldAAAAAAAAAAAAAAAABAAAAHN1Yi9QSwMEFAAAAAgAMp15XR2d" +
  "+wQMAAAACgAAAAoAAABzdWIvcnVuLnNoU1bUT8rM0y/O4AIAUEsBAhQDFAAAAAAAMp15XQeh6t0CAAAAAgAAAAUAAAAAAAAAAAAAAKSBAAAAAGEudHh0" +
  "UEsBAhQDFAAAAAAAMp15XQAAAAAAAAAAAAAAAAQAAAAAAAAAAAAQAO1BJQAAAHN1Yi9QSwECFAMUAAAACAAynXldHZ37BAwAAAAKAAAACgAAAAAAAAAA" +
  "AAAA7YFHAAAAc3ViL3J1bi5zaFBLBQYAAAAAAwADAJ0AAAB7AAAAAAA=";
const EVIL =
  "UEsDBBQAAAAAADKdeV2DFtyMAQAAAAEAAAAKAAAALi4vb3V0LnR4dHhQSwECFAMUAAAAAAAynXldgxbcjAEAAAABAAAACgAAAAAAAAAAAAAAgAEAAAAA" +
  "Li4vb3V0LnR4dFBLBQYAAAAAAQABADgAAAApAAAAAAA=";
const zip = (name: string, base64: string): string => {
  writeFileSync(join(folder, name), Buffer.from(base64, "base64"));
  return join(folder, name);
};

test.each([
  ["a.tar", () => pack("a.tar", "-cf")],
  ["a.tar.gz", () => pack("a.tar.gz", "-czf")],
  ["a.tgz", () => pack("a.tgz", "-czf")],
  ["a.zip", () => zip("a.zip", ZIP)],
  ["a.jar", () => zip("a.jar", ZIP)],
])("%s is unpacked with its folders and modes", async (name, make) => {
  const into = join(folder, `into-${name}`);
  await unpackArchive(make(), name, into);
  expect(readFileSync(join(into, "a.txt"), "utf8")).toBe("a\n");
  expect(statSync(join(into, "sub/run.sh")).mode & 0o111).toBe(0o111);
});

test("what would write outside, is broken, or is no archive, is refused", async () => {
  const evil = zip("evil.zip", EVIL);
  const refused = { code: "ARGUMENT_INVALID" };
  await expect(unpackArchive(evil, "evil.zip", join(folder, "evil"))).rejects.toMatchObject(refused);
  const broken = join(folder, "broken.tgz");
  writeFileSync(broken, "not at all");
  await expect(unpackArchive(broken, "broken.tgz", join(folder, "b"))).rejects.toMatchObject(refused);
  await expect(unpackArchive(evil, "evil.rar", join(folder, "r"))).rejects.toThrow(/archives are/);
});
