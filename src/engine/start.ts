/**
 * `start`: a whole engine inside this process, for programs that embed it and for tests that need a real Redis with faults
 * on demand. Clients connect to `engine.url` as they would to any Redis.
 */
import { join } from "node:path";
import { DEFAULT_ALGORITHM } from "../consensus/algorithms.ts";
import { QuorateError } from "../runtime/errors.ts";
import { createAdjustableClock } from "../runtime/node/adjustable-clock.ts";
import { createClock } from "../runtime/node/clock.ts";
import { makeDirectory } from "../runtime/node/directory.ts";
import type { LocalHub } from "../runtime/node/local-network.ts";
import { createLocalHub } from "../runtime/node/local-network.ts";
import { createLogger } from "../runtime/node/logger.ts";
import type { NodeId } from "../runtime/world.ts";
import type { NodeStatus } from "./cluster/local-node.ts";
import type { RunningNode } from "./start-node.ts";
import { startNode } from "./start-node.ts";
import type { StartOptions } from "./start-options.ts";
import { checkStartOptions } from "./start-options.ts";

export interface EngineNode {
  readonly id: NodeId;
  /** redis://127.0.0.1:port; the same after a restart. */
  readonly url: string;
  /** http://127.0.0.1:port of WebHDFS, status and metrics; the same after a restart. */
  readonly httpUrl: string;
  readonly running: boolean;
  /** Why it ended by itself (its disk failed, say); undefined while it runs or after `kill`. `restart` tries again. */
  readonly failure: Error | undefined;
  /** Undefined while it is not running. */
  status(): NodeStatus | undefined;
  /**
   * Stops at once, as a crash does: nothing is handed over, what still waits for the disk is never written, clients see their
   * connections break.
   */
  kill(): Promise<void>;
  /**
   * Starts a killed node again from what its disk holds. In memory mode it comes back with nothing, and fetches everything from
   * the others; alone it rejects with UNSUPPORTED.
   */
  restart(): Promise<void>;
  /** Cuts the node off from the others; its clients stay connected. */
  isolate(): void;
  heal(): void;
}

export interface EngineClock {
  /** What commands see of time (expiry, TTL, TIME) moves forward by `ms` on every node. */
  advance(ms: number): void;
  /** The wall clock of every node, or of one, is set wrong by `ms`; expiry must not notice. */
  skew(ms: number, node?: NodeId): void;
}

