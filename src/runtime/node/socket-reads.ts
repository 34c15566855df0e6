/**
 * Reads of sockets into memory of their user, without a new buffer for each.
 *
 * A socket gets a fresh 64 KiB from the allocator for every read, and a stream's `data` event on top: for small commands that is
 * a sixth of all that a command costs. It can instead read into its user's buffer (`onread` of `net.Socket`); a server has no
 * such option for what it accepts, so the connection moves to a socket that has.
 */
import type { OnReadOpts, SocketConstructorOpts } from "node:net";
import { Socket } from "node:net";

export interface SocketReads {
  /** Where the next bytes go; a function is asked before each read. */
  readonly room: Uint8Array | (() => Uint8Array);
  /** So many bytes have come, at the beginning of the room. */
  readonly took: (room: Uint8Array, length: number) => void;
}

/** The option of a socket that connects: it then has no `data` events. */
export function onread({ room, took }: SocketReads): OnReadOpts {
  const callback = (length: number, buffer: Uint8Array): boolean => {
    took(buffer, length);
    return true;
  };
  return { buffer: room, callback };
}

/** What Node.js does not document of a socket: the connection underneath it, which reads into a buffer if it is told to. */
interface Connected {
  _handle: { readonly useUserBuffer?: unknown } | null;
}

/**
 * The socket to use from now on in place of `accepted`, which a server with `pauseOnConnect` has just accepted. It has no `data`
 * events. In a Node.js that keeps its connections to itself it is `accepted`, and what it reads is copied.
 */
export function readAccepted(accepted: Socket, reads: SocketReads): Socket {
  const connected = accepted as unknown as Connected;
  const handle = connected._handle;
  if (typeof handle?.useUserBuffer !== "function") {
    accepted.on("data", (chunk) => copyInto(reads, chunk));
    return accepted.resume();
  }
  connected._handle = null;
  const options = { handle, allowHalfOpen: accepted.allowHalfOpen, onread: onread(reads) };
  const socket = new Socket(options satisfies SocketConstructorOpts & { readonly handle: unknown });
  // The server counts its connections by the sockets that it made.
  socket.once("close", () => accepted.destroy());
  return socket.resume();
}

function copyInto({ room, took }: SocketReads, chunk: Buffer): void {
  for (let at = 0; at < chunk.length;) {
    const target = typeof room === "function" ? room() : room;
    const length = chunk.copy(target, 0, at);
    took(target, length);
    at += length;
  }
}
