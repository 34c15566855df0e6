/** CLIENT: what this server knows of its connections, and what one may ask of it. */
import type { Reply } from "../../../keyspace/reply.ts";
import {
  MapReply,
  OK,
  ReplyError,
  SetReply,
  subcommandMisused,
  SYNTAX_ERROR,
  VerbatimReply,
} from "../../../keyspace/reply.ts";
import { clientLine } from "../clients.ts";
import type { Connection } from "../connection.ts";
import type { Outcome } from "../request.ts";
import { NO_REPLY } from "../request.ts";
import type { Call, Family } from "../session-command.ts";
import { command, family, row } from "../session-command.ts";
import { isPlainWord, setName, wholeNumber } from "../session-state.ts";

const NO_SUCH_CLIENT = new ReplyError("ERR No such client");
const ID_TOO_SMALL = new ReplyError("ERR client-id should be greater than 0");
const INVALID_ID = new ReplyError("ERR Invalid client ID");

function list({ connection, server, args }: Call): Reply {
  const option = args[2]?.toLowerCase();
  let shown = server.clients.all();
  if (option === "type" && args.length === 4) {
    const ofType = typeTest(args[3] as string);
    shown = shown.filter(ofType);
  } else if (option === "id" && args.length > 3) {
    const ids = new Set(args.slice(3).map((id) => wholeNumber(id, INVALID_ID)));
    shown = shown.filter(({ id }) => ids.has(id));
  } else if (args.length > 2) {
    return SYNTAX_ERROR;
  }
  return new VerbatimReply("txt", shown.map((each) => `${clientLine(each, connection)}\n`).join(""));
}

/** Whether a connection is of a client type. Other nodes do not come through this port: no master, no replica is here. */
function typeTest(type: string): (connection: Connection) => boolean {
  switch (type.toLowerCase()) {
    case "normal":
      return (connection) => !connection.subscribed;
    case "pubsub":
      return (connection) => connection.subscribed;
    case "master":
    case "replica":
    case "slave":
      return () => false;
    default:
      throw new ReplyError(`ERR Unknown client type '${type}'`);
  }
}

function kill(call: Call): Reply {
  const { connection, server, args } = call;
  if (args.length === 3) {
    const victim = server.clients.all().find((other) => other.remoteAddress === args[2]);
    if (victim === undefined) return NO_SUCH_CLIENT;
    end(victim, connection);
    return OK;
  }
  if (args.length % 2 === 1) return SYNTAX_ERROR;
  const tests: ((other: Connection) => boolean)[] = [];
  let skipMe = true;
  for (let at = 2; at < args.length; at += 2) {
    const option = (args[at] as string).toLowerCase();
    const value = args[at + 1] as string;
    if (option === "skipme") {
      if (!/^(yes|no)$/i.test(value)) return SYNTAX_ERROR;
      skipMe = value.toLowerCase() === "yes";
    } else {
      tests.push(killTest(option, value));
    }
  }
  const victims = server.clients.all().filter((other) => {
    return (!skipMe || other !== connection) && tests.every((test) => test(other));
  });
  for (const victim of victims) end(victim, connection);
  return victims.length;
}

function killTest(option: string, value: string): (other: Connection) => boolean {
  switch (option) {
    case "id": {
      const id = wholeNumber(value, ID_TOO_SMALL);
      if (id <= 0) throw ID_TOO_SMALL;
      return (other) => other.id === id;
    }
    case "type":
      return typeTest(value);
    case "addr":
      return (other) => other.remoteAddress === value;
    case "laddr":
      return (other) => other.localAddress === value;
    case "user":
      if (value !== "default") throw new ReplyError(`ERR No such user '${value}'`);
      return () => true;
    default:
      throw SYNTAX_ERROR;
  }
}

function end(victim: Connection, killer: Connection): void {
  if (victim === killer) victim.closeAfterReplies();
  else victim.destroy();
}

function reply({ connection, args }: Call): Outcome {
  switch ((args[2] as string).toLowerCase()) {
    case "on":
      connection.replyMode = "on";
      return OK;
    case "off":
      connection.replyMode = "off";
      return NO_REPLY;
    case "skip":
      if (connection.replyMode !== "off") connection.replyMode = "skip-next";
      return NO_REPLY;
    default:
      return SYNTAX_ERROR;
  }
}

function pause({ server, args }: Call): Reply {
  if (args.length > 4) return subcommandMisused(args);
  const mode = args[3]?.toLowerCase() ?? "all";
  if (mode !== "all" && mode !== "write") return new ReplyError("ERR CLIENT PAUSE mode must be WRITE or ALL");
  const timeoutMs = wholeNumber(args[2], new ReplyError("ERR timeout is not an integer or out of range"));
  if (timeoutMs < 0) return new ReplyError("ERR timeout is negative");
  // A pause that is on is only ever made longer and stricter, as in Redis.
  const before = server.pause;
  const untilMs = Math.max(before?.untilMs ?? 0, Date.now() + timeoutMs);
  server.pause = { untilMs, all: mode === "all" || before?.all === true };
  server.pauseChanged();
  return OK;
}

function unpause({ server }: Call): Reply {
  server.pause = undefined;
  server.pauseChanged();
  return OK;
}

