/** The server itself: ROLE, WAIT, TIME, MONITOR, SHUTDOWN, FAILOVER, MEMORY, SLOWLOG, LATENCY, DEBUG. */
import type { CommandSpec } from "../../../keyspace/command.ts";
import { parseInteger } from "../../../keyspace/numbers.ts";
import type { Reply } from "../../../keyspace/reply.ts";
import {
  DoubleReply,
  MapReply,
  NOT_AN_INTEGER,
  OK,
  PushReply,
  ReplyError,
  SetReply,
  subcommandMisused,
  SYNTAX_ERROR,
  VerbatimReply,
} from "../../../keyspace/reply.ts";
import type { ServerContext } from "../context.ts";
import type { Outcome } from "../request.ts";
import { DEFERRED, NO_REPLY } from "../request.ts";
import type { Call, Family, SessionCommand } from "../session-command.ts";
import { command, family, row } from "../session-command.ts";
import { wholeNumber } from "../session-state.ts";
import { redisRole, topologyOf } from "../topology.ts";

function role({ server }: Call): Reply {
  const { node } = server;
  const { master, replicas } = topologyOf(node);
  const { appliedIndex } = node.status();
  if (redisRole(node) === "master") {
    const list = replicas.map(({ member, address }): Reply => {
      return [address.host, String(address.port), String(member.appliedIndex ?? 0)];
    });
    return ["master", appliedIndex, list];
  }
  const state = master === undefined ? "connect" : "connected";
  return ["slave", master?.address.host ?? "", master?.address.port ?? 0, state, appliedIndex];
}

const WAIT_STEP_MS = 5;

/**
 * How many other nodes hold what this connection wrote. What was acknowledged is on a majority; WAIT for more looks at what is
 * known of the others until the time is over. A timeout of 0, or a longer one, ends at the server's own bound.
 */
function wait({ connection, server, args, inExec, answer }: Call): Reply | typeof DEFERRED {
  const wanted = wholeNumber(args[1]);
  const timeoutMs = wholeNumber(args[2], new ReplyError("ERR timeout is not an integer or out of range"));
  if (timeoutMs < 0) return new ReplyError("ERR timeout is negative");
  const index = server.node.status().appliedIndex;
  const first = holders(server, index);
  if (first >= wanted || inExec) return first;
  const { waitMaxMs } = server.settings;
  const boundMs = timeoutMs === 0 ? waitMaxMs : Math.min(timeoutMs, waitMaxMs);
  const startedMs = performance.now();
  const timer = setInterval(() => {
    const now = holders(server, index);
    if (connection.open && now < wanted && performance.now() - startedMs < boundMs) return;
    clearInterval(timer);
    answer(now);
  }, WAIT_STEP_MS);
  timer.unref();
  return DEFERRED;
}

/**
 * The leader knows what each node stored. Elsewhere it is known what each node in sight has applied, which it stored before: it
 * tells so twice a second.
 */
function holders({ node }: ServerContext, index: number): number {
  const { membership, progress } = node.status().consensus;
  const ofMajority = Math.floor(membership.voters.length / 2);
  let known = 0;
  for (const { id, role, appliedIndex = 0 } of node.members()) {
    if (id === node.id) continue;
    const stored = (progress.get(id)?.matchIndex ?? 0) >= index;
    if (stored || (role !== "unreachable" && appliedIndex >= index)) known += 1;
  }
  return Math.max(ofMajority, known);
}

function time({ server }: Call): Reply {
  const nowMs = server.node.logTimeMs();
  const seconds = Math.floor(nowMs / 1000);
  return [String(seconds), String(Math.floor((nowMs - seconds * 1000) * 1000))];
}

function monitor({ connection, server }: Call): Reply {
  connection.monitoring = true;
  server.monitors.add(connection);
  return OK;
}

function shutDown({ server, args }: Call): Outcome {
  for (const word of args.slice(1)) {
    if (!/^(nosave|save|now|force|abort)$/i.test(word)) return SYNTAX_ERROR;
    if (word.toLowerCase() === "abort") return new ReplyError("ERR No shutdown in progress.");
  }
  if (server.shutDown === undefined) {
    return new ReplyError("ERR SHUTDOWN is not allowed here; stop the process that runs this node");
  }
  server.shutDown();
  return NO_REPLY;
}

