/**
 * What every driver of files must do alike: one suite, run over each. A world gives an empty file system; what only some file
 * systems have (replicas, checksums) it says.
 */
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Files } from "../../src/client/files/files.ts";
import type { WatchEvent } from "../../src/client/files/watch.ts";

export interface World {
  readonly files: Files;
  readonly hasReplicas: boolean;
  /** Paths lead over links. Default true. */
  readonly followsLinks?: boolean;
  /** A write that fails leaves the part that was written. Default false. */
  readonly leavesParts?: boolean;
  /** Many can be renamed in one step. Default false. */
  readonly publishes?: boolean;
  close(): Promise<void>;
}

export function filesContract(name: string, open: () => Promise<World>): void {
  describe(name, () => {
    let world: World;
    let files: Files;
    let directory = "";
    let count = 0;
    beforeAll(async () => {
      world = await open();
      files = world.files;
    }, 120_000);
    afterAll(async () => {
      files.close();
      await world.close();
    });
    beforeEach(async () => {
      directory = `/t${count++}`;
      await files.mkdir(directory);
    });
    const at = (below: string): string => `${directory}/${below}`;
    const refusal = (code: string): object => ({ name: "QuorateError", code, outcome: "not-applied" });

    test("a file reads back byte for byte, whatever it was written from", async () => {
      const bytes = randomBytes(3_000_001);
      const halves = [bytes.subarray(0, 999), bytes.subarray(999)];
      const contents = [bytes, Readable.from(halves), halves, Readable.toWeb(Readable.from(halves))];
      for (const content of contents) {
        await files.writeFile(at("f"), content as Uint8Array);
        expect((await files.readFile(at("f"))).equals(bytes)).toBe(true);
      }
      await files.writeFile(at("text"), "grün ✓");
      expect(await files.readFile(at("text"), { encoding: "utf8" })).toBe("grün ✓");
      await files.writeFile(at("empty"), "");
      expect(await files.readFile(at("empty"))).toHaveLength(0);
    });

    test("options of node:fs/promises are done as there, or refused", async () => {
      await files.writeFile(at("f"), "first", { flag: "wx", mode: "640" });
      await expect(files.writeFile(at("f"), "second", { flag: "wx" })).rejects.toMatchObject(
        refusal("PATH_EXISTS"),
      );
      await expect(files.writeFile(at("f"), "second", { flag: "ax" })).rejects.toMatchObject(
        refusal("PATH_EXISTS"),
      );
      await files.writeFile(at("f"), " more", { flag: "a" });
      expect(await files.readFile(at("f"), "latin1")).toBe("first more");
      expect((await files.stat(at("f"))).mode).toBe(0o640);
      await files.writeFile(at("hex"), "00ff10", "hex");
      await files.appendFile(at("hex"), "IA==", { encoding: "base64" });
      expect(await files.readFile(at("hex"), { encoding: "hex" })).toBe("00ff1020");
      const stream = files.createReadStream(at("f"), { start: 2, end: 4, encoding: "utf8" });
      expect(await stream.toArray()).toEqual(["rst"]);
      await files.mkdir(at("d"), 0o700);
      expect((await files.stat(at("d"))).mode).toBe(0o700);
      const entries = await files.readdir(directory, { withFileTypes: true });
      expect(entries.map((entry) => [entry.name, entry.isDirectory(), entry.parentPath])).toEqual(
        ["d", "f", "hex"].map((name) => [name, name === "d", directory]),
      );
      await files.chmod(at("f"), "600");
      expect((await files.stat(at("f"))).mode).toBe(0o600);
      const odd = <T>(options: object): T => options as T;
      const invalid = { name: "QuorateError", code: "ARGUMENT_INVALID" };
      for (const call of [
        () => files.writeFile(at("no"), "x", odd({ flag: "r+" })),
        () => files.writeFile(at("no"), "x", odd({ mode: "rwx" })),
        () => files.writeFile(at("no"), "x", odd({ encoding: "runes" })),
        () => files.readFile(at("f"), odd({ flag: "w" })),
        () => files.readdir(directory, odd({ encoding: "buffer" })),
        () => files.stat(at("f"), odd({ bigint: true })),
        () => files.open(at("no"), "r+" as "r"),
        () => files.cp(at("f"), at("no"), odd({ preserveTimestamps: true })),
        () => files.cp(at("f"), at("no"), { force: false }),
      ])
        await expect(call()).rejects.toMatchObject(invalid);
      expect(() => files.createWriteStream(at("no"), odd({ flags: "a" }))).toThrow("flags");
      expect(() => files.createReadStream(at("f"), { start: 3, end: 1 })).toThrow("before the start");
      expect(await files.exists(at("no"))).toBe(false);
    });

    test("a range is read without the rest; behind the end is refused", async () => {
      await files.writeFile(at("f"), "0123456789");
      const range = (offset: number, length?: number): Promise<string> =>
        files.readFile(at("f"), { offset, ...(length === undefined ? {} : { length }), encoding: "utf8" });
      expect(await range(3)).toBe("3456789");
      expect(await range(3, 4)).toBe("3456");
      expect(await range(8, 100)).toBe("89");
      expect(await range(10)).toBe("");
      await expect(range(11)).rejects.toMatchObject(refusal("FILE_OPERATION_REFUSED"));
    });

    test("a file takes the place of another, unless it is not to", async () => {
      await files.writeFile(at("f"), "old");
      await files.writeFile(at("f"), "new");
      await expect(files.writeFile(at("f"), "x", { overwrite: false })).rejects.toMatchObject(
        refusal("PATH_EXISTS"),
      );
      await files.mkdir(at("d"));
      await expect(files.writeFile(at("d"), "x")).rejects.toMatchObject(refusal("PATH_EXISTS"));
      expect(await files.readFile(at("f"), { encoding: "utf8" })).toBe("new");
    });

    test("what is not there, and what is a directory, cannot be read", async () => {
      await expect(files.readFile(at("none"))).rejects.toMatchObject(refusal("PATH_NOT_FOUND"));
      await expect(files.stat(at("none"))).rejects.toMatchObject(refusal("PATH_NOT_FOUND"));
      await expect(files.readFile(directory)).rejects.toMatchObject(refusal("FILE_OPERATION_REFUSED"));
      await files.writeFile(at("f"), "x");
      const below = files.stat(at("f/x"));
      await expect(below).rejects.toMatchObject({
        code: expect.stringMatching(/PARENT_NOT_DIRECTORY|PATH_NOT_FOUND/) as unknown,
      });
      expect([await files.exists(at("none")), await files.exists(at("f"))]).toEqual([false, true]);
    });

    test("appends come behind each other, and make the file when it is not there", async () => {
      for (const part of ["a", "bc", "", "def"]) await files.appendFile(at("f"), part);
      expect(await files.readFile(at("f"), { encoding: "utf8" })).toBe("abcdef");
    });

    test("many are renamed in one step: all, or none when one of them is not as expected", async () => {
      for (const name of ["new1", "new2", "old2"]) await files.writeFile(at(name), name);
      const moves = [
        { from: at("new1"), to: at("old1") },
        { from: at("new2"), to: at("old2") },
      ];
      for (const wrong of ["/old1", undefined, 7]) {
        await expect(files.publish(wrong as never)).rejects.toMatchObject(refusal("ARGUMENT_INVALID"));
      }
      await expect(files.publish([{ from: at("new1") } as never])).rejects.toMatchObject(
        refusal("PATH_INVALID"),
      );
      if (world.publishes !== true) {
        await expect(files.publish(moves)).rejects.toMatchObject(refusal("UNSUPPORTED"));
        return;
      }
      const version = await files.version(at("old2"));
      const expected = [
        { path: at("old1"), version: await files.version(at("old1")) },
        { path: at("old2"), version },
      ];
      expect(expected[0]?.version).toBe(undefined);
      await files.appendFile(at("old2"), ", and more");
      const publish = (): Promise<void> => files.publish(moves, { expected, overwrite: true });
      await expect(publish()).rejects.toMatchObject(refusal("CHANGED_MEANWHILE"));
      await expect(files.publish(moves)).rejects.toMatchObject(refusal("PATH_EXISTS"));
      expect(await files.readdir(directory)).toEqual(["new1", "new2", "old2"]);
      expected[1] = { path: at("old2"), version: await files.version(at("old2")) };
      const both = files.publish(
        moves.map(({ from }) => ({ from, to: at("old2") })),
        { overwrite: true },
      );
      await expect(both).rejects.toMatchObject(refusal("ARGUMENT_INVALID"));
      expect(await files.readdir(directory)).toEqual(["new1", "new2", "old2"]);
      await publish();
      expect(await files.readdir(directory)).toEqual(["old1", "old2"]);
      expect(await files.readFile(at("old2"), { encoding: "utf8" })).toBe("new2");
    });

    test("a file is cut where it is told, and never grows by it", async () => {
      await files.writeFile(at("f"), "0123456789");
      const isDone = await files.truncate(at("f"), 4);
      await until(async () => isDone || (await files.stat(at("f"))).size === 4);
      expect(await files.readFile(at("f"), { encoding: "utf8" })).toBe("0123");
      const longer = files.truncate(at("f"), 5);
      await expect(longer).rejects.toMatchObject({
        code: expect.stringMatching(/ARGUMENT_INVALID|FILE_OPERATION_REFUSED/) as unknown,
      });
      await files.truncate(at("f"));
      expect((await files.stat(at("f"))).size).toBe(0);
    });

    test("a write that fails in the middle leaves what was there before", async () => {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield Buffer.alloc(100_000, 1);
        throw new Error("the source failed");
      }
      await expect(files.writeFile(at("f"), broken())).rejects.toThrow("the source failed");
      if (world.leavesParts === true) return;
      expect(await files.exists(at("f"))).toBe(false);
      await files.writeFile(at("f"), "kept");
      await expect(files.writeFile(at("f"), broken())).rejects.toThrow("the source failed");
      expect(await files.readFile(at("f"), { encoding: "utf8" })).toBe("kept");
      expect(await files.readdir(directory)).toEqual(["f"]);
    });

    test("a directory that goes away during a walk is left out from there on; one that was never there is told of", async () => {
      await files.mkdir(at("a"));
      await files.mkdir(at("b"));
      await files.writeFile(at("b/f"), "f");
      const found: string[] = [];
      for await (const { name } of files.walk(directory, { recursive: true })) {
        found.push(name);
        if (name === "a") await files.rm(at("b"), { recursive: true });
      }
      expect(found.slice(0, 1)).toEqual(["a"]);
      expect(found).not.toContain("f");
      await expect(files.readdir(at("b"), { recursive: true })).rejects.toMatchObject(
        refusal("PATH_NOT_FOUND"),
      );
    });

    test("directories are made, listed in the order of their bytes, walked and removed", async () => {
      await files.mkdir(at("a/b/c"), { recursive: true });
      await files.mkdir(at("a/b/c"), { recursive: true });
      await expect(files.mkdir(at("a"))).rejects.toMatchObject(refusal("PATH_EXISTS"));
      await expect(files.mkdir(at("x/y"))).rejects.toMatchObject(refusal("PATH_NOT_FOUND"));
      for (const name of ["a/c", "a/z", "a/B", "a/b/1 %+&?=;#"]) await files.writeFile(at(name), name);
      expect(await files.readdir(at("a"))).toEqual(["B", "b", "c", "z"]);
      expect(await files.readdir(directory, { recursive: true })).toEqual([
        "a",
        "a/B",
        "a/b",
        "a/b/1 %+&?=;#",
        "a/b/c",
        "a/c",
        "a/z",
      ]);
      expect(await files.readFile(at("a/b/1 %+&?=;#"), { encoding: "utf8" })).toBe("a/b/1 %+&?=;#");
      const [first, second] = await files.readdir(at("a"), { withStats: true });
      expect([first?.name, first?.isFile(), first?.size, second?.isDirectory()]).toEqual([
        "B",
        true,
        3,
        true,
      ]);
      await expect(files.readdir(at("a/B"))).rejects.toMatchObject(refusal("PARENT_NOT_DIRECTORY"));
      await expect(files.rm(at("a"))).rejects.toMatchObject(refusal("FILE_OPERATION_REFUSED"));
      await expect(files.rmdir(at("a"))).rejects.toMatchObject(refusal("DIRECTORY_NOT_EMPTY"));
      await files.rmdir(at("a/b/c"));
      await files.rm(at("a"), { recursive: true });
      await expect(files.rm(at("a"))).rejects.toMatchObject(refusal("PATH_NOT_FOUND"));
      await files.rm(at("a"), { force: true });
      expect(await files.readdir(directory)).toEqual([]);
    });

    test("a directory of thousands of names is listed whole", { timeout: 120_000 }, async ({ signal }) => {
      // A test that is given up goes on until something stops it: not in the directory of the next one.
      const place = directory;
      const names = Array.from({ length: 2100 }, (_, each) => `f${String(each).padStart(4, "0")}`);
      for (let start = 0; start < names.length; start += 50) {
        signal.throwIfAborted();
        const some = names.slice(start, start + 50);
        await Promise.all(some.map((each) => files.writeFile(`${place}/${each}`, "")));
      }
      expect(await files.readdir(place)).toEqual(names);
    });

    test("a rename is one step, and replaces a file", async () => {
      await files.writeFile(at("a"), "a");
      await files.writeFile(at("b"), "b");
      await expect(files.rename(at("a"), at("b"), { overwrite: false })).rejects.toMatchObject(
        refusal("PATH_EXISTS"),
      );
      await files.rename(at("a"), at("b"));
      expect(await files.readdir(directory)).toEqual(["b"]);
      expect(await files.readFile(at("b"), { encoding: "utf8" })).toBe("a");
      await files.mkdir(at("d"));
      const over = files.rename(at("b"), at("d"));
      await expect(over).rejects.toMatchObject({
        code: expect.stringMatching(/PATH_EXISTS|FILE_OPERATION_REFUSED/) as unknown,
      });
      await expect(files.rename(at("none"), at("x"))).rejects.toMatchObject(refusal("PATH_NOT_FOUND"));
      await files.rename(at("d"), at("e"));
      expect(await files.readdir(directory)).toEqual(["b", "e"]);
    });

    test("a tree is copied whole", async () => {
      for (const each of ["a/1", "a/b/2", "a/b/3"]) await files.writeFile(at(each), each);
      await expect(files.cp(at("a"), at("copy"))).rejects.toMatchObject(refusal("FILE_OPERATION_REFUSED"));
      await files.cp(at("a"), at("copy"), { recursive: true });
      expect(await files.readdir(at("copy"), { recursive: true })).toEqual(["1", "b", "b/2", "b/3"]);
      expect(await files.readFile(at("copy/b/3"), { encoding: "utf8" })).toBe("a/b/3");
      await expect(files.cp(at("a"), at("a/b/c"), { recursive: true })).rejects.toMatchObject(
        refusal("ARGUMENT_INVALID"),
      );
      const { files: count_, directories, length } = await files.summary(at("copy"));
      expect([count_, directories, length]).toEqual([3, 2, 13]);
    });

    test("a directory is not copied into itself, nor in circles, whatever links lead there", async () => {
      if (world.followsLinks === false) return;
      await files.writeFile(at("d/a/f"), "f");
      await files.symlink(at("d"), at("link"));
      await files.mkdir(at("t"));
      await files.symlink(at("d"), at("t/a"));
      const below = ["a", "a/f"];
      for (const [from, to] of [
        ["d", "d"],
        ["d", "link"],
        ["d", "link/x"],
        ["link", "d/x/y"],
        ["link", "link/a"],
        ["d", "t"],
      ] as const) {
        const copy = files.cp(at(from), at(to), { recursive: true });
        await expect(copy, `${from} to ${to}`).rejects.toMatchObject(refusal("ARGUMENT_INVALID"));
        expect(await files.readdir(at("d"), { recursive: true })).toEqual(below);
      }
      // Two that have each other in them.
      await files.mkdir(at("e"));
      await files.symlink(at("d"), at("e/back"));
      await files.symlink(at("e"), at("d/on"));
      await expect(files.cp(at("d"), at("circle"), { recursive: true })).rejects.toMatchObject(
        refusal("ARGUMENT_INVALID"),
      );
      expect(await files.exists(at("circle/on/back/on"))).toBe(false);
      // The same one twice is no circle.
      await files.rm(at("e/back"));
      await files.symlink(at("d/a"), at("d/b"));
      await files.cp(at("d"), at("whole"), { recursive: true });
      expect(await files.readdir(at("whole"), { recursive: true })).toEqual(["a", "a/f", "b", "b/f", "on"]);
    });

    test("attributes are kept", async () => {
      await files.writeFile(at("f"), "x", { mode: 0o640 });
      expect((await files.stat(at("f"))).mode).toBe(0o640);
      await files.chmod(at("f"), 0o600);
      await files.utimes(at("f"), new Date(1_600_000_000_000), 1_500_000_000_000);
      const stats = await files.stat(at("f"));
      expect([stats.mode, stats.atimeMs, stats.mtimeMs]).toEqual([
        0o600, 1_600_000_000_000, 1_500_000_000_000,
      ]);
      expect(stats.mtime.toISOString()).toBe("2017-07-14T02:40:00.000Z");
      await files.utimes(at("f"), -1, 1_400_000_000_000);
      expect((await files.stat(at("f"))).atimeMs).toBe(1_600_000_000_000);
      await files.access(at("f"), 6);
      expect((await files.statfs()).capacity).toBeGreaterThan(0);
    });

    test("a link is followed, and told apart from what it leads to", async () => {
      await files.writeFile(at("f"), "linked");
      await files.symlink(at("f"), at("l"));
      expect((await files.lstat(at("l"))).isSymbolicLink()).toBe(true);
      expect(await files.readlink(at("l"))).toBe(at("f"));
      if (world.followsLinks === false) return;
      expect(await files.readFile(at("l"), { encoding: "utf8" })).toBe("linked");
      expect((await files.stat(at("l"))).isFile()).toBe(true);
      await files.rm(at("l"));
      expect(await files.exists(at("f"))).toBe(true);
    });

    test("a link leads nowhere outside of the file system: above its root there is nothing", async () => {
      for (const odd of ["", "/a\u0000b", "a\nb", "\u009b", "/a\ud800"])
        await expect(files.symlink(odd, at("odd")), odd).rejects.toMatchObject(refusal("PATH_INVALID"));
      expect(await files.exists(at("odd"))).toBe(false);
      if (world.followsLinks === false) return;
      await files.writeFile(at("f"), "inside");
      await files.mkdir(at("a/b/c"), { recursive: true });
      await files.symlink("a/b/c", at("deep"));
      const targets = [
        `/../..${at("f")}`,
        `../../../../../..${at("f")}`,
        "./f",
        "a/../f",
        // By the names, not by where they lead.
        "deep/../f",
        `deep/../../../../..${at("f")}`,
      ];
      for (const [index, target] of targets.entries()) {
        await files.symlink(target, at(`l${index}`));
        expect(await files.readFile(at(`l${index}`), "utf8"), target).toBe("inside");
      }
      // From where the link really is.
      await files.symlink("../../../f", at("deep/l"));
      expect(await files.readFile(at("a/b/c/l"), "utf8")).toBe("inside");
    });

    test("files are joined onto the end of another one, and their names go, or it is refused", async () => {
      for (const name of ["a", "b", "c"]) await files.writeFile(at(name), name.repeat(100));
      if (!world.hasReplicas) {
        await expect(files.concat(at("a"), [at("b")])).rejects.toMatchObject(refusal("UNSUPPORTED"));
        return;
      }
      await files.concat(at("a"), [at("c"), at("b")]);
      expect(await files.readFile(at("a"), "utf8")).toBe("a".repeat(100) + "c".repeat(100) + "b".repeat(100));
      expect(await files.readdir(at(""))).toEqual(["a"]);
      await expect(files.concat(at("a"), [at("none")])).rejects.toMatchObject(refusal("PATH_NOT_FOUND"));
      await expect(files.concat(at("a"), [at("x,y")])).rejects.toMatchObject(refusal("ARGUMENT_INVALID"));
    });

    test("replicas and checksums are those of HDFS, or are refused", async () => {
      await files.writeFile(at("f"), "0123456789");
      if (!world.hasReplicas) {
        await expect(files.setReplication(at("f"), 2)).rejects.toMatchObject(refusal("UNSUPPORTED"));
        await expect(files.checksum(at("f"))).rejects.toMatchObject(refusal("UNSUPPORTED"));
        return;
      }
      expect(await files.setReplication(at("f"), 2)).toBe(true);
      expect((await files.stat(at("f"))).replication).toBe(2);
      // CRC-32C of "0123456789" is 280c069e; HDFS takes the MD5 of its MD5 and 16 zeros.
      const block = createHash("md5").update(Buffer.from("280c069e", "hex")).digest();
      const whole = createHash("md5").update(block).update(Buffer.alloc(16)).digest("hex");
      expect(await files.checksum(at("f"))).toEqual({
        algorithm: "MD5-of-0MD5-of-512CRC32C",
        bytes: `00000200${"0".repeat(16)}${whole}`,
      });
    });

    test("a directory is given an erasure coding policy and loses it, or is refused one", async () => {
      await files.mkdir(at("d"));
      if (!world.hasReplicas) {
        const set = files.setErasureCoding(at("d"), "RS-6-3-1024k");
        await expect(set).rejects.toMatchObject(refusal("UNSUPPORTED"));
        await expect(files.erasureCodings()).rejects.toMatchObject(refusal("UNSUPPORTED"));
        return;
      }
      const six = { name: "RS-6-3-1024k", enabled: true, dataUnits: 6, parityUnits: 3, id: 1, codec: "rs" };
      expect(await files.erasureCodings()).toContainEqual({ ...six, cellBytes: 1024 * 1024 });
      expect((await files.stat(at("d"))).erasureCoding).toBeUndefined();
      await files.setErasureCoding(at("d"), "RS-6-3-1024k");
      expect((await files.stat(at("d"))).erasureCoding).toBe("RS-6-3-1024k");
      await files.mkdir(at("d/below"));
      expect((await files.stat(at("d/below"))).erasureCoding).toBe("RS-6-3-1024k");
      await expect(files.setErasureCoding(at("d"), "RS-1-1")).rejects.toMatchObject(
        refusal("ARGUMENT_INVALID"),
      );
      await files.setErasureCoding(at("d"), undefined);
      expect((await files.stat(at("d"))).erasureCoding).toBeUndefined();
    });

    test("streams of Node.js and of the web carry a file at the pace of the slower side", async () => {
      const bytes = randomBytes(2_000_000);
      await pipeline(Readable.from([bytes]), files.createWriteStream(at("n")));
      await Readable.toWeb(files.createReadStream(at("n"))).pipeTo(files.writable(at("w")));
      const parts: Uint8Array[] = [];
      for await (const part of files.readable(at("w"))) parts.push(part);
      expect(Buffer.concat(parts).equals(bytes)).toBe(true);
      const reader = files.readable(at("w")).getReader();
      await reader.read();
      await reader.cancel();
      const broken = files.createWriteStream(at("broken"));
      broken.write("a part");
      broken.destroy();
      await new Promise((resolve) => broken.once("close", resolve));
      expect(await files.exists(at("broken"))).toBe(false);
      const writer = files.writable(at("aborted")).getWriter();
      await writer.write(Buffer.from("a part"));
      await writer.abort(new Error("changed my mind"));
      expect(await files.exists(at("aborted"))).toBe(false);
    });

    test("a failure of the file system reaches who writes to a stream", async () => {
      await files.mkdir(at("d"));
      await expect(pipeline(Readable.from(["x"]), files.createWriteStream(at("d")))).rejects.toMatchObject(
        refusal("PATH_EXISTS"),
      );
    });

    test("lines come one by one, across the borders of chunks and of characters", async () => {
      const lines = Array.from({ length: 20_000 }, (_, each) => `${each} ${"ä€".repeat(each % 17)}`);
      await files.writeFile(at("f"), `${lines.join("\n")}\r\n\nlast`);
      const read: string[] = [];
      for await (const line of files.lines(at("f"))) read.push(line);
      expect(read).toEqual([...lines, "", "last"]);
    });

    test("a handle reads anywhere, and writes in order", async () => {
      const writer = await files.open(at("f"), "wx");
      await writer.write("01234");
      await writer.write(Buffer.from("56789"));
      await writer.close();
      await expect(files.open(at("f"), "wx")).rejects.toMatchObject(refusal("PATH_EXISTS"));
      await expect(writer.write("x")).rejects.toMatchObject(refusal("FILE_OPERATION_REFUSED"));
      const appender = await files.open(at("f"), "a");
      await appender.write("!");
      await appender.close();
      const reader = await files.open(at("f"));
      const buffer = Buffer.alloc(4);
      const texts: string[] = [];
      for (let bytesRead = 1; bytesRead > 0;) {
        ({ bytesRead } = await reader.read(buffer));
        texts.push(buffer.toString("latin1", 0, bytesRead));
      }
      expect(texts).toEqual(["0123", "4567", "89!", ""]);
      expect((await reader.read(buffer, { position: 9 })).bytesRead).toBe(2);
      expect((await reader.stat()).size).toBe(11);
      await reader.close();
      await expect(files.open(at("none"))).rejects.toMatchObject(refusal("PATH_NOT_FOUND"));
      await expect(files.open(directory, "w")).rejects.toMatchObject(refusal("FILE_OPERATION_REFUSED"));
    });

    test("a handle takes what Node.js's takes: a part of a buffer, a position, whole files, lines, streams", async () => {
      const writer = await files.open(at("f"), "w");
      expect((await writer.write(Buffer.from("xx0123yy"), 2, 4)).bytesWritten).toBe(4);
      await writer.write(Buffer.from("45__"), { length: 2, position: 4 });
      await writer.write("3637", null, "hex");
      await writer.writeFile("8\n");
      await writer.appendFile(Buffer.from("second\nthird"));
      await expect(writer.write("x", 0)).rejects.toMatchObject(refusal("ARGUMENT_INVALID"));
      await expect(writer.write(Buffer.alloc(4), 2, 3)).rejects.toMatchObject(refusal("ARGUMENT_INVALID"));
      await expect(writer.readFile()).rejects.toMatchObject(refusal("FILE_OPERATION_REFUSED"));
      await writer.close();

      const reader = await files.open(at("f"));
      const buffer = Buffer.from("........");
      expect((await reader.read(buffer, 2, 4, 5)).bytesRead).toBe(4);
      expect(buffer.toString("latin1")).toBe("..5678..");
      expect((await reader.read(buffer, null, 1, -1)).bytesRead).toBe(1);
      expect(buffer.toString("latin1")).toBe("\n.5678..");
      expect((await reader.read({ buffer, offset: 6, position: 0 })).bytesRead).toBe(2);
      expect(buffer.toString("latin1")).toBe("\n.567801");
      await expect(reader.read(buffer, 6, 4)).rejects.toMatchObject(refusal("ARGUMENT_INVALID"));
      await expect(reader.read(buffer, 0, 4, -2)).rejects.toMatchObject(refusal("ARGUMENT_INVALID"));
      expect(await reader.readFile("utf8")).toBe("2345678\nsecond\nthird");
      expect((await reader.read()).bytesRead).toBe(0);
      const lines: string[] = [];
      for await (const line of reader.readLines({ offset: 0 })) lines.push(line);
      expect(lines).toEqual(["012345678", "second", "third"]);
      expect(await textOf(reader.createReadStream({ start: 2, end: 4 }))).toBe("234");
      await reader.read(buffer, { position: 9 });
      expect(await textOf(reader.readableWebStream())).toBe("third");
      await reader.close();
      await expect(reader.readFile()).rejects.toMatchObject(refusal("FILE_OPERATION_REFUSED"));

      const streamed = (await files.open(at("g"), "wx")).createWriteStream();
      streamed.write("of a ");
      await new Promise<void>((done) => streamed.end("stream", done));
      expect(await files.readFile(at("g"), "utf8")).toBe("of a stream");
    });

    test("a signal ends a call with its reason, before and while bytes move", async () => {
      const reason = new Error("enough");
      await expect(files.readFile(at("f"), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      await expect(files.writeFile(at("f"), "x", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      const aborter = new AbortController();
      async function* endless(): AsyncGenerator<Uint8Array> {
        for (let each = 0; ; each++) {
          if (each === 20) aborter.abort(reason);
          yield Buffer.alloc(65_536);
        }
      }
      await expect(files.writeFile(at("f"), endless(), { signal: aborter.signal })).rejects.toBe(reason);
      if (world.leavesParts === true) return;
      await until(async () => !(await files.exists(at("f"))));
    });

    test("a call whose signal has fired does nothing, whatever it is", async () => {
      await files.writeFile(at("f"), "kept");
      await files.writeFile(at("d/below"), "kept");
      await files.mkdir(at("empty"));
      await files.utimes(at("f"), 1_600_000_000_000, 1_600_000_000_000);
      const before = await files.readdir(directory, { recursive: true });
      const file = await files.stat(at("f"));
      const signal = AbortSignal.abort();
      const options = { signal };
      const calls: Readonly<Record<string, () => Promise<unknown>>> = {
        readFile: () => files.readFile(at("f"), options),
        writeFile: () => files.writeFile(at("f"), "x", options),
        "writeFile, below what is not there": () => files.writeFile(at("new/f"), "x", options),
        appendFile: () => files.appendFile(at("f"), "x", options),
        truncate: () => files.truncate(at("f"), 1, options),
        open: () => files.open(at("f"), "r", options),
        "open, to write": () => files.open(at("new"), "w", options),
        createReadStream: () => files.createReadStream(at("f"), options).toArray(),
        lines: () => files.lines(at("f"), options).next(),
        readdir: () => files.readdir(directory, options),
        "readdir, of nothing": () => files.readdir(at("empty"), options),
        walk: () => files.walk(directory, { ...options, recursive: true }).next(),
        mkdir: () => files.mkdir(at("new"), options),
        "mkdir, recursive": () => files.mkdir(at("new/d"), { ...options, recursive: true }),
        rm: () => files.rm(at("f"), options),
        "rm, recursive": () => files.rm(at("d"), { ...options, recursive: true }),
        "rm, force": () => files.rm(at("none"), { ...options, force: true }),
        rmdir: () => files.rmdir(at("empty"), options),
        rename: () => files.rename(at("f"), at("new"), options),
        publish: () => files.publish([{ from: at("f"), to: at("new") }], options),
        version: () => files.version(at("f"), options),
        cp: () => files.cp(at("f"), at("new"), options),
        "cp, recursive": () => files.cp(at("d"), at("new"), { ...options, recursive: true }),
        stat: () => files.stat(at("f"), options),
        lstat: () => files.lstat(at("f"), options),
        exists: () => files.exists(at("none"), options),
        access: () => files.access(at("f"), 4, options),
        chmod: () => files.chmod(at("f"), 0o600, options),
        chown: () => files.chown(at("f"), files.driver.user, undefined, options),
        utimes: () => files.utimes(at("f"), 5, 5, options),
        symlink: () => files.symlink(at("f"), at("new"), options),
        readlink: () => files.readlink(at("f"), options),
        setReplication: () => files.setReplication(at("f"), 2, options),
        concat: () => files.concat(at("f"), [at("d/below")], options),
        isOpen: () => files.isOpen(at("f"), options),
        checksum: () => files.checksum(at("f"), options),
        summary: () => files.summary(directory, options),
        statfs: () => files.statfs(options),
        home: () => files.home(options),
        defaults: () => files.defaults(options),
      };
      for (const [name, call] of Object.entries(calls)) {
        const outcome = await call().catch((error: unknown) => error);
        expect(outcome, name).toBe(signal.reason);
      }
      expect(await files.readdir(directory, { recursive: true })).toEqual(before);
      const { size, mode, mtimeMs } = await files.stat(at("f"));
      expect([size, mode, mtimeMs]).toEqual([file.size, file.mode, file.mtimeMs]);
    });

    test("a watcher tells what came, changed and went", async () => {
      const aborter = new AbortController();
      const seen: WatchEvent[] = [];
      const watching = (async () => {
        for await (const event of files.watch(directory, { intervalMs: 5, signal: aborter.signal }))
          seen.push(event);
      })();
      const expected = async (event: WatchEvent, change: () => Promise<void>): Promise<void> => {
        // The first look may come after the first change: then it is made anew.
        await until(async () => {
          await change();
          return seen.some((each) => each.filename === event.filename && each.eventType === event.eventType);
        });
      };
      await expected({ eventType: "rename", filename: "f" }, async () => {
        await files.rm(at("f"), { force: true });
        await new Promise((resolve) => setTimeout(resolve, 10));
        await files.writeFile(at("f"), "1");
      });
      let text = "1";
      await expected({ eventType: "change", filename: "f" }, () => files.writeFile(at("f"), (text += "2")));
      aborter.abort();
      await watching;
    });

    test.each(["relative", "/a/../b", "/a//b", "/a/./b", "/a\u0000b", "/a\ud800b", ""])(
      "%j is no path",
      async (path) => {
        await expect(files.writeFile(path, "x")).rejects.toMatchObject(refusal("PATH_INVALID"));
      },
    );

    test("a name of more than 255 bytes is refused", async () => {
      await expect(files.writeFile(at("ä".repeat(128)), "x")).rejects.toMatchObject(refusal("NAME_TOO_LONG"));
    });
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 25_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error("waited 25 seconds in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
