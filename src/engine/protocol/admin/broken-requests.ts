/**
 * What is no HTTP, or breaks off in the middle of a request: Node.js says of it "400 Bad Request" and nothing else. Here it is
 * answered with the exception that clients of files understand, and a response that has begun is never written into.
 */
import type { Server, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Rewritten } from "../../../runtime/node/request-connection.ts";
import { serveAgain } from "../../../runtime/node/request-connection.ts";
import { ERROR_CODE_HEADER, renderError } from "../../../wire/webhdfs/remote-exception.ts";

const STATUSES: Readonly<Record<string, readonly [status: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    "431 Request Header Fields Too Large",
    "the request's address and headers are too long",
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request's headers did not come in time"],
  HPE_INVALID_EOF_STATE: ["400 Bad Request", "the request ended before its time: nothing was done"],
};

export function answerBrokenRequests(server: Server): void {
  const latest = new WeakMap<Duplex, ServerResponse>();
  server.prependListener("request", (request, response) => latest.set(request.socket, response));
  server.prependListener("checkContinue", (request, response) => latest.set(request.socket, response));
  const waiting = new WeakSet<Duplex>();
  const refuse = (error: ParseError, socket: Duplex): void => {
    const response = latest.get(socket);
    const isUnderWay = response?.headersSent === true && !response.writableFinished;
    if (response === undefined && goOn(server, socket, error)) return;
    // As if it had been closed for being idle, which it may be at any time: its client asks again on another one.
    if (error.code === "HPE_INVALID_URL" && response?.writableFinished === true) return void socket.destroy();
    if (!socket.writable || error.code === "ECONNRESET" || isUnderWay) return void socket.destroy();
    // The connection does not outlive it; who works for the request sees that and gives up.
    socket.end(answerTo(error), () => socket.destroy());
  };
  server.on("clientError", (error: ParseError, socket: Duplex) => {
    const response = latest.get(socket);
    if (response === undefined || !isOwed(response)) return refuse(error, socket);
    // What is broken comes behind a whole request, and is answered behind it: nobody is told of what is done that it is not.
    if (waiting.has(socket)) return;
    waiting.add(socket);
    // Before the server closes a connection behind its last answer.
    response.prependOnceListener("finish", () => refuse(error, socket));
  });
}

/** Its request came whole, and nothing of the answer has been sent. */
function isOwed({ req, headersSent, closed }: ServerResponse): boolean {
  return req.complete && !headersSent && !closed;
}

/** What Node.js adds to an error of its parser. */
interface ParseError extends NodeJS.ErrnoException {
  readonly rawPacket?: unknown;
}

/**
 * Hadoop's client writes names that are not ASCII into an address as their bytes of UTF-8, and Jetty, before which HDFS stands, takes
 * them; the parser of Node.js does not. They are written as RFC 3986 has it, and the request is read once more, as the only one of
 * its connection. Only the first bytes of a connection are known to begin with a request: later ones may be of a body. Of an address
 * that comes in pieces the first one is gone when the parser stumbles over a later one: they must begin in the first.
 */
function goOn(server: Server, socket: Duplex, { code, rawPacket }: ParseError): boolean {
  if (code !== "HPE_INVALID_URL" || !Buffer.isBuffer(rawPacket) || !(socket instanceof Socket)) return false;
  if (socket.bytesRead !== rawPacket.length) return false;
  const [line = "", ...rest] = rawPacket.toString("latin1").split("\r\n", 2);
  // These bytes are all that is wrong, as far as it has come; the rest is for the parser.
  const isRight =
    rest.length > 0
      ? /^[A-Z]{3,7} \/[\x21-\x7e\x80-\xff]* HTTP\/1\.[01]$/.test(line)
      : /^[A-Z]{3,7} \/[\x21-\x7e\x80-\xff]*( [HTP/1.0]*\r?)?$/.test(line);
  const address = new RawAddress();
  return isRight && serveAgain(server, socket, rawPacket, (piece) => address.take(piece));
}

/** A request line that is written anew, piece by piece. */
class RawAddress {
  /** A carriage return at the end of a piece, of which it is not known whether it ends the line. */
  private held: Buffer = Buffer.alloc(0);

  take(piece: Buffer): Rewritten {
    const all = Buffer.concat([this.held, piece]);
    const end = all.indexOf("\r\n");
    const last = all.at(-1) === 13 ? all.length - 1 : all.length;
    const line = all
      .toString("latin1", 0, end < 0 ? last : end)
      .replaceAll(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
    if (end < 0) {
      this.held = all.subarray(last);
      return { bytes: Buffer.from(line), isOver: false };
    }
    const head = Buffer.from(`${line}\r\nConnection: close`);
    return { bytes: Buffer.concat([head, all.subarray(end)]), isOver: true };
  }
}

function answerTo({ code = "", message }: NodeJS.ErrnoException): string {
  const [status, text] = STATUSES[code] ?? ["400 Bad Request", `this is no HTTP request: ${message}`];
  const body = JSON.stringify(renderError(new QuorateError("PROTOCOL", text)).body);
  return [
    `HTTP/1.1 ${status}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `${ERROR_CODE_HEADER}: PROTOCOL`,
    "Connection: close",
    "",
    body,
  ].join("\r\n");
}
