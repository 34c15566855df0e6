/** HTTP to the nodes of a file system: one answer to one request, with a deadline until it begins. */
import type { IncomingMessage } from "node:http";
import { Agent, request as httpRequest } from "node:http";
import { QuorateError } from "../../../runtime/errors.ts";
import { parseErrorJson } from "../../../wire/files-admin.ts";
import { ERROR_CODE_HEADER, parseError } from "../../../wire/webhdfs/remote-exception.ts";

const SOCKETS_MAX = 64;
const ERROR_BODY_MAX_BYTES = 1024 * 1024;
const ANSWER_MAX_BYTES = 256 * 1024 * 1024;

/** The request did not reach a server: whatever it was, nothing was done. */
export class NotSent extends Error {
  override readonly name = "NotSent";
}

/** The answer did not come, and the server may have done what it was asked for. */
export class AnswerLost extends Error {
  override readonly name = "AnswerLost";
}

export interface Sending {
  /** Ends the request and its answer, whenever it fires. Default: nothing does. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the request as long as no answer came. */
  readonly until?: AbortSignal | undefined;
  /** Milliseconds of silence after which the request is given up. */
  readonly idleMs: number;
  /** Ends early when the server answers before all is sent. Default: no body. */
  readonly body?: AsyncIterable<Uint8Array>;
  /** In place of `body`: sent as JSON. */
  readonly json?: object | undefined;
  /** In place of both: sent in one piece. */
  readonly bytes?: Uint8Array | undefined;
  /** Besides those of the body. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export class Connections {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });

  /** Resolves with the head of the answer. Rejects with NotSent, AnswerLost, the signal's reason, or what the body threw. */
  async send(
    method: string,
    url: string,
    { signal, until, idleMs, body, json, bytes, headers: others }: Sending,
  ): Promise<IncomingMessage> {
    signal?.throwIfAborted();
    until?.throwIfAborted();
    const piece = bytes ?? Buffer.from(json === undefined ? "" : JSON.stringify(json));
    const isBinary = body !== undefined || bytes !== undefined;
    const headers = {
      ...others,
      ...(isBinary ? { "Content-Type": "application/octet-stream" } : {}),
      ...(json === undefined ? {} : { "Content-Type": "application/json" }),
      ...(body === undefined
        ? { "Content-Length": String(piece.length) }
        : { "Transfer-Encoding": "chunked" }),
    };
    const request = httpRequest(url, { method, agent: this.agent, headers });
    let whole = false;
    let isConnected = false;
    request.once("socket", (socket) => {
      isConnected = !socket.connecting;
      if (isConnected) return;
      // The request's own timeout begins when it is connected.
      socket.setTimeout(idleMs);
      socket.once("connect", () => (isConnected = true));
    });
    request.setTimeout(idleMs, () => {
      request.destroy(new Error(`nothing came for ${idleMs} ms`));
    });
    const abort = (): void => void request.destroy(new Error("aborted"));
    signal?.addEventListener("abort", abort, { once: true });
    until?.addEventListener("abort", abort, { once: true });
    request.once("response", () => until?.removeEventListener("abort", abort));
    request.once("close", () => {
      signal?.removeEventListener("abort", abort);
      until?.removeEventListener("abort", abort);
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      let isAnswered = false;
      request.once("response", (response: IncomingMessage) => {
        isAnswered = true;
        resolve(response);
      });
      request.on("error", (error: NodeJS.ErrnoException) => {
        const ended = [signal, until].find((each) => each?.aborted === true);
        if (ended !== undefined) return reject(ended.reason as Error);
        const what = `${new URL(url).host}: ${error.message || (error.code ?? "failed")}`;
        const unsent = !isConnected || (body !== undefined && !whole);
        reject(unsent ? new NotSent(what, { cause: error }) : new AnswerLost(what, { cause: error }));
      });
      request.once("close", () => {
        // An error costs more than the rest of a small request.
        if (!isAnswered) reject(new AnswerLost(`${new URL(url).host}: the connection was closed`));
      });
    });
    // It is awaited below; until then a failure of the body comes first.
    answered.catch(() => undefined);
    if (body !== undefined) {
      let early = false;
      request.once("response", () => (early = true));
      try {
        await pour(body, request, () => early || request.destroyed);
      } catch (error) {
        request.destroy();
        throw error;
      }
      if (!early && !request.destroyed) whole = true;
      if (early) request.once("finish", () => request.destroy());
    }
    request.end(piece.length === 0 ? undefined : piece);
    return answered;
  }

  close(): void {
    this.agent.destroy();
  }
}

/** Sends the body at the request's pace until it ends or `isOver`; a body that says nothing is not waited for then. */
async function pour(
  body: AsyncIterable<Uint8Array>,
  request: NodeJS.EventEmitter & { write(chunk: Uint8Array): boolean },
  isOver: () => boolean,
): Promise<void> {
  const parts = body[Symbol.asyncIterator]();
  let wake: () => void = () => undefined;
  const awake = (): void => wake();
  for (const event of ["response", "close"]) request.on(event, awake);
  try {
    while (!isOver()) {
      const part = await new Promise<IteratorResult<Uint8Array> | undefined>((resolve, reject) => {
        wake = () => resolve(undefined);
        parts.next().then(resolve, reject);
      });
      if (part?.done === true) return;
      if (part === undefined || isOver()) break;
      if (part.value.length > 0 && !request.write(part.value)) await writable(request);
    }
    // Not awaited: it may only answer when the part that was asked for has come.
    parts.return?.().catch(() => undefined);
  } finally {
    for (const event of ["response", "close"]) request.off(event, awake);
  }
}

function writable(request: NodeJS.EventEmitter): Promise<void> {
  const events = ["drain", "response", "close", "error"] as const;
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) request.off(event, done);
      resolve();
    };
    for (const event of events) request.on(event, done);
  });
}

/** The JSON of an answer, undefined when there is none. Throws AnswerLost when it breaks off. */
export async function readJson(
  response: IncomingMessage,
  maxBytes: number = ANSWER_MAX_BYTES,
): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > maxBytes) throw new QuorateError("TOO_LARGE", `an answer of more than ${maxBytes} bytes`);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof QuorateError) throw error;
    throw new AnswerLost("the answer broke off", { cause: error });
  }
  const text = Buffer.concat(parts).toString("utf8");
  if (!/json/.test(response.headers["content-type"] ?? "") || text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new QuorateError("PROTOCOL", `the answer is no JSON: ${text.slice(0, 100)}`, { cause: error });
  }
}

/** What a server refused, as an error of the table. */
export async function errorOf(response: IncomingMessage): Promise<QuorateError> {
  const body = await readJson(response, ERROR_BODY_MAX_BYTES);
  const code = response.headers[ERROR_CODE_HEADER];
  const known = parseError(body, typeof code === "string" ? code : undefined) ?? parseErrorJson(body);
  if (known !== undefined) return known;
  const { statusCode = 0, statusMessage = "" } = response;
  const text = `the server answered ${statusCode} ${statusMessage}`;
  // Gateways say 502, 503 and 504 when no server took the request.
  if (statusCode >= 502 && statusCode <= 504) return new QuorateError("NO_QUORUM", text);
  if (statusCode === 401 || statusCode === 403) return new QuorateError("ACCESS_DENIED", text);
  return new QuorateError("UNSUPPORTED", `${text}: is it a WebHDFS server?`);
}
