/**
 * One connection's commands in order: what may run at once, what rides in the log, what must wait.
 *
 * Replies leave in the order of the commands. Effects keep it too, at the least cost:
 * - a write goes into the log at once, unless reads wait for their barrier: they would see it, so it waits for them;
 * - a read with nothing in flight waits for a barrier (all reads of the chunk share one) and is answered from the local
 *   machine, at no cost to the log; behind a write in flight it rides along in the log instead, which orders it;
 * - a command of the session runs when it comes, or after what its row in the table says.
 * A command that must wait is held, and behind it nothing more is parsed: the bytes wait in the parser, the socket in the
 * kernel, so that what a client can make the server keep is bounded.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { CommandStatistics } from "../../keyspace/command-statistics.ts";
import type { KeyspaceCommand } from "../../keyspace/keyspace-command.ts";
import type { Reply } from "../../keyspace/reply.ts";
import { ReplyError } from "../../keyspace/reply.ts";
import { mustPause, refusal } from "./admission.ts";
import type { ReadOrder } from "./barrier-reads.ts";
import { BarrierReads } from "./barrier-reads.ts";
import type { Connection } from "./connection.ts";
import type { ServerContext } from "./context.ts";
import { LoggedWrites } from "./logged-writes.ts";
import { PAUSED_BUFFER, PAUSED_CONGESTED, PAUSED_OUTPUT, PAUSED_PENDING } from "./pause-reasons.ts";
import { ReplyQueue } from "./reply-queue.ts";
import type { Outcome } from "./request.ts";
import { DEFERRED, Request } from "./request.ts";
import type { Route } from "./router.ts";
import type { SessionCommand } from "./session-command.ts";
import { row } from "./session-command.ts";
import { queueInTransaction, refuse } from "./transaction-queue.ts";

/** Bytes that may gather behind a held command before the socket is left unread. */
const HELD_MAX_BYTES = 256 << 10;
/** Reads that ride in the log behind a write: beyond, the next waits, so that big replies cannot pile up. */
const RIDING_MAX = 256;
/** Of requests that name no command. */
const UNKNOWN_ROUTE: Route = {
  spec: row("unknown", -1, "", "generic", "", ""),
  kind: "session",
  session: undefined,
  subroutes: undefined,
  allowedBeforeAuth: true,
  refusedInMulti: false,
  hidden: true,
  statistics: new CommandStatistics(),
};

const STOP_READING = PAUSED_CONGESTED | PAUSED_PENDING | PAUSED_OUTPUT;

export class Pipeline implements ReadOrder {
  private readonly connection: Connection;
  private readonly server: ServerContext;
  private readonly replies: ReplyQueue;
  private readonly writes: LoggedWrites;
  private readonly reads: BarrierReads;
  private held: Request | undefined;
  private running = false;
  private again = false;
  private abandoned = false;

  constructor(connection: Connection) {
    this.connection = connection;
    this.server = connection.server;
    this.replies = new ReplyQueue(connection);
    this.writes = new LoggedWrites(connection, this);
    this.reads = new BarrierReads(connection, this.writes, this);
  }

  /** True while a command is taken, or waits for its reply or its turn. */
  get busy(): boolean {
    return this.running || this.replies.pending > 0 || this.held !== undefined;
  }

  /** True while CLIENT PAUSE holds a command back. */
  get paused(): boolean {
    return this.held !== undefined && mustPause(this.server, this.connection, this.held);
  }

  get pendingCommands(): number {
    return this.replies.pending;
  }

  /** Carries out what the parser has, as far as order and back-pressure allow. */
  run(): void {
    this.again = true;
    if (this.running) return;
    this.running = true;
    try {
      while (this.again) {
        this.again = false;
        this.advance();
        this.writes.sendRun();
        this.reads.askBarrier();
      }
    } finally {
      this.running = false;
    }
    // What was answered on the way may have left, and nobody ended the connection then.
    if (this.replies.pending === 0) this.connection.settled();
  }

  /** The connection is gone: what is in the log takes its course, nobody is told. */
  abandon(): void {
    this.abandoned = true;
    this.replies.clear();
    this.held = undefined;
    this.reads.abandon();
  }

  outputDrained(): void {
    this.reads.outputDrained();
  }

  private advance(): void {
    const { connection } = this;
    const { parser } = connection;
    for (;;) {
      if (this.held !== undefined) {
        const request = this.held;
        this.held = undefined;
        if (!this.admit(request, false)) return this.hold(request);
        connection.resume(PAUSED_BUFFER);
      }
      if (!connection.open || this.mustStop()) return;
      const result = parser.next();
      if (result === "more") return;
      if (result === "error") return this.refuseFraming(parser.error as string);
      if (!this.take(parser.args)) return;
    }
  }

  /** Takes one parsed command; false when it is held. */
  private take(args: readonly string[]): boolean {
    const { connection, server } = this;
    const route = connection.parser.tooLarge ? server.settings.tooLarge : server.router.find(args);
    connection.commandCount += 1;
    if (connection.replyMode === "skip-next") connection.replyMode = "skip";
    else if (connection.replyMode === "skip") connection.replyMode = "on";
    // CLIENT REPLY itself knows whether to answer.
    const silent =
      connection.replyMode !== "on" && (route instanceof ReplyError || route.spec.name !== "client|reply");
    if (route instanceof ReplyError) {
      if (speaksHttp(args[0]!)) {
        server.refuseHttp(connection);
        return true;
      }
      this.answerNow(
        new Request(args, UNKNOWN_ROUTE, connection, silent, connection.parser.rawBytes, 0),
        refuse(connection, args[0]!.toLowerCase(), route),
      );
      return true;
    }
    const request = new Request(
      args,
      route,
      connection,
      silent,
      connection.parser.rawBytes,
      server.turn.nowMs(),
    );
    if (this.admit(request, true)) return true;
    this.hold(request);
    return false;
  }

