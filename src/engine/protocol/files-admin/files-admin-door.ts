/**
 * files-admin: the door through which operators look after the files of a cluster, at any node: `quorate fs fsck`, `report`,
 * `safemode`, `decommission`, `balance`, `settings`, or whoever else speaks HTTP. Addresses and shapes are in `wire/files-admin.ts`. Anyone
 * may look as far as his permissions reach; what changes something takes the superuser, which the namespace itself sees to.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import type { HealthLine, HealthShow } from "../../../wire/files-admin.ts";
import {
  errorStatus,
  FILES_ADMIN_PREFIX,
  HEALTH_SHOWS,
  NODE_STANDINGS,
  renderErrorJson,
} from "../../../wire/files-admin.ts";
import { SMALL_FILE_PATH } from "../../../wire/small-files.ts";
import { ERROR_CODE_HEADER } from "../../../wire/webhdfs/remote-exception.ts";
import { decodePercent } from "../../../wire/webhdfs/request.ts";
import type { FileSystem } from "../../files/file-system.ts";
import type { Caller } from "../../files/namespace/model.ts";
import { refusePages } from "../pages.ts";
import { callerOf, refuseStrangers, sendJson } from "../webhdfs/exchange.ts";
import { drained } from "../webhdfs/pace.ts";
import type { HealthQuestion } from "./health-summary.ts";
import { HealthSummary } from "./health-summary.ts";
import { BODY_MAX_BYTES, readObject, readOrder } from "./order.ts";
import { publishOf } from "./publish.ts";
import { balanceJson, reportJson, safeModeJson } from "./report.ts";
import { settingsChange, settingsJson } from "./settings.ts";
import { putSmallFile } from "./small-file.ts";

const DEFAULT_IDLE_TIMEOUT_MS = 60_000;
const SIGN_OF_LIFE_MS = 5_000;
/** As many moves and expectations as one publish takes, with paths of a usual length. */
const PUBLISH_MAX_BYTES = 4 * 1024 * 1024;

export interface FilesAdminOptions {
  readonly files: FileSystem;
  /** The groups of a user. Default: none. */
  readonly groupsOf?: (user: string) => readonly string[];
  /** Clients of other machines are refused, because whoever asks is believed. Default false. */
  readonly onlyLocal?: boolean;
  /** A walk whose reader takes nothing for so long is ended, and a small file of which nothing comes. Default 60,000. */
  readonly idleTimeoutMs?: number;
}

export interface FilesAdminDoor {
  /** Answers, always. */
  take(request: IncomingMessage, response: ServerResponse): void;
}

/** True for what a door of operators is to answer. */
export function isFilesAdmin(target: string): boolean {
  return target === FILES_ADMIN_PREFIX || /^\/files\/v1[/?]/.test(target);
}

export function createFilesAdminDoor(options: FilesAdminOptions): FilesAdminDoor {
  const { files, groupsOf = () => [], onlyLocal = false } = options;
  const { idleTimeoutMs = DEFAULT_IDLE_TIMEOUT_MS } = options;
  return {
    take(request, response) {
      const gone = new AbortController();
      response.once("close", () => gone.abort());
      const answering = async (): Promise<void> => {
        if (onlyLocal) refuseStrangers(request);
        refusePages(request);
        const { path, query } = targetOf(request.url ?? "");
        const caller = callerOf(namesIn(query), groupsOf);
        const signal = gone.signal;
        await answer({ request, response, files, caller, query, path, signal, idleTimeoutMs });
      };
      answering().catch((error: unknown) => fail(request, response, error));
    },
  };
}

/** For a node that keeps no files: every request gets one clear error. */
export function refuseFilesAdmin(request: IncomingMessage, response: ServerResponse): void {
  fail(request, response, new QuorateError("UNSUPPORTED", "this node serves no files"));
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly files: FileSystem;
  readonly caller: Caller;
  readonly query: URLSearchParams;
  /** Below the prefix, such as "/report". */
  readonly path: string;
  readonly signal: AbortSignal;
  readonly idleTimeoutMs: number;
}

type Route = (asked: Asked) => Promise<void>;

