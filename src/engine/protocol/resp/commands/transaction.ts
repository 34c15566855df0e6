/**
 * MULTI, EXEC, DISCARD, WATCH, UNWATCH.
 *
 * Commands gather on the connection; EXEC puts all of them into the log as one command with the revision that the keyspace had
 * at WATCH; whether a watched key has changed since is looked up where it is applied. WATCH reads the revision behind a
 * barrier, so a key that changed after WATCH was answered always breaks the transaction.
 */
import { encodeRequest } from "../../../../wire/resp/request-encoder.ts";
import { encodeExec } from "../../../keyspace/command-codec.ts";
import type { Call as KeyspaceCall } from "../../../keyspace/keyspace-command.ts";
import type { Reply } from "../../../keyspace/reply.ts";
import { OK, ReplyError } from "../../../keyspace/reply.ts";
import type { ScriptCall } from "../../../keyspace/script-calls.ts";
import type { Connection } from "../connection.ts";
import { countScripts, type ServerContext } from "../context.ts";
import type { ErrorStatistics } from "../error-statistics.ts";
import { bytesToKeep, KEPT_NAME_BYTES, KEPT_NAMES_MAX_BYTES } from "../kept-names.ts";
import type { RespVersion } from "../reply-encoder.ts";
import { DEFERRED, MixedReplies, NO_REPLY, SeveralReplies } from "../request.ts";
import type { Outcome, Request } from "../request.ts";
import type { Call, SessionCommand } from "../session-command.ts";
import { command, row } from "../session-command.ts";
import { discardTransaction, forgetWatched, selectDatabase } from "../session-state.ts";

const ABORTED = new ReplyError("EXECABORT Transaction discarded because of previous errors.");
const TOO_MANY_WATCHED = new ReplyError(
  `ERR the watched keys of this connection would take more than the limit of ${KEPT_NAMES_MAX_BYTES} bytes` +
    ` (each its length and ${KEPT_NAME_BYTES} more); UNWATCH, or watch fewer keys`,
);
const NOT_IN_TRANSACTION = new ReplyError("ERR This command is not allowed inside a transaction");

function multi({ connection }: Call): Reply {
  if (connection.transaction !== undefined) return new ReplyError("ERR MULTI calls can not be nested");
  connection.transaction = { queue: [], queuedBytes: 0, broken: false };
  return OK;
}

function discard({ connection }: Call): Reply {
  if (connection.transaction === undefined) return new ReplyError("ERR DISCARD without MULTI");
  discardTransaction(connection);
  return OK;
}

/** Runs behind a barrier: the revision is the one that a read at this moment would see. */
function watch({ connection, server, args }: Call): Reply {
  if (connection.transaction !== undefined) return new ReplyError("ERR WATCH inside MULTI is not allowed");
  const { database } = connection;
  const { node } = server;
  const added = new Set(args.slice(1).filter((key) => !connection.watched.has(`${database}:${key}`)));
  let addedBytes = 0;
  for (const key of added) addedBytes += bytesToKeep(key);
  if (connection.watchedBytes + addedBytes > KEPT_NAMES_MAX_BYTES) return TOO_MANY_WATCHED;
  for (const key of added) {
    connection.watched.set(`${database}:${key}`, node.machine.watch(database, key, node.logTimeMs()));
  }
  connection.watchedBytes += addedBytes;
  return OK;
}

function unwatch({ connection }: Call): Reply {
  forgetWatched(connection);
  return OK;
}

function exec({ connection, server, route, args, answer }: Call): Outcome | typeof DEFERRED {
  const { transaction } = connection;
  if (transaction === undefined) return new ReplyError("ERR EXEC without MULTI");
  const watched = [...connection.watched.values()];
  discardTransaction(connection);
  if (transaction.broken) return ABORTED;
  for (const request of transaction.queue) connection.pipeline.count(request);
  const before = connection.database;
  const plan = planned(connection, transaction.queue);
  const show = (scriptCalls: readonly ScriptCall[]): void => {
    if (!server.monitors.none) showQueue(server, connection, transaction.queue, plan, scriptCalls);
  };
  if (plan.calls.length === 0 && watched.length === 0) {
    show([]);
    return assemble(connection, plan.steps, []).outcome;
  }
  const calls = plan.calls.map(({ database, args }) => ({ database, resp: encodeRequest(args) }));
  connection.pipeline.write(
    { type: "exec", watched, calls: plan.calls },
    encodeExec(watched, calls),
    (reply) => {
      if (Array.isArray(reply)) {
        countScripts(server, server.node.machine.scriptTally(reply as Reply));
        show(server.node.machine.scriptCalls(reply as Reply));
        server.monitors.show(connection, route, connection.database, args);
        const { replies, outcome } = assemble(connection, plan.steps, reply as readonly Reply[]);
        countErrors(server.errors, transaction.queue, replies);
        return answer(outcome);
      }
      // A watched key changed, or there was no quorum: no command was carried out, SELECT neither.
      connection.database = before;
      server.monitors.show(connection, route, before, args);
      answer(reply);
    },
  );
  return DEFERRED;
}

