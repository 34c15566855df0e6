/** One client's connection to one node: a request at a time, and every request has an outcome within its patience. */
import type { Socket } from "node:net";
import { connect } from "node:net";
import { viewBytes } from "../../src/runtime/bytes.ts";
import { ERRORS } from "../../src/runtime/errors.ts";
import type { Outcome } from "../../src/runtime/errors.ts";
import type { StoreReply } from "../../src/simulation/store-model.ts";
import type { WireReply } from "../../src/wire/resp/reply-parser.ts";
import { ReplyParser } from "../../src/wire/resp/reply-parser.ts";
import { requestText } from "../../src/wire/resp/request-encoder.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How a request ended: with its replies, or without an answer that counts. */
export type Ending =
  | { readonly type: "answer"; readonly replies: readonly StoreReply[] }
  | { readonly type: "failed"; readonly outcome: Outcome; readonly reason: string };

const CONNECT_TIMEOUT_MS = 1_000;

/** Errors that are no answer of the store but say that there is none; an unknown outcome wins over a refusal. */
const NO_ANSWERS: ReadonlyMap<string, Outcome> = new Map(
  [
    ERRORS.NO_QUORUM,
    ERRORS.OUTCOME_UNKNOWN,
    ERRORS.REPLY_LOST,
    ERRORS.OVERLOADED,
    ERRORS.SHUTTING_DOWN,
    ERRORS.DISK_FULL,
  ].map(({ resp, outcome }) => [resp, outcome]),
);

export class Connection {
  private readonly socket: Socket;
  private readonly parser = new ReplyParser();
  private replies: WireReply[] = [];
  private over: string | undefined;
  private waiting: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.parser.push(viewBytes(new Uint8Array(chunk)));
      for (let found = this.parser.next(); found !== undefined; found = this.parser.next()) {
        this.replies.push(found.reply);
      }
      this.waiting?.();
    });
    const end = (why: string): void => {
      this.over ??= why;
      this.waiting?.();
    };
    socket.on("error", (error) => end(error.message));
    socket.on("close", () => end("the connection was closed"));
  }

  /** Undefined: nobody answers there. */
  static open({ host, port }: Address): Promise<Connection | undefined> {
    return new Promise((done) => {
      const socket = connect({ host, port });
      const timer = setTimeout(() => socket.destroy(), CONNECT_TIMEOUT_MS);
      const finish = (connection: Connection | undefined): void => {
        clearTimeout(timer);
        done(connection);
      };
      socket.once("connect", () => finish(new Connection(socket)));
      socket.once("error", () => finish(undefined));
      socket.once("close", () => finish(undefined));
    });
  }

  get usable(): boolean {
    return this.over === undefined;
  }

  /** Sends the commands as one write and waits for as many replies. Not called again before it has ended. */
  async request(commands: readonly (readonly string[])[], patienceMs: number): Promise<Ending> {
    this.replies = [];
    this.socket.write(commands.map(requestText).join(""), "latin1");
    const deadline = setTimeout(() => this.close(`no answer within ${patienceMs} ms`), patienceMs);
    while (this.replies.length < commands.length && this.over === undefined) {
      await new Promise<void>((resolve) => (this.waiting = resolve));
    }
    clearTimeout(deadline);
    this.waiting = undefined;
    if (this.replies.length < commands.length) {
      return { type: "failed", outcome: "unknown", reason: this.over ?? "" };
    }
    return endingOf(this.replies.map(storeReplyOf));
  }

  close(why = "closed by this client"): void {
    this.over ??= why;
    this.socket.destroy();
    this.waiting?.();
  }
}

function endingOf(replies: readonly StoreReply[]): Ending {
  const failures = replies.flatMap((reply) => {
    const word = reply !== null && typeof reply === "object" && "error" in reply ? reply.error : "";
    const outcome = NO_ANSWERS.get(word);
    return outcome === undefined ? [] : { outcome, word };
  });
  const worst = failures.find(({ outcome }) => outcome !== "not-applied") ?? failures[0];
  if (worst === undefined) return { type: "answer", replies };
  return { type: "failed", outcome: worst.outcome, reason: worst.word };
}

/** The reply as histories keep it. */
function storeReplyOf(reply: WireReply): StoreReply {
  if (reply === null || typeof reply === "string" || typeof reply === "number") return reply;
  if (Array.isArray(reply)) return (reply as readonly WireReply[]).map(storeReplyOf);
  if (typeof reply === "object" && "type" in reply) {
    if (reply.type === "status") return { status: reply.text };
    if (reply.type === "error") return { error: reply.message.split(" ", 1)[0] ?? "" };
    if (reply.type === "null-array") return null;
  }
  throw new TypeError(`no reply that the workload asks for: ${JSON.stringify(reply)}`);
}
