/** The log of an attempt, from the node that ran it: this one, or asked of it on behalf of the client. */
import { open } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request as httpRequest } from "node:http";
import { pipeline } from "node:stream/promises";
import { QuorateError } from "../../../runtime/errors.ts";

const FORWARD_IDLE_MS = 10_000;
/** Bytes of one answer, unless more are asked for. */
export const LOG_LENGTH_DEFAULT: number = 1024 * 1024;

/** From `offset` on, or with a negative one so many bytes before the end. An attempt that wrote nothing has an empty log. */
export async function sendLog(
  response: ServerResponse,
  path: string,
  offset: number,
  length: number,
): Promise<void> {
  const file = await open(path).catch(() => undefined);
  try {
    const size = file === undefined ? 0 : (await file.stat()).size;
    const start = offset < 0 ? Math.max(0, size + offset) : Math.min(offset, size);
    const end = Math.min(size, start + length);
    response.writeHead(200, {
      "Content-Type": "text/plain; charset=utf-8",
      "Content-Length": end - start,
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      "X-Quorate-Log-Size": size,
    });
    if (file === undefined || end === start) {
      response.end();
      return;
    }
    await pipeline(file.createReadStream({ start, end: end - 1, autoClose: false }), response);
  } finally {
    await file?.close();
  }
}

/** Asks another node the same. NO_QUORUM: it cannot be reached. */
export async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  http: string,
): Promise<void> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const { authorization } = request.headers;
    const asked = httpRequest(`http://${http}${request.url ?? ""}`, {
      headers: { "X-Quorate-Forwarded": "1", ...(authorization === undefined ? {} : { authorization }) },
      timeout: FORWARD_IDLE_MS,
    });
    asked.on("response", resolve);
    asked.on("timeout", () => asked.destroy(new Error(`nothing came for ${FORWARD_IDLE_MS} ms`)));
    asked.on("error", (cause) =>
      reject(
        new QuorateError("NO_QUORUM", `${http}, which has the log, cannot be reached: ${cause.message}`, {
          cause,
        }),
      ),
    );
    response.once("close", () => asked.destroy());
    asked.end();
  });
  const { statusCode = 502, headers } = answer;
  const kept = ["content-type", "content-length", "x-quorate-log-size"] as const;
  response.writeHead(statusCode, {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    ...Object.fromEntries(
      kept.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
    ),
  });
  await pipeline(answer, response);
}
