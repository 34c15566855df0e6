import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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

test("a tree is removed a step at a time: a signal ends it on the way", async () => {
  const files = connectFiles(pathToFileURL(root).href);
  for (let at = 0; at < 10; at++) {
    mkdirSync(join(root, `d/${at}`), { recursive: true });
    writeFileSync(join(root, `d/${at}/f`), "x");
  }
  const reason = new Error("enough");
  const { signal, looks } = firedAtLook(9, reason);
  await expect(files.rm("/d", { recursive: true, signal })).rejects.toBe(reason);
  expect(looks()).toBe(9);
  const left = readdirSync(join(root, "d")).length;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(10);
  await files.rm("/d", { recursive: true });
  expect(existsSync(join(root, "d"))).toBe(false);
});

test("a tree with names that are no UTF-8 is removed whole", async () => {
  mkdirSync(join(root, "d/e"), { recursive: true });
  writeFileSync(Buffer.concat([Buffer.from(join(root, "d/e/")), Buffer.from([0xff, 0x61])]), "x");
  await connectFiles(pathToFileURL(root).href).rm("/d", { recursive: true });
  expect(existsSync(join(root, "d"))).toBe(false);
});

test("a signal that fires when all was written still keeps the file away", async () => {
  const files = connectFiles(pathToFileURL(root).href);
  const aborter = new AbortController();
  const reason = new Error("enough");
  async function* last(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("all of it");
    aborter.abort(reason);
  }
  await expect(files.writeFile("/f", last(), { signal: aborter.signal })).rejects.toBe(reason);
  expect(readdirSync(root)).toEqual([]);
});

test("a link that the driver made stays within its directory, wherever it is moved; another's leads where it leads", async () => {
  writeFileSync(join(root, "secret"), "outside");
  mkdirSync(join(root, "in/d/e"), { recursive: true });
  writeFileSync(join(root, "in/f"), "inside");
  for (const url of [pathToFileURL(join(root, "in")).href, `${pathToFileURL(join(root, "in")).href}/`]) {
    const files = connectFiles(url);
    await files.symlink("d/e", "/deep");
    const targets = ["/../../secret", "../secret", "deep/../../../secret", "x://../../../secret"];
    for (const target of targets) {
      await files.symlink(target, "/k");
      await expect(files.readFile("/k"), target).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
      await files.rm("/k");
    }
    await files.symlink("../../f", "/d/e/l");
    expect(await files.readlink("/d/e/l")).toBe("/f");
    await files.rename("/d/e/l", "/l");
    expect(await files.readFile("/l", "utf8")).toBe("inside");
    symlinkSync("../secret", join(root, "in/others"));
    expect(await files.readFile("/others", "utf8")).toBe("outside");
    symlinkSync(root, join(root, "in/out"));
    await files.symlink("../f", "/out/back");
    expect(await files.readFile("/out/back", "utf8")).toBe("inside");
    for (const path of ["/l", "/deep", "/others", "/out/back", "/out"]) await files.rm(path);
  }
});

/** A signal that fires when it is looked at for the `count`th time. */
function firedAtLook(
  count: number,
  reason: Error,
): { readonly signal: AbortSignal; readonly looks: () => number } {
  const aborter = new AbortController();
  const { signal } = aborter;
  let looks = 0;
  signal.throwIfAborted = () => {
    if (++looks === count) aborter.abort(reason);
    AbortSignal.prototype.throwIfAborted.call(signal);
  };
  return { signal, looks: () => looks };
}
