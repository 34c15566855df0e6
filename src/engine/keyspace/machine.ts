/**
 * The keyspace at work: applies commands from the log, answers queries from the local replica, and says what upkeep is due.
 *
 * Everything it does is a function of its state, the command and the entry's time and seed; replicas that applied the
 * same prefix hold the same state. What is local (access stamps, counters) never reaches the state or a logged reply.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { assert } from "../../runtime/errors.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import { AccessClock } from "./access-clock.ts";
import type { CollectionReaders } from "./collection-readers.ts";
import { COLLECTION_READERS } from "./collection-readers.ts";
import { decodeLogged, encodeCommand } from "./command-codec.ts";
import type { ScriptTally } from "./command-statistics.ts";
import { CommandTable } from "./command-table.ts";
import { hashText, stir, stirNumber } from "../../wire/digest.ts";
import { chooseVictims, makeRoom, usedBytesOf } from "./eviction.ts";
import { EVENT, Notifications } from "./events.ts";
import { Executor } from "./executor.ts";
import type { KeyspaceCommand, KeyVersion, WatchedKey } from "./keyspace-command.ts";
import { DATABASE_COUNT, type Keyspace, type KeyspaceStatistics } from "./keyspace.ts";
import { Moment, TICK_NEEDED } from "./moment.ts";
import { NULL_ARRAY, OK, ReplyError, type Reply } from "./reply.ts";
import { type ScriptCall, ScriptCalls } from "./script-calls.ts";
import type { ScriptEngine, ScriptFigures } from "./section.ts";
import { SeededRandom } from "./seeded-random.ts";
import { DEFAULT_SETTINGS, withChanges, writtenSettings, type KeyspaceSettings } from "./settings.ts";
import type { KeyspaceOptions } from "./keyspace-options.ts";
import { KeyspaceCut } from "./snapshot-cut.ts";
import { corrupt, finishRecord, FORMAT, HEADER, SECTION, startRecord } from "./snapshot-format.ts";
import { readSnapshot } from "./snapshot-restore.ts";
import { StoredDatabase, type KeyCounters } from "./stored-database.ts";

/** Keys that one tick may remove: about two milliseconds of work. */
const EXPIRE_LIMIT = 500;
/** Fewer commands are not looked at together. */
const FORESEE_MIN = 4;
/** After so long a command of upkeep that was not applied counts as lost. */
const UPKEEP_PATIENCE_MS = 1000;

/** As `AppliedAt` of the group: what a command may know of time and chance. */
export interface AppliedAt {
  readonly index: number;
  readonly position: number;
  readonly timeMs: number;
  readonly seed: number;
}

/** An empty keyspace. It is a `StateMachine<KeyspaceCommand, Reply>`. */
export function createKeyspace(options: KeyspaceOptions): KeyspaceMachine {
  return new KeyspaceMachine(options);
}

export class KeyspaceMachine implements Keyspace {
  readonly databases: readonly StoredDatabase[];
  readonly commands: CommandTable;
  /** May be set later, when the server that delivers exists. */
  publish: ((channel: string, message: string) => void) | undefined;
  readonly settings: KeyspaceSettings = { ...DEFAULT_SETTINGS };
  private readonly moment = new Moment();
  private readonly clock = new AccessClock();
  private readonly counters: KeyCounters = { expired: 0, evicted: 0, hits: 0, misses: 0 };
  private readonly chance = new SeededRandom();
  private readonly notifications = new Notifications((channel, message, lasting) =>
    this.executor.publish(channel, message, lasting),
  );
  private readonly executor: Executor;
  private readonly scripts: ScriptEngine | undefined;
  private readonly deliveredUpTo: number;
  private readonly collections: CollectionReaders;
  private readonly hashSecret: number;
  private readonly complain: ((problem: string) => void) | undefined;
  private cut: KeyspaceCut | undefined;
  /** To the command that was carried out last, applied or queried, if scripts called something. */
  private lastReply: Reply = null;
  /** When the last command of upkeep was handed out, log time; -Infinity once it was applied. */
  private upkeepSinceMs = -Infinity;

