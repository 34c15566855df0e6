/** The pace of a transfer: that of its slower side, and a bound on silence. It may last as long as it likes, but not stand still. */
import type { ServerResponse } from "node:http";

/** Resolves when the client took what was written, or has gone. Who takes nothing for `idleMs` is cut off. */
export async function drained(response: ServerResponse, idleMs: number): Promise<void> {
  await itsTurn(response);
  if (!response.writableNeedDrain) return;
  await settled(response, idleMs, (done) => {
    response.on("drain", done);
    return () => response.off("drain", done);
  });
}

/** Writes, and resolves when the connection reads these bytes no more, or the client has gone; `idleMs` as above. */
export async function written(response: ServerResponse, bytes: Uint8Array, idleMs: number): Promise<void> {
  await itsTurn(response);
  await settled(response, idleMs, (done) => {
    response.write(bytes, done);
    return () => undefined;
  });
}

/**
 * Resolves when what is written goes out. Answers to earlier requests of the connection go before, however long that takes; an
 * answer that still waits for them is not told when the client leaves.
 */
function itsTurn(response: ServerResponse): Promise<void> {
  const { socket } = response.req;
  if (response.socket !== null || response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("socket", done);
      socket.off("close", gone);
      resolve();
    };
    const gone = (): void => {
      response.destroy();
      done();
    };
    if (socket.destroyed) return gone();
    response.on("socket", done);
    socket.on("close", gone);
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
