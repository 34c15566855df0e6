/**
 * A connection's reads behind a barrier: they gather, one barrier holds for all of them, and they are answered in one go from
 * the local machine. The next ones gather while it is under way. What cannot be answered so is ordered by the log instead.
 */
import { ScriptTally } from "../../keyspace/command-statistics.ts";
import { ScriptCalls } from "../../keyspace/script-calls.ts";
import { TICK_NEEDED } from "../../keyspace/moment.ts";
import type { Reply } from "../../keyspace/reply.ts";
import { ReplyError } from "../../keyspace/reply.ts";
import type { Connection } from "./connection.ts";
import { countScripts, type ServerContext } from "./context.ts";
import type { LoggedWrites } from "./logged-writes.ts";
import { PAUSED_OUTPUT } from "./pause-reasons.ts";
import type { Answers, Outcome, Request } from "./request.ts";
import { DEFERRED } from "./request.ts";

/** Replies of one batch of reads beyond this wait until the client took them. */
const BATCH_OUTPUT_MAX_BYTES = 16 << 20;
/** Barriers in vain (a lease that ended each time) before reads go through the log. */
const BARRIER_ATTEMPTS = 3;
/** What an aggregate reply counts for before it is encoded. */
const ROUGH_AGGREGATE_BYTES = 4096;

const TRY_AGAIN = new ReplyError("TRYAGAIN The read could not be made in order, try again");

/** The order that the reads are part of. */
export interface ReadOrder extends Answers {
  /** Runs a command of the session. */
  runSession(request: Request): Outcome | typeof DEFERRED;
  /** The batch is through: what it held up may go on. */
  run(): void;
}

export class BarrierReads {
  private readonly connection: Connection;
  private readonly server: ServerContext;
  private readonly writes: LoggedWrites;
  private readonly order: ReadOrder;
  /** For the next barrier, and those whose barrier is under way. */
  private gathered: Request[] = [];
  private active: Request[] | undefined;
  private abandoned = false;
  /** The active batch waits until the client took the replies before them. */
  private waitingForOutput = false;

  constructor(connection: Connection, writes: LoggedWrites, order: ReadOrder) {
    this.connection = connection;
    this.server = connection.server;
    this.writes = writes;
    this.order = order;
  }

  /** Reads wait that no later write may overtake. */
  get waiting(): boolean {
    return this.gathered.length > 0 || this.active !== undefined;
  }

  add(request: Request): void {
    // As in `WriteRun`: most connections send one command at a time.
    if (this.gathered.length === 0) this.gathered = [request];
    else this.gathered.push(request);
  }

  /** One barrier for all reads gathered so far; the next ones gather while it is under way. */
  askBarrier(): void {
    if (this.active !== undefined || this.gathered.length === 0) return;
    const batch = this.gathered;
    this.active = batch;
    this.gathered = [];
    this.server.node.barrier((error) => this.finish(batch, error, 1));
  }

  outputDrained(): void {
    if (!this.waitingForOutput) return;
    this.waitingForOutput = false;
    const batch = this.active as Request[];
    this.server.node.barrier((error) => this.finish(batch, error, 1));
  }

  /** Nobody waits for them any more. */
  abandon(): void {
    this.abandoned = true;
    this.gathered = [];
  }

  private finish(batch: readonly Request[], error: ReplyError | undefined, attempt: number): void {
    if (this.abandoned) return;
    if (error !== undefined) {
      for (const request of batch) this.order.settle(request, error);
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
    let tally: ScriptTally | undefined;
    let outputBytes = 0;
    for (const request of batch) {
      const outcome = this.read(request);
      if (outcome === TICK_NEEDED) break;
      outcomes.push(outcome);
      if (request.route.kind === "read") {
        const called = machine.scriptTally(outcome as Reply);
        if (called !== undefined) (tally ??= new ScriptTally()).addAll(called);
        if (watched) scriptCalls.addAll(machine.scriptCalls(outcome as Reply));
      }
      if (typeof outcome === "string") outputBytes += outcome.length;
      else if (outcome !== null && typeof outcome === "object") outputBytes += ROUGH_AGGREGATE_BYTES;
      if (outputBytes > BATCH_OUTPUT_MAX_BYTES) break;
    }
    if (!this.server.node.readStillValid()) {
      if (attempt < BARRIER_ATTEMPTS) {
        this.server.node.barrier((failed) => this.finish(batch, failed, attempt + 1));
        return;
      }
      outcomes.length = 0;
      scriptCalls.clear();
      tally = undefined;
    }
    countScripts(this.server, tally);
    if (watched) this.server.monitors.showCalls(scriptCalls.list);
    this.order.settleAll(batch, outcomes);
    this.finishRest(batch.slice(outcomes.length), outputBytes > BATCH_OUTPUT_MAX_BYTES);
  }

  /** Reads of a batch that were not answered: a key was due, the lease kept ending, or the client must first read. */
  private finishRest(rest: Request[], outputFull: boolean): void {
    if (rest.length > 0 && outputFull && !this.abandoned) {
      this.active = rest;
      this.connection.flush();
      if (this.connection.isPaused(PAUSED_OUTPUT)) this.waitingForOutput = true;
      else this.server.node.barrier((error) => this.finish(rest, error, 1));
      return;
    }
    this.leaveToLog(rest);
    this.endBatch();
  }

  private endBatch(): void {
    this.active = undefined;
    // What gathered meanwhile must not overtake reads that went into the log.
    if (this.writes.inFlight > 0) {
      const gathered = this.gathered;
      this.gathered = [];
      this.leaveToLog(gathered);
    }
    this.order.run();
  }

  private leaveToLog(reads: readonly Request[]): void {
    for (const request of reads) {
      if (request.route.kind === "session") this.order.settle(request, TRY_AGAIN);
      else this.writes.ride(request, false);
    }
  }

  private read(request: Request): Outcome | typeof TICK_NEEDED {
    if (request.route.kind === "session") {
      const outcome = this.order.runSession(request);
      return outcome === DEFERRED ? TRY_AGAIN : outcome;
    }
    const { node } = this.server;
    const { database, args } = request;
    return node.machine.query({ type: "call", database, args }, node.logTimeMs());
  }
}
