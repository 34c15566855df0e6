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
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    const response = latest.get(socket);
    const isUnderWay = response?.headersSent === true && !response.writableFinished;
    if (!socket.writable || error.code === "ECONNRESET" || isUnderWay) return void socket.destroy();
    // The connection does not outlive it; who works for the request sees that and gives up.
    socket.end(answerTo(error), () => socket.destroy());
  });
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
