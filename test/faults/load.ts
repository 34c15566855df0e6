/**
 * Clients at work on registers, counters, lists, transactions and locks, while a test breaks things under them.
 *
 * Every value is written once, so that a read names the write it saw. Keys carry the number of a phase; a test begins a new
 * phase with every fault, and clients use the keys of this phase and the one before: what was written before a fault is
 * read after it, and the history of a key stays short enough to be judged.
 */
import { setTimeout as delay } from "node:timers/promises";
import { SeededRandom } from "../../src/runtime/simulated/random.ts";
import type { StoreInput, StoreReply } from "../../src/simulation/store-model.ts";
import type { Address, Ending } from "./connection.ts";
import { Connection } from "./connection.ts";
import { Recorder } from "./recorder.ts";

export interface LoadOptions {
  readonly nodes: readonly Address[];
  readonly clients: number;
  readonly seed: number;
  /** Mean pause of a client between two requests. Default 10. */
  readonly thinkMs?: number;
}

type Command = readonly string[];

/** Longer than any pause of a node: who waits through one sees what the node makes of it when it wakes. */
const PATIENCE_MS = 8_000;
const LOCK_TTL_MS = 3_000;

const ACQUIRE = `if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return redis.call('INCR', KEYS[2])
end
return false`;
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

export class Load {
  readonly recorder: Recorder = new Recorder();
  readonly seed: number;
  /** Answered requests per node, by its place in the list. */
  readonly answeredBy: number[];
  private readonly options: LoadOptions;
  private readonly thinkMs: number;
  private phase = 1;
  private values = 0;
  private stopped = false;
  private readonly running: Promise<void>[];
  private mishap: Error | undefined;

  constructor(options: LoadOptions) {
    this.options = options;
    this.seed = options.seed;
    this.thinkMs = options.thinkMs ?? 10;
    this.answeredBy = options.nodes.map(() => 0);
    const random = SeededRandom.fromSeed(options.seed);
    this.running = Array.from({ length: options.clients }, (_, at) =>
      this.client(`c${at + 1}`, random.split(`client ${at + 1}`), at % options.nodes.length).catch(
        (error: unknown) => {
          this.mishap = error as Error;
        },
      ),
    );
  }

  nextPhase(): void {
    this.phase++;
  }

  /** Resolves when `count` more requests were answered, not counting node `except`. Rejects after `withinMs`. */
  async progress(what: string, count: number, withinMs: number, except?: number): Promise<void> {
    const total = (): number =>
      this.answeredBy.reduce((sum, answered, at) => (at === except ? sum : sum + answered), 0);
    const goal = total() + count;
    const deadlineMs = performance.now() + withinMs;
    while (total() < goal) {
      if (this.mishap !== undefined) throw this.mishap;
      if (performance.now() > deadlineMs) {
        const reasons = JSON.stringify(Object.fromEntries(this.recorder.reasons));
        throw new Error(
          `${what}: ${goal - total()} of ${count} answers are missing after ${withinMs} ms; ${reasons}`,
        );
      }
      await delay(5);
    }
  }

  /** Resolves when node `at` has answered again. */
  async answersAt(at: number, withinMs: number): Promise<void> {
    const before = this.answeredBy[at] ?? 0;
    const deadlineMs = performance.now() + withinMs;
    while (this.answeredBy[at] === before) {
      if (performance.now() > deadlineMs) throw new Error(`node ${at} does not answer after ${withinMs} ms`);
      await delay(5);
    }
  }

