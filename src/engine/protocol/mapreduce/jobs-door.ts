/**
 * The door of jobs on a node's HTTP port: everything below `/mapreduce/v1` (`mapreduce/job-api.ts` is the list). Whoever may
 * submit a job runs code on every node, so the door asks for more than the others: the password of the cluster, if it has one;
 * and it is not for web pages of other origins, nor, without a password, for other machines.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { QuorateError } from "../../../runtime/errors.ts";
import type { JobKill, JobState } from "../../../mapreduce/job-api.ts";
import { JOB_API_ROOT } from "../../../mapreduce/job-api.ts";
import type { AttemptId } from "../../../mapreduce/job-spec.ts";
import type { JobService } from "../../mapreduce/job-service.ts";
import { LIST_MAX } from "../../mapreduce/job-service.ts";
import { isAuthorised } from "../admin/password.ts";
import { isLoopback } from "../loopback.ts";
import { refusePages } from "../pages.ts";
import { forward, LOG_LENGTH_DEFAULT, sendLog } from "./attempt-logs.ts";
import { readJson, sendError, sendJson } from "./job-exchange.ts";
import type { MapOutputs } from "./map-outputs.ts";
import { OUTPUTS_PREFIX, sendMapOutput } from "./map-outputs.ts";

export interface JobsDoorOptions {
  readonly service: JobService;
  readonly outputs: MapOutputs;
  /** Where the log of an attempt of this node is. */
  readonly logOf: (attempt: AttemptId) => string;
  /** What clients must give at present; empty: none. */
  readonly password: () => string;
}

