/**
 * Writes that a connection sent one right behind the other, and reads between them: they go into the log as one command,
 * their bytes copied out of the chunk in one piece. So a pipeline of sixteen costs the way through the log hardly more than
 * a single command does.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import { isQuorateError } from "../../../runtime/errors.ts";
import type { RequestParser } from "../../../wire/resp/request-parser.ts";
import { encodeCalls } from "../../keyspace/command-codec.ts";
import type { KeyspaceCommand } from "../../keyspace/keyspace-command.ts";
import type { Request } from "./request.ts";

/** A longer run would make others wait at apply, and one command of the log large. */
const RUN_MAX_COMMANDS = 128;
const RUN_MAX_BYTES = 64 << 10;

export interface LoggedRun {
  readonly requests: readonly Request[];
  /** `call` for a run of one, otherwise `calls`. */
  readonly command: KeyspaceCommand;
  /** Undefined when the codec of the log does not read in the bytes what the parser found. */
  readonly encoded: Bytes | undefined;
}

export class WriteRun {
  private requests: Request[] = [];
  private database = 0;
  private chunk: Bytes = NO_BYTES;
  private from = 0;
  private to = 0;

  get empty(): boolean {
    return this.requests.length === 0;
  }

  /** Takes the command that the parser has just given out, not inline; false when it does not continue this run. */
  add(request: Request, parser: RequestParser): boolean {
    const { chunk, rawStart, rawEnd } = parser;
    if (this.requests.length === 0) {
      this.database = request.database;
      this.chunk = chunk;
      this.from = rawStart;
      this.to = rawEnd;
      // A literal has room for one, which most runs are; an array that is pushed to, for seventeen.
      this.requests = [request];
      return true;
    }
    if (
      chunk !== this.chunk ||
      rawStart !== this.to ||
      request.database !== this.database ||
      this.requests.length >= RUN_MAX_COMMANDS ||
      rawEnd - this.from > RUN_MAX_BYTES
    ) {
      return false;
    }
    this.to = rawEnd;
    this.requests.push(request);
    return true;
  }

  /** What the log gets; the next run may begin. To be called before the parser is pushed another chunk. */
  take(): LoggedRun {
    const { requests, database, chunk, from, to } = this;
    this.requests = [];
    this.chunk = NO_BYTES;
    const encoded = encoding(database, requests.length, chunk, from, to);
    const command: KeyspaceCommand =
      requests.length === 1
        ? { type: "call", database, args: requests[0]!.args }
        : { type: "calls", database, list: requests.map((request) => request.args) };
    return { requests, command, encoded };
  }
}

function encoding(...run: Parameters<typeof encodeCalls>): Bytes | undefined {
  try {
    return encodeCalls(...run);
  } catch (error) {
    if (isQuorateError(error) && error.code === "PROTOCOL") return undefined;
    throw error;
  }
}
