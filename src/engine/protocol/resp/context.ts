/** What every part of the server shares: the node, the routes, the clients, the settings, the counters. */
import type { Logger, NodeId } from "../../../runtime/world.ts";
import type { LocalNode } from "../../cluster/local-node.ts";
import type { ScriptTally } from "../../keyspace/command-statistics.ts";
import type { KeyspaceCommand } from "../../keyspace/keyspace-command.ts";
import type { KeyspaceMachine } from "../../keyspace/machine.ts";
import type { Clients } from "./clients.ts";
import type { Connection } from "./connection.ts";
import type { ErrorStatistics } from "./error-statistics.ts";
import type { Monitors } from "./monitor.ts";
import type { PubSub } from "./pubsub.ts";
import type { Router } from "./router.ts";
import type { ServerSettings } from "./settings.ts";
import type { SlowLog } from "./slow-log.ts";
import type { Turn } from "./turn.ts";

export type KeyspaceNode = LocalNode<KeyspaceCommand, KeyspaceMachine>;

export interface ServerStatistics {
  connectionsReceived: number;
  connectionsRejected: number;
  commandsProcessed: number;
  inputBytes: number;
  outputBytes: number;
  /** Times that a socket gave bytes, and took some. */
  reads: number;
  writes: number;
  outputLimitDisconnections: number;
  /** Sampled once a second. */
  commandsPerSecond: number;
  inputKilobytesPerSecond: number;
  outputKilobytesPerSecond: number;
}

/** The most that the keyspace was seen to take, once a second and at INFO; as in Redis, a reset of the counters leaves it. */
export class MemoryPeak {
  bytes = 0;

  note(usedBytes: number): number {
    this.bytes = Math.max(this.bytes, usedBytes);
    return this.bytes;
  }
}

export interface ServerContext {
  readonly node: KeyspaceNode;
  readonly router: Router;
  readonly settings: ServerSettings;
  readonly clients: Clients;
  readonly pubsub: PubSub;
  readonly slowLog: SlowLog;
  readonly statistics: ServerStatistics;
  readonly errors: ErrorStatistics;
  readonly memoryPeak: MemoryPeak;
  readonly turn: Turn;
  readonly logger: Logger;
  readonly monitors: Monitors;
  readonly startedMs: number;
  readonly runId: string;
  readonly address: { host: string; port: number };
  /** CLIENT PAUSE: until when (as `Date.now`), and whether reads wait too. */
  pause: { untilMs: number; readonly all: boolean } | undefined;
  /** Leaves a socket unread until the log has room again. */
  readonly pauseUntilDrained: (connection: Connection) => void;
  /** Ends a connection that speaks HTTP, unanswered; tells the log, seldom. */
  readonly refuseHttp: (connection: Connection) => void;
  /** After `pause` changed: goes on at once, or when it is over. */
  readonly pauseChanged: () => void;
  /** SHUTDOWN: stops this node; undefined when whoever started the server does not allow it. */
  readonly shutDown: (() => void) | undefined;
  /** FAILOVER: hands leadership over; undefined when it cannot. */
  readonly transferLeadership: ((to: NodeId | undefined) => void) | undefined;
}

/** Counts what scripts of this node's clients called. */
export function countScripts({ router, statistics }: ServerContext, tally: ScriptTally | undefined): void {
  if (tally !== undefined) statistics.commandsProcessed += router.count(tally);
}

export function emptyStatistics(): ServerStatistics {
  return {
    connectionsReceived: 0,
    connectionsRejected: 0,
    commandsProcessed: 0,
    inputBytes: 0,
    outputBytes: 0,
    reads: 0,
    writes: 0,
    outputLimitDisconnections: 0,
    commandsPerSecond: 0,
    inputKilobytesPerSecond: 0,
    outputKilobytesPerSecond: 0,
  };
}
