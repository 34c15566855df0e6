/**
 * The nodes of one file system as one: asks one, and another when that one cannot be reached or is not ready. A request is
 * repeated only when that is safe: it did not reach a server, the server said that it did nothing, or doing it twice is the
 * same as once. When an answer is lost otherwise the error says OUTCOME_UNKNOWN.
 */
import type { IncomingMessage } from "node:http";
import type { ErrorCode } from "../../../runtime/errors.ts";
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import type { Operation, OperationName } from "../../../wire/webhdfs/operations.ts";
import { OPERATIONS } from "../../../wire/webhdfs/operations.ts";
import { renderRequest } from "../../../wire/webhdfs/request.ts";
import type { CallOptions, Chunks } from "../driver.ts";
import { ClusterNodes } from "./cluster-nodes.ts";
import type { Sending } from "./connections.ts";
import { AnswerLost, Connections, errorOf, NotSent, readJson } from "./connections.ts";

export const CALL_TIMEOUT_MS = 30_000;
export const IDLE_TIMEOUT_MS = 60_000;
const ATTEMPTS = 5;
const BACKOFF_MS = 100;
/** Safe mode at the start of a node is waited for, up to the deadline of a call, and for so long where it has none. */
const SAFE_MODE_MS = 30_000;
const SAFE_MODE_PAUSE_MS = 200;
/** What a node that starts says, a namenode of HDFS too. Safe mode that an operator turned on ends when he says so. */
const ENDS_BY_ITSELF = /safe mode will be turned off automatically/i;

const NOT_READY: ReadonlySet<ErrorCode> = new Set([
  "NO_QUORUM",
  "OVERLOADED",
  "SHUTTING_DOWN",
  "DISK_FULL",
  "DIVERGED",
]);

/** Changes that leave the same behind when they are made twice. */
const REPEATABLE: ReadonlySet<OperationName> = new Set([
  "MKDIRS",
  "SETREPLICATION",
  "SETOWNER",
  "SETPERMISSION",
  "SETTIMES",
  "SETACL",
  "MODIFYACLENTRIES",
  "REMOVEACLENTRIES",
  "REMOVEACL",
  "REMOVEDEFAULTACL",
  "ALLOWSNAPSHOT",
  "DISALLOWSNAPSHOT",
  "SETQUOTA",
]);

export interface Calling {
  /** For the texts of errors. */
  readonly what: string;
  readonly method: string;
  readonly target: string;
  /** Default: no body. */
  readonly json?: object | undefined;
  /** In place of `json`, as it is. */
  readonly bytes?: Uint8Array | undefined;
  /** Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Twice is the same as once. */
  readonly repeatable: boolean;
  /** Milliseconds of silence. Default 60,000. */
  readonly idleMs?: number | undefined;
  /** As long as bytes move it may take as long as it likes. Default false: `timeoutMs` in all, until the answer begins. */
  readonly isUpload?: boolean;
}

export class Endpoint {
  readonly user: string;
  readonly connections: Connections = new Connections();
  private readonly nodes: ClusterNodes;

  constructor(authorities: readonly string[], user: string) {
    this.nodes = new ClusterNodes(this.connections, authorities);
    this.user = user;
  }

  close(): void {
    this.nodes.close();
    this.connections.close();
  }

  /** The answer's JSON; undefined when it has none. */
  async ask(path: string, operation: Operation, options: CallOptions): Promise<unknown> {
    const signal = deadline(options);
    const repeatable = OPERATIONS[operation.op].method === "GET" || REPEATABLE.has(operation.op);
    return this.persist(operation.op, repeatable, signal, options, async (authority) => {
      const response = await this.send(authority, path, operation, { signal });
      if ((response.statusCode ?? 0) >= 300) throw await errorOf(response);
      return readJson(response);
    });
  }

  /** The first step of a transfer: where to go on, or the answer itself when the server does it at once. */
  async locate(
    path: string,
    operation: Operation<"OPEN" | "CREATE" | "APPEND" | "GETFILECHECKSUM">,
    options: CallOptions,
  ): Promise<{ readonly location: string } | { readonly answer: IncomingMessage }> {
    const signal = deadline(options);
    return this.persist(operation.op, true, signal, options, async (authority) => {
      const response = await this.send(authority, path, operation, { signal: options.signal, until: signal });
      const { statusCode = 0, headers } = response;
      if (statusCode === 307 || statusCode === 302) {
        response.resume();
        const { location } = headers;
        if (location === undefined) throw new QuorateError("PROTOCOL", "a redirect that does not say where");
        return { location };
      }
      if (statusCode >= 300) throw await errorOf(response);
      return { answer: response };
    });
  }

  /** A request that is none of WebHDFS: what `read` makes of the answer, when that is no refusal. */
  async call<T>(
    { what, method, target, json, bytes, headers, repeatable, ...calling }: Calling,
    options: CallOptions,
    read: (answer: IncomingMessage) => Promise<T>,
  ): Promise<T> {
    const { idleMs = IDLE_TIMEOUT_MS, isUpload = false } = calling;
    const until = isUpload ? (options.signal ?? new AbortController().signal) : deadline(options);
    return this.persist(what, repeatable, until, options, async (authority) => {
      const sending = { signal: options.signal, until, idleMs, json, bytes, headers };
      const response = await this.connections.send(method, `http://${authority}${target}`, sending);
      if ((response.statusCode ?? 0) >= 300) throw await errorOf(response);
      return read(response);
    });
  }

