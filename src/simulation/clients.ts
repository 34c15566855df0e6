/**
 * Simulated clients: each talks to one node at a time through the node's door, waits for the answer, and writes down what it
 * asked, what it was told, and when.
 *
 * A client sees what a real one would: an answer, an error that says what became of the command, a connection that breaks
 * with its process, or nothing, until it loses patience. An operation that was refused for certain leaves the history: if it
 * had an effect after all, the values that nobody wrote will show it.
 */
import type { NodeId } from "../runtime/world.ts";
import type { LocalNode } from "../engine/cluster/local-node.ts";
import { encodeCommand } from "../engine/keyspace/command-codec.ts";
import type { KeyspaceCommand, WatchedKey } from "../engine/keyspace/keyspace-command.ts";
import type { KeyspaceMachine } from "../engine/keyspace/machine.ts";
import { TICK_NEEDED } from "../engine/keyspace/moment.ts";
import { NullArray, ReplyError, Status } from "../engine/keyspace/reply.ts";
import type { Reply } from "../engine/keyspace/reply.ts";
import { ERRORS } from "../runtime/errors.ts";
import type { Outcome } from "../runtime/errors.ts";
import type { SeededRandom } from "../runtime/simulated/random.ts";
import type { SimulatedWorld } from "../runtime/simulated/world.ts";
import type { Operation } from "./linearizability.ts";
import type { StoreInput, StoreReply } from "./store-model.ts";
import type { Task, Workload } from "./workload.ts";

/** What a client needs of a node; production's servers use the same. */
export type Door = Pick<
  LocalNode<KeyspaceCommand, KeyspaceMachine>,
  "write" | "barrier" | "readStillValid" | "logTimeMs" | "machine"
>;

/** One life of a node, as clients see it. */
export interface Life {
  readonly node: NodeId;
  readonly door: Door;
  /** Called back when the process ends: the connections break. */
  onEnd(callback: () => void): void;
}

export interface ClientsOptions {
  readonly world: SimulatedWorld;
  readonly random: SeededRandom;
  readonly workload: Workload;
  readonly count: number;
  readonly thinkMs: number;
  readonly wander: number;
  readonly nodes: readonly NodeId[];
  readonly requestTimeoutMs: number;
  /** Reads do without the barrier: a deliberate bug. */
  readonly readWithoutBarrier: boolean;
  /** The running process on a node, if it is ready. */
  lifeOf(node: NodeId): Life | undefined;
  /** A node did not answer in time though it ran all the while. */
  onSilence(node: NodeId, what: string): void;
}

interface Recorded {
  client: string;
  input: StoreInput;
  startMs: number;
  endMs?: number;
  output?: StoreReply;
}

/** How a request ended: with an answer, or without one. */
type Ending =
  | { readonly type: "answer"; readonly reply: StoreReply }
  | { readonly type: "failed"; readonly outcome: Outcome };

const WRITES_OF_UNKNOWN_OUTCOME: Ending = { type: "failed", outcome: "unknown" };

export class Clients {
  /** What was asked and told, in the order of the asking. */
  readonly history: Operation<StoreInput, StoreReply>[] = [];
  readonly counts: { answered: number; refused: number; unknown: number } = {
    answered: 0,
    refused: 0,
    unknown: 0,
  };
  private readonly options: ClientsOptions;
  private stopped = false;
  private readonly recorded = new Map<Recorded, boolean>();

  constructor(options: ClientsOptions) {
    this.options = options;
  }

  start(): void {
    for (let number = 1; number <= this.options.count; number++) {
      const random = this.options.random.split(`client ${number}`);
      this.next(`c${number}`, random, random.pick(this.options.nodes));
    }
  }

  /** No new operations; those under way go on. */
  stop(): void {
    this.stopped = true;
  }

  /** The history for the checker: what was refused for certain is left out. */
  finish(): readonly Operation<StoreInput, StoreReply>[] {
    return [...this.recorded].filter(([, kept]) => kept).map(([operation]) => operation);
  }

  /** Puts one command to one node, outside the workload; `done` is told whether it was answered. */
  ask(node: NodeId, input: StoreInput, done: (answered: boolean) => void): void {
    this.perform("probe", this.options.random, node, input, undefined, (ending) =>
      done(ending.type === "answer"),
    );
  }