const ROUTES: Readonly<Record<string, Readonly<Partial<Record<"GET" | "PUT" | "POST", Route>>>>> = {
  "/report": {
    async GET({ files, response, signal }) {
      sendJson(response, reportJson(files, await files.report({ signal })));
    },
  },
  "/health": { GET: sendHealth },
  "/safemode": {
    async GET({ files, response }) {
      sendJson(response, safeModeJson(files.safeMode()));
    },
    async PUT({ files, caller, request, response }) {
      const { on: safeMode } = await readOrder(request, { on: "boolean" });
      await files.change({ type: "configure", caller, settings: { safeMode } });
      sendJson(response, safeModeJson(files.safeMode()));
    },
  },
  "/nodes/NODE": { PUT: putStanding },
  "/balance": {
    async POST({ files, caller, request, response, signal }) {
      const order = await readOrder(request, { threshold: "number?", maxBytes: "number?" });
      sendJson(response, balanceJson(await files.balance(caller, { ...balanceOptions(order), signal })));
    },
  },
  "/settings": {
    async GET({ files, response }) {
      sendJson(response, settingsJson(files.settings()));
    },
    async PUT({ files, caller, request, response }) {
      const order = await readObject(request, BODY_MAX_BYTES);
      const settings = settingsChange(files.settings(), order);
      await files.change({ type: "configure", caller, settings });
      sendJson(response, settingsJson(files.settings()));
    },
  },
  "/expunge": {
    async POST({ files, caller, request, response }) {
      const { olderThanMs = 0 } = await readOrder(request, { olderThanMs: "number?" });
      if (!(olderThanMs >= 0)) throw new QuorateError("PROTOCOL", "olderThanMs is 0 or more");
      sendJson(response, { removed: await files.change({ type: "expunge", caller, olderThanMs }) });
    },
  },
  "/version": {
    async GET({ files, caller, query, response, signal }) {
      const found = await files
        .status(query.get("path") ?? "/", caller, { signal, followLast: false })
        .catch((error: unknown) => {
          if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return undefined;
          throw error;
        });
      sendJson(response, {
        version: found === undefined ? null : { id: found.id, revision: found.revision },
      });
    },
  },
  "/publish": {
    async POST({ files, caller, request, response }) {
      const publish = publishOf(await readObject(request, PUBLISH_MAX_BYTES), caller);
      await files.change(publish);
      sendJson(response, { moved: publish.moves.length });
    },
  },
  [SMALL_FILE_PATH]: {
    async PUT({ files, caller, query, request, response, idleTimeoutMs }) {
      sendJson(response, { put: await putSmallFile(files, caller, query, request, idleTimeoutMs) });
    },
  },
};

async function answer(asked: Asked): Promise<void> {
  const { path, request, response } = asked;
  const name = path.replace(/^\/nodes\/[\w.-]+$/, "/nodes/NODE");
  const methods = Object.hasOwn(ROUTES, name) ? ROUTES[name] : undefined;
  if (methods === undefined) {
    const known = Object.keys(ROUTES).map((each) => `${FILES_ADMIN_PREFIX}${each}`);
    const message = `nothing is at ${FILES_ADMIN_PREFIX}${path.slice(0, 100)}; there are ${known.join(", ")}`;
    return fail(request, response, new QuorateError("UNSUPPORTED", message), 404);
  }
  const route = Object.entries(methods).find(([method]) => method === request.method)?.[1];
  if (route !== undefined) return route(asked);
  const allowed = Object.keys(methods).join(", ");
  response.setHeader("Allow", allowed);
  const message = `${request.method ?? "this method"} is not for ${FILES_ADMIN_PREFIX}${name}, but ${allowed}`;
  fail(request, response, new QuorateError("UNSUPPORTED", message), 405);
}

async function sendHealth({ files, caller, query, response, signal, idleTimeoutMs }: Asked): Promise<void> {
  const question = healthQuestion(query);
  const walk = files.health(question.path, caller, { signal })[Symbol.asyncIterator]();
  // The first step says whether there is such a path, as long as that can be said with a status.
  let step = await walk.next();
  response.writeHead(200, {
    "Content-Type": "application/x-ndjson; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
  });
  let sentMs = performance.now();
  const send = async (line: HealthLine | undefined): Promise<void> => {
    sentMs = performance.now();
    const goesOn = response.write(`${line === undefined ? "" : JSON.stringify(line)}\n`);
    if (!goesOn) await drained(response, idleTimeoutMs);
  };
  const summary = new HealthSummary(question);
  try {
    for (; step.done !== true && !response.destroyed; step = await walk.next()) {
      const shown = summary.add(step.value);
      // An empty line now and then: a long walk that finds nothing is not taken for a node that is gone.
      if (shown !== undefined || performance.now() - sentMs > SIGN_OF_LIFE_MS) await send(shown);
    }
    if (!response.destroyed) await send(summary.end(files));
  } catch (error) {
    if (!response.destroyed) await send({ type: "error", ...renderErrorJson(told(error)) });
  } finally {
    await walk.return?.();
  }
  response.end();
}