  /** No more requests; resolves when those under way have ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.running);
    if (this.mishap !== undefined) throw this.mishap;
  }

  private async client(name: string, random: SeededRandom, home: number): Promise<void> {
    let at = home;
    let connection: Connection | undefined;
    while (!this.stopped) {
      await delay(random.exponential(this.thinkMs));
      if (random.chance(0.01)) {
        connection?.close();
        at = random.integer(0, this.options.nodes.length - 1);
      }
      if (connection === undefined || !connection.usable) {
        connection = await Connection.open(this.options.nodes[at] as Address);
      }
      const ending = connection && (await this.work(name, random, connection));
      if (ending?.type === "answer") {
        this.answeredBy[at] = (this.answeredBy[at] ?? 0) + 1;
        continue;
      }
      // As real clients do: after a failure, another node.
      connection?.close();
      connection = undefined;
      at = random.integer(0, this.options.nodes.length - 1);
      await delay(random.exponential(50));
    }
    connection?.close();
  }

  private work(client: string, random: SeededRandom, connection: Connection): Promise<Ending> {
    const phase = random.chance(0.4) ? this.phase : this.phase - 1;
    const value = `${client}-${++this.values}`;
    const key = (kind: string): string => `${kind}:${phase}`;
    const pick = (...commands: Command[]): Promise<Ending> =>
      this.single(client, connection, random.pick(commands));
    switch (random.integer(0, 6)) {
      case 0:
      case 1: {
        const name = key(`register${random.integer(0, 1)}`);
        return pick(["SET", name, value], ["GET", name], ["GET", name], ["SET", name, value, "GET"]);
      }
      case 2:
        return pick(["INCR", key("counter")], ["INCR", key("counter")], ["GET", key("counter")]);
      case 3: {
        const name = key("list");
        const push: Command[] = [
          ["LPUSH", name, value],
          ["RPUSH", name, value],
        ];
        return pick(...push, ["LPOP", name], ["RPOP", name], ["LPOP", name], ["LRANGE", name, "0", "-1"]);
      }
      case 4: {
        const [left, right] = [key("left"), key("right")];
        const both: Command[] = [
          ["INCR", left],
          ["INCR", right],
          ["MGET", left, right],
        ];
        return random.chance(0.5) ? this.transaction(client, connection, both) : pick(["MGET", left, right]);
      }
      case 5:
        return this.optimistic(client, connection, key("watched"), value);
      default:
        return this.underLock(client, random, connection, key("lock"), value);
    }
  }

  private async single(client: string, connection: Connection, command: Command): Promise<Ending> {
    const input: StoreInput = { command };
    const ask = (): Promise<Ending> => connection.request([command], PATIENCE_MS);
    const ending = await this.recorder.store(client, input, ask, ([reply = null]) => reply);
    if (ending.type === "answer" && !["GET", "MGET", "LRANGE"].includes(command[0] ?? ""))
      this.recorder.wrote();
    return ending;
  }

  private transaction(client: string, connection: Connection, commands: readonly Command[]): Promise<Ending> {
    return this.recorder.store(
      client,
      { transaction: commands },
      () => connection.request([["MULTI"], ...commands, ["EXEC"]], PATIENCE_MS),
      lastOf,
    );
  }

  /** WATCH and GET, then a transaction that claims that nothing changed. */
  private async optimistic(
    client: string,
    connection: Connection,
    key: string,
    value: string,
  ): Promise<Ending> {
    const seen = await connection.request(
      [
        ["WATCH", key],
        ["GET", key],
      ],
      PATIENCE_MS,
    );
    if (seen.type === "failed") return seen;
    const [, old = null] = seen.replies;
    if (old !== null && typeof old !== "string") throw new TypeError(`GET answered ${JSON.stringify(old)}`);
    const transaction: readonly Command[] = [["SET", key, value]];
    const ask = (): Promise<Ending> => connection.request([["MULTI"], ...transaction, ["EXEC"]], PATIENCE_MS);
    return this.recorder.store(client, { watched: { [key]: old }, transaction }, ask, lastOf);
  }

  private async underLock(
    client: string,
    random: SeededRandom,
    connection: Connection,
    lock: string,
    owner: string,
  ): Promise<Ending> {
    const acquire = ["EVAL", ACQUIRE, "2", lock, `${lock}:token`, owner, `${LOCK_TTL_MS}`];
    const taken = await this.recorder.lock(
      client,
      { type: "acquire", lock, owner, ttlMs: LOCK_TTL_MS },
      () => connection.request([acquire], PATIENCE_MS),
      ([token]) => tokenOf(token),
    );
    if (taken.type === "failed") return taken;
    const token = tokenOf(taken.replies[0]);
    if (token === null) return taken;
    await delay(random.exponential(this.thinkMs));
    return this.recorder.lock(
      client,
      { type: "release", lock, owner, token },
      () => connection.request([["EVAL", RELEASE, "1", lock, owner]], PATIENCE_MS),
      ([released]) => released === 1,
    );
  }
}

function lastOf(replies: readonly StoreReply[]): StoreReply {
  return replies.at(-1) ?? null;
}

function tokenOf(reply: StoreReply | undefined): number | null {
  if (typeof reply === "number" || reply === null) return reply;
  throw new TypeError(`a token is a number, not ${JSON.stringify(reply)}`);
}