  private next(client: string, random: SeededRandom, node: NodeId): void {
    const { world, thinkMs, wander, nodes, workload } = this.options;
    world.scheduler.after(random.exponential(thinkMs), () => {
      if (this.stopped) return;
      const target = random.chance(wander) ? random.pick(nodes) : node;
      this.carryOut(client, random, target, workload.next(), (failed) => {
        // After a failure a real client waits a little and tries another node.
        if (!failed) return this.next(client, random, target);
        world.scheduler.after(random.exponential(20), () => this.next(client, random, random.pick(nodes)));
      });
    });
  }

  private carryOut(
    client: string,
    random: SeededRandom,
    node: NodeId,
    task: Task,
    done: (failed: boolean) => void,
  ): void {
    const end = (ending: Ending): void => {
      if (ending.type === "failed" && ending.outcome !== "not-applied") task.unknown();
      done(ending.type === "failed");
    };
    if (task.type === "plain") return this.perform(client, random, node, task.input, undefined, end);
    this.watch(random, node, task.keys, (seen) => {
      if (seen === undefined) return done(true);
      const transaction = task.transaction(seen.values);
      const watched = Object.fromEntries(task.keys.map((key, at) => [key, seen.values[at] ?? null]));
      const input = { watched, transaction };
      // The transaction may go through another node than the one that was read: revisions are part of the state.
      const target = random.chance(0.3) ? random.pick(this.options.nodes) : node;
      this.options.world.scheduler.after(random.exponential(this.options.thinkMs), () => {
        this.perform(client, random, target, input, seen.watched, end);
      });
    });
  }

  /** WATCH and GET of some keys: their values, and what EXEC must bring of them, at one moment; undefined when the node did not answer. */
  private watch(
    random: SeededRandom,
    node: NodeId,
    keys: readonly string[],
    done: (seen: { values: (string | null)[]; watched: WatchedKey[] } | undefined) => void,
  ): void {
    this.request<{ values: (string | null)[]; watched: WatchedKey[] } | undefined>(
      `WATCH ${keys.join(" ")}`,
      random,
      node,
      undefined,
      undefined,
      (life, answer) => {
        const { door } = life;
        door.barrier((error) => {
          if (error !== undefined) return answer(undefined);
          const nowMs = door.logTimeMs();
          const values: (string | null)[] = [];
          for (const key of keys) {
            const reply = door.machine.query({ type: "call", database: 0, args: ["GET", key] }, nowMs);
            if (reply !== null && typeof reply !== "string") return answer(undefined);
            values.push(reply);
          }
          const watched = keys.map((key) => door.machine.watch(0, key, nowMs));
          answer(door.readStillValid() ? { values, watched } : undefined);
        });
      },
      done,
    );
  }

  private perform(
    client: string,
    random: SeededRandom,
    node: NodeId,
    input: StoreInput,
    watched: readonly WatchedKey[] | undefined,
    done: (ending: Ending) => void,
  ): void {
    const { world } = this.options;
    const operation: Recorded = { client, input, startMs: world.scheduler.nowMs };
    this.recorded.set(operation, true);
    const command = commandOf(input, watched ?? []);
    this.request<Ending>(
      JSON.stringify(input),
      random,
      node,
      { type: "failed", outcome: "not-applied" },
      WRITES_OF_UNKNOWN_OUTCOME,
      (life, answer) => this.execute(life, command, isRead(input), (reply) => answer(endingOf(reply))),
      (ending) => {
        this.conclude(operation, ending);
        done(ending);
      },
    );
  }

  private conclude(operation: Recorded, ending: Ending): void {
    const nowMs = this.options.world.scheduler.nowMs;
    if (ending.type === "answer") {
      this.counts.answered++;
      operation.endMs = nowMs;
      operation.output = ending.reply;
    } else if (ending.outcome === "applied") {
      this.counts.unknown++;
      operation.endMs = nowMs;
    } else if (ending.outcome === "not-applied") {
      this.counts.refused++;
      this.recorded.delete(operation);
    } else {
      this.counts.unknown++;
    }
  }

