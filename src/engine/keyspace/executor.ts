/** Runs commands against the databases: alone, inside a transaction, or called by another command. */
import { assert, isQuorateError } from "../../runtime/errors.ts";
import { ScriptTally } from "./command-statistics.ts";
import type { CommandSpec } from "./command.ts";
import { databaseNumber } from "./commands/argument.ts";
import type { Database } from "./database.ts";
import type { Execution } from "./execution.ts";
import type { Call } from "./keyspace-command.ts";
import type { KeyspaceMachine } from "./machine.ts";
import { TICK_NEEDED, type Moment } from "./moment.ts";
import { OK, OUT_OF_MEMORY, ReplyError, type Reply } from "./reply.ts";
import type { ScriptCalls } from "./script-calls.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { UndoLog } from "./undo-log.ts";

const NOT_IN_LOG: ReplyError = new ReplyError(
  "ERR This command is not allowed here: it belongs to a connection",
);
const NO_SUCH_DATABASE: ReplyError = new ReplyError("ERR DB index is out of range");
const ABORTED_BY_MEMORY: ReplyError = new ReplyError(
  `EXECABORT Transaction discarded because of: ${OUT_OF_MEMORY.message}`,
);
const WRITES_IN_QUERY: ReplyError = new ReplyError(
  "ERR Write commands are not allowed from read-only scripts.",
);

interface Published {
  readonly channel: string;
  readonly message: string;
  /** It tells of what is not undone with the command. */
  readonly lasting: boolean;
}

/** One for a keyspace, used again for every command: nothing of a command is kept after it. */
export class Executor implements Execution {
  readonly keyspace: KeyspaceMachine;
  database: Database;
  databaseIndex = 0;
  nested = false;
  private memoryUnlimited = false;
  /** Messages of the command that was just applied; the machine takes them. */
  readonly published: Published[] = [];
  /** What scripts of the command that was just carried out called, while that is asked for. */
  scriptCalls: ScriptCalls | undefined;
  /** How often scripts of what was just carried out called what. */
  readonly tally: ScriptTally = new ScriptTally();
  /** Of the command among those that are carried out together. */
  place = 0;
  readonly random: () => number;
  private readonly moment: Moment;
  /** For the tally only: a command does not see it. */
  private readonly stopwatchMs: () => number;
  private startRevision = 0;

  constructor(keyspace: KeyspaceMachine, moment: Moment, chance: SeededRandom, stopwatchMs: () => number) {
    this.keyspace = keyspace;
    this.moment = moment;
    this.stopwatchMs = stopwatchMs;
    this.database = keyspace.databases[0]!;
    this.random = () => chance.next();
  }

  get nowMs(): number {
    return this.moment.nowMs;
  }

  get reading(): boolean {
    return this.moment.reading;
  }

  get changed(): boolean {
    return this.moment.revision !== this.startRevision;
  }

  publish(channel: string, message: string, lasting: boolean = false): void {
    this.published.push({ channel, message, lasting });
  }

  atomically<T>(body: () => T): T {
    const { moment } = this;
    if (moment.reading) return body();
    assert(moment.undo === undefined, "one undo log at a time");
    const undo = new UndoLog();
    const published = this.published.length;
    moment.undo = undo;
    try {
      const result = body();
      moment.undo = undefined;
      undo.commit();
      return result;
    } catch (error) {
      moment.undo = undefined;
      undo.rollback();
      const lasting = this.published.splice(published).filter((each) => each.lasting);
      this.published.push(...lasting);
      throw error;
    }
  }

  makeRoom(): boolean {
    return this.moment.reading || this.memoryUnlimited || this.keyspace.makeRoom();
  }

  beyondMemory<T>(body: () => T): T {
    this.memoryUnlimited = true;
    try {
      return body();
    } finally {
      this.memoryUnlimited = false;
    }
  }

  select(index: number): boolean {
    const database = this.keyspace.databases[index];
    if (database === undefined) return false;
    this.database = database;
    this.databaseIndex = index;
    return true;
  }

