/**
 * A file read over WebHDFS: at whatever node the server names, and on from where it broke off at another one. The bytes are
 * counted: an answer that ends early is a failure, not the end of the file.
 */
import type { IncomingMessage } from "node:http";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Chunks, ReadOptions, SizeHint } from "../driver.ts";
import { errorOf } from "./connections.ts";
import type { Endpoint } from "./endpoint.ts";
import { IDLE_TIMEOUT_MS } from "./endpoint.ts";

/** Failures in a row, without a byte between them, after which reading ends. */
const FAILURES_MAX = 4;
/** A node that says so has asked all others; another one may reach more of them. */
const MISSING_MAX = 2;
/** To be sent to the node that has so few bytes costs more than to have them from another one. */
const HERE_MAX_BYTES = 64 * 1024;

/** `sizeOf` is asked when a server refuses an offset: HDFS refuses the end of a file too, where there is just nothing to read. */
export async function* readFrom(
  endpoint: Endpoint,
  path: string,
  options: ReadOptions & SizeHint,
  sizeOf: () => Promise<number>,
): Chunks {
  try {
    yield* readOn(endpoint, path, options);
  } catch (error) {
    const { offset = 0 } = options;
    const isRefused = error instanceof QuorateError && error.code === "FILE_OPERATION_REFUSED";
    if (offset === 0 || !isRefused || (await sizeOf()) !== offset) throw error;
  }
}

async function* readOn(endpoint: Endpoint, path: string, options: ReadOptions & SizeHint): Chunks {
  const { signal } = options;
  let at = options.offset ?? 0;
  let end = options.length === undefined ? undefined : at + options.length;
  let tag: string | undefined;
  const failed: string[] = [];
  for (let failures = 0; ;) {
    const length = end === undefined ? undefined : end - at;
    if (length === 0 && at !== (options.offset ?? 0)) return;
    const { answer, node } = await open(endpoint, path, at, length, failed, options);
    tag = same(path, tag, answer);
    const announced = answer.headers["content-length"];
    if (announced !== undefined) end = at + Number(announced);
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        at += chunk.length;
        failures = 0;
        yield chunk;
      }
      if (end === undefined || at >= end) return;
      throw new Error("the answer ended early");
    } catch (error) {
      signal?.throwIfAborted();
      failures++;
      if (failures >= FAILURES_MAX) {
        const text = error instanceof Error ? error.message : String(error);
        throw new QuorateError("NO_QUORUM", `${path} cannot be read on from byte ${at}: ${text}`, {
          cause: error,
        });
      }
      if (node !== "" && !failed.includes(node)) failed.push(node);
    } finally {
      answer.destroy();
    }
  }
}

async function open(
  endpoint: Endpoint,
  path: string,
  offset: number,
  length: number | undefined,
  excludedatanodes: readonly string[],
  options: ReadOptions & SizeHint,
): Promise<{ readonly answer: IncomingMessage; readonly node: string }> {
  const { signal, timeoutMs = IDLE_TIMEOUT_MS, expectedBytes = Infinity } = options;
  const operation = {
    op: "OPEN",
    offset,
    length,
    noredirect: false,
    // Another server than Quorate knows no such thing of OPEN, and answers as ever.
    data: expectedBytes <= HERE_MAX_BYTES,
    buffersize: undefined,
  } as const;
  for (let failures = 0, excluded = excludedatanodes; ;) {
    const found = await endpoint.locate(
      path,
      { ...operation, excludedatanodes: excluded },
      { ...(signal && { signal }) },
    );
    if ("answer" in found) return { answer: found.answer, node: "" };
    const node = new URL(found.location).host;
    try {
      const answer = await endpoint.connections.send("GET", found.location, { signal, idleMs: timeoutMs });
      if ((answer.statusCode ?? 0) < 300) return { answer, node };
      throw await errorOf(answer);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof QuorateError && !error.retryable) throw error;
      failures++;
      if (failures >= (isMissing(error) ? MISSING_MAX : FAILURES_MAX)) throw givenUp(path, offset, error);
      // There is no other one that could look.
      if (isMissing(error) && excluded.includes(node)) throw givenUp(path, offset, error);
      excluded = [...new Set([...excluded, node])];
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof QuorateError && error.code === "BLOCK_MISSING";
}

function givenUp(path: string, offset: number, error: unknown): QuorateError {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof QuorateError ? error.code : "NO_QUORUM";
  const named = text.includes(path) ? text : `${path} cannot be read from byte ${offset}: ${text}`;
  return new QuorateError(code, named, { cause: error });
}

/** Quorate tags an answer with the file and its last change; another server that does not is believed. */
function same(path: string, before: string | undefined, { headers }: IncomingMessage): string | undefined {
  const { etag } = headers;
  if (before !== undefined && etag !== undefined && etag !== before)
    throw new QuorateError("CHANGED_MEANWHILE", `${path} changed while it was read`);
  return etag ?? before;
}
