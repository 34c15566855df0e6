/** The pace of a transfer: that of its slower side, and a bound on silence. It may last as long as it likes, but not stand still. */
import type { ServerResponse } from "node:http";

/** Settles as `wait` does; when that takes longer than `idleMs`, calls `cut`, which must make it settle. */
export async function withinIdle<T>(wait: Promise<T>, idleMs: number, cut: () => void): Promise<T> {
  const timer = setTimeout(cut, idleMs);
  try {
    return await wait;
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when the client took what was written, or has gone. */
export function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

/** Resolves when the bytes have left this process, and are nobody's but its own again, or the client has gone. */
export function written(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("close", done);
      resolve();
    };
    response.on("close", done);
    response.write(bytes, done);
  });
}
