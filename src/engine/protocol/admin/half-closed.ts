/**
 * A client that has asked all that it will may close its side of the connection at once (`nc -N`), and still reads. Node.js closes
 * the other side as soon as it hears of that, so that only an answer that was there already arrives. Here what is under way is
 * answered first. A client that is gone for good looks the same until something is sent to it, so there is a limit.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** `silenceMs`: who closed his side and is sent nothing for so long counts as gone. */
export function answerHalfClosed(server: Server, silenceMs: number): void {
  // Not documented: where it is not there, it is as it was.
  if (!("httpAllowHalfOpen" in server)) return;
  server.httpAllowHalfOpen = true;
  server.on("connection", (socket) => socket.once("end", () => watch(socket, silenceMs)));
}

/** What waits to be taken by the client is for others to time, and is refused by its machine when it is gone. */
function watch(socket: Socket, silenceMs: number): void {
  let told = socket.bytesWritten;
  const timer = setInterval(() => {
    const { bytesWritten, writableLength } = socket;
    if (bytesWritten === told && writableLength === 0) socket.destroy();
    told = bytesWritten;
  }, silenceMs);
  socket.once("close", () => clearInterval(timer));
}
