/**
 * The supervisor: node processes of this machine, started, watched, started again when they die, stopped in order.
 *
 * A node ends when its supervisor does, however that ends: the channel between them breaks, and the node stops cleanly.
 */
import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { createInterface } from "node:readline";
import type { ErrorCode } from "../runtime/errors.ts";
import { QuorateError } from "../runtime/errors.ts";
import type { NodeId } from "../runtime/world.ts";
import type { FromNode, NodeBrief, NodeConfig, ToNode } from "./node-channel.ts";

/** A node that died is started again after the first delay; each further death soon after doubles it up to the last. */
const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 1500;
/** A node that ran for so long starts with the first delay again. */
const STEADY_MS = 10_000;
/** Reading back a large log takes its time. */
const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 5000;
const STATUS_TIMEOUT_MS = 500;
/** Starting again would not help: somebody has to do something first. */
const HOPELESS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "USAGE",
  "DATA_DIRECTORY_UNUSABLE",
  "DATA_DIRECTORY_FOREIGN",
  "DATA_CORRUPT",
  "UNSUPPORTED",
]);
/** A larger young generation: up to 1.4 times the throughput under load for some 100 MB. */
const NODE_ARGUMENTS = ["--max-semi-space-size=32"];

export type SupervisorEvent =
  | { readonly type: "up"; readonly id: NodeId; readonly pid: number; readonly startMs: number }
  | {
      readonly type: "died";
      readonly id: NodeId;
      /** "ended (SIGKILL)", or why its process could not even be started. */
      readonly how: string;
      readonly restartMs: number | undefined;
    }
  /** It said why it cannot run; it is not started again. */
  | { readonly type: "failed"; readonly id: NodeId; readonly error: QuorateError }
  /** No node runs, and none will be started again. */
  | { readonly type: "empty" }
  | { readonly type: "output"; readonly id: NodeId; readonly line: string };

export interface SupervisorOptions {
  readonly nodes: readonly NodeConfig[];
  /** The program to run, with the arguments `node NAME`. */
  readonly entry: string;
  /** Start a node again that died. */
  readonly restart: boolean;
  readonly onEvent: (event: SupervisorEvent) => void;
}

interface Supervised {
  readonly config: NodeConfig;
  child: ChildProcess | undefined;
  startedMs: number;
  ready: boolean;
  /** It was ready at least once: from then on its end is an event, before it is an error of `start`. */
  wasReady: boolean;
  failure: QuorateError | undefined;
  restartMs: number;
  restart: NodeJS.Timeout | undefined;
  readonly waiting: Map<number, (brief: NodeBrief | undefined) => void>;
}

