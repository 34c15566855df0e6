/**
 * Requests that come on one connection before earlier ones are answered (pipelining) are taken one after the other. Their answers
 * have to wait for each other anyhow, and an answer that waits is not told when its client leaves: what it would send would be
 * kept, and whoever makes it would go on.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Who sends more before they are answered is cut off. */
const WAITING_MAX = 64;

const waiting = new WeakMap<Socket, number>();

/** Takes the request when all earlier ones of its connection are answered; never, when that is closed before. */
export function inTurn(request: IncomingMessage, response: ServerResponse, take: () => void): void {
  if (response.socket !== null) return take();
  const { socket } = request;
  const others = waiting.get(socket) ?? 0;
  if (others >= WAITING_MAX) return void socket.destroy();
  waiting.set(socket, others + 1);
  response.once("socket", () => {
    waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
    take();
  });
}
