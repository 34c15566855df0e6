/** SUBSCRIBE and its kin, PUBLISH, PUBSUB. Subscriptions are of one node's connections; messages reach all nodes. */
import type { CommandSpec } from "../../../keyspace/command.ts";
import type { Reply } from "../../../keyspace/reply.ts";
import { PushReply, ReplyError, subcommandMisused } from "../../../keyspace/reply.ts";
import type { Connection } from "../connection.ts";
import { bytesToKeep, KEPT_NAME_BYTES, KEPT_NAMES_MAX_BYTES } from "../kept-names.ts";
import type { SubscriptionKind } from "../pubsub.ts";
import { SHARD_PREFIX } from "../pubsub.ts";
import { DEFERRED, SeveralReplies } from "../request.ts";
import type { Call, Family, SessionCommand, SessionHandler } from "../session-command.ts";
import { command, family, row } from "../session-command.ts";

/** Redis counts channels and patterns together, shard channels apart. */
function countFor(kind: SubscriptionKind, connection: Connection): number {
  return kind === "shards" ? connection.subscriptions.shards.size : connection.subscriptionCount;
}

const TOO_MANY_SUBSCRIPTIONS = new ReplyError(
  `ERR the subscriptions of this connection would take more than the limit of ${KEPT_NAMES_MAX_BYTES} bytes` +
    ` (each its length and ${KEPT_NAME_BYTES} more); unsubscribe from some, or use patterns or a further connection`,
);

function subscribe(kind: SubscriptionKind, word: string): SessionHandler {
  return ({ connection, server, args }) => {
    const names = args.slice(1);
    const there = connection.subscriptions[kind];
    let bytes = connection.subscribedBytes;
    for (const name of names) if (!there.has(name)) bytes += bytesToKeep(name);
    if (bytes > KEPT_NAMES_MAX_BYTES) return TOO_MANY_SUBSCRIPTIONS;
    const replies = names.map((name): Reply => {
      server.pubsub.subscribe(kind, connection, name);
      return new PushReply([word, name, countFor(kind, connection)]);
    });
    return new SeveralReplies(replies);
  };
}

function unsubscribe(kind: SubscriptionKind, word: string): SessionHandler {
  return ({ connection, server, args }) => {
    const names = args.length > 1 ? args.slice(1) : [...connection.subscriptions[kind]];
    if (names.length === 0) {
      return new SeveralReplies([new PushReply([word, null, countFor(kind, connection)])]);
    }
    const replies = names.map((name): Reply => {
      server.pubsub.unsubscribe(kind, connection, name);
      return new PushReply([word, name, countFor(kind, connection)]);
    });
    return new SeveralReplies(replies);
  };
}

function publish(prefix: string): (call: Call) => typeof DEFERRED {
  return ({ server, args, answer }) => {
    server.node.publish(prefix + (args[1] as string), args[2] as string, answer);
    return DEFERRED;
  };
}

const FLAGS = "pubsub noscript loading stale";

function subscriber(name: string, summary: string, usage: string, kind: SubscriptionKind): SessionCommand {
  const leaves = name.includes("unsub");
  const since = kind === "shards" ? "7.0.0" : "2.0.0";
  const keys = { first: 1, last: -1, step: 1 };
  const extras = { complexity: "O(N), N names", ...(kind === "shards" ? { keys } : {}) };
  const spec = row(name, leaves ? -1 : -2, FLAGS, "pubsub", since, summary, usage, extras);
  const run = leaves ? unsubscribe(kind, name) : subscribe(kind, name);
  // Its confirmation must come before the first message, so no other reply may still be on its way.
  return command(spec, run, { after: "everything", notInExec: true });
}

function publisher(
  name: string,
  since: string,
  summary: string,
  prefix: string,
  keys?: CommandSpec["keys"],
): SessionCommand {
  const usage = prefix === "" ? "channel message" : "shardchannel message";
  const spec = row(name, 3, "pubsub loading stale fast", "pubsub", since, summary, usage, {
    complexity: "O(N + M), N subscribers of the channel, M patterns",
    ...(keys === undefined ? {} : { keys }),
    // From a script or a transaction: sent when it is applied, at every node to its own subscribers.
    execute: (context, args) => {
      context.publish(prefix + (args[1] as string), args[2] as string);
      return 0;
    },
  });
  // Who hears the message may look at once at what was written before it.
  return command(spec, publish(prefix), { after: "writes" });
}

export const PUBSUB_COMMANDS: readonly SessionCommand[] = [
  subscriber("subscribe", "Listens to channels", "channel [channel ...]", "channels"),
  subscriber(
    "psubscribe",
    "Listens to all channels that match patterns",
    "pattern [pattern ...]",
    "patterns",
  ),
  subscriber("ssubscribe", "Listens to shard channels", "shardchannel [shardchannel ...]", "shards"),
  subscriber("unsubscribe", "Stops listening to channels, or to all", "[channel [channel ...]]", "channels"),
  subscriber("punsubscribe", "Stops listening to patterns, or to all", "[pattern [pattern ...]]", "patterns"),
  subscriber(
    "sunsubscribe",
    "Stops listening to shard channels, or to all",
    "[shardchannel [shardchannel ...]]",
    "shards",
  ),
  publisher("publish", "2.0.0", "Sends a message to a channel", ""),
  publisher("spublish", "7.0.0", "Sends a message to a shard channel", SHARD_PREFIX, {
    first: 1,
    last: 1,
    step: 1,
  }),
];

function channelNames(kind: SubscriptionKind): (call: Call) => Reply {
  return ({ server, args }) => {
    return args.length > 3 ? subcommandMisused(args) : server.pubsub.names(kind, args[2]);
  };
}

function numSub(kind: SubscriptionKind): (call: Call) => Reply {
  return ({ server, args }) =>
    args.slice(2).flatMap((name): Reply[] => [name, server.pubsub.count(kind, name)]);
}

const SEE = "pubsub loading stale";

export const PUBSUB_FAMILY: Family = family(
  row("pubsub", -2, "", "pubsub", "2.8.0", "Tells about subscriptions at this node"),
  [
    command(
      row("pubsub|channels", -2, SEE, "pubsub", "2.8.0", "Lists the channels listened to", "[pattern]"),
      channelNames("channels"),
    ),
    command(
      row("pubsub|numsub", -2, SEE, "pubsub", "2.8.0", "Counts listeners", "[channel [channel ...]]"),
      numSub("channels"),
    ),
    command(
      row("pubsub|numpat", 2, SEE, "pubsub", "2.8.0", "Counts the patterns listened to"),
      ({ server }) => server.pubsub.names("patterns").length,
    ),
    command(
      row("pubsub|shardchannels", -2, SEE, "pubsub", "7.0.0", "Lists the shard channels", "[pattern]"),
      channelNames("shards"),
    ),
    command(
      row(
        "pubsub|shardnumsub",
        -2,
        SEE,
        "pubsub",
        "7.0.0",
        "Counts shard listeners",
        "[shardchannel [shardchannel ...]]",
      ),
      numSub("shards"),
    ),
  ],
);