  /**
   * Sends a request to a node and waits. `refused`: what it means when nobody listens there; `lost`: when the connection
   * breaks or patience ends.
   */
  private request<Result>(
    what: string,
    random: SeededRandom,
    node: NodeId,
    refused: Result,
    lost: Result,
    serve: (life: Life, answer: (result: Result) => void) => void,
    done: (result: Result) => void,
  ): void {
    const { world, requestTimeoutMs } = this.options;
    let over = false;
    const finish = (result: Result): void => {
      if (over) return;
      over = true;
      patience.cancel();
      done(result);
    };
    const latencyMs = (): number => 0.05 + random.exponential(0.2);
    const machine = world.machine(node);
    const sentMs = world.scheduler.nowMs;
    const pausesBefore = machine.paused ? -1 : machine.pauses;
    // A read may wait once for its barrier and once more for the log.
    const patienceMs = requestTimeoutMs * 2.2 + 2_000;
    const patience = world.scheduler.after(patienceMs, () => {
      // A node that ran all the while must have answered: with an error, if with nothing better.
      if (machine.pauses === pausesBefore && !machine.paused && this.options.lifeOf(node) !== undefined) {
        this.options.onSilence(
          node,
          `no answer within ${patienceMs} ms to ${what}, sent at ${sentMs.toFixed(1)}`,
        );
      }
      finish(lost);
    });
    world.scheduler.after(latencyMs(), () => {
      const life = this.options.lifeOf(node);
      if (life === undefined) return finish(refused);
      life.onEnd(() => world.scheduler.after(latencyMs(), () => finish(lost)));
      machine.input(() => serve(life, (result) => world.scheduler.after(latencyMs(), () => finish(result))));
    });
  }

  /** What a server does with one command: reads by a barrier from the replica, writes by the log. */
  private execute(life: Life, command: KeyspaceCommand, read: boolean, answer: (reply: Reply) => void): void {
    const { door } = life;
    if (!read) return door.write(command, encodeCommand(command), answer);
    const query = (): void => {
      const reply = door.machine.query(command, door.logTimeMs());
      if (reply === TICK_NEEDED) return door.write(command, encodeCommand(command), answer);
      if (!this.options.readWithoutBarrier && !door.readStillValid()) return barrier();
      answer(reply);
    };
    const barrier = (): void => door.barrier((error) => (error === undefined ? query() : answer(error)));
    if (this.options.readWithoutBarrier) query();
    else barrier();
  }
}

const READS: ReadonlySet<string> = new Set(["GET", "MGET", "LRANGE", "LLEN"]);

function isRead(input: StoreInput): boolean {
  return "command" in input && READS.has(input.command[0] ?? "");
}

function commandOf(input: StoreInput, watched: readonly WatchedKey[]): KeyspaceCommand {
  if ("command" in input) return { type: "call", database: 0, args: input.command };
  return { type: "exec", watched, calls: input.transaction.map((args) => ({ database: 0, args })) };
}

const FAILURES: ReadonlyMap<string, Outcome> = new Map(
  [
    ERRORS.NO_QUORUM,
    ERRORS.OUTCOME_UNKNOWN,
    ERRORS.REPLY_LOST,
    ERRORS.OVERLOADED,
    ERRORS.SHUTTING_DOWN,
    ERRORS.DISK_FULL,
  ].map(({ resp, outcome }) => [resp, outcome]),
);

function endingOf(reply: Reply): Ending {
  if (reply instanceof ReplyError) {
    const outcome = FAILURES.get(reply.message.split(" ")[0] ?? "");
    if (outcome !== undefined) return { type: "failed", outcome };
  }
  return { type: "answer", reply: storeReplyOf(reply) };
}

/** The reply as the history keeps it. */
export function storeReplyOf(reply: Reply): StoreReply {
  if (reply === null || typeof reply === "string" || typeof reply === "number") return reply;
  if (typeof reply === "bigint") return Number(reply);
  if (reply instanceof Status) return { status: reply.text };
  if (reply instanceof ReplyError) return { error: reply.message.split(" ")[0] ?? "" };
  if (reply instanceof NullArray) return null;
  if (Array.isArray(reply)) return (reply as readonly Reply[]).map(storeReplyOf);
  throw new TypeError(`no reply of the workload: ${JSON.stringify(reply)}`);
}
