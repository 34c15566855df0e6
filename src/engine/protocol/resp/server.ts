/**
 * protocol/resp: a node's door for the clients of Redis.
 *
 * `server` listens and ends; `connection` is one socket; `pipeline` keeps one connection's commands in order, and
 * carries them out on the node by way of `logged-writes` and `barrier-reads`; `admission` refuses; `router` finds a
 * command's row; `commands/` are the commands of the connection and the server, those of the data being the
 * keyspace's; `turn` gathers output, and `reply-encoder` writes it; `pubsub`, `clients`, `settings`, `kept-names`,
 * `slow-log` and `topology` are what they say. Any node takes any command: what must go to the leader is the node's
 * business, not the client's.
 */
import { randomBytes } from "node:crypto";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { QuorateError } from "../../../runtime/errors.ts";
import { readAccepted } from "../../../runtime/node/socket-reads.ts";
import type { Logger } from "../../../runtime/world.ts";
import type { CommandTable } from "../../keyspace/command-table.ts";
import { ReplyError } from "../../keyspace/reply.ts";
import { isLoopback } from "../loopback.ts";
import { Clients } from "./clients.ts";
import { Connection } from "./connection.ts";
import type { KeyspaceNode, ServerContext } from "./context.ts";
import { emptyStatistics, MemoryPeak } from "./context.ts";
import { Monitors } from "./monitor.ts";
import { PAUSED_CONGESTED } from "./pause-reasons.ts";
import { ErrorStatistics } from "./error-statistics.ts";
import { PubSub } from "./pubsub.ts";
import { encodeReply } from "./reply-encoder.ts";
import { Router } from "./router.ts";
import { sessionCommands } from "./session-commands.ts";
import type { RespServerOptions } from "./settings.ts";
import { ServerSettings } from "./settings.ts";
import { SlowLog } from "./slow-log.ts";
import { Turn } from "./turn.ts";

/** Where all connections read: a read is over before the next one begins. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);
const SWEEP_MS = 1000;
const BACKLOG = 1024;
/** So often at most is it logged that a client speaks HTTP: who does it at all does it often. */
const HTTP_LOG_MS = 60_000;

const TOO_MANY = new ReplyError("ERR max number of clients reached");
/** Redis's protected mode, in our words. */
const DENIED = new ReplyError(
  "DENIED this node is in protected mode: it has no password, so only clients on its own machine are let in." +
    " To let others in: start it with --password, or CONFIG SET requirepass from its machine;" +
    " or, where nobody can reach it who must not, start it with --protected-mode no," +
    " or CONFIG SET protected-mode no from its machine.",
);

export interface RespServerInput {
  readonly node: KeyspaceNode;
  /** The keyspace's table, which holds the rows of `SESSION_SPECS` too. */
  readonly table: CommandTable;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly options?: RespServerOptions;
  readonly logger: Logger;
}

export interface RespServer {
  readonly port: number;
  /** What clients must give at this moment; empty: nothing. */
  readonly password: string;
  /** The connections at this moment. */
  connections(): readonly Connection[];
  /** Ends every connection, and all timers; replies that are ready are not waited for. */
  close(): Promise<void>;
}

/** Listens for clients. Rejects with PORT_IN_USE when another program has the port. */
export async function startRespServer(input: RespServerInput): Promise<RespServer> {
  const listener = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
  const address = await listen(listener, input.host, input.port);
  const { context, stop } = createContext(input, address);
  input.node.onPublish((channel, message) => context.pubsub.deliver(channel, message));
  listener.on("connection", (socket) => accept(socket, context));
  listener.on("error", (error) => input.logger.log("error", "resp.listener", { error: error.message }));
  let closing: Promise<void> | undefined;
  return {
    port: address.port,
    get password() {
      return context.settings.password;
    },
    connections: () => context.clients.all(),
    close: () => {
      closing ??= new Promise((resolve) => {
        stop();
        listener.close(() => resolve());
        for (const connection of context.clients.all()) connection.destroy();
      });
      return closing;
    },
  };
}

function listen(listener: Server, host: string, port: number): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void => {
      const where = `${host}:${port}`;
      const inUse = error.code === "EADDRINUSE";
      const text = inUse
        ? `another program listens on ${where}`
        : `cannot listen on ${where}: ${error.message}`;
      reject(new QuorateError(inUse ? "PORT_IN_USE" : "USAGE", text, { cause: error }));
    };
    listener.once("error", refuse);
    listener.listen({ host, port, backlog: BACKLOG }, () => {
      listener.off("error", refuse);
      resolve({ host, port: (listener.address() as AddressInfo).port });
    });
  });
}

