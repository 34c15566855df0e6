/** A small file in one step: all of its bytes are here before anything is asked of the namespace, which takes them in one command. */
import type { IncomingMessage } from "node:http";
import { QuorateError } from "../../../runtime/errors.ts";
import { FILES_ADMIN_PREFIX } from "../../../wire/files-admin.ts";
import {
  parseRequestName,
  parseSmallFile,
  REQUEST_HEADER,
  SMALL_FILE_PATH,
} from "../../../wire/small-files.ts";
import type { FileSystem } from "../../files/file-system.ts";
import type { Caller } from "../../files/namespace/model.ts";
import { batches } from "../webhdfs/batches.ts";

const DEFAULT_FILE_MODE = 0o644;
/** As many as the namespace may ever be told to keep of a file (`namespace/settings.ts`). */
const BODY_MAX_BYTES = 1024 * 1024;

/** Whose body may take as long as it likes, but not stand still: on a slow line many of them share it. */
export function isSmallFile({ method, url = "" }: IncomingMessage): boolean {
  return method === "PUT" && url.split("?", 1)[0] === `${FILES_ADMIN_PREFIX}${SMALL_FILE_PATH}`;
}

/** A body of which nothing comes for `idleMs` is ended. False: it is none for the namespace, or a symbolic link is there. Throws what `FileSystem.create` throws, PROTOCOL, TOO_LARGE. */
export async function putSmallFile(
  files: FileSystem,
  caller: Caller,
  query: URLSearchParams,
  request: IncomingMessage,
  idleMs: number,
): Promise<boolean> {
  const { path, overwrite, permission, replication, blocksize, createparent } = parseSmallFile(query);
  const name = parseRequestName(request.headers[REQUEST_HEADER]);
  const isDone = (): boolean => name !== undefined && files.isDone(name, path);
  const bytes = await bodyOf(request, idleMs);
  if (bytes.length > files.settings().inlineMaxBytes) return false;
  // Both wait for the same barrier.
  const [found, begun] = await Promise.allSettled([
    files.status(path, caller, { followLast: false }),
    files.create(path, caller, {
      mode: (permission ?? DEFAULT_FILE_MODE) & 0o777,
      createParents: createparent,
      overwrite,
      ...(replication === undefined ? {} : { replication }),
      ...(blocksize === undefined ? {} : { blockSize: blocksize }),
      ...(name === undefined ? {} : { request: name }),
    }),
  ]);
  // Whoever means this name gets another answer than who means what the link leads to.
  const isLink = found.status === "fulfilled" && found.value.type === "link";
  if (begun.status === "rejected") {
    if (isDone()) return true;
    if (isLink) return false;
    throw begun.reason;
  }
  const writer = begun.value;
  try {
    // What another has put there since stays.
    if (!isLink && !isDone()) {
      await writer.write(bytes);
      await writer.close();
      return true;
    }
  } catch (error) {
    await writer.abort();
    // The first one came to the log only now.
    if (isDone()) return true;
    throw error;
  }
  await writer.abort();
  return isDone();
}

async function bodyOf(request: IncomingMessage, idleMs: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of batches(request, idleMs)) {
    bytes += part.length;
    if (bytes > BODY_MAX_BYTES)
      throw new QuorateError("TOO_LARGE", `the body is larger than ${BODY_MAX_BYTES} bytes`);
    parts.push(part);
  }
  if (!request.complete) throw new QuorateError("PROTOCOL", "the body ended before its time");
  return Buffer.concat(parts, bytes);
}