/** What becomes of a queued command: the reply of the log, a reply known already, or a handler to run then. */
type Step = "logged" | { readonly reply: Reply } | { readonly request: Request };

interface Plan {
  /** One for each command of the queue. */
  readonly steps: readonly Step[];
  /** The database that is selected after each step. */
  readonly databases: readonly number[];
  readonly calls: readonly KeyspaceCall[];
}

/** Splits the queue: commands of the keyspace go into the log, SELECT decides on the way which database they get. */
function planned(connection: Connection, queue: readonly Request[]): Plan {
  const calls: KeyspaceCall[] = [];
  const databases: number[] = [];
  const stepOf = (request: Request): Step => {
    const { spec, session } = request.route;
    if (spec.name === "select") return { reply: selectDatabase(connection, request.args[1] as string) };
    if (spec.execute === undefined || session?.logged?.(request.args) === false) return { request };
    calls.push({ database: connection.database, args: request.args });
    return "logged";
  };
  const steps = queue.map((request) => {
    const step = stepOf(request);
    databases.push(connection.database);
    return step;
  });
  return { steps, databases, calls };
}

/** To MONITOR: the commands as they were carried out, each followed by what it called. */
function showQueue(
  { monitors }: ServerContext,
  connection: Connection,
  queue: readonly Request[],
  { steps, databases }: Plan,
  scriptCalls: readonly ScriptCall[],
): void {
  let logged = 0;
  let shown = 0;
  for (const [at, { route, args }] of queue.entries()) {
    monitors.show(connection, route, databases[at]!, args);
    if (steps[at] !== "logged") continue;
    const from = shown;
    while (scriptCalls[shown]?.place === logged) shown += 1;
    monitors.showCalls(scriptCalls.slice(from, shown));
    logged += 1;
  }
}

/** An error among the replies of a transaction counts as if its command had been sent alone. */
function countErrors(errors: ErrorStatistics, queue: readonly Request[], replies: readonly Reply[]): void {
  for (const [at, reply] of replies.entries()) {
    if (!(reply instanceof ReplyError)) continue;
    errors.count(reply);
    queue[at]!.route.statistics.failed += 1;
  }
}

function assemble(
  connection: Connection,
  steps: readonly Step[],
  logged: readonly Reply[],
): { readonly replies: readonly Reply[]; readonly outcome: Outcome } {
  let next = 0;
  const { version } = connection;
  const versions: RespVersion[] = [];
  const carryOut = (step: Step): Reply => {
    if (step === "logged") {
      next += 1;
      return logged[next - 1] as Reply;
    }
    if ("reply" in step) return step.reply;
    if (step.request.route.session?.notInExec === true) return NOT_IN_TRANSACTION;
    const outcome = connection.pipeline.runSession(step.request, true);
    if (outcome === DEFERRED || outcome === NO_REPLY) return NOT_IN_TRANSACTION;
    const isOne = !(outcome instanceof SeveralReplies || outcome instanceof MixedReplies);
    return isOne ? outcome : NOT_IN_TRANSACTION;
  };
  const replies = steps.map((step) => {
    const reply = carryOut(step);
    versions.push(connection.version);
    return reply;
  });
  const isMixed = versions.some((each) => each !== version);
  return { replies, outcome: isMixed ? new MixedReplies(replies, versions) : replies };
}

const FLAGS = "noscript loading stale fast allow_busy";

export const TRANSACTION_COMMANDS: readonly SessionCommand[] = [
  command(
    row("multi", 1, FLAGS, "transactions", "1.2.0", "Starts a transaction: commands are queued until EXEC."),
    multi,
    // A WATCH that still waits for its barrier came before.
    { insideMulti: true, after: "reads" },
  ),
  command(
    row(
      "exec",
      1,
      "noscript loading stale",
      "transactions",
      "1.2.0",
      "Carries out the queued commands as one",
    ),
    exec,
    { insideMulti: true, after: "reads" },
  ),
  command(row("discard", 1, FLAGS, "transactions", "2.0.0", "Drops the queued commands"), discard, {
    insideMulti: true,
    after: "reads",
  }),
  command(
    row(
      "watch",
      -2,
      FLAGS,
      "transactions",
      "2.2.0",
      "Makes the next EXEC fail if one of these keys changes before it",
      "key [key ...]",
      { complexity: "O(N), N keys", keys: { first: 1, last: -1, step: 1 } },
    ),
    watch,
    { insideMulti: true, barrier: true },
  ),
  command(row("unwatch", 1, FLAGS, "transactions", "2.2.0", "Forgets all watched keys"), unwatch, {
    after: "reads",
  }),
];
