/**
 * The nodes of a cluster as one, for questions about jobs: asks one, and another when that one is gone, silent or not ready; more
 * of them are learnt from answers. Everything that is asked here may be asked twice, so an answer that was lost is asked for
 * again.
 */
import { ERRORS, isQuorateError, QuorateError } from "../../runtime/errors.ts";
import type { ApiError } from "../../mapreduce/job-api.ts";
import { JOB_API_ROOT } from "../../mapreduce/job-api.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds until the call is given up. Default 60,000. */
  readonly timeoutMs?: number;
}

export interface Question {
  readonly method: "GET" | "POST";
  /** Below `/mapreduce/v1`. */
  readonly path: string;
  readonly body?: object;
  /** Milliseconds that one node may take for its answer. Default 10,000. */
  readonly patienceMs?: number;
}

const TIMEOUT_MS = 60_000;
const PATIENCE_MS = 10_000;
const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 2_000;
const NODES_MAX = 64;

export class JobNodes {
  private readonly authorities: string[];
  private readonly password: string | undefined;
  /** The node that answered last. */
  private preferred = 0;

  /** `authorities`: "host:port" of HTTP ports. */
  constructor(authorities: readonly string[], password: string | undefined) {
    this.authorities = [...authorities];
    this.password = password;
  }

  get urls(): readonly string[] {
    return this.authorities;
  }

  /** More nodes of the same cluster. */
  learn(authorities: readonly string[]): void {
    for (const each of authorities) {
      if (this.authorities.length < NODES_MAX && !this.authorities.includes(each))
        this.authorities.push(each);
    }
  }

  /** The answer's JSON. Rejects with a QuorateError, or the signal's reason. */
  ask<T>(question: Question, options: CallOptions = {}): Promise<T> {
    return this.persist(question, options, async (response) => (await response.json()) as T);
  }

  async text(question: Question, options: CallOptions = {}): Promise<string> {
    return this.persist(question, options, (response) => response.text());
  }

  private async persist<T>(
    question: Question,
    { signal, timeoutMs = TIMEOUT_MS }: CallOptions,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const deadlineMs = performance.now() + timeoutMs;
    let last: QuorateError | undefined;
    for (let tries = 1; ; tries++) {
      signal?.throwIfAborted();
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw last ?? new QuorateError("NO_QUORUM", "no node answered in time");
      try {
        return await this.once(question, Math.min(leftMs, question.patienceMs ?? PATIENCE_MS), signal, read);
      } catch (error) {
        signal?.throwIfAborted();
        last = asPassing(error);
        this.preferred = (this.preferred + 1) % this.authorities.length;
        // A node that was never asked is asked at once.
        const rounds = Math.floor(tries / this.authorities.length);
        if (rounds > 0 && tries % this.authorities.length === 0)
          await pause(Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** rounds), signal);
      }
    }
  }

  private async once<T>(
    { method, path, body }: Question,
    patienceMs: number,
    signal: AbortSignal | undefined,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const authority = this.authorities[this.preferred % this.authorities.length] ?? "";
    const late = AbortSignal.timeout(Math.max(1, Math.ceil(patienceMs)));
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (this.password !== undefined) headers["Authorization"] = basic(this.password);
    const response = await fetch(`http://${authority}${JOB_API_ROOT}${path}`, {
      method,
      headers,
      redirect: "error",
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      throw new QuorateError("NO_QUORUM", `${authority} cannot be reached: ${reasonOf(cause)}`, { cause });
    });
    if (!response.ok) throw await refusalOf(response, authority);
    try {
      return await read(response);
    } catch (cause) {
      throw new QuorateError("NO_QUORUM", `the answer of ${authority} broke off: ${reasonOf(cause)}`, {
        cause,
      });
    }
  }
}

/** A password may hold what a bearer token may not. */
function basic(password: string): string {
  return `Basic ${Buffer.from(`:${password}`, "utf8").toString("base64")}`;
}

/** The error, when asking again, or another, may help; else it is thrown. */
function asPassing(error: unknown): QuorateError {
  if (!isQuorateError(error)) throw error;
  if (error.retryable || error.code === "OUTCOME_UNKNOWN" || error.code === "REPLY_LOST") return error;
  throw error;
}

async function refusalOf(response: Response, authority: string): Promise<QuorateError> {
  const text = await response.text().catch(() => "");
  try {
    const { code, message } = (JSON.parse(text) as ApiError).error;
    if (Object.hasOwn(ERRORS, code) && typeof message === "string") return new QuorateError(code, message);
  } catch {
    // Falls through: whatever answered, it was no node of this version.
  }
  const what = `${authority} answered ${response.status} ${text.slice(0, 200)}`;
  if (response.status >= 502 && response.status <= 504) return new QuorateError("NO_QUORUM", what);
  return new QuorateError("UNSUPPORTED", `${what}: is it the HTTP port of a node with jobs?`);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause, message } = error;
  return cause instanceof Error && cause.message !== "" ? cause.message : message;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