function setInfo({ connection, args }: Call): Reply {
  const option = (args[2] as string).toLowerCase();
  const value = args[3] as string;
  if (option !== "lib-name" && option !== "lib-ver") {
    return new ReplyError(`ERR Unrecognized option '${args[2]}'`);
  }
  if (!isPlainWord(value)) {
    return new ReplyError(`ERR ${option} cannot contain spaces, newlines or special characters.`);
  }
  if (option === "lib-name") connection.libraryName = value;
  else connection.libraryVersion = value;
  return OK;
}

/** Connections are never evicted for memory, so ON is always true. */
function noEvict({ connection, args }: Call): Reply {
  const value = (args[2] as string).toLowerCase();
  if (value !== "on" && value !== "off") return SYNTAX_ERROR;
  connection.noEvict = value === "on";
  return OK;
}

/** Every read counts as an access here. */
function noTouch({ args }: Call): Reply {
  const value = (args[2] as string).toLowerCase();
  if (value === "off") return OK;
  return value === "on"
    ? new ReplyError("ERR CLIENT NO-TOUCH ON is not supported by this version")
    : SYNTAX_ERROR;
}

function unblock({ args }: Call): Reply {
  if (args.length > 4) return subcommandMisused(args);
  if (args[3] !== undefined && !/^(timeout|error)$/i.test(args[3])) {
    return new ReplyError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  }
  wholeNumber(args[2]);
  // No command of this server blocks, so nobody is ever blocked.
  return 0;
}

function tracking({ args }: Call): Reply {
  const mode = (args[2] as string).toLowerCase();
  if (mode === "off") return OK;
  if (mode !== "on") return SYNTAX_ERROR;
  return new ReplyError("ERR CLIENT TRACKING is not supported by this version");
}

function caching(): Reply {
  return new ReplyError(
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
  );
}

const OWN = "noscript loading stale";
const ADMIN = "admin noscript loading stale";
const group = "connection";

export const CLIENT_FAMILY: Family = family(
  row("client", -2, "", group, "2.4.0", "Tells about connections and changes this one"),
  [
    command(
      row("client|id", 2, OWN, group, "5.0.0", "This connection's number"),
      ({ connection }) => connection.id,
    ),
    command(
      row("client|info", 2, OWN, group, "6.2.0", "This connection, as CLIENT LIST shows it"),
      ({ connection }) => new VerbatimReply("txt", `${clientLine(connection, connection)}\n`),
    ),
    command(
      row(
        "client|list",
        -2,
        ADMIN,
        group,
        "2.4.0",
        "Lists the connections of this node",
        "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
        { complexity: "O(N), N connections" },
      ),
      list,
    ),
    command(
      row("client|setname", 3, OWN, group, "2.6.9", "Names this connection", "connection-name"),
      ({ connection, args }) => setName(connection, args[2] as string) ?? OK,
    ),
    command(row("client|getname", 2, OWN, group, "2.6.9", "This connection's name"), ({ connection }) =>
      connection.name === "" ? null : connection.name,
    ),
    command(
      row(
        "client|setinfo",
        4,
        OWN,
        group,
        "7.2.0",
        "Notes the client library's name or version",
        "<LIB-NAME libname | LIB-VER libver>",
      ),
      setInfo,
    ),
    command(
      row(
        "client|kill",
        -3,
        ADMIN,
        group,
        "2.4.0",
        "Ends connections",
        "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | " +
          "[ADDR ip:port] | [LADDR ip:port] | [SKIPME yes/no] ...>>",
        { complexity: "O(N), N connections" },
      ),
      kill,
    ),
    command(
      row("client|reply", 3, OWN, group, "3.2.0", "Turns replies on or off", "<ON | OFF | SKIP>"),
      reply,
    ),
    command(
      row(
        "client|pause",
        -3,
        ADMIN,
        group,
        "3.0.0",
        "Holds commands back for a time",
        "timeout [WRITE | ALL]",
      ),
      pause,
    ),
    command(row("client|unpause", 2, ADMIN, group, "6.2.0", "Ends CLIENT PAUSE."), unpause),
    command(
      row(
        "client|unblock",
        -3,
        ADMIN,
        group,
        "5.0.0",
        "Wakes a connection that waits in a blocking command",
        "client-id [TIMEOUT | ERROR]",
      ),
      unblock,
    ),
    command(
      row(
        "client|no-evict",
        3,
        ADMIN,
        group,
        "7.0.0",
        "Keeps this connection when memory is short",
        "<ON | OFF>",
      ),
      noEvict,
    ),
    command(
      row("client|no-touch", 3, OWN, group, "7.2.0", "Turns the counting of accesses on", "<ON | OFF>"),
      noTouch,
    ),
    command(
      row("client|tracking", -3, OWN, group, "6.0.0", "Turns invalidation messages off", "<ON | OFF>"),
      tracking,
    ),
    command(
      row("client|trackinginfo", 2, OWN, group, "6.2.0", "Tells that there is no tracking"),
      () => new MapReply(["flags", new SetReply(["off"]), "redirect", -1, "prefixes", []]),
    ),
    command(row("client|getredir", 2, OWN, group, "6.0.0", "Where invalidations go: nowhere"), () => -1),
    command(
      row("client|caching", 3, OWN, group, "6.0.0", "For clients with tracking: an error here", "<YES | NO>"),
      caching,
    ),
  ],
);
