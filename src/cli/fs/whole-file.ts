/**
 * A file that is there when it is whole. It is written under a name that ends in `._COPYING_` and renamed, as Hadoop's shell does
 * it: who is interrupted leaves nothing that looks finished. A small one goes up in one step where the file system can do that.
 */
import { isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { CallOptions, Chunks, WriteOptions } from "../../client/files/driver.ts";
import type { FileStats } from "../../client/files/file-stats.ts";
import type { Files } from "../../client/files/files.ts";
import type { Shell } from "./shell.ts";
import type { Transfer } from "./transfer.ts";

const UNFINISHED = "._COPYING_";
/** To move so many bytes takes less time than to wait for the answers of a server. */
const SMALL_MAX_BYTES = 64 * 1024;
const RENAMES_MAX = 3;

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
  try {
    return await files.driver.put(path, bytes, options);
  } catch (error) {
    // What may be replaced is, whosever it is.
    if (isExisting(error) || (how.overwrite && isUnknown(error))) return false;
    throw error;
  }
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
  let size = 0;
  const counted = async function* (chunks: Chunks): Chunks {
    size = 0;
    for await (const chunk of chunks) {
      size += chunk.length;
      yield chunk;
    }
  };
  const bytes = typeof content === "function" ? () => counted(content()) : counted(content);
  try {
    await to.writeFile(beside, bytes, { overwrite: true, ...kept }).catch((error) => {
      // Nobody else writes this name: twice is the same as once. One that comes very late leaves it behind, unfinished as it says.
      if (!isUnknown(error) || typeof bytes !== "function") throw error;
      return to.writeFile(beside, bytes, { overwrite: true, ...kept });
    });
    await moveIntoPlace(to, beside, target, size, { overwrite, signal });
    return true;
  } catch (error) {
    // What cannot be removed now is seen to be unfinished by its name.
    await to.rm(beside, { force: true, timeoutMs: 5000 }).catch(() => undefined);
    throw error;
  }
}

/**
 * Where the answer is lost it is looked what became of it: nobody else writes the unfinished name, so what was there is at the other
 * one, or is moved again. A first rename that comes to the log late finds nothing to move.
 */
async function moveIntoPlace(
  files: Files,
  from: string,
  to: string,
  size: number,
  options: { readonly overwrite: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { signal } = options;
  let lost: unknown;
  for (let attempt = 1; ; attempt++) {
    try {
      return await files.rename(from, to, options);
    } catch (error) {
      if (isUnknown(error)) lost ??= error;
      if (lost === undefined) throw error;
      // What cannot be looked for, or not be done now, leaves open what was done before.
      const isLeft = await files.exists(from, { signal }).catch((failure: unknown) => {
        throw orUnknown(failure, lost);
      });
      if (!isLeft) return checkMoved(files, from, to, size, { signal }, lost);
      if (!isUnknown(error)) throw orUnknown(error, lost);
      if (attempt >= RENAMES_MAX) throw lost;
    }
  }
}

async function checkMoved(
  files: Files,
  from: string,
  to: string,
  size: number,
  call: CallOptions,
  lost: unknown,
): Promise<void> {
  const there = await files.stat(to, call).catch((error: unknown) => {
    if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return undefined;
    throw orUnknown(error, lost);
  });
  if (there?.size === size) return;
  const text = `${to}: the answer was lost, and what was written is neither there nor at ${from}`;
  throw new QuorateError("OUTCOME_UNKNOWN", text, { cause: lost });
}

/** The node died before it answered, and may have done it. */
export function isUnknown(error: unknown): boolean {
  return isQuorateError(error) && error.code === "OUTCOME_UNKNOWN";
}

/** Of what another one may do, or the same one later, `lost` says more. */
function orUnknown(error: unknown, lost: unknown): unknown {
  return isQuorateError(error) && error.retryable ? lost : error;
}

function isExisting(error: unknown): boolean {
  return isQuorateError(error) && error.code === "PATH_EXISTS";
}