  constructor(options: KeyspaceOptions) {
    this.scripts = options.scripts;
    this.collections = options.collections ?? COLLECTION_READERS;
    this.hashSecret = options.hashSecret ?? 0;
    this.publish = options.publish;
    this.deliveredUpTo = options.deliveredUpTo ?? 0;
    this.complain = options.complain;
    this.commands = new CommandTable([...options.commands, ...(options.scripts?.commands ?? [])]);
    this.databases = Array.from(
      { length: DATABASE_COUNT },
      (_, index) =>
        new StoredDatabase(
          index,
          this.moment,
          this.clock,
          this.counters,
          this.notifications,
          this.hashSecret,
        ),
    );
    this.executor = new Executor(this, this.moment, this.chance, options.stopwatchMs ?? (() => 0));
  }

  decode(bytes: Bytes): KeyspaceCommand {
    return decodeLogged(bytes);
  }

  /** Never throws: what is wrong with a command is its reply. */
  apply(command: KeyspaceCommand, at: AppliedAt): Reply {
    this.moment.startWrite(at.timeMs);
    this.chance.start(at.seed, at.index, at.position);
    this.forgetScriptCalls();
    return this.noteReply(this.carryOut(command, at));
  }

  private carryOut(command: KeyspaceCommand, at: AppliedAt): Reply {
    switch (command.type) {
      case "call":
        return this.delivering(this.executor.run(command.database, command.args), at);
      case "calls":
        this.foreseeCalls(command.database, command.list);
        return command.list.map((args, place) => {
          this.executor.place = place;
          this.chance.start(at.seed ^ Math.imul(place, 0x9e37_79b1), at.index, at.position);
          return this.delivering(this.executor.run(command.database, args), at);
        });
      case "exec":
        if (this.watchesBroken(command.watched)) return NULL_ARRAY;
        return this.delivering(this.executor.runAll(command.calls), at);
      case "exec-by-version":
        if (command.watched.some((each) => !this.hasVersion(each))) return NULL_ARRAY;
        return this.delivering(this.executor.runAll(command.calls), at);
      case "expire":
        this.upkeepSinceMs = -Infinity;
        return this.delivering(this.removeDue(command.limit), at);
      case "evict":
        this.upkeepSinceMs = -Infinity;
        return this.delivering(this.evict(command.victims), at);
      case "configure":
        return this.configure(command.settings);
      case "malformed":
        this.complain?.(command.problem);
        return new ReplyError(`ERR ${command.problem}`);
    }
  }

  /**
   * Answers a command that only reads, from this replica as it is; `nowMs` is the reader's estimate of the log time.
   * TICK_NEEDED: it met a key that is due but not yet so by the log; send the command through the log instead.
   */
  query(command: KeyspaceCommand, nowMs: number): Reply | typeof TICK_NEEDED {
    this.moment.startRead(nowMs);
    this.forgetScriptCalls();
    this.chance.start(Math.floor(this.clock.chance() * 0x1_0000_0000), 0, 0);
    try {
      if (command.type === "call") return this.noteReply(this.executor.run(command.database, command.args));
      if (command.type !== "exec") return new ReplyError("ERR only commands that read can be queried");
      if (this.watchesBroken(command.watched)) return NULL_ARRAY;
      return this.executor.runAll(command.calls);
    } catch (error) {
      if (error === TICK_NEEDED) return TICK_NEEDED;
      throw error;
    }
  }

  /**
   * From now on, or no longer, what scripts call is kept, up to `SCRIPT_CALLS_MAX_BYTES`, of what was carried out last: a
   * command, a transaction, a run of `calls`. It is no part of the state.
   */
  watchScripts(watched: boolean): void {
    this.executor.scriptCalls = watched ? new ScriptCalls() : undefined;
  }

  /** What scripts called of the command that was just answered with `reply`; none when another was carried out since. */
  scriptCalls(reply: Reply): readonly ScriptCall[] {
    return reply === this.lastReply ? (this.executor.scriptCalls?.list ?? []) : [];
  }

  /**
   * How often scripts called what, of the command that was just answered with `reply`; undefined: they called nothing, or another
   * command was carried out since. Used again for the next command. It is this replica's own.
   */
  scriptTally(reply: Reply): ScriptTally | undefined {
    const { tally } = this.executor;
    return tally.none || reply !== this.lastReply ? undefined : tally;
  }

