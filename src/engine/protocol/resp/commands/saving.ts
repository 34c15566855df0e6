/**
 * SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE: snapshots of this node's replica, asked for.
 *
 * No write needs them: it is in the log when it is answered, and a node takes snapshots by itself as the log grows. Each of the
 * three takes one now and cuts the log behind it, which is both what Redis dumps and what it rewrites.
 */
import type { Reply } from "../../../keyspace/reply.ts";
import { OK, ReplyError, Status, SYNTAX_ERROR } from "../../../keyspace/reply.ts";
import type { ServerContext } from "../context.ts";
import { DEFERRED } from "../request.ts";
import type { Call, SessionCommand } from "../session-command.ts";
import { command, row } from "../session-command.ts";

const NOTHING_KEPT = new ReplyError("ERR this node keeps nothing on disk (durability memory)");
const SAVING = new ReplyError("ERR Background save already in progress");
const REWRITING = new ReplyError("ERR Background append only file rewriting already in progress");
const SAVE_STARTED = new Status("Background saving started");
const REWRITE_STARTED = new Status("Background append only file rewriting started");

function refusal({ node }: ServerContext, underWay: ReplyError): ReplyError | undefined {
  if (node.status().durability === "memory") return NOTHING_KEPT;
  return node.snapshotStatus().underWay ? underWay : undefined;
}

function save({ server, answer }: Call): Reply | typeof DEFERRED {
  const refused = refusal(server, SAVING);
  if (refused !== undefined) return refused;
  server.node.saveSnapshot((error) => answer(error ?? OK));
  return DEFERRED;
}

/** How it ended, `rdb_last_bgsave_status` and LASTSAVE tell. A refusal that is known at once is the answer. */
function start(server: ServerContext, underWay: ReplyError, started: Status): Reply {
  const refused = refusal(server, underWay);
  if (refused !== undefined) return refused;
  let failed: ReplyError | undefined;
  server.node.saveSnapshot((error) => (failed = error));
  return failed ?? started;
}

function saveInBackground({ server, args }: Call): Reply {
  // SCHEDULE waits in Redis for a rewrite of the log, which is here the same work.
  if (args.length > 2 || (args.length === 2 && args[1]!.toLowerCase() !== "schedule")) return SYNTAX_ERROR;
  return start(server, SAVING, SAVE_STARTED);
}

/** Unix seconds. What is only in memory was never saved, and as in Redis that tells when the node began. */
export function lastSave({ node, startedMs }: ServerContext): number {
  const savedMs = node.status().durability === "memory" ? startedMs : node.snapshotStatus().savedMs;
  return Math.floor(savedMs / 1000);
}

const GROUP = "server";

export const SAVING_COMMANDS: readonly SessionCommand[] = [
  command(
    row(
      "save",
      1,
      "admin noscript no_async_loading no_multi",
      GROUP,
      "1.0.0",
      "Takes a snapshot of this node, and waits until it is on disk",
    ),
    save,
    { after: "everything" },
  ),
  command(
    row(
      "bgsave",
      -1,
      "admin noscript no_async_loading",
      GROUP,
      "1.0.0",
      "Starts to take a snapshot of this node",
      "[SCHEDULE]",
    ),
    saveInBackground,
    { after: "everything" },
  ),
  command(
    row(
      "bgrewriteaof",
      1,
      "admin noscript no_async_loading",
      GROUP,
      "1.0.0",
      "Starts to take a snapshot of this node, and to cut its log behind it",
    ),
    ({ server }) => start(server, REWRITING, REWRITE_STARTED),
    { after: "everything" },
  ),
  command(
    row("lastsave", 1, "loading stale fast", GROUP, "1.0.0", "When this node last had a new snapshot"),
    ({ server }) => lastSave(server),
    { after: "everything" },
  ),
];