function failOver({ server, args }: Call): Reply {
  let to: string | undefined;
  for (let at = 1; at < args.length; at += 1) {
    const word = (args[at] as string).toLowerCase();
    if (word === "to" && at + 2 < args.length) {
      const host = args[at + 1] as string;
      const port = wholeNumber(args[at + 2]);
      const { replicas } = topologyOf(server.node);
      to = replicas.find(({ address }) => address.host === host && address.port === port)?.member.id;
      if (to === undefined) return new ReplyError("ERR FAILOVER target HOST and PORT is not a replica.");
      at += 2;
    } else if (word === "timeout" && at + 1 < args.length) {
      if (wholeNumber(args[at + 1]) <= 0)
        return new ReplyError("ERR FAILOVER timeout must be greater than 0");
      at += 1;
    } else if (word === "abort") {
      return new ReplyError("ERR No failover in progress.");
    } else if (word !== "force") {
      return SYNTAX_ERROR;
    }
  }
  if (server.transferLeadership === undefined) return new ReplyError("ERR FAILOVER is not allowed here");
  if (redisRole(server.node) !== "master") {
    return new ReplyError("ERR FAILOVER is not valid when server is a replica.");
  }
  server.transferLeadership(to);
  return OK;
}

const GROUP = "server";
const QUICK = "noscript loading stale fast";

export const SERVER_COMMANDS: readonly SessionCommand[] = [
  command(row("role", 1, QUICK, GROUP, "2.8.12", "Whether this node leads, and who else there is"), role),
  command(
    row(
      "wait",
      3,
      "noscript",
      "generic",
      "3.0.0",
      "How many other nodes hold the writes",
      "numreplicas timeout",
    ),
    wait,
    { after: "writes" },
  ),
  command(
    row("monitor", 1, "admin noscript loading stale", GROUP, "1.0.0", "Shows every command as it comes"),
    monitor,
    { after: "everything", notInExec: true },
  ),
  command(
    row(
      "shutdown",
      -1,
      "admin noscript loading stale no_multi allow_busy",
      GROUP,
      "1.0.0",
      "Stops this node",
      "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
    ),
    shutDown,
    { after: "everything" },
  ),
  command(
    row(
      "failover",
      -1,
      "admin noscript stale",
      GROUP,
      "6.2.0",
      "Hands leadership to another node",
      "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]",
    ),
    failOver,
    { after: "writes" },
  ),
];

/** TIME outside of transactions and scripts needs no log entry; its row is the keyspace's. */
export const TIME_HANDLER: SessionCommand["run"] = time;

const BAD_COUNT = new ReplyError("ERR count should be greater than or equal to -1");

function slowLogGet({ server, args }: Call): Reply {
  if (args.length > 3) return subcommandMisused(args);
  const count = args[2] === undefined ? 10 : wholeNumber(args[2], BAD_COUNT);
  if (count < -1) return BAD_COUNT;
  return server.slowLog.replies(count);
}

export const SLOWLOG_FAMILY: Family = family(
  row("slowlog", -2, "", GROUP, "2.2.12", "The slowest commands lately, from arrival to reply"),
  [
    command(
      row("slowlog|get", -2, "admin loading stale", GROUP, "2.2.12", "Shows the newest", "[count]"),
      slowLogGet,
    ),
    command(row("slowlog|len", 2, "admin loading stale", GROUP, "2.2.12", "Counts them"), ({ server }) => {
      return server.slowLog.length;
    }),
    command(row("slowlog|reset", 2, "admin loading stale", GROUP, "2.2.12", "Forgets them"), ({ server }) => {
      server.slowLog.reset();
      return OK;
    }),
  ],
);

const ADMIN = "admin noscript loading stale";

function histogram({ server: { router }, args }: Call): Reply {
  // Each once, however often it is named: unlike in Redis, or one command could ask for any number of replies.
  const routes = new Set(args.length === 2 ? router.called() : []);
  for (const name of new Set(args.slice(2).map((arg) => arg.toLowerCase()))) {
    for (const route of router.named(name)) routes.add(route);
  }
  const measured = [...routes].filter(({ statistics }) => statistics.latencies.total > 0);
  return new MapReply(
    measured.flatMap(({ spec, statistics: { latencies } }): Reply[] => {
      const bounds = new MapReply(latencies.cumulative().flat());
      return [spec.name, new MapReply(["calls", latencies.total, "histogram_usec", bounds])];
    }),
  );
}

