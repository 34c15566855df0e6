/** The body of a request in larger pieces than it comes in: what is done for each piece is done less often. */
import type { IncomingMessage } from "node:http";
import { QuorateError } from "../../../runtime/errors.ts";

/** A piece has so many bytes, unless it is the last one. */
const BATCH_BYTES = 256 * 1024;
/** The client waits when so many are not taken. */
const WAITING_MAX_BYTES = 4 * BATCH_BYTES;

/** Ends with the body, or throws when it breaks off or nothing comes for so long; then the request is destroyed. */
export async function* batches(request: IncomingMessage, idleMs: number): AsyncGenerator<Uint8Array> {
  let parts: Buffer[] = [];
  let bytes = 0;
  let over = false;
  let failure: Error | undefined;
  let wake: () => void = () => undefined;
  const onData = (chunk: Buffer): void => {
    parts.push(chunk);
    bytes += chunk.length;
    timer.refresh();
    if (bytes >= WAITING_MAX_BYTES) request.pause();
    if (bytes >= BATCH_BYTES) wake();
  };
  const onEnd = (): void => {
    over = true;
    wake();
  };
  const onError = (error: Error): void => {
    failure ??= error;
    onEnd();
  };
  const timer = setTimeout(() => request.destroy(new Error(`nothing came for ${idleMs} ms`)), idleMs);
  request.on("data", onData).once("end", onEnd).once("close", onEnd).on("error", onError);
  try {
    for (;;) {
      while (bytes < BATCH_BYTES && !over) await new Promise<void>((resolve) => (wake = resolve));
      if (failure !== undefined) throw new QuorateError("PROTOCOL", "the body broke off", { cause: failure });
      if (bytes === 0) return;
      const taken = parts;
      parts = [];
      bytes = 0;
      if (request.isPaused()) request.resume();
      yield taken.length === 1 ? (taken[0] as Buffer) : Buffer.concat(taken);
      // While the writer was at work nobody was late.
      timer.refresh();
    }
  } finally {
    clearTimeout(timer);
    request.off("data", onData).off("end", onEnd).off("close", onEnd);
    // Nobody reads on: what is left is for whoever answers.
    request.pause();
  }
}
