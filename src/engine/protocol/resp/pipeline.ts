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
import { encodeRequest } from "../../../wire/resp/request-encoder.ts";
import { encodeCall } from "../../keyspace/command-codec.ts";
import { ScriptCalls } from "../../keyspace/script-calls.ts";
import type { KeyspaceCommand } from "../../keyspace/keyspace-command.ts";
import { TICK_NEEDED } from "../../keyspace/moment.ts";
import type { Reply } from "../../keyspace/reply.ts";
import { ReplyError } from "../../keyspace/reply.ts";
import { mustPause, refusal } from "./admission.ts";
import type { Connection } from "./connection.ts";
import type { ServerContext } from "./context.ts";
import { PAUSED_BUFFER, PAUSED_CONGESTED, PAUSED_OUTPUT, PAUSED_PENDING } from "./pause-reasons.ts";
import { ReplyQueue } from "./reply-queue.ts";
import type { Outcome } from "./request.ts";
import { DEFERRED, Request } from "./request.ts";
import { emptyCommandStatistics, type Route } from "./router.ts";
import type { SessionCommand } from "./session-command.ts";
import { row } from "./session-command.ts";
import { queueInTransaction, refuse } from "./transaction-queue.ts";
import { WriteRun } from "./write-run.ts";

/** Bytes that may gather behind a held command before the socket is left unread. */
const HELD_MAX_BYTES = 256 << 10;
/** Replies of one batch of reads beyond this wait until the client took them. */
const BATCH_OUTPUT_MAX_BYTES = 16 << 20;
/** Barriers in vain (a lease that ended each time) before reads go through the log. */
const BARRIER_ATTEMPTS = 3;

/** Reads that ride in the log behind a write: beyond, the next waits, so that big replies cannot pile up. */
const RIDING_MAX = 256;
/** What an aggregate reply counts for before it is encoded. */
const ROUGH_AGGREGATE_BYTES = 4096;

const FRAMING_DISAGREES = new ReplyError("ERR Protocol error: the command is not well framed");
const TRY_AGAIN = new ReplyError("TRYAGAIN The read could not be made in order, try again");
/** Of requests that name no command. */
const UNKNOWN_ROUTE: Route = {
  spec: row("unknown", -1, "", "generic", "", ""),
  kind: "session",
  session: undefined,
  subroutes: undefined,
  allowedBeforeAuth: true,
  refusedInMulti: false,
  hidden: true,
  statistics: emptyCommandStatistics(),
};

const STOP_READING = PAUSED_CONGESTED | PAUSED_PENDING | PAUSED_OUTPUT;

export class Pipeline {
  private readonly connection: Connection;
  private readonly server: ServerContext;
  private readonly replies: ReplyQueue;
  /** In the log or in the run that will go there. */
  private writesInFlight = 0;
  /** Gathers while the commands of a chunk are taken. */
  private readonly writeRun = new WriteRun();
  /** Reads gathered for the next barrier, and those whose barrier is under way. */
  private gathered: Request[] = [];
  private active: Request[] | undefined;
  private held: Request | undefined;
  private running = false;
  private again = false;
  private abandoned = false;
  /** The active batch waits until the client took the replies before them. */
  private waitingForOutput = false;

  constructor(connection: Connection) {
    this.connection = connection;
    this.server = connection.server;
    this.replies = new ReplyQueue(connection);
  }