/** No latency events are kept; the metrics of the admin server tell more. */
export const LATENCY_FAMILY: Family = family(
  row("latency", -2, "", GROUP, "2.8.13", "Latency events: none are kept here"),
  [
    command(row("latency|latest", 2, ADMIN, GROUP, "2.8.13", "The newest events: none"), () => []),
    command(row("latency|history", 3, ADMIN, GROUP, "2.8.13", "Past events: none", "event"), () => []),
    command(
      row("latency|reset", -2, ADMIN, GROUP, "2.8.13", "Forgets events", "[event [event ...]]"),
      () => 0,
    ),
    command(
      row("latency|doctor", 2, ADMIN, GROUP, "2.8.13", "Says where to look instead"),
      () =>
        new VerbatimReply(
          "txt",
          "No latency events are kept. See INFO commandstats, SLOWLOG and /metrics.\n",
        ),
    ),
    command(
      row(
        "latency|histogram",
        -2,
        ADMIN,
        GROUP,
        "7.0.0",
        "How long commands took, from arrival to reply: how many up to each bound in microseconds",
        "[command [command ...]]",
      ),
      histogram,
    ),
  ],
);

/** Redis's own order of magnitude for what a key costs beside its bytes. */
const KEY_OVERHEAD_BYTES = 56;

export const MEMORY_FAMILY: Family = family(row("memory", -2, "", GROUP, "4.0.0", "Tells about memory"), [
  command(
    row("memory|doctor", 2, "", GROUP, "4.0.0", "Says where to look instead"),
    () => new VerbatimReply("txt", "Nothing is diagnosed here. See INFO memory and /metrics.\n"),
  ),
  command(row("memory|purge", 2, "", GROUP, "4.0.0", "Accepted; the garbage collector decides"), () => OK),
]);

/** Reads the data, so it is a command of the keyspace: behind a barrier, allowed in scripts. */
export const MEMORY_USAGE: CommandSpec = row(
  "memory|usage",
  -3,
  "readonly",
  GROUP,
  "4.0.0",
  "Estimates the bytes that a key takes",
  "key [SAMPLES count]",
  {
    keys: { first: 2, last: 2, step: 1 },
    execute: ({ database }, args) => {
      // Estimates need no samples here: their number is only checked.
      for (let at = 3; at < args.length; at += 2) {
        if (args[at]!.toLowerCase() !== "samples" || at + 1 === args.length) throw SYNTAX_ERROR;
        const samples = parseInteger(args[at + 1]!);
        if (samples === undefined) throw NOT_AN_INTEGER;
        if (samples < 0) throw SYNTAX_ERROR;
      }
      const key = args[2] as string;
      const value = database.peek(key);
      if (value === undefined) return null;
      const held = typeof value === "string" ? value.length : value.bytes;
      return KEY_OVERHEAD_BYTES + key.length + held;
    },
  },
);

/** DEBUG PROTOCOL: one reply of each kind, for the tests of clients. */
function protocol({ args }: Call): Outcome {
  switch ((args[2] as string).toLowerCase()) {
    case "string":
      return "Hello World";
    case "integer":
      return 12345;
    case "double":
      return new DoubleReply(3.141);
    case "null":
      return null;
    case "array":
      return [0, 1, 2];
    case "set":
      return new SetReply([0, 1, 2]);
    case "map":
      return new MapReply([0, false, 1, true, 2, false]);
    case "push":
      return new PushReply(["server-cpu-usage", 42]);
    case "verbatim":
      return new VerbatimReply("txt", "This is a verbatim\nstring");
    case "true":
      return true;
    case "false":
      return false;
    default:
      return new ReplyError(
        "ERR Wrong protocol type name. Please use one of the types that DEBUG HELP names",
      );
  }
}

/** Nothing that could harm: what is missing is answered as an unknown subcommand. */
export const DEBUG_FAMILY: Family = family(
  row("debug", -2, ADMIN, GROUP, "1.0.0", "For the tests of clients"),
  [
    command(
      row(
        "debug|protocol",
        3,
        ADMIN,
        GROUP,
        "6.0.0",
        "Answers one reply of a type",
        "<STRING | INTEGER | DOUBLE | NULL | ARRAY | SET | MAP | PUSH | VERBATIM | TRUE | FALSE>",
      ),
      protocol,
    ),
  ],
);
