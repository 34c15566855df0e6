/** The pace of a transfer: that of its slower side, and a bound on silence. It may last as long as it likes, but not stand still. */
import type { ServerResponse } from "node:http";
import type { Bytes } from "../../../runtime/bytes.ts";

/** Resolves when the client took what was written, or has gone. Who takes nothing for `idleMs` is cut off. */
export function drained(response: ServerResponse, idleMs: number): Promise<void> {
  return settled(response, idleMs, (done) => {
    response.on("drain", done);
    return () => response.off("drain", done);
  });
}

/** What a client gets at first, and again when it was slow: within the idle time it must be able to take so much. */
const PART_BYTES = 64 * 1024;
const PART_MAX_BYTES = 4 * 1024 * 1024;
/** Who takes a part within this time gets twice as much the next time. */
const QUICK_MS = 100;

/** Sends bytes that are lent, in parts as large as the client is quick. */
export class LentSender {
  private readonly response: ServerResponse;
  private readonly idleMs: number;
  private partBytes = PART_BYTES;

  constructor(response: ServerResponse, idleMs: number) {
    this.response = response;
    this.idleMs = idleMs;
  }

  /** Resolves when the connection reads these bytes no more, or the client has gone. Who takes nothing for the idle time is cut off. */
  async send(bytes: Bytes): Promise<void> {
    const { response, idleMs } = this;
    for (let at = 0; at < bytes.length && !response.destroyed;) {
      const part = bytes.subarray(at, at + this.partBytes);
      const startedMs = performance.now();
      await settled(response, idleMs, (done) => {
        response.write(part, done);
        return () => undefined;
      });
      at += part.length;
      const isQuick = performance.now() - startedMs < QUICK_MS;
      this.partBytes = isQuick ? Math.min(2 * this.partBytes, PART_MAX_BYTES) : PART_BYTES;
    }
  }
}

/** Resolves when `begin` called back, or the client has gone. */
async function settled(
  response: ServerResponse,
  idleMs: number,
  begin: (done: () => void) => () => void,
): Promise<void> {
  if (response.destroyed) return;
  const timer = setTimeout(() => response.destroy(), idleMs);
  let cancel: () => void = () => undefined;
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    cancel = begin(() => {
      response.off("close", resolve);
      resolve();
    });
  });
  cancel();
  clearTimeout(timer);
}
