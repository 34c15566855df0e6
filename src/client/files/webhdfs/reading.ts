/**
 * A file read over WebHDFS: at whatever node the server names, and on from where it broke off at another one. The bytes are
 * counted: an answer that ends early is a failure, not the end of the file.
 */
import type { IncomingMessage } from "node:http";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Operation } from "../../../wire/webhdfs/operations.ts";
import type { CallOptions, Chunks, ReadOptions, SizeHint } from "../driver.ts";
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
    const { answer, node } = await open(endpoint, path, at, length, failed, options).catch(
      (error: unknown) => {
        throw tag === undefined ? error : changeOf(path, error);
      },
    );
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

function open(
  endpoint: Endpoint,
  path: string,
  offset: number,
  length: number | undefined,
  excluded: readonly string[],
  options: ReadOptions & SizeHint,
): Promise<Found> {
  const operation = {
    op: "OPEN",
    offset,
    length,
    noredirect: false,
    // Another server than Quorate knows no such thing of OPEN, and answers as ever.
    data: (options.expectedBytes ?? Infinity) <= HERE_MAX_BYTES,
    buffersize: undefined,
  } as const;
  const what = `${path} cannot be read from byte ${offset}`;
  return ask(
    endpoint,
    path,
    { what, excluded, operation: (excludedatanodes) => ({ ...operation, excludedatanodes }) },
    options,
  );
}

export interface Asking {
  /** What it means when there is no answer. */
  readonly what: string;
  /** Of each first step, in all. Default 30,000. */
  readonly locateMs?: number | undefined;
  /** Nodes that are not to do it. */
  readonly excluded: readonly string[];
  readonly operation: (excluded: readonly string[]) => Operation<"OPEN" | "GETFILECHECKSUM">;
}

interface Found {
  readonly answer: IncomingMessage;
  /** Who gave it; "": the one that was asked first. */
  readonly node: string;
}

/** The answer of the second step, at another node when one fails. */
export async function ask(
  endpoint: Endpoint,
  path: string,
  { what, locateMs, operation, ...asking }: Asking,
  { signal, timeoutMs = IDLE_TIMEOUT_MS }: CallOptions,
): Promise<Found> {
  const locating = {
    ...(signal && { signal }),
    ...(locateMs === undefined ? {} : { timeoutMs: locateMs }),
  };
  for (let failures = 0, { excluded } = asking; ;) {
    const found = await endpoint.locate(path, operation(excluded), locating);
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
      // There may be no other one that could look.
      const isOver = isMissing(error) ? failures >= MISSING_MAX || excluded.includes(node) : false;
      if (isOver || failures >= FAILURES_MAX) throw givenUp(path, what, error);
      excluded = [...new Set([...excluded, node])];
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof QuorateError && error.code === "BLOCK_MISSING";
}

function givenUp(path: string, what: string, error: unknown): QuorateError {
  const text = error instanceof Error ? error.message : String(error);
  const code = error instanceof QuorateError ? error.code : "NO_QUORUM";
  const named = text.includes(path) ? text : `${what}: ${text}`;
  return new QuorateError(code, named, { cause: error });
}

/** Bytes of it were read: what the server then says of the path tells how it changed. Any other failure is itself. */
function changeOf(path: string, error: unknown): unknown {
  const how = error instanceof QuorateError ? changeIn(error) : undefined;
  return how === undefined
    ? error
    : new QuorateError("CHANGED_MEANWHILE", `${path} changed while it was read: ${how}`, { cause: error });
}

function changeIn({ code, message }: QuorateError): string | undefined {
  switch (code) {
    case "PATH_NOT_FOUND":
    case "PARENT_NOT_DIRECTORY":
      return "it is not there any more";
    case "FILE_OPERATION_REFUSED":
      return /out of the range/i.test(message) ? "it is shorter now" : "it is no file any more";
    default:
      return undefined;
  }
}

/** Quorate tags an answer with the file and its last change; another server that does not is believed. */
function same(path: string, before: string | undefined, { headers }: IncomingMessage): string | undefined {
  const { etag } = headers;
  if (before !== undefined && etag !== undefined && etag !== before)
    throw new QuorateError("CHANGED_MEANWHILE", `${path} changed while it was read`);
  return etag ?? before;
}
