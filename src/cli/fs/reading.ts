/** What shows bytes: `cat`, `text`, `head`, `tail`, `checksum`. */
import { createGunzip } from "node:zlib";
import { pipeline } from "node:stream/promises";
import { isQuorateError } from "../../runtime/errors.ts";
import type { FsCommand } from "./command.ts";
import type { Item, Shell } from "./shell.ts";

const PART_BYTES = 1024;

/** Files only: a directory is reported. */
async function eachFile(
  shell: Shell,
  words: readonly string[],
  action: (item: Item) => Promise<void>,
): Promise<void> {
  for await (const item of shell.items(words)) {
    if (item.stats.isDirectory()) shell.refuse(item.shown, "Is a directory");
    else await shell.attempt(item.shown, () => action(item));
  }
}

export const cat: FsCommand = {
  name: "cat",
  usage: "[-ignoreCrc] <src> ...",
  summary: "print files",
  switches: ["ignoreCrc"],
  run: (shell, args) => eachFile(shell, args.words, ({ path }) => pour(shell, path)),
};

async function pour(shell: Shell, path: string, offset = 0, length?: number): Promise<void> {
  const range = { offset, ...(length === undefined ? {} : { length }), signal: shell.signal };
  for await (const chunk of shell.files.driver.read(path, range)) await shell.write(chunk);
}

export const text: FsCommand = {
  name: "text",
  usage: "[-ignoreCrc] <src> ...",
  summary: "print files as text, unpacked when they are gzip",
  switches: ["ignoreCrc"],
  run: (shell, args) =>
    eachFile(shell, args.words, async ({ path, shown, stats }) => {
      const magic =
        stats.size < 2
          ? Buffer.alloc(0)
          : await shell.files.readFile(path, { length: 2, signal: shell.signal });
      if (magic.toString("hex") !== "1f8b") return pour(shell, path);
      const unpacked = createGunzip();
      const print = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
        for await (const chunk of chunks) await shell.write(chunk);
      };
      try {
        await pipeline(shell.files.createReadStream(path, { signal: shell.signal }), unpacked, print);
      } catch (error) {
        // The reader's failures come through as they are.
        if (unpacked.errored === null || unpacked.errored !== error || isQuorateError(error)) throw error;
        shell.refuse(shown, `Not a whole gzip file (${unpacked.errored.message})`);
      }
    }),
};

export const head: FsCommand = {
  name: "head",
  usage: "<file>",
  summary: "print the first 1 KB",
  max: 1,
  run: (shell, args) => eachFile(shell, args.words, ({ path }) => pour(shell, path, 0, PART_BYTES)),
};

const DEFAULT_SLEEP_MS = 5000;

export const tail: FsCommand = {
  name: "tail",
  usage: "[-f] [-s <sleep interval in ms>] <file>",
  summary: "print the last 1 KB; -f goes on as the file grows",
  switches: ["f"],
  values: ["s"],
  max: 1,
  async run(shell, args) {
    const sleepMs = args.count("s", 1) ?? DEFAULT_SLEEP_MS;
    await eachFile(shell, args.words, async ({ path, stats }) => {
      let at = Math.max(0, stats.size - PART_BYTES);
      let { size } = stats;
      for (;;) {
        if (size > at) await pour(shell, path, at, size - at);
        at = size;
        if (!args.has("f")) return;
        // Whoever ends it has seen what he wanted: that is no failure.
        await shell.pause(sleepMs).catch(() => undefined);
        if (shell.signal.aborted) return;
        ({ size } = await shell.files.stat(path, { signal: shell.signal }));
        // It was cut, or is another one: what is there now is new.
        if (size < at) at = 0;
      }
    });
  },
};

export const checksum: FsCommand = {
  name: "checksum",
  usage: "[-v] <src> ...",
  summary: "print HDFS's checksums; -v with the size of the blocks",
  switches: ["v"],
  run: (shell, args) =>
    eachFile(shell, args.words, async ({ path, shown, stats }) => {
      const { algorithm, bytes } = await shell.files.checksum(path, { signal: shell.signal });
      const size = args.has("v") ? `\tBlockSize=${stats.blockSize}` : "";
      await shell.print(`${shown}\t${algorithm}\t${bytes}${size}`);
    }),
};
