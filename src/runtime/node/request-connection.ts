/**
 * The connection of a request, taken from the HTTP server that read its head.
 *
 * Node.js copies each piece of a body into a buffer of its own, at most 64 KiB, and makes an event of it: of a large body that
 * is half of what the main thread of a node has to do. The connection can instead move to a socket that reads into its user's
 * memory (`socket-reads.ts`). What that needs of Node.js is not documented, so each part is looked for first.
 */
import type { IncomingMessage, Server } from "node:http";
import { ServerResponse } from "node:http";
import type { SocketConstructorOpts } from "node:net";
import { Socket } from "node:net";
import type { SocketReads } from "./socket-reads.ts";
import { onread } from "./socket-reads.ts";

/** What Node.js does not document of a connection that its HTTP server reads. */
interface Served {
  _handle: { reading?: unknown; readonly readStop?: unknown; readonly useUserBuffer?: unknown } | null;
  /** The server that counts it among its connections. */
  _server?: unknown;
  readonly parser?: {
    /** The connection reads into the parser. False: it has `data` events, and the server hands them to the parser. */
    readonly _consumed?: unknown;
    /** A copy of what is being parsed. */
    readonly getCurrentBuffer?: unknown;
  } | null;
}

export interface TakenConnection {
  /** Reads as it is told. It has no `data` events; the server counts it while it is open, and closes it with all others. */
  readonly socket: Socket;
  /** Takes the place of the server's response, which leads nowhere any more. Nothing follows it on this connection. */
  readonly response: ServerResponse;
}

/**
 * Undefined where it cannot be done: another answer is before this one, the request is over, or this Node.js keeps its connections
 * to itself. Then nothing has changed. Else no more of the body comes to the request: what has come is in it (`request.read()`).
 * `reads` is asked how to go on behind what was read already and not parsed.
 */
export function takeConnection(
  request: IncomingMessage,
  response: ServerResponse,
  reads: (unparsed: readonly Uint8Array[]) => SocketReads,
): TakenConnection | undefined {
  const { socket: served } = request;
  const { _handle: handle } = served as unknown as Served;
  if (typeof handle?.useUserBuffer !== "function" || typeof handle.readStop !== "function") return undefined;
  if (request.complete || request.destroyed || served.destroyed || served.readableEnded) return undefined;
  if (response.socket !== served || response.headersSent || served.writableLength > 0) return undefined;
  if (!releaseFromParser(served)) return undefined;
  served.removeAllListeners("data");
  const unparsed = [...buffered(served)];
  // Whether it is being read just now only the server knew.
  (handle.readStop as () => void)();
  handle.reading = false;
  (served as unknown as Served)._handle = null;
  const options = { handle, allowHalfOpen: true, onread: onread(reads(unparsed)) };
  const socket = new Socket(options satisfies SocketConstructorOpts & { readonly handle: unknown });
  socket.once("close", () => served.destroy());
  served.once("close", () => socket.destroy());
  const answer = new ServerResponse(request);
  answer.shouldKeepAlive = false;
  answer.assignSocket(socket);
  return { socket: socket.resume(), response: answer };
}

/**
 * Calls back with all that comes behind the head of a request, as the connection brings it, beside the parser that gets it too.
 * To be called while the server tells of the request. The returned function ends it. Undefined where that cannot be done.
 */
export function mirrorBody(
  request: IncomingMessage,
  take: (bytes: Uint8Array) => void,
): (() => void) | undefined {
  const { socket: served, method = "", url = "", httpVersion } = request;
  const { parser } = served as unknown as Served;
  if (typeof parser?.getCurrentBuffer !== "function") return undefined;
  const current: unknown = (parser.getCurrentBuffer as () => unknown).call(parser);
  if (!Buffer.isBuffer(current)) return undefined;
  // A head that came in pieces, or behind another request, is not at the beginning.
  const line = `${method} ${url} HTTP/${httpVersion}\r\n`;
  const end = current.indexOf("\r\n\r\n");
  if (end < 0 || current.toString("latin1", 0, line.length) !== line) return undefined;
  if (!releaseFromParser(served)) return undefined;
  take(current.subarray(end + 4));
  const listener = (chunk: Buffer): void => take(chunk);
  served.on("data", listener);
  return () => served.off("data", listener);
}

/** What stands for a piece of a request. `isOver`: what comes behind it stays as it comes. */
export interface Rewritten {
  readonly bytes: Buffer;
  readonly isOver: boolean;
}

/**
 * Gives a connection back to its HTTP server, which could not read these bytes, with others in their place, and in the place of what
 * comes behind them until the rewriting is over. False where it cannot be done: then nothing has changed.
 */
export function serveAgain(
  server: Server,
  served: Socket,
  unread: Buffer,
  rewrite: (piece: Buffer) => Rewritten,
): boolean {
  const old = served as unknown as Served;
  const { _handle: handle, _server: counting } = old;
  if (typeof handle?.readStop !== "function" || served.destroyed || served.readableEnded) return false;
  if (counting !== server || served.writableLength > 0 || !releaseFromParser(served)) return false;
  served.removeAllListeners("data");
  const unparsed = [...buffered(served)];
  (handle.readStop as () => void)();
  handle.reading = false;
  const options = { handle, allowHalfOpen: true };
  const socket = new Socket(options satisfies SocketConstructorOpts & { readonly handle: unknown });
  // The server counts it once, and what watched over the old one, its parser and its timers, ends with that.
  (socket as unknown as Served)._server = counting;
  old._server = null;
  old._handle = null;
  served.destroy();
  const { bytes, isOver } = rewrite(Buffer.concat([unread, ...unparsed]));
  socket.unshift(bytes);
  if (!isOver) rewriteNext(socket, rewrite);
  // The handle is known to have had a parser, so this one gets its bytes by events, those put back first.
  server.emit("connection", socket);
  return true;
}

function rewriteNext(socket: Socket, rewrite: (piece: Buffer) => Rewritten): void {
  const push = socket.push.bind(socket);
  socket.push = (piece: Buffer | null): boolean => {
    const next = piece === null ? { bytes: null, isOver: true } : rewrite(piece);
    if (next.isOver) socket.push = push;
    return push(next.bytes);
  };
}

/** Who listens to the bytes themselves gets them in place of the parser. */
function releaseFromParser(served: Socket): boolean {
  const isConsumed = (): unknown => (served as unknown as Served).parser?._consumed;
  if (isConsumed() === true) {
    const ignore = (): void => undefined;
    served.on("data", ignore);
    served.off("data", ignore);
  }
  return isConsumed() === false;
}

function* buffered(served: Socket): Generator<Uint8Array> {
  for (;;) {
    const bytes = served.read() as Buffer | null;
    if (bytes === null) return;
    yield bytes;
  }
}
