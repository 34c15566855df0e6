/**
 * A file that is there when it is whole. It is written under a name that ends in `._COPYING_` and renamed, as Hadoop's shell does
 * it: who is interrupted leaves nothing that looks finished. A small one goes up in one step where the file system can do that.
 */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { Chunks, WriteOptions } from "../../client/files/driver.ts";
import type { FileStats } from "../../client/files/file-stats.ts";
import type { Files } from "../../client/files/files.ts";
import type { Shell } from "./shell.ts";
import type { Transfer } from "./transfer.ts";

const UNFINISHED = "._COPYING_";
/** To move so many bytes takes less time than to wait for the answers of a server. */
const SMALL_MAX_BYTES = 64 * 1024;

interface Target {
  readonly files: Files;
  readonly path: string;
  /** How it is called in reports. */
  readonly shown: string;
}

/** False of a link, whatever it leads to. */
export function isSmall(file: FileStats): boolean {
  return file.isFile() && file.size <= SMALL_MAX_BYTES;
}

function optionsOf({ signal, kept }: Shell, { isLazy }: Transfer): WriteOptions {
  return { signal, ...kept, ...(isLazy ? { replication: 1 } : {}) };
}

/** In one step where that can be, else as `writeWhole`. False: it was refused, which was reported. */
export async function writeSmall(
  shell: Shell,
  how: Transfer,
  target: Target,
  content: () => Chunks,
): Promise<boolean> {
  const { signal } = shell;
  const maxBytes = Math.min(SMALL_MAX_BYTES, await target.files.driver.putMaxBytes({ signal }));
  const bytes = maxBytes < 0 ? undefined : await allOf(content(), maxBytes);
  if (bytes === undefined) return writeWhole(shell, how, target, content);
  if (await putNew(shell, how, target, bytes)) return true;
  // Many at a time, each of which has a connection to write, might leave none to read.
  return writeWhole(shell, how, target, () => once(bytes));
}

/**
 * False: something is there, or it cannot be so, and nothing was done. What is there is never replaced in this way: that would
 * ask for permission to write the file, where a rename over it asks the directory.
 */
async function putNew(
  shell: Shell,
  how: Transfer,
  { files, path }: Target,
  bytes: Uint8Array,
): Promise<boolean> {
  const options = { overwrite: false, createParents: false, ...optionsOf(shell, how) };
  const put = (): Promise<boolean> => files.driver.put(path, bytes, options);
  try {
    return await put().catch((unknown) => {
      if (!isUnknown(unknown)) throw unknown;
      return put().catch((again) => {
        // Its content proves nothing: another may have written the same.
        if (isExisting(again) && !how.overwrite) throw notKnown(path, unknown);
        throw again;
      });
    });
  } catch (error) {
    if (isExisting(error)) return false;
    throw error;
  }
}

function notKnown(path: string, cause: unknown): QuorateError {
  const text = `${path}: the answer was lost, and a file is there, this one or another's: look before you try again`;
  return new QuorateError("OUTCOME_UNKNOWN", text, { cause });
}

async function* once(bytes: Uint8Array): Chunks {
  yield bytes;
}

/** Undefined: there are more. */
async function allOf(chunks: Chunks, maxBytes: number): Promise<Buffer | undefined> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of chunks) {
    bytes += part.length;
    if (bytes > maxBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts, bytes);
}

/** False: it was refused, which was reported. */
export async function writeWhole(
  shell: Shell,
  how: Transfer,
  { files: to, path: target, shown }: Target,
  content: Chunks | (() => Chunks),
  createParents = false,
): Promise<boolean> {
  const { overwrite } = how;
  const { signal } = shell;
  const kept = { createParents, ...optionsOf(shell, how) };
  const there = await to.exists(target, { signal });
  const isDirectory = there && (await to.stat(target, { signal })).isDirectory();
  if (isDirectory || (there && !overwrite)) {
    shell.refuse(shown, isDirectory ? "Is a directory" : "File exists");
    return false;
  }
  if (how.direct || to === shell.local) {
    // Local files are moved into place by the driver itself.
    await to.writeFile(target, content, { overwrite, ...kept });
    return true;
  }
  const beside = `${target}${UNFINISHED}`;
  try {
    await to.writeFile(beside, content, { overwrite: true, ...kept }).catch((error) => {
      // Nobody else writes this name: twice is the same as once.
      if (!isUnknown(error) || typeof content !== "function") throw error;
      return to.writeFile(beside, content, { overwrite: true, ...kept });
    });
    await to.rename(beside, target, { overwrite, signal }).catch(async (error) => {
      // What was written is at one name or the other.
      if (!isUnknown(error)) throw error;
      if (await to.exists(beside, { signal })) await to.rename(beside, target, { overwrite, signal });
    });
    return true;
  } catch (error) {
    // What cannot be removed now is seen to be unfinished by its name.
    await to.rm(beside, { force: true, timeoutMs: 5000 }).catch(() => undefined);
    throw error;
  }
}

/** The node died before it answered, and may have done it. */
function isUnknown(error: unknown): boolean {
  return isQuorateError(error) && error.code === "OUTCOME_UNKNOWN";
}

function isExisting(error: unknown): boolean {
  return isQuorateError(error) && error.code === "PATH_EXISTS";
}
