/**
 * How many connections the HTTP server has at a time. When there are as many as may be, an idle one makes place for the next: first
 * those that never sent a whole request, then those that are kept alive, the longest idle first. So somebody who opens connections
 * and says nothing keeps nobody out. Only when all are at work is a new one closed at once.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Logger } from "../../../runtime/world.ts";
import type { Metrics } from "../../cluster/metrics.ts";

/** What is closed for want of places is told of once in so long. */
const TELL_INTERVAL_MS = 10_000;

export interface PlacesOptions {
  readonly max: number;
  readonly metrics: Metrics;
  readonly logger?: Logger | undefined;
}

export function keepPlaces(server: Server, { max, metrics, logger }: PlacesOptions): void {
  const refused = metrics.counter(
    "quorate_http_connections_refused_total",
    "Connections of the HTTP port that were closed at once, because as many as there may be were at work.",
  );
  const displaced = metrics.counter(
    "quorate_http_connections_displaced_total",
    "Idle connections of the HTTP port that were closed to make place for others.",
  );
  const tellOfRefused = teller("http.connections-refused");
  const tellOfDisplaced = teller("http.connections-displaced");
  const open = new Set<Socket>();
  /** Both in the order in which they became idle. */
  const silent = new Set<Socket>();
  const keptAlive = new Set<Socket>();
  /** Requests that are not answered. */
  const atWork = new WeakMap<Socket, number>();

  server.on("connection", (socket: Socket) => {
    socket.once("close", () => {
      for (const places of [open, silent, keptAlive]) places.delete(socket);
    });
    if (open.size >= max) {
      const idle = first(silent) ?? first(keptAlive);
      if (idle === undefined) {
        refused.add();
        tellOfRefused();
        return void socket.destroy();
      }
      displaced.add();
      tellOfDisplaced();
      for (const places of [open, silent, keptAlive]) places.delete(idle);
      idle.destroy();
    }
    open.add(socket);
    silent.add(socket);
  });
  const work = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    silent.delete(socket);
    keptAlive.delete(socket);
    atWork.set(socket, (atWork.get(socket) ?? 0) + 1);
    response.once("close", () => {
      const left = (atWork.get(socket) ?? 1) - 1;
      atWork.set(socket, left);
      if (left === 0 && open.has(socket)) keptAlive.add(socket);
    });
  };
  server.on("request", work);
  server.on("checkContinue", work);

  function teller(event: string): () => void {
    let sinceTold = 0;
    let toldMs = -Infinity;
    return () => {
      sinceTold++;
      if (performance.now() - toldMs < TELL_INTERVAL_MS) return;
      toldMs = performance.now();
      logger?.log("warn", event, { connections: sinceTold, limit: max });
      sinceTold = 0;
    };
  }
}

function first(sockets: ReadonlySet<Socket>): Socket | undefined {
  const [socket] = sockets;
  return socket;
}
