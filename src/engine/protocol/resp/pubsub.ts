/**
 * Who listens to what on this node, and the delivery of messages to them.
 *
 * A message reaches every node of the cluster by the node's `publish`; each delivers to its own subscribers. Shard
 * channels have a name space of their own: on their way between nodes their names carry a prefix.
 */
import { matchesGlob } from "../../keyspace/glob.ts";
import { PushReply } from "../../keyspace/reply.ts";
import type { Connection, SubscriptionSets } from "./connection.ts";
import { bytesToKeep } from "./kept-names.ts";

export type SubscriptionKind = keyof SubscriptionSets;

/** Not the beginning of any channel that people name. */
export const SHARD_PREFIX = "\0shard\0";

export class PubSub {
  private readonly listeners: Readonly<Record<SubscriptionKind, Map<string, Set<Connection>>>> = {
    channels: new Map(),
    patterns: new Map(),
    shards: new Map(),
  };

  /** Does nothing when it listens already. */
  subscribe(kind: SubscriptionKind, connection: Connection, name: string): void {
    if (connection.subscriptions[kind].has(name)) return;
    connection.subscriptions[kind].add(name);
    connection.subscribedBytes += bytesToKeep(name);
    const byName = this.listeners[kind];
    const there = byName.get(name);
    if (there === undefined) byName.set(name, new Set([connection]));
    else there.add(connection);
  }

  unsubscribe(kind: SubscriptionKind, connection: Connection, name: string): void {
    if (!connection.subscriptions[kind].delete(name)) return;
    connection.subscribedBytes -= bytesToKeep(name);
    const there = this.listeners[kind].get(name);
    there?.delete(connection);
    if (there?.size === 0) this.listeners[kind].delete(name);
  }

  /** Ends all subscriptions of a connection. */
  leave(connection: Connection): void {
    if (!connection.subscribed) return;
    for (const kind of ["channels", "patterns", "shards"] as const) {
      for (const name of connection.subscriptions[kind]) this.unsubscribe(kind, connection, name);
    }
  }

  /** Delivers one message to this node's subscribers; how many received it. */
  deliver(channel: string, message: string): number {
    if (channel.startsWith(SHARD_PREFIX)) {
      const name = channel.slice(SHARD_PREFIX.length);
      return send(this.listeners.shards.get(name), new PushReply(["smessage", name, message]));
    }
    let receivers = send(this.listeners.channels.get(channel), new PushReply(["message", channel, message]));
    for (const [pattern, connections] of this.listeners.patterns) {
      if (!matchesGlob(pattern, channel)) continue;
      receivers += send(connections, new PushReply(["pmessage", pattern, channel, message]));
    }
    return receivers;
  }

  /** Names with at least one listener, those that match `pattern` when given. */
  names(kind: SubscriptionKind, pattern?: string): readonly string[] {
    const names = [...this.listeners[kind].keys()];
    return pattern === undefined ? names : names.filter((name) => matchesGlob(pattern, name));
  }

  count(kind: SubscriptionKind, name: string): number {
    return this.listeners[kind].get(name)?.size ?? 0;
  }
}

function send(connections: ReadonlySet<Connection> | undefined, message: PushReply): number {
  if (connections === undefined) return 0;
  // One that is too slow is dropped meanwhile, but leaves the set only when its socket has closed, in a later turn.
  for (const connection of connections) connection.push(message);
  return connections.size;
}
