/**
 * Reads of accepted connections without a new buffer for each.
 *
 * The sockets that `net.Server` makes get a fresh 64 KiB from the allocator for every read, and a stream's `data` event on top:
 * for small commands that is a sixth of all that a command costs. `net.Socket` can instead read into its user's buffer
 * (`onread`), but the server has no such option for what it accepts; so the connection moves to a socket that has. All of them
 * share one buffer: a read is over before the next one begins.
 */
import { Socket } from "node:net";

const READ_BYTES = 64 << 10;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

/** `chunk` up to `length` is what has just arrived; it will be written over when the call has returned. */
export type OnRead = (chunk: Buffer, length: number) => void;

/** What Node.js does not document of a socket: the connection underneath it, which reads into a buffer if it is told to. */
interface Connected {
  _handle: { readonly useUserBuffer?: unknown } | null;
}

/**
 * The socket to use from now on in place of `accepted`, which a server with `allowHalfOpen` and `pauseOnConnect` has just
 * accepted. It has no `data` events. In a Node.js that keeps its connections to itself it is `accepted`, read as usual.
 */
export function readThroughSharedBuffer(accepted: Socket, onRead: OnRead): Socket {
  const connected = accepted as unknown as Connected;
  const handle = connected._handle;
  if (typeof handle?.useUserBuffer !== "function") {
    accepted.on("data", (chunk) => onRead(chunk, chunk.length));
    return accepted.resume();
  }
  connected._handle = null;
  const callback = (length: number): boolean => {
    onRead(shared, length);
    return true;
  };
  const options = { handle, allowHalfOpen: true, onread: { buffer: shared, callback } };
  const socket = new Socket(options);
  // The server counts its connections by the sockets that it made.
  socket.once("close", () => accepted.destroy());
  return socket.resume();
}