function healthQuestion(query: URLSearchParams): HealthQuestion {
  const show = (query.get("show") ?? "problems") as HealthShow;
  if (!HEALTH_SHOWS.includes(show))
    throw new QuorateError(
      "PROTOCOL",
      `show is ${HEALTH_SHOWS.join(", ")}, not "${String(show).slice(0, 50)}"`,
    );
  return { path: query.get("path") ?? "/", show, open: query.get("open") === "true" };
}

async function putStanding({ files, caller, path, request, response, signal }: Asked): Promise<void> {
  const node = path.slice("/nodes/".length);
  const { standing: word } = await readOrder(request, { standing: "string" });
  const standing = NODE_STANDINGS.find((each) => each === word);
  if (standing === undefined)
    throw new QuorateError(
      "PROTOCOL",
      `standing is ${NODE_STANDINGS.join(", ")}, not "${word.slice(0, 50)}"`,
    );
  await checkNode(files, node, signal);
  await files.change({ type: "setStanding", caller, node, standing });
  sendJson(response, { node, standing });
}

/** A slip of the pen must not look as if it had been done. */
async function checkNode(files: FileSystem, node: string, signal: AbortSignal): Promise<void> {
  const { decommissioning, inMaintenance } = files.settings();
  const known = new Set([...files.nodes().map(({ id }) => id), ...decommissioning, ...inMaintenance]);
  if (known.has(node)) return;
  for (const each of (await files.report({ signal })).unheard) known.add(each);
  if (known.has(node)) return;
  const all = [...known].toSorted().join(", ");
  throw new QuorateError("ARGUMENT_INVALID", `no node is called ${node.slice(0, 100)}; there are ${all}`);
}

function balanceOptions({
  threshold,
  maxBytes,
}: {
  readonly threshold?: number | undefined;
  readonly maxBytes?: number | undefined;
}): { readonly threshold?: number; readonly maxBytes?: number } {
  if (threshold !== undefined && !(threshold > 0 && threshold <= 1))
    throw new QuorateError("PROTOCOL", "threshold is a share of a node's space, above 0 and at most 1");
  if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0))
    throw new QuorateError("PROTOCOL", "maxBytes is a whole number above 0");
  return {
    ...(threshold === undefined ? {} : { threshold }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  };
}

/** Throws PROTOCOL. */
function targetOf(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const mark = target.indexOf("?");
  const path = (mark < 0 ? target : target.slice(0, mark)).slice(FILES_ADMIN_PREFIX.length);
  const query = mark < 0 ? "" : target.slice(mark + 1);
  // Whose own decoding puts U+FFFD in the place of what is no UTF-8.
  decodePercent(query, "query");
  return { path, query: new URLSearchParams(query) };
}

function namesIn(query: URLSearchParams): Parameters<typeof callerOf>[0] {
  return {
    user: query.get("user.name") || undefined,
    onBehalfOf: query.get("doas") || undefined,
    delegation: query.get("delegation") || undefined,
  };
}

/** What is no error of the table is ours, and says nothing of the inside. */
function told(error: unknown): QuorateError {
  return isQuorateError(error) ? error : new QuorateError("INVARIANT", "internal error");
}

function fail(request: IncomingMessage, response: ServerResponse, error: unknown, status?: number): void {
  if (response.destroyed) return;
  if (response.headersSent) return void response.destroy();
  const known = told(error);
  response.setHeader(ERROR_CODE_HEADER, known.code);
  // What is left of a body that was not read is not taken for the next request.
  if (!request.complete) response.setHeader("Connection", "close");
  sendJson(response, renderErrorJson(known), status ?? errorStatus(known.code));
}