  private hold(request: Request): void {
    this.held = request;
    if (this.connection.parser.bufferedBytes > HELD_MAX_BYTES) this.connection.pause(PAUSED_BUFFER);
  }

  /** Starts a command; false when it must wait for others. `fresh`: the parser still has its bytes. */
  private admit(request: Request, fresh: boolean): boolean {
    const { connection, server } = this;
    const { route } = request;
    if (server.pause !== undefined && mustPause(server, connection, request)) return false;
    const refused = refusal(connection, request);
    if (refused !== undefined) {
      this.answerNow(request, refuse(connection, route.spec.name, refused));
      // Answered with an error, but not one of carrying it out.
      route.statistics.rejected += 1;
      route.statistics.failed -= 1;
      return true;
    }
    if (connection.transaction !== undefined && route.session?.insideMulti !== true) {
      const { commandMaxBytes } = server.settings;
      this.answerNow(request, queueInTransaction(connection.transaction, request, commandMaxBytes));
      return true;
    }
    if (route.kind === "session") return this.admitSession(request);
    const { reads, writes } = this;
    if (route.kind === "read" && writes.inFlight === 0) {
      this.enqueue(request);
      this.show(request);
      reads.add(request);
    } else if (reads.waiting || (route.kind === "read" && writes.inFlight >= RIDING_MAX)) {
      return false;
    } else {
      this.enqueue(request);
      this.show(request);
      writes.ride(request, fresh);
    }
    return true;
  }

  private admitSession(request: Request): boolean {
    const session = request.route.session as SessionCommand;
    const reading = this.reads.waiting;
    const writing = this.writes.inFlight > 0;
    this.writes.sendRun();
    if (session.after === "everything" && this.pendingCommands > 0) return false;
    if (session.after === "reads" && reading) return false;
    if ((session.after === "writes" || session.barrier === true) && writing) return false;
    this.enqueue(request);
    if (session.barrier === true) {
      this.show(request);
      this.reads.add(request);
      return true;
    }
    const outcome = this.runSession(request);
    // As in Redis, when it is done, so that RESET is not seen by who sends it. EXEC that waits shows itself.
    if (outcome !== DEFERRED || request.route.spec.name !== "exec") this.show(request);
    if (outcome !== DEFERRED) this.settle(request, outcome);
    return true;
  }

  /** Runs a command of the session; its failure is its reply. `inExec`: as a part of a transaction, whose replies do not wait. */
  runSession(request: Request, inExec = false): Outcome | typeof DEFERRED {
    const { connection, server } = this;
    const session = request.route.session as SessionCommand;
    const before = connection.version;
    try {
      const outcome = session.run({
        connection,
        server,
        route: request.route,
        args: request.args,
        inExec,
        answer: (reply) => this.settle(request, reply),
      });
      // HELLO is answered in the protocol that it asked for; what came before it, and runs later, is not.
      if (connection.version !== before) request.version = connection.version;
      return outcome;
    } catch (error) {
      if (error instanceof ReplyError) return error;
      server.logger.log("error", "resp.command-failed", {
        command: request.route.spec.name,
        error: String(error),
      });
      return new ReplyError(`ERR internal error in '${request.route.spec.name}'`);
    }
  }

  /** Puts a command into the log, ordered among this connection's writes. */
  write(logged: KeyspaceCommand, encoded: Bytes, done: (reply: Reply) => void): void {
    this.writes.write(logged, encoded, done);
  }

  private enqueue(request: Request): void {
    const { connection } = this;
    connection.lastCommand = request.route.spec.name;
    this.count(request);
    this.replies.add(request);
  }

  /** Notes that a command is being carried out; one of a transaction, at EXEC. */
  count(request: Request): void {
    const { server } = this;
    server.statistics.commandsProcessed += 1;
    request.route.statistics.calls += 1;
    request.counted = true;
  }

  private show(request: Request): void {
    const { connection, server } = this;
    if (server.monitors.none) return;
    const { route, database, args } = request;
    // That of the connection: SELECT has chosen it.
    server.monitors.show(connection, route, route.kind === "session" ? connection.database : database, args);
  }

  /** Answers at once what needs no work. */
  private answerNow(request: Request, reply: Reply): void {
    this.replies.add(request);
    this.settle(request, reply);
  }

  settle(request: Request, outcome: Outcome): void {
    if (this.abandoned) return;
    this.replies.settle(request, outcome);
    if (this.held !== undefined) this.run();
  }

  settleAll(requests: readonly Request[], outcomes: readonly Outcome[]): void {
    if (this.abandoned) return;
    this.replies.settleAll(requests, outcomes);
    if (this.held !== undefined) this.run();
  }

  /** Checks every bound before another command is taken. */
  private mustStop(): boolean {
    const { connection, server } = this;
    if (this.replies.full) connection.pause(PAUSED_PENDING);
    if (server.node.congested()) server.pauseUntilDrained(connection);
    return connection.isPaused(STOP_READING);
  }

  /** Framing is lost: one error, then the end. */
  private refuseFraming(error: string): void {
    const request = new Request([], UNKNOWN_ROUTE, this.connection, false, 0, 0);
    this.answerNow(request, new ReplyError(`ERR ${error}`));
    this.connection.closeAfterReplies();
  }
}

/**
 * Words that no client of Redis sends and every HTTP request has: a page in a browser can post to any port of its machine, and
 * the lines of what it posts would be taken as commands.
 */
function speaksHttp(name: string): boolean {
  const word = name.toLowerCase();
  return word === "post" || word === "host:";
}
