/** The connections of this server, and how CLIENT LIST shows them. */
import type { Connection } from "./connection.ts";

export class Clients {
  private readonly byId = new Map<number, Connection>();
  private nextId = 1;

  get size(): number {
    return this.byId.size;
  }

  /** An id for a new connection; ids are never used twice. */
  takeId(): number {
    this.nextId += 1;
    return this.nextId - 1;
  }

  add(connection: Connection): void {
    this.byId.set(connection.id, connection);
  }

  delete(id: number): void {
    this.byId.delete(id);
  }

  get(id: number): Connection | undefined {
    return this.byId.get(id);
  }

  all(): readonly Connection[] {
    return [...this.byId.values()];
  }
}

/** Redis's letters: S a subscriber of RESP2 or 3 is P, a monitor O, in a transaction x, to be closed c, read-only r. */
function flagsOf(connection: Connection): string {
  let flags = "";
  if (connection.monitoring) flags += "O";
  if (connection.subscribed) flags += "P";
  if (connection.transaction !== undefined) flags += "x";
  if (!connection.open) flags += "c";
  if (connection.readOnly) flags += "r";
  if (connection.noEvict) flags += "e";
  return flags === "" ? "N" : flags;
}

/** Bytes that wait in its buffers and its transaction, and what its watched keys and subscriptions take. */
export function memoryOf(connection: Connection): number {
  const { parser, outputBytes, watchedBytes, subscribedBytes, transaction } = connection;
  return (
    parser.bufferedBytes + outputBytes + watchedBytes + subscribedBytes + (transaction?.queuedBytes ?? 0)
  );
}

/** One line of CLIENT LIST, in the order of Redis 7.0's fields, with 7.2's library fields behind. */
export function clientLine(connection: Connection, asking: Connection): string {
  const now = Date.now();
  const { subscriptions, parser } = connection;
  const fields: readonly (readonly [string, string | number])[] = [
    ["id", connection.id],
    ["addr", connection.remoteAddress],
    ["laddr", connection.localAddress],
    ["fd", -1],
    ["name", connection.name],
    ["age", Math.floor((now - connection.createdMs) / 1000)],
    ["idle", Math.floor((now - connection.lastCommandMs) / 1000)],
    ["flags", flagsOf(connection)],
    ["db", connection.database],
    ["sub", subscriptions.channels.size],
    ["psub", subscriptions.patterns.size],
    ["ssub", subscriptions.shards.size],
    ["multi", connection.transaction?.queue.length ?? -1],
    // Of the one that asks, as in Redis, what it asks with.
    ["qbuf", parser.bufferedBytes + (connection === asking ? parser.rawBytes : 0)],
    ["qbuf-free", 0],
    ["argv-mem", 0],
    ["multi-mem", connection.transaction?.queuedBytes ?? 0],
    ["rbs", 0],
    ["rbp", 0],
    ["obl", 0],
    ["oll", connection.pipeline.pendingCommands - (connection === asking ? 1 : 0)],
    ["omem", connection.outputBytes],
    ["tot-mem", memoryOf(connection)],
    ["events", "r"],
    ["cmd", connection.lastCommand],
    ["user", "default"],
    ["redir", -1],
    ["resp", connection.version],
    ["lib-name", connection.libraryName],
    ["lib-ver", connection.libraryVersion],
  ];
  return fields.map(([key, value]) => `${key}=${value}`).join(" ");
}
