/**
 * A file written over WebHDFS: at the node that the server names. When that one dies in the middle, the file is not whole, and
 * whoever has the bytes still writes it anew through another node.
 */
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import type { ErrorCode } from "../../../runtime/errors.ts";
import type { Operation } from "../../../wire/webhdfs/operations.ts";
import type { CallOptions, Chunks, WriteOptions } from "../driver.ts";
import type { Endpoint } from "./endpoint.ts";
import { pause } from "./endpoint.ts";

/**
 * With the pauses between them, eight seconds: those that it takes until nodes send nobody to one that died, until another
 * leads, until the dead one is back and has left safe mode.
 */
const ATTEMPTS = 6;
const BACKOFF_MS = 250;

/** Nothing is whole at the path, and another node, or this one a moment later, may do it. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "NO_QUORUM",
  "OVERLOADED",
  "SHUTTING_DOWN",
  "SAFE_MODE",
  "DISK_FULL",
  "DIVERGED",
]);
/** The node itself cannot, and that does not pass in seconds. */
const ITS_OWN: ReadonlySet<ErrorCode> = new Set(["DISK_FULL", "DIVERGED"]);

export async function write(
  endpoint: Endpoint,
  path: string,
  chunks: Chunks,
  options: WriteOptions,
  again: (() => Chunks) | undefined,
): Promise<void> {
  // Whoever must not overwrite would meet what his own first attempt left.
  if (again === undefined || options.overwrite === false)
    return begin(endpoint, path, chunks, options, [], () => undefined);
  const never = new AbortController().signal;
  /** Where the last attempt sent the bytes. */
  let node: string | undefined;
  const begun = (authority: string): void => void (node = authority);
  const excluded: string[] = [];
  for (let attempt = 1, content = chunks; ; attempt++, content = again()) {
    try {
      return await begin(endpoint, path, content, options, excluded, begun);
    } catch (error) {
      options.signal?.throwIfAborted();
      const isPassing = isQuorateError(error) && PASSING.has(error.code);
      // When nobody took the first byte, it is the caller who knows whether to wait.
      if (!isPassing || node === undefined || attempt >= ATTEMPTS) throw error;
      if (ITS_OWN.has(error.code)) excluded.push(node);
      await pause(BACKOFF_MS * 2 ** (attempt - 1), options.signal ?? never);
      options.signal?.throwIfAborted();
    }
  }
}

async function begin(
  endpoint: Endpoint,
  path: string,
  chunks: Chunks,
  options: WriteOptions,
  excludedatanodes: readonly string[],
  begun: (authority: string) => void,
): Promise<void> {
  const { overwrite = true, mode, replication, blockSize, createParents = true } = options;
  const operation: Operation<"CREATE"> = {
    op: "CREATE",
    noredirect: false,
    excludedatanodes,
    data: false,
    buffersize: undefined,
    overwrite,
    permission: mode,
    unmaskedpermission: undefined,
    replication,
    blocksize: blockSize,
    createflag: undefined,
    createparent: createParents,
  };
  const found = await endpoint.locate(path, operation, callOf(options));
  if ("answer" in found)
    throw new QuorateError("PROTOCOL", "CREATE was answered without a place for the bytes");
  begun(new URL(found.location).host);
  await endpoint.upload("PUT", found.location, chunks, options);
}

/** The timeout of a stream is one of silence; asking where the bytes go has the usual deadline. */
export function callOf({ signal }: CallOptions): CallOptions {
  return signal === undefined ? {} : { signal };
}