  /** The second step of a write. */
  async upload(method: "PUT" | "POST", location: string, body: Chunks, options: CallOptions): Promise<void> {
    const { signal, timeoutMs: idleMs = IDLE_TIMEOUT_MS } = options;
    try {
      const response = await this.connections.send(method, location, { signal, idleMs, body });
      if ((response.statusCode ?? 0) >= 300) throw await errorOf(response);
      response.resume();
    } catch (error) {
      throw explain(error, method === "PUT" ? "CREATE" : "APPEND");
    }
  }

  private send(
    authority: string,
    path: string,
    operation: Operation,
    signals: Pick<Sending, "signal" | "until">,
  ): Promise<IncomingMessage> {
    const { method, target } = renderRequest(path, operation, [["user.name", this.user]]);
    return this.connections.send(method, `http://${authority}${target}`, {
      ...signals,
      idleMs: IDLE_TIMEOUT_MS,
    });
  }

  private async persist<T>(
    what: string,
    repeatable: boolean,
    signal: AbortSignal,
    { signal: outer }: CallOptions,
    attempt: (authority: string) => Promise<T>,
  ): Promise<T> {
    const { nodes } = this;
    const beganMs = performance.now();
    /** Since the last pause in safe mode. */
    const asked = new Set<string>();
    /** Nodes whose last answer was that they start, and what they said. */
    const starting = new Map<string, QuorateError>();
    let failures = 0;
    for (;;) {
      const { name } = nodes;
      // A server may have done it. What was asked before is not done, or harmless, or it would not be asked again.
      let sent = false;
      try {
        signal.throwIfAborted();
        const authority = await nodes.current();
        signal.throwIfAborted();
        sent = true;
        const answer = await attempt(authority);
        nodes.answered();
        return answer;
      } catch (error) {
        if (error instanceof NotSent || isNotReady(error) || isStarting(error)) sent = false;
        if (isStarting(error)) starting.set(name, error);
        else if (!signal.aborted) starting.delete(name);
        const [refusal] = starting.values();
        if (signal.aborted) {
          outer?.throwIfAborted();
          // The next call may find another one that answers.
          if (nodes.name === name) nodes.next();
          const harmless = repeatable || !sent;
          throw (harmless && refusal) || outOfTime(what, name, harmless);
        }
        // As long as one starts the others may be down: it is up in a moment.
        const waits = refusal !== undefined && performance.now() - beganMs < SAFE_MODE_MS;
        const again =
          error instanceof NotSent ||
          isNotReady(error) ||
          (isStarting(error) && waits) ||
          (error instanceof AnswerLost && repeatable);
        if (!again || (!waits && ++failures >= ATTEMPTS)) {
          // The next call may find another one that answers.
          if (error instanceof AnswerLost && nodes.name === name) nodes.next();
          throw explain(error, what, repeatable);
        }
        if (nodes.name === name && isQuorateError(error)) await nodes.refused();
        asked.add(name);
        // Unless another call has found out already.
        if (nodes.name === name) nodes.next();
        // A node that was never asked is asked at once.
        if (!asked.has(nodes.name)) continue;
        await pause(waits ? SAFE_MODE_PAUSE_MS : BACKOFF_MS * 2 ** (failures - 1), signal);
        if (waits) asked.clear();
      }
    }
  }
}

/** The server did nothing, and another or a later one may. */
function isNotReady(error: unknown): boolean {
  return isQuorateError(error) && NOT_READY.has(error.code);
}

/** Safe mode that ends by itself. */
function isStarting(error: unknown): error is QuorateError {
  return isQuorateError(error) && error.code === "SAFE_MODE" && ENDS_BY_ITSELF.test(error.message);
}

/** Failures of connections as errors of the table. */
function explain(error: unknown, what: string, repeatable = false): unknown {
  if (error instanceof NotSent || (error instanceof AnswerLost && repeatable))
    return new QuorateError("NO_QUORUM", `${what}: ${error.message}`, { cause: error });
  if (error instanceof AnswerLost) {
    const advice = "it may have been carried out; look before you try again";
    return new QuorateError("OUTCOME_UNKNOWN", `${what}: ${error.message}: ${advice}`, { cause: error });
  }
  return error;
}

function outOfTime(what: string, authority: string, harmless: boolean): QuorateError {
  const text = `${what}: no answer from ${authority} in time`;
  return harmless
    ? new QuorateError("NO_QUORUM", text)
    : new QuorateError("OUTCOME_UNKNOWN", `${text}: it may have been carried out; look before you try again`);
}

function deadline({ signal, timeoutMs = CALL_TIMEOUT_MS }: CallOptions): AbortSignal {
  const late = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? late : AbortSignal.any([signal, late]);
}

/** Ends early when the signal fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