export interface JobsDoor {
  /** Answers, always. `expectsContinue`: "100 Continue" was asked for and not yet sent. */
  take(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void;
}

const STATES: ReadonlySet<string> = new Set<JobState>([
  "running",
  "committing",
  "succeeded",
  "failed",
  "killed",
]);
const ENDED: ReadonlySet<JobState> = new Set(["succeeded", "failed", "killed"]);
const LIMIT_DEFAULT = 100;
const LOG_MAX_BYTES = 64 * 1024 * 1024;

/** True for what a door of jobs is to answer. */
export function isJobs(target: string): boolean {
  return /^\/mapreduce(?:[/?]|$)/.test(target);
}

/** For a node that runs no jobs: every request gets one clear error. */
export function refuseJobs(request: IncomingMessage, response: ServerResponse): void {
  sendError(request, response, new QuorateError("UNSUPPORTED", "this node has no jobs: it serves no files"));
}

export function createJobsDoor(options: JobsDoorOptions): JobsDoor {
  return {
    take(request, response, expectsContinue) {
      const gone = new AbortController();
      response.once("close", () => gone.abort(new QuorateError("SHUTTING_DOWN", "the client has gone")));
      const exchange = { request, response, expectsContinue, signal: gone.signal };
      answer(options, exchange).catch((error: unknown) => sendError(request, response, error));
    },
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly expectsContinue: boolean;
  readonly signal: AbortSignal;
}

async function answer(options: JobsDoorOptions, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  const url = new URL(request.url ?? "", "http://node");
  if (url.pathname.startsWith(OUTPUTS_PREFIX)) {
    method(request, "GET");
    const partition = whole(url.searchParams, "partition", 0, 0, 1_000_000);
    return sendMapOutput(
      options.outputs,
      request,
      response,
      url.pathname.slice(OUTPUTS_PREFIX.length),
      partition,
    );
  }
  admit(request, options.password());
  const [root, version, ...path] = url.pathname.slice(1).split("/");
  if (`/${root}/${version}` !== JOB_API_ROOT) throw unknownAddress();
  return route(options, exchange, path, url.searchParams);
}

async function route(
  { service, logOf }: JobsDoorOptions,
  exchange: Exchange,
  path: readonly string[],
  query: URLSearchParams,
): Promise<void> {
  const { request, response, signal } = exchange;
  const [what, job = "", part, name = "", more] = path;
  switch (`${what}${path.length > 1 ? "/JOB" : ""}${part === undefined ? "" : `/${part}`}`) {
    case "jobs":
      if (request.method === "POST")
        return sendJson(response, await service.submit(await bodyOf(exchange), signal), 201);
      method(request, "GET");
      return sendJson(
        response,
        await service.list(statesOf(query), limitOf(query), query.get("before") ?? undefined),
      );
    case "plan":
      method(request, "POST");
      return sendJson(response, await service.plan(await bodyOf(exchange), signal));
    case "history":
      method(request, "GET");
      return sendJson(response, await service.list(ENDED, limitOf(query), query.get("before") ?? undefined));
    case "nodes":
      method(request, "GET");
      return sendJson(response, service.nodes());
    case "jobs/JOB": {
      method(request, "GET");
      const waitMs = whole(query, "waitMs", 0, 0, 3_600_000);
      return sendJson(response, await service.report(job, query.get("after") ?? undefined, waitMs, signal));
    }
    case "jobs/JOB/tasks": {
      method(request, "GET");
      const kind = choice(query, "kind", ["map", "reduce"] as const) ?? "map";
      const state = choice(query, "state", ["waiting", "running", "finished"] as const);
      const from = whole(query, "from", 0, 0, 1_000_000);
      return sendJson(response, await service.tasks(job, kind, state, from, limitOf(query)));
    }
    case "jobs/JOB/kill": {
      method(request, "POST");
      const { user, reason = "" } = (await bodyOf(exchange)) as Partial<JobKill>;
      if (typeof user !== "string" || typeof reason !== "string")
        throw new QuorateError("ARGUMENT_INVALID", "user and reason are texts");
      return sendJson(response, await service.kill(job, user.slice(0, 200), reason.slice(0, 500)));
    }
    case "jobs/JOB/attempts": {
      if (more !== "log") throw unknownAddress();
      method(request, "GET");
      const offset = whole(query, "offset", 0, -LOG_MAX_BYTES, Number.MAX_SAFE_INTEGER);
      const length = whole(query, "length", LOG_LENGTH_DEFAULT, 1, LOG_MAX_BYTES);
      const { attempt, http } = await service.placeOf(job, name);
      if (http === undefined) return sendLog(response, logOf(attempt), offset, length);
      // A node that was asked by another does not ask a third.
      if (request.headers["x-quorate-forwarded"] !== undefined)
        throw new QuorateError("NO_QUORUM", "the log is at another node");
      return forward(request, response, http);
    }
    default:
      throw unknownAddress();
  }
}

function admit(request: IncomingMessage, password: string): void {
  const { headers, socket } = request;
  refusePages(request);
  if (password !== "") {
    if (isAuthorised(headers.authorization, password)) return;
    throw new QuorateError("ACCESS_DENIED", "the password is missing or wrong");
  }
  if (isLoopback(socket.remoteAddress)) return;
  throw new QuorateError("ACCESS_DENIED", "jobs are taken from this machine only");
}

function bodyOf({ request, response, expectsContinue }: Exchange): Promise<unknown> {
  if (expectsContinue) response.writeContinue();
  return readJson(request);
}

function method({ method: given }: IncomingMessage, wanted: "GET" | "POST"): void {
  if (given === wanted || (given === "HEAD" && wanted === "GET")) return;
  throw new QuorateError("UNSUPPORTED", `${given ?? "this method"} is not allowed here; ${wanted} is`);
}

function unknownAddress(): QuorateError {
  return new QuorateError("UNSUPPORTED", `there is no such address; ${JOB_API_ROOT}/jobs is one`);
}

function statesOf(query: URLSearchParams): ReadonlySet<JobState> | undefined {
  const given = query.get("state");
  if (given === null || given === "all") return undefined;
  const states = given.split(",");
  const odd = states.find((each) => !STATES.has(each));
  if (odd === undefined) return new Set(states as JobState[]);
  throw new QuorateError("ARGUMENT_INVALID", `state is all, or some of ${[...STATES].join(", ")}`);
}

function limitOf(query: URLSearchParams): number {
  return whole(query, "limit", LIMIT_DEFAULT, 1, LIST_MAX);
}

function whole(query: URLSearchParams, name: string, otherwise: number, least: number, most: number): number {
  const text = query.get(name);
  if (text === null) return otherwise;
  const value = Number(text);
  if (/^-?\d+$/.test(text) && value >= least && value <= most) return value;
  throw new QuorateError("ARGUMENT_INVALID", `${name} is a whole number from ${least} to ${most}`);
}

function choice<const T extends string>(
  query: URLSearchParams,
  name: string,
  words: readonly T[],
): T | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const known = words.find((word) => word === text);
  if (known !== undefined) return known;
  throw new QuorateError("ARGUMENT_INVALID", `${name} is one of ${words.join(", ")}`);
}
