/**
 * webhdfs: the door through which clients of Hadoop's HTTP file system come to the files of this cluster, at any node.
 *
 * A request line becomes a typed operation (`wire/webhdfs`), and that one of four things: a question (`questions.ts`), a
 * change (`changes.ts`), a listing of any length, or a transfer of bytes (`transfers.ts`). Transfers take two steps, as in
 * HDFS: the first answers where (307, or 200 with a JSON when `noredirect` is set), the second at that place does it; a
 * request with `data=true` is done at once, as HttpFS does it. The door takes requests of an HTTP server that it does not own.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Operation } from "../../../wire/webhdfs/operations.ts";
import { parseRequest, WEBHDFS_PREFIX } from "../../../wire/webhdfs/request.ts";
import type { FileSystem } from "../../files/file-system.ts";
import { refusePages } from "../pages.ts";
import { CHANGES } from "./changes.ts";
import { callerOf, Exchange, refuseStrangers, sendEmpty, sendError, sendJson } from "./exchange.ts";
import { sendListing } from "./listing.ts";
import { LocationSigner } from "./locations.ts";
import type { Asked } from "./questions.ts";
import { QUESTIONS } from "./questions.ts";
import { Transfers } from "./transfers.ts";

const DEFAULT_IDLE_TIMEOUT_MS = 60_000;

export interface WebHdfsOptions {
  readonly files: FileSystem;
  /** Signs locations: secret, and the same on every node of the cluster. Undefined: not known yet, ask again in a moment. */
  readonly key: () => Uint8Array | undefined;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** The groups of a user. Default: none. */
  readonly groupsOf?: (user: string) => readonly string[];
  /** Clients of other machines are refused, because whoever asks is believed. Default false. */
  readonly onlyLocal?: boolean;
  /** A transfer in which nothing moves for so long, of a download less than 64 KiB, is ended. Default 60,000. */
  readonly idleTimeoutMs?: number;
}

export interface WebHdfsDoor {
  /** Answers, always. `expectsContinue`: "100 Continue" was asked for and not yet sent. */
  take(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void;
}

/** True for what a WebHDFS door is to answer. */
export function isWebHdfs(target: string): boolean {
  return target.startsWith(WEBHDFS_PREFIX) && /^[/?]|^$/.test(target.slice(WEBHDFS_PREFIX.length));
}

export function createWebHdfsDoor(options: WebHdfsOptions): WebHdfsDoor {
  const { files, key, now, groupsOf = () => [], idleTimeoutMs = DEFAULT_IDLE_TIMEOUT_MS } = options;
  const { onlyLocal = false } = options;
  const transfers = new Transfers(files, new LocationSigner(key, now), idleTimeoutMs, onlyLocal);
  return {
    take(request, response, expectsContinue) {
      let exchange: Exchange | undefined;
      const answering = async (): Promise<void> => {
        if (onlyLocal) refuseStrangers(request);
        refusePages(request);
        const parsed = parseRequest(request.method ?? "", request.url ?? "");
        const caller = callerOf(parsed, groupsOf);
        exchange = new Exchange({ files, request, response, expectsContinue, parsed, caller });
        await carryOut(exchange, transfers, idleTimeoutMs);
      };
      answering().catch((error: unknown) => sendError(request, exchange?.response ?? response, error));
    },
  };
}

/** For a node that keeps no files: every request gets one clear error. */
export function refuseWebHdfs(request: IncomingMessage, response: ServerResponse): void {
  sendError(request, response, new QuorateError("UNSUPPORTED", "this node serves no files"));
}

async function carryOut(exchange: Exchange, transfers: Transfers, idleTimeoutMs: number): Promise<void> {
  const { parsed, response } = exchange;
  const { operation } = parsed;
  switch (operation.op) {
    case "OPEN":
    case "CREATE":
    case "APPEND":
    case "GETFILECHECKSUM":
      return transfers.take(exchange, operation);
    case "LISTSTATUS":
      return sendListing(exchange, response, idleTimeoutMs);
    default: {
      const answer = await answerOf(exchange, operation);
      if (answer === undefined) sendEmpty(response);
      else sendJson(response, answer);
    }
  }
}

type Answerable = Exclude<
  Operation,
  Operation<"OPEN" | "CREATE" | "APPEND" | "GETFILECHECKSUM" | "LISTSTATUS">
>;
type AnyAnswer = (asked: Asked, operation: Answerable) => Promise<object | null | undefined>;

/**
 * Of questions and changes, made once: a table of this size costs more than most answers. The tables pair each name with what
 * takes its operation; that they are paired right the compiler sees in the tables.
 */
const ANSWERS = { ...QUESTIONS, ...CHANGES } as Readonly<Record<Answerable["op"], unknown>>;

function answerOf(asked: Asked, operation: Answerable): Promise<object | null | undefined> {
  return (ANSWERS[operation.op] as AnyAnswer)(asked, operation);
}
