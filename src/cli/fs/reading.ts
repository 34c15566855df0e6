/** What shows bytes: `cat`, `text`, `head`, `tail`, `checksum`. */
import { createGunzip, createInflate } from "node:zlib";
import { pipeline } from "node:stream/promises";
import { isQuorateError } from "../../runtime/errors.ts";
import type { Arguments, FsCommand } from "./command.ts";
import type { Place } from "./places.ts";
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
  run: (shell, args) => eachFile(shell, args.words, (item) => pour(shell, item)),
};

async function pour(shell: Shell, { files, path }: Place, offset = 0, length?: number): Promise<void> {
  const range = { offset, ...(length === undefined ? {} : { length }), signal: shell.signal };
  for await (const chunk of files.driver.read(path, range)) await shell.write(chunk);
}

export const text: FsCommand = {
  name: "text",
  usage: "[-ignoreCrc] <src> ...",
  summary: "print files as text, unpacked when they are gzip, or deflate by their name (.deflate)",
  switches: ["ignoreCrc"],
  run: (shell, args) =>
    eachFile(shell, args.words, async (item) => {
      const { files, path, shown, stats } = item;
      const { signal } = shell;
      const magic = stats.size < 4 ? Buffer.alloc(0) : await files.readFile(path, { length: 4, signal });
      const kind = packedAs(magic, path);
      if (kind === undefined) return pour(shell, item);
      if (kind !== "gzip" && kind !== "deflate")
        return shell.refuse(shown, `Is ${kind}, which is not unpacked here`);
      const unpacked = kind === "gzip" ? createGunzip() : createInflate();
      const print = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
        for await (const chunk of chunks) await shell.write(chunk);
      };
      try {
        await pipeline(files.createReadStream(path, { signal }), unpacked, print);
      } catch (error) {
        // The reader's failures come through as they are.
        if (unpacked.errored === null || unpacked.errored !== error || isQuorateError(error)) throw error;
        shell.refuse(shown, `Not a whole ${kind} file (${unpacked.errored.message})`);
      }
    }),
};

/** What Hadoop's shell would unpack, by its first bytes or, where those tell nothing, its name. Undefined: it is as it is. */
function packedAs(magic: Buffer, path: string): string | undefined {
  const first = magic.toString("latin1");
  if (first.startsWith("\x1f\x8b")) return "gzip";
  if (first.startsWith("BZh")) return "bzip2";
  if (first.startsWith("SEQ")) return "a SequenceFile";
  if (first === "Obj\x01") return "an Avro file";
  if (first === "\x28\xb5\x2f\xfd") return "Zstandard";
  return path.endsWith(".deflate") && first !== "" ? "deflate" : undefined;
}

/** Of one file, whose name is no pattern, as in Hadoop. */
async function oneFile(
  shell: Shell,
  { words: [word = ""] }: Arguments,
  action: (item: Item) => Promise<void>,
): Promise<void> {
  await shell.attempt(word, async () => {
    const item = await shell.exactly(word);
    if (item.stats.isDirectory()) shell.refuse(item.shown, "Is a directory");
    else await action(item);
  });
}

export const head: FsCommand = {
  name: "head",
  usage: "<file>",
  summary: "print the first 1 KB",
  max: 1,
  run: (shell, args) => oneFile(shell, args, (item) => pour(shell, item, 0, PART_BYTES)),
};

const DEFAULT_SLEEP_MS = 5000;

export const tail: FsCommand = {
  name: "tail",
  usage: "[-f] [-s <sleep interval>] <file>",
  summary: "print the last 1 KB",
  switches: ["f"],
  values: ["s"],
  max: 1,
  async run(shell, args) {
    const sleepMs = args.count("s", 1) ?? DEFAULT_SLEEP_MS;
    await oneFile(shell, args, async (item) => {
      const { files, path, stats } = item;
      let at = Math.max(0, stats.size - PART_BYTES);
      let { size } = stats;
      for (;;) {
        if (size > at) await pour(shell, item, at, size - at);
        at = size;
        if (!args.has("f")) return;
        // Whoever ends it has seen what he wanted: that is no failure.
        await shell.pause(sleepMs).catch(() => undefined);
        if (shell.signal.aborted) return;
        ({ size } = await files.stat(path, { signal: shell.signal }));
        // It was cut, or is another one: what is there now is new.
        if (size < at) at = 0;
      }
    });
  },
};

export const checksum: FsCommand = {
  name: "checksum",
  usage: "[-v] <src> ...",
  summary: "print HDFS's checksums",
  switches: ["v"],
  run: (shell, args) =>
    eachFile(shell, args.words, async ({ files, path, shown, stats }) => {
      if (files === shell.local) return shell.print(`${shown}\tNONE`);
      const { algorithm, bytes } = await files.checksum(path, { signal: shell.signal });
      const size = args.has("v") ? `\tBlockSize=${stats.blockSize}` : "";
      await shell.print(`${shown}\t${algorithm}\t${bytes}${size}`);
    }),
};
