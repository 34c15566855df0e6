/** The pace of a transfer: that of its slower side, and a bound on silence. It may last as long as it likes, but not stand still. */
import type { ServerResponse } from "node:http";

/** Resolves when the client took what was written, or has gone. Who takes nothing for `idleMs` is cut off. */
export function drained(response: ServerResponse, idleMs: number): Promise<void> {
  return settled(response, idleMs, (done) => {
    response.on("drain", done);
    return () => response.off("drain", done);
  });
}

/** Writes, and resolves when the connection reads these bytes no more, or the client has gone; `idleMs` as above. */
export function written(response: ServerResponse, bytes: Uint8Array, idleMs: number): Promise<void> {
  return settled(response, idleMs, (done) => {
    response.write(bytes, done);
    return () => undefined;
  });
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
