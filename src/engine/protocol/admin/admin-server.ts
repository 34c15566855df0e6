/**
 * admin: the HTTP door for people and machines that look after a node. `/healthz` says whether it can serve, `/metrics`
 * gives its figures to Prometheus, `/status` the cluster as it sees it (`status-document.ts`). Only `/members` changes
 * anything (`members-door.ts`). On a node with files the same port is the door of WebHDFS (`protocol/webhdfs`), of jobs
 * (`protocol/mapreduce`), and of those who look after files (`protocol/files-admin`).
 */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Logger } from "../../../runtime/world.ts";
import type { Metrics } from "../../cluster/metrics.ts";
import { inTurn } from "./in-turn.ts";
import { answerBrokenRequests } from "./broken-requests.ts";
import { keepPlaces } from "./connection-places.ts";
import { answerHalfClosed } from "./half-closed.ts";
import { askHealth } from "./health.ts";
import { registerNodeMetrics } from "./node-metrics.ts";
import type { MembersDoor } from "./members-door.ts";
import { takeOrder } from "./members-door.ts";
import type { ObservedNode } from "./status-document.ts";
import { statusDocument } from "./status-document.ts";
import type { WebHdfsDoor } from "../webhdfs/webhdfs-door.ts";
import { isWebHdfs, refuseWebHdfs } from "../webhdfs/webhdfs-door.ts";
import { sendError } from "../webhdfs/exchange.ts";
import { refuseForeignNames } from "../pages.ts";
import type { JobsDoor } from "../mapreduce/jobs-door.ts";
import { isJobs, refuseJobs } from "../mapreduce/jobs-door.ts";
import type { FilesAdminDoor } from "../files-admin/files-admin-door.ts";
import { isFilesAdmin, refuseFilesAdmin } from "../files-admin/files-admin-door.ts";
import { isSmallFile } from "../files-admin/small-file.ts";

const HEADER_MAX_BYTES = 8 * 1024;
const CONNECTIONS_MAX = 256;
/** On a node with files: a path of 8,000 characters may take thrice as many bytes, and a rename has two of them. */
const FILES_HEADER_MAX_BYTES = 64 * 1024;
/** On a node with files, as many as HDFS lets transfer at a time (dfs.datanode.max.transfer.threads). */
const FILES_CONNECTIONS_MAX = 4096;
/** A request that has not arrived whole by then is ended. */
const REQUEST_TIMEOUT_MS = 5000;
/** How often connections are looked at that send nothing, or only half a head. Node.js would let them be for half a minute. */
const CHECK_INTERVAL_MS = 1000;
/** Who closed his side and is sent nothing for so long counts as gone. */
const HALF_CLOSED_MS = 10_000;
/** How long requests under way may take to end when the server closes. */
const CLOSE_TIMEOUT_MS = 500;

export interface AdminServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly node: ObservedNode;
  readonly metrics: Metrics;
  /** Names, lower case, by which browsers may reach the node, beside its addresses and localhost. Default: none. */
  readonly names?: readonly string[];
  /** Told when connections are closed for want of places. Default: nobody. */
  readonly logger?: Logger;
  /** Default: members cannot be changed here. */
  readonly members?: MembersDoor;
  /** Default: WebHDFS is refused. */
  readonly files?: WebHdfsDoor;
  /** Default: jobs are refused. */
  readonly jobs?: JobsDoor;
  /** Default: what operators ask of files is refused. */
  readonly filesAdmin?: FilesAdminDoor;
}

export interface AdminServer {
  readonly port: number;
  /** Resolves when every connection is closed, within half a second. */
  close(): Promise<void>;
}

