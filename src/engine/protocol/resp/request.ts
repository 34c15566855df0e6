/** One command of a client on its way to its reply. */
import type { Reply } from "../../keyspace/reply.ts";
import type { RespVersion } from "./reply-encoder.ts";
import type { Route } from "./router.ts";

/** The command answers later, through `Call.answer`. */
export const DEFERRED: unique symbol = Symbol("deferred");
/** The command sends nothing. */
export const NO_REPLY: unique symbol = Symbol("no reply");

/** Several replies to one command: SUBSCRIBE answers once for each channel. */
export class SeveralReplies {
  readonly replies: readonly Reply[];
  constructor(replies: readonly Reply[]) {
    this.replies = replies;
  }
}

/** The replies of a transaction, each in the protocol that held when its command was carried out: a HELLO among them changed it. */
export class MixedReplies {
  readonly replies: readonly Reply[];
  readonly versions: readonly RespVersion[];
  constructor(replies: readonly Reply[], versions: readonly RespVersion[]) {
    this.replies = replies;
    this.versions = versions;
  }
}

export type Outcome = Reply | SeveralReplies | MixedReplies | typeof NO_REPLY;

/** Who sends what becomes of requests, in their order. */
export interface Answers {
  settle(request: Request, outcome: Outcome): void;
  /** Settles the first of `requests`, one for each outcome. */
  settleAll(requests: readonly Request[], outcomes: readonly Outcome[]): void;
}

export class Request {
  readonly args: readonly string[];
  readonly route: Route;
  /** Of the connection when the command came. */
  readonly database: number;
  /** The protocol of its reply: the connection's when the command came, or what the command itself made of it. */
  version: RespVersion;
  /** CLIENT REPLY OFF or SKIP: carried out, not answered. */
  readonly silent: boolean;
  /** Bytes it took on the wire: what it counts for while it waits. */
  readonly sizeBytes: number;
  readonly arrivedMs: number;
  /** It is, or was, carried out. */
  counted = false;
  /** The encoded reply, once there is one. */
  text: string | undefined = undefined;

  constructor(
    args: readonly string[],
    route: Route,
    session: { readonly database: number; readonly version: RespVersion },
    silent: boolean,
    sizeBytes: number,
    arrivedMs: number,
  ) {
    this.args = args;
    this.route = route;
    this.database = session.database;
    this.version = session.version;
    this.silent = silent;
    this.sizeBytes = sizeBytes;
    this.arrivedMs = arrivedMs;
  }
}
