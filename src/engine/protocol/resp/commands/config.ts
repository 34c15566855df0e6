/** CONFIG: what it sets takes effect, or is refused with the reason. Settings of the keyspace go through the log. */
import { encodeCommand } from "../../../keyspace/command-codec.ts";
import type { Execution } from "../../../keyspace/execution.ts";
import { matchesGlob } from "../../../keyspace/glob.ts";
import type { KeyspaceCommand } from "../../../keyspace/keyspace-command.ts";
import type { Reply } from "../../../keyspace/reply.ts";
import { MapReply, OK, ReplyError, SYNTAX_ERROR } from "../../../keyspace/reply.ts";
import { SETTING_ROWS } from "../../../keyspace/settings.ts";
import { emptyStatistics } from "../context.ts";
import type { ServerContext } from "../context.ts";
import { DEFERRED } from "../request.ts";
import type { Call, Family } from "../session-command.ts";
import { command, family, row } from "../session-command.ts";
import { settingRows, type SettingRow } from "../settings.ts";

function rowsOf(server: ServerContext): ReadonlyMap<string, SettingRow> {
  return settingRows({
    durability: server.node.status().durability,
    port: server.address.port,
    host: server.address.host,
    clusterEnabled: server.settings.clusterEnabled,
  });
}

function get({ server, args }: Call): Reply {
  const patterns = args.slice(2).map((pattern) => pattern.toLowerCase());
  const items: string[] = [];
  const show = (name: string, read: () => string): void => {
    if (patterns.some((pattern) => matchesGlob(pattern, name))) items.push(name, read());
  };
  for (const [name, setting] of SETTING_ROWS) show(name, () => setting.read(server.node.machine.settings));
  for (const [name, setting] of rowsOf(server))
    show(name, () => setting.read(server.settings, server.slowLog));
  return new MapReply(items);
}

function set({ connection, server, args, answer }: Call): Reply | typeof DEFERRED {
  const pairs = pairsOf(args.slice(2));
  if (pairs instanceof ReplyError) return pairs;
  const rows = rowsOf(server);
  const own: (readonly [SettingRow, string])[] = [];
  const replicated: (readonly [string, string])[] = [];
  for (const [name, value] of pairs) {
    const setting = rows.get(name);
    if (setting !== undefined) own.push([setting, value]);
    else if (SETTING_ROWS.has(name)) replicated.push([name, value]);
    else return unknownSetting(name);
  }
  if (replicated.length === 0) return setOwn(server, own);
  // All or nothing holds within each kind; a mixture could be torn between this node and the log.
  if (own.length > 0) {
    return new ReplyError(
      "ERR CONFIG SET failed - replicated settings must be set apart from those of one node",
    );
  }
  const configure: KeyspaceCommand = { type: "configure", settings: replicated };
  connection.pipeline.write(configure, encodeCommand(configure), answer);
  return DEFERRED;
}

/** In a transaction only what is replicated goes into its entry of the log: the settings of one node are not for the others. */
function setsReplicated(args: readonly string[]): boolean {
  return args.slice(2).every((word, at) => at % 2 === 1 || SETTING_ROWS.has(word.toLowerCase()));
}

function setInTransaction({ keyspace }: Execution, args: readonly string[]): Reply {
  const pairs = pairsOf(args.slice(2));
  return pairs instanceof ReplyError ? pairs : keyspace.configure(pairs);
}

function unknownSetting(name: string): ReplyError {
  return new ReplyError(`ERR Unknown option or number of arguments for CONFIG SET - '${name}'`);
}

function pairsOf(words: readonly string[]): readonly (readonly [string, string])[] | ReplyError {
  if (words.length % 2 === 1) return SYNTAX_ERROR;
  const pairs = new Map<string, string>();
  for (let at = 0; at < words.length; at += 2) {
    const name = (words[at] as string).toLowerCase();
    if (pairs.has(name)) {
      return new ReplyError(
        `ERR CONFIG SET failed (possibly related to argument '${name}') - duplicate parameter`,
      );
    }
    pairs.set(name, words[at + 1] as string);
  }
  return [...pairs];
}

/** Sets all of them; when one is refused, those before it get their old values back. */
function setOwn(server: ServerContext, wanted: readonly (readonly [SettingRow, string])[]): Reply {
  const { settings, slowLog } = server;
  const before = wanted.map(([setting]) => [setting, setting.read(settings, slowLog)] as const);
  for (const [setting, value] of wanted) {
    const refused = setting.write(settings, slowLog, value);
    if (refused === undefined) continue;
    for (const [earlier, old] of before) earlier.write(settings, slowLog, old);
    return new ReplyError(
      `ERR CONFIG SET failed (possibly related to argument '${setting.name}') - ${refused}`,
    );
  }
  for (const connection of server.clients.all()) {
    connection.parser.limits.bulkMaxBytes = settings.bulkMaxBytes;
    connection.socket.setKeepAlive(settings.keepAliveSeconds > 0, settings.keepAliveSeconds * 1000);
  }
  return OK;
}

function resetStatistics({ server }: Call): Reply {
  Object.assign(server.statistics, emptyStatistics());
  server.router.resetStatistics();
  server.errors.reset();
  server.node.machine.resetCounters();
  return OK;
}

const ADMIN = "admin noscript loading stale";
const group = "server";

export const CONFIG_FAMILY: Family = family(
  row("config", -2, "", group, "2.0.0", "Shows and changes settings"),
  [
    command(
      row(
        "config|get",
        -3,
        ADMIN,
        group,
        "2.0.0",
        "Shows the settings that match",
        "parameter [parameter ...]",
      ),
      get,
      { after: "writes" },
    ),
    command(
      row(
        "config|set",
        -4,
        ADMIN,
        group,
        "2.0.0",
        "Changes settings: of the cluster through the log, else of this node until it stops",
        "parameter value [parameter value ...]",
        { execute: setInTransaction },
      ),
      set,
      { after: "reads", logged: setsReplicated },
    ),
    command(
      row("config|resetstat", 2, ADMIN, group, "2.0.0", "Sets the counters of INFO to zero"),
      resetStatistics,
      // Those of the commands before it, too.
      { after: "everything" },
    ),
    command(
      row("config|rewrite", 2, ADMIN, group, "2.8.0", "Refused: there is no configuration file"),
      () => new ReplyError("ERR The server is running without a config file"),
    ),
  ],
);
