import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectFiles } from "./connect.ts";

let root = "";
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "quorate-local-"))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("the root of a local file system is never removed, whatever it is called", async () => {
  writeFileSync(join(root, "a"), "kept\n");
  for (const url of [pathToFileURL(root).href, `${pathToFileURL(root).href}/`]) {
    const files = connectFiles(url);
    const refused = { code: "FILE_OPERATION_REFUSED", message: expect.stringContaining("root") };
    await expect(files.rm("/", { recursive: true })).rejects.toMatchObject(refused);
    await expect(files.driver.remove("//", { recursive: true })).rejects.toMatchObject(refused);
    await expect(files.rmdir("/")).rejects.toMatchObject(refused);
  }
  expect(existsSync(join(root, "a"))).toBe(true);
  await connectFiles(pathToFileURL(root).href).rm("/a");
  expect(existsSync(join(root, "a"))).toBe(false);
});