  /** The keys of commands that will be carried out next are looked for together; a run of `calls` looks for its own. */
  foresee(commands: readonly KeyspaceCommand[]): void {
    const first = commands[0];
    if (commands.length < FORESEE_MIN || first?.type !== "call") return;
    const keys: string[] = [];
    for (const command of commands) {
      if (command.type === "call" && command.database === first.database) keys.push(command.args[1] ?? "");
    }
    this.databases[first.database]?.table.foresee(keys);
  }

  /** As `foresee`, of calls to one database. */
  foreseeCalls(database: number, list: readonly (readonly string[])[]): void {
    // Of a few, each hardly waits less. Most commands have their key, or the first of several, behind their name.
    if (list.length < FORESEE_MIN) return;
    this.databases[database]?.table.foresee(list.map((args) => args[1] ?? ""));
  }

  /** What EXEC must bring of a key under WATCH, as a reader at `nowMs` sees it. */
  watch(database: number, key: string, nowMs: number): WatchedKey {
    this.moment.startRead(nowMs);
    const wasPresent = (this.databases[database]?.versionOf(key) ?? 0) !== 0;
    return { database, key, wasPresent, revision: this.moment.revision };
  }

  /** At the leader: a tick when keys are due, victims when memory runs out; at most one is under way at a time. */
  upkeep(nowMs: number): Bytes | undefined {
    const sinceMs = nowMs - this.upkeepSinceMs;
    if (sinceMs >= 0 && sinceMs < UPKEEP_PATIENCE_MS) return undefined;
    const command = this.neededUpkeep(nowMs);
    if (command === undefined) return undefined;
    this.upkeepSinceMs = nowMs;
    return encodeCommand(command);
  }

  /** A consistent cut of the whole state as of now. At most one is open at a time. */
  snapshot(): KeyspaceCut {
    assert(this.cut === undefined, "one snapshot at a time");
    const writer = new ByteWriter(64 * 1024);
    this.writeHeader(writer);
    const section = this.scripts?.section;
    if (section !== undefined) {
      const content = new ByteWriter();
      section.write(content);
      const start = startRecord(writer, SECTION);
      writer.text(section.name).bytes(content.take());
      finishRecord(writer, start);
    }
    this.cut = new KeyspaceCut(this.databases, writer, () => (this.cut = undefined));
    return this.cut;
  }

  /** Replaces the whole state. Throws DATA_CORRUPT when the bytes are not a whole snapshot or its digest does not fit. */
  restore(chunks: Iterable<Bytes>): void {
    const state = readSnapshot(chunks, this.collections, this.hashSecret);
    this.cut?.close();
    for (const database of this.databases) {
      database.table = state.tables[database.index]!;
      database.creations = state.creations[database.index]!;
    }
    this.moment.revision = state.revision;
    this.moment.audit.digest = state.auditDigest | 0;
    this.moment.logMs = this.moment.nowMs = state.logMs;
    Object.assign(this.settings, DEFAULT_SETTINGS);
    this.configure(state.settings);
    const section = this.scripts?.section;
    if (section !== undefined) {
      const bytes = state.sections.get(section.name);
      section.restore(bytes === undefined ? undefined : new ByteReader(bytes));
    }
    this.upkeepSinceMs = -Infinity;
    if (this.digest() !== state.digest) throw corrupt("its digest does not fit its content");
  }

  digest(): number {
    let digest = stir(stirNumber(0, this.moment.revision), this.moment.audit.digest);
    for (const { table } of this.databases) digest = stir(stir(digest, table.digest), table.size);
    for (const [name, value] of writtenSettings(this.settings))
      digest = hashText(hashText(digest, name), value);
    if (this.scripts !== undefined) digest = stir(digest, this.scripts.section.digest());
    return digest >>> 0;
  }