  /** True while a command waits for its reply or its turn. */
  get busy(): boolean {
    return this.replies.pending > 0 || this.held !== undefined;
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
        this.sendRun();
        this.askBarrier();
      }
    } finally {
      this.running = false;
    }
  }

  /** The connection is gone: what is in the log takes its course, nobody is told. */
  abandon(): void {
    this.abandoned = true;
    this.replies.clear();
    this.held = undefined;
    this.gathered = [];
  }

  outputDrained(): void {
    if (!this.waitingForOutput) return;
    this.waitingForOutput = false;
    const batch = this.active as Request[];
    this.server.node.barrier((error) => this.finishReads(batch, error, 1));
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
    const reading = this.gathered.length > 0 || this.active !== undefined;
    if (route.kind === "read" && this.writesInFlight === 0) {
      this.enqueue(request);
      this.show(request);
      // As in `WriteRun`: most connections send one command at a time.
      if (this.gathered.length === 0) this.gathered = [request];
      else this.gathered.push(request);
    } else if (reading || (route.kind === "read" && this.writesInFlight >= RIDING_MAX)) {
      return false;
    } else {
      this.enqueue(request);
      this.show(request);
      this.ride(request, fresh);
    }
    return true;
  }

  private admitSession(request: Request): boolean {
    const session = request.route.session as SessionCommand;
    const reading = this.gathered.length > 0 || this.active !== undefined;
    const writing = this.writesInFlight > 0;
    this.sendRun();
    if (session.after === "everything" && this.pendingCommands > 0) return false;
    if (session.after === "reads" && reading) return false;
    if ((session.after === "writes" || session.barrier === true) && writing) return false;
    this.enqueue(request);
    if (session.barrier === true) {
      this.show(request);
      this.gathered.push(request);
      return true;
    }
    const outcome = this.runSession(request);
    // As in Redis, when it is done, so that RESET is not seen by who sends it. EXEC that waits shows itself.
    if (outcome !== DEFERRED || request.route.spec.name !== "exec") this.show(request);
    if (outcome !== DEFERRED) this.settle(request, outcome);
    return true;
  }

  /** Runs a command of the session; its failure is its reply. */
  runSession(request: Request): Outcome | typeof DEFERRED {
    const { connection, server } = this;
    const session = request.route.session as SessionCommand;
    try {
      return session.run({
        connection,
        server,
        route: request.route,
        args: request.args,
        answer: (reply) => this.settle(request, reply),
      });
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
    this.writesInFlight += 1;
    this.server.node.write(logged, encoded, (reply) => {
      this.writesInFlight -= 1;
      done(reply);
    });
  }

  private ride(request: Request, fresh: boolean): void {
    const { parser } = this.connection;
    if (fresh && !parser.cameInline) {
      this.writesInFlight += 1;
      if (this.writeRun.add(request, parser)) return;
      this.sendRun();
      this.writeRun.add(request, parser);
      return;
    }
    this.sendRun();
    const { database, args } = request;
    const encoded = encodeCall(database, encodeRequest(args));
    this.write({ type: "call", database, args }, encoded, (reply) => {
      this.showScripts(reply);
      this.settle(request, reply);
    });
  }

  /** Puts the writes that have gathered into the log. */
  private sendRun(): void {
    if (this.writeRun.empty) return;
    const { requests, command, encoded } = this.writeRun.take();
    if (encoded === undefined) return this.refuseRun(requests);
    this.server.node.write(command, encoded, (reply) => {
      this.writesInFlight -= requests.length;
      this.showScripts(reply);
      // Of several: one reply each, or what kept the log from taking them.
      const replies = isReplies(reply) && command.type === "calls" ? reply : requests.map(() => reply);
      this.settleAll(requests, replies);
    });
  }

  /** The log's own codec reads something else in the bytes than the parser did: they must not reach it. */
  private refuseRun(requests: readonly Request[]): void {
    this.writesInFlight -= requests.length;
    this.server.logger.log("error", "resp.framing-disagrees", { client: this.connection.remoteAddress });
    this.settleAll(
      requests,
      requests.map(() => FRAMING_DISAGREES),
    );
    this.connection.closeAfterReplies();
  }

  /** One barrier for all reads gathered so far; the next ones gather while it is under way. */
  private askBarrier(): void {
    if (this.active !== undefined || this.gathered.length === 0) return;
    const batch = this.gathered;
    this.active = batch;
    this.gathered = [];
    this.server.node.barrier((error) => this.finishReads(batch, error, 1));
  }

  private finishReads(batch: readonly Request[], error: ReplyError | undefined, attempt: number): void {
    if (this.abandoned) return;
    if (error !== undefined) {
      for (const request of batch) this.settle(request, error);
      return this.endBatch();
    }
    if (batch.length > 1) {
      const list = batch.map((request) => request.args);
      this.server.node.machine.foreseeCalls(batch[0]!.database, list);
    }
    const { machine } = this.server.node;
    const watched = !this.server.monitors.none;
    const outcomes: Outcome[] = [];
    const scriptCalls = new ScriptCalls();
    let outputBytes = 0;
    for (const request of batch) {
      const outcome = this.read(request);
      if (outcome === TICK_NEEDED) break;
      outcomes.push(outcome);
      if (watched && request.route.kind === "read") {
        scriptCalls.addAll(machine.scriptCalls(outcome as Reply));
      }
      if (typeof outcome === "string") outputBytes += outcome.length;
      else if (outcome !== null && typeof outcome === "object") outputBytes += ROUGH_AGGREGATE_BYTES;
      if (outputBytes > BATCH_OUTPUT_MAX_BYTES) break;
    }
    if (!this.server.node.readStillValid()) {
      if (attempt < BARRIER_ATTEMPTS) {
        this.server.node.barrier((failed) => this.finishReads(batch, failed, attempt + 1));
        return;
      }
      outcomes.length = 0;
      scriptCalls.clear();
    }
    if (watched) this.server.monitors.showCalls(scriptCalls.list);
    this.settleAll(batch, outcomes);
    this.finishRest(batch.slice(outcomes.length), outputBytes > BATCH_OUTPUT_MAX_BYTES);
  }

  /** Reads of a batch that were not answered: a key was due, the lease kept ending, or the client must first read. */
  private finishRest(rest: Request[], outputFull: boolean): void {
    if (rest.length > 0 && outputFull && !this.abandoned) {
      this.active = rest;
      this.connection.flush();
      if (this.connection.isPaused(PAUSED_OUTPUT)) this.waitingForOutput = true;
      else this.server.node.barrier((error) => this.finishReads(rest, error, 1));
      return;
    }
    for (const request of rest) {
      if (request.route.kind === "session") this.settle(request, TRY_AGAIN);
      else this.ride(request, false);
    }
    this.endBatch();
  }

  private endBatch(): void {
    this.active = undefined;
    // What gathered meanwhile must not overtake reads that went into the log.
    if (this.writesInFlight > 0) {
      const gathered = this.gathered;
      this.gathered = [];
      for (const request of gathered) {
        if (request.route.kind === "session") this.settle(request, TRY_AGAIN);
        else this.ride(request, false);
      }
    }
    this.run();
  }

  private read(request: Request): Outcome | typeof TICK_NEEDED {
    if (request.route.kind === "session") {
      const outcome = this.runSession(request);
      return outcome === DEFERRED ? TRY_AGAIN : outcome;
    }
    const { node } = this.server;
    const { database, args } = request;
    return node.machine.query({ type: "call", database, args }, node.logTimeMs());
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

  /** What scripts called that are answered with this. */
  private showScripts(reply: Reply): void {
    const { monitors, node } = this.server;
    if (!monitors.none) monitors.showCalls(node.machine.scriptCalls(reply));
  }

  /** Answers at once what needs no work. */
  private answerNow(request: Request, reply: Reply): void {
    this.replies.add(request);
    this.settle(request, reply);
  }

  private settle(request: Request, outcome: Outcome): void {
    if (this.abandoned) return;
    this.replies.settle(request, outcome);
    if (this.held !== undefined) this.run();
  }

  /** Settles the first of `requests`, one for each outcome. */
  private settleAll(requests: readonly Request[], outcomes: readonly Outcome[]): void {
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

function isReplies(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply);
}