function createContext(
  input: RespServerInput,
  address: { host: string; port: number },
): { readonly context: ServerContext; readonly stop: () => void } {
  const { node, table, logger, options = {} } = input;
  const waiting = new Set<Connection>();
  let drainAwaited = false;
  let pauseTimer: NodeJS.Timeout | undefined;
  let httpLoggedMs = -Infinity;
  const context: ServerContext = {
    node,
    router: new Router(table, sessionCommands(table.specs)),
    settings: new ServerSettings(options, node.commandMaxBytes),
    clients: new Clients(),
    pubsub: new PubSub(),
    slowLog: new SlowLog(),
    statistics: emptyStatistics(),
    errors: new ErrorStatistics(),
    memoryPeak: new MemoryPeak(),
    turn: new Turn(),
    logger,
    monitors: new Monitors((watched) => node.machine.watchScripts(watched)),
    startedMs: Date.now(),
    runId: randomBytes(20).toString("hex"),
    address,
    pause: undefined,
    shutDown: options.shutDown,
    transferLeadership: options.transferLeadership,
    pauseUntilDrained: (connection) => {
      connection.pause(PAUSED_CONGESTED);
      waiting.add(connection);
      if (drainAwaited) return;
      drainAwaited = true;
      node.onDrain(() => {
        drainAwaited = false;
        const resumed = [...waiting];
        waiting.clear();
        for (const each of resumed) each.resume(PAUSED_CONGESTED);
      });
    },
    refuseHttp: (connection) => {
      connection.destroy();
      if (performance.now() - httpLoggedMs < HTTP_LOG_MS) return;
      httpLoggedMs = performance.now();
      logger.log("warn", "resp.http-refused", {
        client: connection.remoteAddress,
        meaning: "a web page or another server may have been made to send commands here",
      });
    },
    pauseChanged: () => {
      clearTimeout(pauseTimer);
      if (context.pause !== undefined) {
        const leftMs = Math.max(0, context.pause.untilMs - Date.now());
        pauseTimer = setTimeout(
          () => {
            context.pause = undefined;
            context.pauseChanged();
          },
          Math.min(leftMs, 2 ** 31 - 1),
        );
        return;
      }
      for (const connection of context.clients.all()) connection.pipeline.run();
    },
  };
  const sweeper = setInterval(sweeping(context), SWEEP_MS);
  sweeper.unref();
  const stop = (): void => {
    clearInterval(sweeper);
    clearTimeout(pauseTimer);
  };
  return { context, stop };
}

function accept(socket: Socket, context: ServerContext): void {
  const { settings, statistics, clients } = context;
  statistics.connectionsReceived += 1;
  const refused = refusalOf(socket, context);
  if (refused !== undefined) {
    statistics.connectionsRejected += 1;
    socket.on("error", () => socket.destroy());
    socket.end(encodeReply(refused, 2), "latin1", () => socket.destroy());
    return;
  }
  const reading = readAccepted(socket, {
    room: readBuffer,
    took: (_, length) => connection.received(readBuffer, length),
  });
  if (settings.keepAliveSeconds > 0) reading.setKeepAlive(true, settings.keepAliveSeconds * 1000);
  const connection = new Connection(clients.takeId(), reading, context);
  clients.add(connection);
}

function refusalOf(socket: Socket, { settings, clients }: ServerContext): ReplyError | undefined {
  if (settings.localOnly && !isLoopback(socket.remoteAddress)) return DENIED;
  return clients.size >= settings.maxClients ? TOO_MANY : undefined;
}

/** Once a second: ends what waited too long, and measures the rates that INFO shows. */
function sweeping(context: ServerContext): () => void {
  const { statistics } = context;
  let before = { ...statistics };
  return () => {
    const nowMs = Date.now();
    for (const connection of context.clients.all()) connection.sweep(nowMs);
    context.memoryPeak.note(context.node.machine.usedBytes());
    const seconds = SWEEP_MS / 1000;
    // A reset of the counters in between must not show as a negative rate.
    const rate = (now: number, then: number): number => Math.max(0, now - then) / seconds;
    statistics.commandsPerSecond = Math.round(rate(statistics.commandsProcessed, before.commandsProcessed));
    statistics.inputKilobytesPerSecond = rate(statistics.inputBytes, before.inputBytes) / 1024;
    statistics.outputKilobytesPerSecond = rate(statistics.outputBytes, before.outputBytes) / 1024;
    before = { ...statistics };
  };
}