/** Rejects with PORT_IN_USE, or USAGE when the host is not one of this machine. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { files, filesAdmin } = options;
  const names = new Set(options.names);
  const maxHeaderSize = files === undefined ? HEADER_MAX_BYTES : FILES_HEADER_MAX_BYTES;
  const server = createServer({ maxHeaderSize, connectionsCheckingInterval: CHECK_INTERVAL_MS });
  const take = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
    try {
      refuseForeignNames(request, names);
    } catch (error) {
      return sendError(request, response, error);
    }
    if (isWebHdfs(request.url ?? "")) {
      if (files === undefined) return refuseWebHdfs(request, response);
      return files.take(request, response, expectsContinue);
    }
    if (!isSmallFile(request)) endLate(request);
    if (isJobs(request.url ?? "")) {
      if (options.jobs === undefined) return refuseJobs(request, response);
      return options.jobs.take(request, response, expectsContinue);
    }
    if (isFilesAdmin(request.url ?? "")) {
      if (expectsContinue) response.writeContinue();
      return filesAdmin === undefined
        ? refuseFilesAdmin(request, response)
        : filesAdmin.take(request, response);
    }
    if (expectsContinue) response.writeContinue();
    answer(request, response, options);
  };
  const max = files === undefined ? CONNECTIONS_MAX : FILES_CONNECTIONS_MAX;
  keepPlaces(server, { max, metrics: options.metrics, logger: options.logger });
  server.on("request", (request, response) =>
    inTurn(request, response, () => take(request, response, false)),
  );
  server.on("checkContinue", (request, response) =>
    inTurn(request, response, () => take(request, response, true)),
  );
  answerBrokenRequests(server);
  answerHalfClosed(server, HALF_CLOSED_MS);
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  // An upload may take as long as it likes; the other requests are timed one by one.
  server.requestTimeout = 0;
  server.keepAliveTimeout = REQUEST_TIMEOUT_MS;
  await listen(server, options.host, options.port);
  const endSampling = registerNodeMetrics(options.metrics, options.node);
  let closed: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      endSampling();
      return (closed ??= close(server));
    },
  };
}

/** Ends a request whose body does not arrive in time. */
function endLate(request: IncomingMessage): void {
  if (request.complete) return;
  const timer = setTimeout(() => {
    if (!request.complete) request.destroy();
  }, REQUEST_TIMEOUT_MS);
  request.once("close", () => clearTimeout(timer));
  request.once("end", () => clearTimeout(timer));
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const code = error.code === "EADDRINUSE" ? "PORT_IN_USE" : "USAGE";
      reject(new QuorateError(code, `HTTP port ${host}:${port}: ${error.message}`, { cause: error }));
    };
    server.once("error", failed);
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function answer(request: IncomingMessage, response: ServerResponse, options: AdminServerOptions): void {
  const path = (request.url ?? "").split("?", 1)[0];
  if (path === "/members" && options.members !== undefined) {
    return answerMembers(request, response, options.members);
  }
  // No other request has a body; one that comes with one is not read and its connection is not kept.
  if (Number(request.headers["content-length"] ?? 0) > 0 || request.headers["transfer-encoding"]) {
    response.setHeader("Connection", "close");
    return sendJson(response, 413, { error: "this address takes no request body" });
  }
  const route = path === "/healthz" || path === "/metrics" || path === "/status" ? path : undefined;
  if (!route)
    return sendJson(response, 404, {
      error: "not found; there are /healthz, /metrics, /status and /members",
    });
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return sendJson(response, 405, { error: `${request.method ?? "this method"} is not allowed here` });
  }
  switch (route) {
    case "/healthz":
      return askHealth(options.node, (health) =>
        sendJson(response, health.status === "ok" ? 200 : 503, health),
      );
    case "/metrics":
      return send(response, 200, "text/plain; version=0.0.4; charset=utf-8", options.metrics.render());
    case "/status":
      return sendJson(response, 200, statusDocument(options.node));
  }
}

function answerMembers(request: IncomingMessage, response: ServerResponse, door: MembersDoor): void {
  if (request.method !== "POST") {
    response.setHeader("Allow", "POST");
    return sendJson(response, 405, { error: "POST an order here; /status tells who the members are" });
  }
  takeOrder(request, door, ({ status, body }) => {
    if (response.headersSent || response.destroyed) return;
    if (status === 401) response.setHeader("WWW-Authenticate", 'Basic realm="quorate"');
    // What is left of a body that was not read is not taken for the next request.
    if (!request.complete) response.setHeader("Connection", "close");
    sendJson(response, status, body);
  });
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, "application/json; charset=utf-8", `${JSON.stringify(body)}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}
