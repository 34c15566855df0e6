/** Handshake and connection: HELLO, AUTH, PING, ECHO, SELECT, QUIT, RESET, READONLY, READWRITE, ASKING. */
import type { Reply } from "../../../keyspace/reply.ts";
import { MapReply, OK, ReplyError, Status } from "../../../keyspace/reply.ts";
import type { Call, SessionCommand } from "../session-command.ts";
import { command, row } from "../session-command.ts";
import { authenticate, discardTransaction, selectDatabase, setName } from "../session-state.ts";
import { redisRole } from "../topology.ts";
import { REDIS_VERSION } from "../settings.ts";

const NO_PASSWORD_SET = new ReplyError(
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
);
const HELLO_BEFORE_AUTH = new ReplyError(
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
);
const PONG = new Status("PONG");

function hello({ connection, server, args }: Call): Reply {
  const version = args[1];
  if (version !== undefined) {
    if (!/^\d{1,9}$/.test(version)) {
      return new ReplyError("ERR Protocol version is not an integer or out of range");
    }
    if (version !== "2" && version !== "3") return new ReplyError("NOPROTO unsupported protocol version");
  }
  let name: string | undefined;
  for (let at = 2; at < args.length; at += 1) {
    const option = (args[at] as string).toLowerCase();
    if (option === "auth" && at + 2 < args.length) {
      const refused = authenticate(connection, args[at + 1] as string, args[at + 2] as string);
      if (refused instanceof ReplyError) return refused;
      at += 2;
    } else if (option === "setname" && at + 1 < args.length) {
      name = args[at + 1];
      at += 1;
    } else {
      return new ReplyError(`ERR Syntax error in HELLO option '${args[at]}'`);
    }
  }
  if (!connection.authenticated) return HELLO_BEFORE_AUTH;
  const refused = name === undefined ? undefined : setName(connection, name);
  if (refused !== undefined) return refused;
  if (version !== undefined) connection.version = version === "3" ? 3 : 2;
  return new MapReply([
    "server",
    "redis",
    "version",
    REDIS_VERSION,
    "proto",
    connection.version,
    "id",
    connection.id,
    "mode",
    server.settings.clusterEnabled ? "cluster" : "standalone",
    "role",
    redisRole(server.node) === "master" ? "master" : "replica",
    "modules",
    [],
  ]);
}

function auth({ connection, server, args }: Call): Reply {
  if (args.length > 3) return new ReplyError("ERR syntax error");
  const [, first = "", second] = args;
  if (second !== undefined) return authenticate(connection, first, second);
  if (server.settings.password === "") return NO_PASSWORD_SET;
  return authenticate(connection, "default", first);
}

function ping({ connection, args }: Call): Reply {
  if (args.length > 2) return new ReplyError("ERR wrong number of arguments for 'ping' command");
  if (connection.version === 2 && connection.subscribed) return ["pong", args[1] ?? ""];
  return args[1] ?? PONG;
}

function quit({ connection }: Call): Reply {
  connection.closeAfterReplies();
  return OK;
}

function reset({ connection, server }: Call): Reply {
  discardTransaction(connection);
  server.pubsub.leave(connection);
  server.monitors.delete(connection);
  connection.monitoring = false;
  connection.database = 0;
  connection.version = 2;
  connection.name = "";
  connection.replyMode = "on";
  connection.noEvict = false;
  connection.readOnly = connection.clusterAware = false;
  connection.authenticated = server.settings.password === "";
  connection.parser.limits.restricted = !connection.authenticated;
  return new Status("RESET");
}

function select({ connection, args }: Call): Reply {
  return selectDatabase(connection, args[1] as string);
}

function setReadOnly(readOnly: boolean): (call: Call) => Reply {
  return ({ connection }) => {
    connection.readOnly = readOnly;
    return OK;
  };
}

const EARLY = "noscript loading stale fast no_auth allow_busy";

export const CONNECTION_COMMANDS: readonly SessionCommand[] = [
  command(
    row(
      "hello",
      -1,
      EARLY,
      "connection",
      "6.0.0",
      "Agrees on the protocol version; may authenticate and name the connection too",
      "[protover [AUTH username password] [SETNAME clientname]]",
    ),
    hello,
  ),
  command(
    row("auth", -2, EARLY, "connection", "1.0.0", "Authenticates the connection", "[username] password"),
    auth,
  ),
  command(
    row("ping", -1, "fast", "connection", "1.0.0", "Answers PONG, or what it was given", "[message]", {
      execute: (_, args) => args[1] ?? PONG,
    }),
    ping,
  ),
  command(
    row("echo", 2, "loading stale fast", "connection", "1.0.0", "Answers what it was given", "message", {
      execute: (_, args) => args[1] as string,
    }),
    ({ args }) => args[1] as string,
  ),
  command(row("quit", -1, EARLY, "connection", "1.0.0", "Closes the connection"), quit, {
    insideMulti: true,
  }),
  command(
    row("reset", 1, EARLY, "connection", "6.2.0", "Brings the connection back to its first state"),
    reset,
    { insideMulti: true, after: "everything" },
  ),
  command(
    row("select", 2, "loading stale fast", "connection", "1.0.0", "Changes the database", "index"),
    select,
  ),
  command(
    row("readonly", 1, "loading stale fast", "cluster", "3.0.0", "Lets a cluster's replica serve reads here"),
    setReadOnly(true),
  ),
  command(
    row("readwrite", 1, "loading stale fast", "cluster", "3.0.0", "Ends READONLY."),
    setReadOnly(false),
  ),
  command(row("asking", 1, "fast", "cluster", "3.0.0", "Announces a redirected command"), () => OK),
];