  swapDatabases(first: number, second: number): void {
    const left = this.databases[first]!;
    const right = this.databases[second]!;
    const exchange = (): void => {
      [left.table, right.table] = [right.table, left.table];
    };
    this.moment.undo?.record(exchange);
    exchange();
    const revision = ++this.moment.revision;
    if (left === right) return;
    // Keys that came along may go again. An empty database takes keys away only, which they show by their absence.
    for (const database of [left, right]) if (database.size > 0) database.creations.exchanged = revision;
  }

  statistics(): KeyspaceStatistics {
    const { expired, evicted, hits, misses } = this.counters;
    return { usedBytes: this.usedBytes(), expiredKeys: expired, evictedKeys: evicted, hits, misses };
  }

  /** The counts of `statistics` begin anew. They are this replica's own. */
  resetCounters(): void {
    Object.assign(this.counters, { expired: 0, evicted: 0, hits: 0, misses: 0 });
  }

  /** What scripting keeps; undefined: there is none. */
  scriptFigures(): ScriptFigures | undefined {
    return this.scripts?.figures();
  }

  /** Deterministic estimate of the memory that all entries take. */
  usedBytes(): number {
    return usedBytesOf(this.databases);
  }

  /** Before a command that needs memory is applied: false when it must be refused. */
  makeRoom(): boolean {
    if (this.settings.maxmemoryBytes === 0) return true;
    return makeRoom(this.databases, this.settings, this.executor.random, () => this.counters.evicted++);
  }

  private forgetScriptCalls(): void {
    this.executor.place = 0;
    this.executor.scriptCalls?.clear();
    this.executor.tally.clear();
  }

  private noteReply(reply: Reply): Reply {
    this.lastReply = this.executor.tally.none ? null : reply;
    return reply;
  }

  private delivering(reply: Reply, { index }: AppliedAt): Reply {
    const { published } = this.executor;
    if (published.length === 0) return reply;
    const messages = published.splice(0);
    if (index <= this.deliveredUpTo) return reply;
    for (const { channel, message } of messages) this.publish?.(channel, message);
    return reply;
  }

  private watchesBroken(watched: readonly WatchedKey[]): boolean {
    return watched.some(
      ({ database, key, wasPresent, revision }) =>
        this.databases[database]?.changedSince(key, wasPresent, revision) ?? true,
    );
  }

  private hasVersion({ database, key, version }: KeyVersion): boolean {
    return this.databases[database]?.versionOf(key) === version;
  }

  private neededUpkeep(nowMs: number): KeyspaceCommand | undefined {
    if (this.databases.some((database) => database.table.due.firstDeadline() <= nowMs)) {
      return { type: "expire", limit: EXPIRE_LIMIT };
    }
    const victims = chooseVictims(this.databases, this.settings, this.clock, this.moment.accessUnits);
    return victims.length > 0 ? { type: "evict", victims } : undefined;
  }

  private writeHeader(writer: ByteWriter): void {
    const start = startRecord(writer, HEADER);
    writer.uint32(FORMAT).uint53(this.moment.revision).double(this.moment.logMs);
    writer.uint32(this.moment.audit.digest >>> 0).uint32(this.digest());
    const settings = writtenSettings(this.settings);
    writer.uint32(settings.length);
    for (const [name, value] of settings) writer.text(name).text(value);
    finishRecord(writer, start);
  }

  private removeDue(limit: number): Reply {
    let removed = 0;
    for (const database of this.databases) removed += database.removeDue(limit - removed);
    return removed;
  }

  private evict(victims: readonly KeyVersion[]): Reply {
    let evicted = 0;
    for (const victim of victims) {
      const database = this.databases[victim.database]!;
      if (!this.hasVersion(victim) || !database.delete(victim.key)) continue;
      database.notify(EVENT.evicted, "evicted", victim.key);
      evicted++;
    }
    this.counters.evicted += evicted;
    return evicted;
  }

  configure(settings: readonly (readonly [string, string])[]): Reply {
    const changed = withChanges(this.settings, settings);
    if (changed instanceof ReplyError) return changed;
    Object.assign(this.settings, changed);
    this.clock.countsFrequency = changed.policy.endsWith("lfu");
    this.clock.logFactor = changed.lfuLogFactor;
    this.clock.decayMinutes = changed.lfuDecayMinutes;
    this.notifications.choose(changed.eventClasses);
    return OK;
  }
}