export interface Engine {
  /** redis://127.0.0.1:port of the first node; every node takes every command. */
  readonly url: string;
  readonly urls: readonly string[];
  /** webhdfs://127.0.0.1:port,… of all nodes: what `connectFiles` takes. */
  readonly filesUrl: string;
  readonly nodes: readonly EngineNode[];
  readonly clock: EngineClock;
  /** The node that leads now, or undefined during an election. */
  leader(): EngineNode | undefined;
  /** Stops all nodes and leaves no handle open. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

function makeDataDirectory(directory: string): void {
  try {
    makeDirectory(directory);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new QuorateError("DATA_DIRECTORY_UNUSABLE", `${directory} cannot be used: ${reason}`, { cause });
  }
}

/** Election within a process that has no network delay: still patient enough for a garbage collection. */
const LEADER_TIMEOUT_MS = 10_000;

/**
 * Starts an engine in this process and resolves when it has a leader.
 *
 * Rejects with PORT_IN_USE, DATA_DIRECTORY_FOREIGN, DATA_DIRECTORY_IN_USE, DATA_DIRECTORY_UNUSABLE, DATA_CORRUPT, or USAGE
 * when an option is none, is not as it must be, or contradicts another.
 */
export async function start(options: StartOptions = {}): Promise<Engine> {
  checkStartOptions(options);
  const { data = "memory", nodes: count = 1, consensus = DEFAULT_ALGORITHM } = options;
  const { durability = data === "memory" ? "memory" : "always" } = options;
  const ids = Array.from({ length: count }, (_, at) => `n${at + 1}`);
  const hub = createLocalHub();
  // Of their own, as the sockets of real nodes: a heartbeat never waits behind a block.
  const blocksHub = createLocalHub();
  const jobsHub = createLocalHub();
  const logger = options.logger ?? createLogger({ level: "warn", format: "json" });
  const nodes: LocalEngineNode[] = ids.map((id, at) => {
    const clock = createAdjustableClock(createClock());
    let respPort = options.port === undefined ? 0 : options.port + at;
    let httpPort = options.httpPort === undefined ? 0 : options.httpPort + at;
    return createEngineNode(
      id,
      [hub, blocksHub, jobsHub],
      clock,
      data === "memory" && count === 1,
      async (onEnd) => {
        const dataDir = data === "memory" ? "memory" : join(data, id);
        if (data !== "memory") makeDataDirectory(dataDir);
        const running = await startNode({
          id,
          clusterId: "embedded",
          members: Object.fromEntries(ids.map((member) => [member, "local"])),
          dataDir,
          host: "127.0.0.1",
          respPort,
          httpPort,
          files: { ...options.files, network: blocksHub.join(id) },
          ...(options.jobs === undefined ? {} : { jobs: { ...options.jobs, network: jobsHub.join(id) } }),
          durability,
          network: hub.join(id),
          timeSource: clock,
          logger,
          consensus,
          ...(options.password === undefined ? {} : { password: options.password }),
          ...(options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs }),
          onEnd,
        });
        respPort = running.respPort;
        httpPort = running.httpPort ?? 0;
        return running;
      },
    );
  });
  try {
    for (const node of nodes) await node.begin();
    await leaderAmong(nodes);
  } catch (error) {
    await Promise.all(nodes.map((node) => node.end()));
    throw error;
  }
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.end()));
  };
  return {
    get url() {
      return nodes[0]?.url ?? "";
    },
    get urls() {
      return nodes.map((node) => node.url);
    },
    get filesUrl() {
      return `webhdfs://${nodes.map(({ httpUrl }) => httpUrl.slice("http://".length)).join(",")}`;
    },
    nodes,
    clock: {
      advance: (ms) => nodes.forEach((node) => node.clock.advance(ms)),
      skew: (ms, id) =>
        nodes.forEach((node) => (id === undefined || node.id === id ? node.clock.skew(ms) : undefined)),
    },
    leader: () => leaderOf(nodes),
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface LocalEngineNode extends EngineNode {
  readonly clock: EngineClock;
  begin(): Promise<void>;
  end(): Promise<void>;
}

function createEngineNode(
  id: NodeId,
  hubs: readonly LocalHub[],
  clock: EngineClock,
  forgetsAll: boolean,
  open: (onEnd: (error: Error) => void) => Promise<RunningNode>,
): LocalEngineNode {
  let node: RunningNode | undefined;
  let failure: Error | undefined;
  let ended: Promise<void> | undefined;
  let port = 0;
  let httpPort = 0;
  const begin = async (): Promise<void> => {
    await ended;
    failure = undefined;
    node = await open((error) => {
      node = undefined;
      failure = error;
    });
    port = node.respPort;
    httpPort = node.httpPort ?? 0;
  };
  // Whoever ends it while it ends, or starts it again, waits as well.
  const endBy = async (how: (running: RunningNode) => Promise<void>): Promise<void> => {
    if (node !== undefined) ended = how(node);
    node = undefined;
    await ended;
  };
  const end = (): Promise<void> => endBy((running) => running.stop({ handOver: false }));
  return {
    id,
    clock,
    begin,
    end,
    get url() {
      return `redis://127.0.0.1:${port}`;
    },
    get httpUrl() {
      return `http://127.0.0.1:${httpPort}`;
    },
    get running() {
      return node !== undefined;
    },
    get failure() {
      return failure;
    },
    status: () => node?.status(),
    kill: () => endBy((running) => running.kill()),
    async restart() {
      if (node !== undefined) return;
      if (forgetsAll) {
        throw new QuorateError("UNSUPPORTED", `${id} kept everything in memory: start with data: <path>`);
      }
      await begin();
    },
    isolate: () => hubs.forEach((hub) => hub.isolate(id)),
    heal: () => hubs.forEach((hub) => hub.heal(id)),
  };
}

/** The leader of the newest term: one that was cut off may not have noticed yet. */
function leaderOf(nodes: readonly EngineNode[]): EngineNode | undefined {
  const leaders = nodes.filter((node) => node.status()?.consensus.role === "leader");
  return leaders.sort((left, right) => termOf(right) - termOf(left))[0];
}

function termOf(node: EngineNode): number {
  return node.status()?.consensus.term ?? 0;
}

/** Resolves when a leader can take commands. */
async function leaderAmong(nodes: readonly EngineNode[]): Promise<void> {
  const endMs = performance.now() + LEADER_TIMEOUT_MS;
  while (leaderOf(nodes) === undefined) {
    if (performance.now() > endMs) throw new QuorateError("NO_QUORUM", "no leader was elected in time");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
