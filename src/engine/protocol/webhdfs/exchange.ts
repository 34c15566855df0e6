/** One request and its answer: who asks, what for, and the ways to answer. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import { ERROR_CODE_HEADER, renderError } from "../../../wire/webhdfs/remote-exception.ts";
import type { WebHdfsRequest } from "../../../wire/webhdfs/request.ts";
import type { FileSystem } from "../../files/file-system.ts";
import type { Caller } from "../../files/namespace/model.ts";
import { isLoopback } from "../loopback.ts";

/** As HDFS calls who does not say who he is. */
const ANONYMOUS = "dr.who";
/** What HDFS takes for a user (dfs.webhdfs.user.provider.user.pattern). */
const USER = /^[A-Za-z_][A-Za-z0-9._-]*\$?$/;
/** A client that still sends the body of a request which was refused may send so much more to read the answer. */
const DRAIN_MAX_BYTES = 64 * 1024 * 1024;

export interface ExchangeParts {
  readonly files: FileSystem;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The client waits for "100 Continue" before it sends the body. */
  readonly expectsContinue: boolean;
  readonly parsed: WebHdfsRequest;
  readonly caller: Caller;
}

export class Exchange implements ExchangeParts {
  readonly files: FileSystem;
  readonly request: IncomingMessage;
  /** Another one when the body was taken from the HTTP server (`taken-body.ts`). */
  response: ServerResponse;
  readonly expectsContinue: boolean;
  readonly parsed: WebHdfsRequest;
  readonly path: string;
  readonly caller: Caller;
  private departure: AbortController | undefined;

  constructor({ files, request, response, expectsContinue, parsed, caller }: ExchangeParts) {
    this.files = files;
    this.request = request;
    this.response = response;
    this.expectsContinue = expectsContinue;
    this.parsed = parsed;
    this.path = parsed.path;
    this.caller = caller;
  }

  /**
   * Fires when the client goes before it has its answer. Made when it is first asked for: it costs a good part of a small
   * answer. It is not an own property: a copy of the fields has none.
   */
  get signal(): AbortSignal {
    return (this.departure ??= departureOf(this.response)).signal;
  }
}

function departureOf(response: ServerResponse): AbortController {
  const departure = new AbortController();
  const closed = (): void => {
    // Who has answered waits for nothing any more.
    if (!response.writableEnded) departure.abort();
  };
  if (response.destroyed) closed();
  else response.once("close", closed);
  return departure;
}

/** Throws PROTOCOL when it is no name of a user, ACCESS_DENIED when there is a delegation token: nobody was given one. */
export function callerOf(
  parsed: Pick<WebHdfsRequest, "user" | "onBehalfOf" | "delegation">,
  groupsOf: (user: string) => readonly string[],
): Caller {
  if (parsed.delegation !== undefined) {
    throw new QuorateError(
      "ACCESS_DENIED",
      "there are no delegation tokens here: name the user with user.name",
    );
  }
  const user = parsed.onBehalfOf ?? parsed.user ?? ANONYMOUS;
  if (user.length > 255 || !USER.test(user)) {
    const why = `"${user.slice(0, 100)}" does not belong to the domain ${USER.source}`;
    throw new QuorateError("PROTOCOL", `Invalid value for webhdfs parameter "user.name": ${why}`);
  }
  return { user, groups: groupsOf(user) };
}

/** In protected mode: who asks is believed, so nobody of another machine may ask. */
export function refuseStrangers({ socket }: IncomingMessage): void {
  const { remoteAddress, localAddress } = socket;
  // A program of this machine may come by the address under which others know it.
  if (isLoopback(remoteAddress) || (remoteAddress !== undefined && remoteAddress === localAddress)) return;
  throw new QuorateError(
    "ACCESS_DENIED",
    "protected mode: files are served to clients of this machine only, because whoever asks is believed; start nodes with --protected-mode no to let other machines in",
  );
}

export function sendJson(response: ServerResponse, body: object | null, status = 200): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(text);
}

export function sendEmpty(
  response: ServerResponse,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    "Content-Type": "application/octet-stream",
    "Content-Length": 0,
    "Cache-Control": "no-cache",
    ...headers,
  });
  response.end();
}

/** What was thrown as HDFS would have said it. What is no error of the table is ours, and says nothing of the inside. */
export function sendError(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.destroyed) return;
  // Too late to say it: a body that ends early is seen by whoever counts its bytes.
  if (response.headersSent) return void response.destroy();
  const known = isQuorateError(error) ? error : new QuorateError("INVARIANT", "internal error");
  const { status, body } = renderError(known);
  response.setHeader(ERROR_CODE_HEADER, known.code);
  sendJson(response, body, isQuorateError(error) ? status : 500);
  // Who took the connection drains it.
  if (response.socket === request.socket) drain(request);
}

/**
 * Lets a client that sends before it reads come to the answer. What is left of a body is thrown away, up to a bound: then
 * the connection is cut.
 */
function drain(request: IncomingMessage): void {
  if (request.complete) return;
  let left = DRAIN_MAX_BYTES;
  request.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  request.on("error", () => undefined);
  request.resume();
}
