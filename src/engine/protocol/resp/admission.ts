/** Whether a command may run now on this connection: authentication, subscribe mode, redirection, transactions, pauses. */
import { ReplyError } from "../../keyspace/reply.ts";
import { slotOf } from "./cluster-slots.ts";
import type { Connection } from "./connection.ts";
import type { ServerContext } from "./context.ts";
import type { Request } from "./request.ts";

const NOT_AUTHENTICATED = new ReplyError("NOAUTH Authentication required.");
const NOT_IN_MULTI = new ReplyError("ERR Command not allowed inside a transaction");

/** What a RESP2 connection may send while it is subscribed. */
const IN_SUBSCRIBE_MODE: ReadonlySet<string> = new Set([
  "subscribe",
  "psubscribe",
  "ssubscribe",
  "unsubscribe",
  "punsubscribe",
  "sunsubscribe",
  "ping",
  "quit",
  "reset",
]);

/** Why a command is refused before it is carried out, as Redis words it. */
export function refusal(connection: Connection, request: Request): ReplyError | undefined {
  const { route } = request;
  if (!connection.authenticated && !route.allowedBeforeAuth) return NOT_AUTHENTICATED;
  if (connection.version === 2 && connection.subscribed && !IN_SUBSCRIBE_MODE.has(route.spec.name)) {
    const name = route.spec.name;
    return new ReplyError(
      `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
    );
  }
  if (connection.transaction !== undefined && route.refusedInMulti) return NOT_IN_MULTI;
  return connection.clusterAware ? redirection(connection, request) : undefined;
}

/**
 * A client that knows the cluster's protocol (it asked for the slots) is sent to the leader with its key commands, as
 * Redis Cluster does; one that does not is served here, through the leader, without knowing it.
 */
function redirection(connection: Connection, request: Request): ReplyError | undefined {
  if (connection.readOnly && request.route.kind === "read") return undefined;
  const { node, router } = connection.server;
  const { leader } = node.status().consensus;
  if (leader === undefined || leader === node.id) return undefined;
  const keys = router.table.keyIndices(request.route.spec, request.args);
  const key = request.args[keys[0] ?? -1];
  const address = node.members().find((member) => member.id === leader)?.resp;
  if (key === undefined || address === undefined) return undefined;
  return new ReplyError(`MOVED ${slotOf(key)} ${address}`);
}

/** True while CLIENT PAUSE holds this command back. */
export function mustPause(server: ServerContext, connection: Connection, request: Request): boolean {
  const { pause } = server;
  if (pause === undefined || pause.untilMs <= Date.now()) return false;
  const { route } = request;
  if (pause.all) return route.spec.name !== "client|unpause";
  if (route.spec.name !== "exec") return mayWrite(request);
  return connection.transaction?.queue.some(mayWrite) ?? false;
}

/** True when it may change the data or send a message. */
function mayWrite({ route: { spec, kind }, args }: Request): boolean {
  if (spec.name === "publish" || spec.name === "spublish") return true;
  // Those of scripts and functions that change only what is known of them ride in the log too.
  return kind === "write" && (spec.mayWrite?.(args) ?? spec.flags.includes("write"));
}
