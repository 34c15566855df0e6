/**
 * How the tour talks to the cluster: node-redis, one node at a time, and the next one when that node fails. What matters
 * to a distributed program is kept apart: refused (not carried out: try again) and unknown (it may have been).
 */
import { ClientClosedError, ClientOfflineError, ErrorReply, createClient } from "redis";
import type { RedisClientType } from "redis";
import { ERRORS, QuorateError } from "../../runtime/errors.ts";

export type Client = RedisClientType;

export type Attempt<T> =
  | { readonly type: "done"; readonly value: T }
  /** Not carried out. */
  | { readonly type: "refused"; readonly reason: string }
  /** The connection or the answer was lost: carried out or not. */
  | { readonly type: "unknown"; readonly reason: string };

const CONNECT_TIMEOUT_MS = 1000;
/** An answer that takes longer is given up as unknown. */
const ANSWER_TIMEOUT_MS = 8000;
const PAUSE_MS = 10;
/** No cluster that keeps its promises stays away for so long. */
const RETRY_TIMEOUT_MS = 30_000;

/** Redis's words for "not now, not here", and those of the error table that mean the same. */
const REFUSED_PREFIXES: ReadonlySet<string> = new Set([
  "TRYAGAIN",
  "LOADING",
  "READONLY",
  "MASTERDOWN",
  ...Object.values(ERRORS)
    .filter(({ retryable }) => retryable)
    .map(({ resp }) => resp),
]);
const UNKNOWN_PREFIXES: ReadonlySet<string> = new Set([ERRORS.OUTCOME_UNKNOWN.resp, ERRORS.REPLY_LOST.resp]);

export interface ConnectionStatistics {
  refused: number;
  unknown: number;
  reconnections: number;
}

export class Connection {
  readonly statistics: ConnectionStatistics = { refused: 0, unknown: 0, reconnections: -1 };
  private readonly urls: readonly string[];
  private readonly signal: AbortSignal;
  private at: number;
  private client: Client | undefined;

  /** Starts at `urls[first]`; `signal` ends all waiting. */
  constructor(urls: readonly string[], first: number, signal: AbortSignal) {
    this.urls = urls;
    this.at = first;
    this.signal = signal;
  }

  /** The node it talks to at present. */
  get url(): string {
    return this.urls[this.at % this.urls.length] ?? "";
  }

  /** Carries `operation` out once. Errors that say the program is wrong (WRONGTYPE, a script's fault) are thrown. */
  async attempt<T>(operation: (client: Client) => Promise<T>): Promise<Attempt<T>> {
    this.signal.throwIfAborted();
    const client = await this.connected();
    if (!client) return this.count({ type: "refused", reason: `no connection to ${this.url}` });
    try {
      return { type: "done", value: await this.withDeadline(operation(client)) };
    } catch (error) {
      return this.count(this.classify(client, error));
    }
  }

  /**
   * Carries out what may safely be carried out twice, until it is acknowledged. Throws NO_QUORUM after half a minute.
   */
  async untilDone<T>(operation: (client: Client) => Promise<T>): Promise<T> {
    const deadline = performance.now() + RETRY_TIMEOUT_MS;
    for (;;) {
      const attempt = await this.attempt(operation);
      if (attempt.type === "done") return attempt.value;
      if (performance.now() > deadline) {
        throw new QuorateError(
          "NO_QUORUM",
          `the cluster was away for ${RETRY_TIMEOUT_MS / 1000} s: ${attempt.reason}`,
        );
      }
      await pause(PAUSE_MS, this.signal);
    }
  }

  close(): void {
    this.drop(this.client);
  }

  private async connected(): Promise<Client | undefined> {
    if (this.client?.isReady) return this.client;
    this.drop(this.client);
    const client = createClient({
      url: this.url,
      disableOfflineQueue: true,
      socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false },
    }) as unknown as Client;
    // Every failure also rejects the call that waits for it.
    client.on("error", () => undefined);
    this.client = client;
    try {
      await this.withDeadline(client.connect());
      this.statistics.reconnections++;
      return client;
    } catch {
      this.moveOn(client);
      return undefined;
    }
  }

  private classify(client: Client, error: unknown): Attempt<never> {
    const reason = error instanceof Error ? error.message || error.name : String(error);
    const prefix = reason.split(" ", 1)[0] ?? "";
    if (UNKNOWN_PREFIXES.has(prefix)) return { type: "unknown", reason };
    if (REFUSED_PREFIXES.has(prefix)) return { type: "refused", reason };
    if (error instanceof ErrorReply) throw error;
    const wasSent = !(error instanceof ClientOfflineError || error instanceof ClientClosedError);
    this.moveOn(client);
    return { type: wasSent ? "unknown" : "refused", reason };
  }

  private count<T>(attempt: Attempt<T>): Attempt<T> {
    if (attempt.type === "refused") this.statistics.refused++;
    if (attempt.type === "unknown") this.statistics.unknown++;
    return attempt;
  }

  private moveOn(client: Client): void {
    this.drop(client);
    this.at++;
  }

  private drop(client: Client | undefined): void {
    if (client?.isOpen) client.destroy();
    if (this.client === client) this.client = undefined;
  }

  private withDeadline<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("no answer in time")), ANSWER_TIMEOUT_MS);
      promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}

/** Rejects at once when the signal is given. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** As the promise; rejects as soon as the signal is given. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** All replies of one pipeline, or the first error when any failed; none is left unhandled. */
export async function pipeline<T>(calls: readonly Promise<T>[]): Promise<readonly T[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