  /** A client's command. Throws only TICK_NEEDED. */
  run(database: number, args: readonly string[]): Reply {
    this.nested = false;
    if (!this.select(database)) return NO_SUCH_DATABASE;
    const spec = this.keyspace.commands.resolve(args);
    if (spec instanceof ReplyError) return spec;
    if (!this.roomFor(spec)) return OUT_OF_MEMORY;
    this.startRevision = this.moment.revision;
    return this.execute(spec, args);
  }

  /**
   * The commands of a transaction: each one's reply or error, no rollback. As in Redis, memory is asked for once, before
   * the first one. Throws only TICK_NEEDED.
   */
  runAll(calls: readonly Call[]): Reply {
    const { commands } = this.keyspace;
    const growing = calls
      .map(({ args }) => commands.find(args))
      .find((spec) => spec?.flags.includes("denyoom"));
    if (growing !== undefined && !this.roomFor(growing)) return ABORTED_BY_MEMORY;
    this.startRevision = this.moment.revision;
    const replies: Reply[] = [];
    for (const [place, { database, args }] of calls.entries()) {
      this.nested = true;
      this.place = place;
      const spec = this.select(database) ? commands.resolve(args) : NO_SUCH_DATABASE;
      replies.push(spec instanceof ReplyError ? spec : this.execute(spec, args));
    }
    return replies;
  }

  call(args: readonly string[]): Reply {
    const spec = this.keyspace.commands.resolve(args);
    if (spec instanceof ReplyError) return spec;
    // A script that has changed something already runs to its end, as in Redis: half of it would be worse.
    if (!this.changed && !this.roomFor(spec)) {
      this.noteRejected(spec);
      return OUT_OF_MEMORY;
    }
    const wasNested = this.nested;
    const startedMs = this.stopwatchMs();
    this.nested = true;
    const reply = this.execute(spec, args);
    this.nested = wasNested;
    this.scriptCalls?.note(this.place, this.databaseIndex, args);
    if (reply === WRITES_IN_QUERY || reply === NOT_IN_LOG) this.noteRejected(spec);
    else this.tally.carriedOut(spec, (this.stopwatchMs() - startedMs) * 1000, reply instanceof ReplyError);
    return reply;
  }

  noteCall(spec: CommandSpec, args: readonly string[]): void {
    this.scriptCalls?.note(this.place, this.databaseIndex, args);
    this.tally.carriedOut(spec, 0, false);
  }

  noteRejected(spec: CommandSpec): void {
    this.tally.rejected(spec);
  }

  private roomFor(spec: CommandSpec): boolean {
    if (this.keyspace.settings.maxmemoryBytes === 0) return true;
    return !this.keyspace.commands.hasFlag(spec, "denyoom") || this.makeRoom();
  }

  private execute(spec: CommandSpec, args: readonly string[]): Reply {
    if (spec.execute === undefined) return this.connectionCommand(spec, args);
    if (this.moment.reading && !this.keyspace.commands.readsOnly(spec)) return WRITES_IN_QUERY;
    try {
      return spec.execute(this, args);
    } catch (error) {
      if (error instanceof ReplyError) return error;
      if (error === TICK_NEEDED || isQuorateError(error)) throw error;
      // A defect in one command: the same on every replica, so an error reply harms less than a stop of all of them.
      return new ReplyError(
        `ERR internal error in '${spec.name}': ${String(error).replaceAll(/[\r\n]/g, " ")}`,
      );
    }
  }

  /** SELECT inside a transaction or script: the connection only knows later. Its other commands cannot run here. */
  private connectionCommand(spec: CommandSpec, args: readonly string[]): Reply {
    if (spec.name !== "select") return NOT_IN_LOG;
    const index = databaseNumber(args[1]!);
    if (index instanceof ReplyError) return index;
    return this.select(index) ? OK : NO_SUCH_DATABASE;
  }
}
