/**
 * What is no HTTP, or breaks off in the middle of a request: Node.js says of it "400 Bad Request" and nothing else. Here it is
 * answered with the exception that clients of files understand, and a response that has begun is never written into.
 */
import type { Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { QuorateError } from "../../../runtime/errors.ts";
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
  server.on("clientError", (error: ParseError, socket: Duplex) => {
    const response = latest.get(socket);
    const isUnderWay = response?.headersSent === true && !response.writableFinished;
    if (!socket.writable || error.code === "ECONNRESET" || isUnderWay) return void socket.destroy();
    // The connection does not outlive it; who works for the request sees that and gives up.
    socket.end(redirectOf(error) ?? answerTo(error), () => socket.destroy());
  });
}

/** What Node.js adds to an error of its parser. */
interface ParseError extends NodeJS.ErrnoException {
  readonly rawPacket?: unknown;
}

/**
 * Hadoop's client writes names that are not ASCII into an address as their bytes of UTF-8, and Jetty, before which HDFS stands, takes
 * them; the parser of Node.js does not. Who sends one is told the address as RFC 3986 writes it, and asks again on another
 * connection: nothing of what came is carried out, so that it does not matter where in it the request began.
 */
function redirectOf({ code, rawPacket }: ParseError): string | undefined {
  if (code !== "HPE_INVALID_URL" || !Buffer.isBuffer(rawPacket)) return undefined;
  const head = rawPacket.toString("latin1", 0, Math.max(0, rawPacket.indexOf("\r\n\r\n")));
  const [line = "", ...headers] = head.split("\r\n");
  const [, address] = /^[A-Z]{3,7} (\/[\x21-\x7e\x80-\xff]*) HTTP\/1\.[01]$/.exec(line) ?? [];
  const hosts = headers.flatMap((header) => /^host: *([\w.:[\]-]+) *$/i.exec(header)?.[1] ?? []);
  if (address === undefined || hosts.length !== 1) return undefined;
  const escaped = address.replaceAll(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
  // Who sends content follows one redirection, not two: this address takes it.
  const more = /[?&]op=(?:create|append)(?:&|$)/i.test(escaped) ? "&data=true" : "";
  return [
    "HTTP/1.1 307 Temporary Redirect",
    `Location: http://${hosts[0]}${escaped}${more}`,
    "Content-Length: 0",
    "Connection: close",
    "",
    "",
  ].join("\r\n");
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