export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly nodes: ReadonlyMap<NodeId, Supervised>;
  private stopping = false;
  private questions = 0;

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.nodes = new Map(
      options.nodes.map((config) => [
        config.id,
        {
          config,
          child: undefined,
          startedMs: 0,
          ready: false,
          wasReady: false,
          failure: undefined,
          restartMs: RESTART_MIN_MS,
          restart: undefined,
          waiting: new Map(),
        },
      ]),
    );
  }

  /** Starts every node and waits until their servers listen. When one cannot, the others are stopped and its error is thrown. */
  async start(): Promise<void> {
    try {
      await Promise.all([...this.nodes.values()].map((node) => this.launch(node)));
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Process id, or undefined while the node does not run. */
  pid(id: NodeId): number | undefined {
    return this.node(id).child?.pid;
  }

  isReady(id: NodeId): boolean {
    return this.node(id).ready;
  }

  /** Kills with SIGKILL, as a crash would; false when it does not run. */
  kill(id: NodeId): boolean {
    return this.node(id).child?.kill("SIGKILL") ?? false;
  }

  /** Starts a node that does not run now. */
  async revive(id: NodeId): Promise<void> {
    const node = this.node(id);
    if (node.child) return;
    clearTimeout(node.restart);
    await this.launch(node);
  }

  /** What a node says of itself, or undefined when it does not answer within half a second. */
  ask(id: NodeId): Promise<NodeBrief | undefined> {
    const node = this.node(id);
    if (!node.ready) return Promise.resolve(undefined);
    const question = ++this.questions;
    return new Promise((resolve) => {
      const finish = (brief: NodeBrief | undefined): void => {
        clearTimeout(timer);
        node.waiting.delete(question);
        resolve(brief);
      };
      const timer = setTimeout(() => finish(undefined), STATUS_TIMEOUT_MS);
      node.waiting.set(question, finish);
      tell(node, { type: "status", id: question });
    });
  }

  /** Who leads, by the word of the node that does, in the highest term; undefined while nobody does. */
  async leader(): Promise<{ readonly id: NodeId; readonly term: number } | undefined> {
    const ids = [...this.nodes.keys()];
    const briefs = await Promise.all(ids.map((id) => this.ask(id)));
    let found: { id: NodeId; term: number } | undefined;
    briefs.forEach((brief, at) => {
      const id = ids[at];
      if (brief?.role !== "leader" || id === undefined) return;
      if (!found || brief.term > found.term) found = { id, term: brief.term };
    });
    return found;
  }

  /**
   * Stops every node cleanly, and kills what does not end in five seconds. The leader goes first, while the others here can take
   * over; each node finds out by itself whether any other of its cluster can, here or elsewhere.
   */
  async stop(): Promise<void> {
    this.stopping = true;
    const leader = await this.leader();
    for (const node of this.nodes.values()) clearTimeout(node.restart);
    const running = [...this.nodes.values()].filter((node) => node.child);
    running.sort(
      (left, right) => Number(right.config.id === leader?.id) - Number(left.config.id === leader?.id),
    );
    for (const node of running) await this.stopOne(node);
  }

  /** Kills every node at once. */
  killAll(): void {
    this.stopping = true;
    for (const node of this.nodes.values()) {
      clearTimeout(node.restart);
      node.child?.kill("SIGKILL");
    }
  }

  private node(id: NodeId): Supervised {
    const node = this.nodes.get(id);
    if (!node) throw new QuorateError("USAGE", `there is no node ${id}`);
    return node;
  }

  /** Resolves when the node's servers listen; rejects when it ended before. */
  private launch(node: Supervised): Promise<void> {
    const { id } = node.config;
    node.ready = false;
    node.failure = undefined;
    node.startedMs = performance.now();
    let child: ChildProcess;
    try {
      child = fork(this.options.entry, ["node", id], {
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        execArgv: NODE_ARGUMENTS,
      });
    } catch (error) {
      return Promise.reject(this.ended(node, notStarted(error)));
    }
    node.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface({ input: stream }).on("line", (line) => this.emitLine(id, line));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => child.kill("SIGKILL"), READY_TIMEOUT_MS);
      child.on("message", (message) => {
        if (this.heard(node, message as FromNode)) {
          clearTimeout(timer);
          resolve();
        }
      });
      const ended = (how: string): void => {
        clearTimeout(timer);
        reject(this.ended(node, how));
      };
      child.on("error", (error) => {
        // Without processes or files left, this is all that is heard; of a process that runs, its exit is heard as well.
        if (child.pid === undefined) ended(notStarted(error));
      });
      child.once("exit", (code, signal) => ended(`ended (${signal ?? `exit code ${code ?? "?"}`})`));
      tell(node, { type: "start", config: configOf(node) });
    });
  }

  /** True when the message says that the node is ready. */
  private heard(node: Supervised, message: FromNode): boolean {
    switch (message.type) {
      case "ready": {
        node.ready = true;
        node.wasReady = true;
        const startMs = performance.now() - node.startedMs;
        this.options.onEvent({ type: "up", id: node.config.id, pid: node.child?.pid ?? 0, startMs });
        return true;
      }
      case "failed":
        node.failure = new QuorateError(message.code, message.message);
        return false;
      case "status":
        node.waiting.get(message.id)?.(message.status);
        return false;
    }
  }

  /** Sees to its next life; the error is for who waits for this one to be ready. */
  private ended(node: Supervised, how: string): QuorateError {
    this.died(node, how);
    return node.failure ?? new QuorateError("INVARIANT", `${node.config.id} ${how}`);
  }

  private died(node: Supervised, how: string): void {
    const { id } = node.config;
    node.child = undefined;
    node.ready = false;
    for (const answer of node.waiting.values()) answer(undefined);
    if (this.stopping || !node.wasReady) return;
    if (node.failure && HOPELESS.has(node.failure.code)) {
      this.options.onEvent({ type: "failed", id, error: node.failure });
      this.tellIfEmpty();
      return;
    }
    const restartMs = this.options.restart ? this.restartDelay(node) : undefined;
    const reason = node.failure === undefined ? how : `ended (${node.failure.message})`;
    this.options.onEvent({ type: "died", id, how: reason, restartMs });
    if (restartMs === undefined) {
      this.tellIfEmpty();
      return;
    }
    node.restart = setTimeout(() => {
      node.restart = undefined;
      // Its end, if it comes before it is ready, is handled where every end is.
      this.launch(node).catch(() => undefined);
    }, restartMs);
  }

  private tellIfEmpty(): void {
    if ([...this.nodes.values()].every((node) => !node.child && !node.restart)) {
      this.options.onEvent({ type: "empty" });
    }
  }

  private restartDelay(node: Supervised): number {
    if (performance.now() - node.startedMs > STEADY_MS) node.restartMs = RESTART_MIN_MS;
    const delay = node.restartMs;
    node.restartMs = Math.min(delay * 2, RESTART_MAX_MS);
    return delay;
  }

  private stopOne(node: Supervised): Promise<void> {
    const { child } = node;
    if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    // It never ran, and so never exits.
    if (child.pid === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      child.once("exit", () => {
        clearTimeout(timer);
        resolve();
      });
      tell(node, { type: "stop" });
    });
  }

  private emitLine(id: NodeId, line: string): void {
    this.options.onEvent({ type: "output", id, line: line.slice(0, 4000) });
  }
}

/** It was there before: if its directory is empty now it has lost it, and must not begin as if it were new. */
function configOf({ config, wasReady }: Supervised): NodeConfig {
  return wasReady && config.beginsAs === "founder" ? { ...config, beginsAs: "blank" } : config;
}

/** A node that is just ending cannot be told anything; its exit is handled where it is seen. */
function tell(node: Supervised, message: ToNode): void {
  if (node.child?.connected) node.child.send(message, () => undefined);
}

function notStarted(error: unknown): string {
  return `could not be started (${error instanceof Error ? error.message : String(error)})`;
}
