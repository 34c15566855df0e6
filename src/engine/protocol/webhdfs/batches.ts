/** The body of a request in larger pieces than it comes in: what is done for each piece is done less often. */
import type { IncomingMessage } from "node:http";
import { QuorateError } from "../../../runtime/errors.ts";

/** A piece has so many bytes, unless it is the last one. */
const BATCH_BYTES = 256 * 1024;
/** The client waits when so many are not taken. */
const WAITING_MAX_BYTES = 4 * BATCH_BYTES;

/**
 * Ends with the body, or where it breaks off: `request.complete` says which. Throws PROTOCOL when the connection fails, or when
 * nothing comes for so long while a piece is waited for; then the request is destroyed. Ends when it gave `enough` bytes, too: what
 * comes afterwards stays in the request.
 */
export async function* batches(
  request: IncomingMessage,
  idleMs: number,
  enough: number = Infinity,
): AsyncGenerator<Uint8Array> {
  let parts: Buffer[] = [];
  let bytes = 0;
  let given = 0;
  let isOver = request.readableEnded || request.destroyed;
  let failure: Error | undefined;
  let wake: () => void = () => undefined;
  let timer: NodeJS.Timeout | undefined;
  const onData = (chunk: Buffer): void => {
    parts.push(chunk);
    bytes += chunk.length;
    timer?.refresh();
    if (bytes >= WAITING_MAX_BYTES) request.pause();
    if (bytes >= BATCH_BYTES) wake();
  };
  const onEnd = (): void => {
    isOver = true;
    wake();
  };
  const onError = (error: Error): void => {
    failure ??= error;
    onEnd();
  };
  const more = async (): Promise<void> => {
    timer = setTimeout(() => request.destroy(new Error(`nothing came for ${idleMs} ms`)), idleMs);
    await new Promise<void>((resolve) => (wake = resolve));
    clearTimeout(timer);
  };
  // The last one stays: what goes wrong later is nobody's business any more, and must not end the process.
  request.on("data", onData).once("end", onEnd).once("close", onEnd).on("error", onError);
  try {
    for (;;) {
      if (request.isPaused()) request.resume();
      while (bytes < BATCH_BYTES && !isOver) await more();
      if (failure !== undefined) throw new QuorateError("PROTOCOL", "the body broke off", { cause: failure });
      if (bytes === 0) return;
      given += bytes;
      const isEnough = given >= enough;
      if (isEnough) request.off("data", onData).pause();
      const [first = Buffer.alloc(0), ...others] = parts;
      const piece = others.length === 0 ? first : Buffer.concat(parts, bytes);
      parts = [];
      bytes = 0;
      yield piece;
      if (isEnough) return;
    }
  } finally {
    request.off("data", onData).off("end", onEnd).off("close", onEnd);
    // What is left is for whoever answers.
    request.pause();
  }
}
