/** One request about jobs and its answer: JSON in, JSON out, one shape for everything that is refused. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode } from "../../../runtime/errors.ts";
import { ERRORS, isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import type { ApiError } from "../../../mapreduce/job-api.ts";

/** A spec of thousands of paths, and bounds of thousands of ranges. */
const BODY_MAX_BYTES = 16 * 1024 * 1024;

/** Throws TOO_LARGE, PROTOCOL (the body breaks off, or is no JSON). */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  if (request.headers["content-type"]?.split(";", 1)[0]?.trim() !== "application/json") {
    throw new QuorateError("PROTOCOL", "the body must be application/json");
  }
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > BODY_MAX_BYTES) break;
      parts.push(part);
    }
  } catch (cause) {
    throw new QuorateError("PROTOCOL", "the body broke off", { cause });
  }
  if (bytes > BODY_MAX_BYTES)
    throw new QuorateError("TOO_LARGE", `the body has more than ${BODY_MAX_BYTES} bytes`);
  try {
    return JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch (cause) {
    throw new QuorateError("PROTOCOL", "the body is no JSON", { cause });
  }
}

export function sendJson(response: ServerResponse, body: object, status = 200): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(response.req.method === "HEAD" ? undefined : text);
}

/** What is no error of the table is ours, and says nothing of the inside. */
export function sendError(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.destroyed) return;
  // Too late to say it: an answer that ends early is seen by whoever counts its bytes.
  if (response.headersSent) return void response.destroy();
  const known = isQuorateError(error) ? error : new QuorateError("INVARIANT", "internal error");
  const { code, message, retryable, outcome } = known;
  const body: ApiError = { error: { code, message, retryable, outcome } };
  // What is left of a body that was not read is not taken for the next request.
  if (!request.complete) response.setHeader("Connection", "close");
  if (code === "ACCESS_DENIED" && request.headers.authorization === undefined)
    response.setHeader("WWW-Authenticate", 'Basic realm="quorate"');
  sendJson(response, body, statusOf(code));
}

const STATUSES: Partial<Record<ErrorCode, number>> = {
  JOB_NOT_FOUND: 404,
  PATH_NOT_FOUND: 404,
  ACCESS_DENIED: 403,
  JOBS_REFUSED: 403,
  PATH_EXISTS: 409,
  JOB_ENDED: 409,
  CHANGED_MEANWHILE: 409,
  TOO_LARGE: 413,
  JOB_FAILED: 422,
  UNSUPPORTED: 501,
  INVARIANT: 500,
  DISK_FULL: 507,
};

export function statusOf(code: ErrorCode): number {
  const { retryable, outcome } = ERRORS[code];
  return STATUSES[code] ?? (retryable ? 503 : outcome === "not-applied" ? 400 : 504);
}
