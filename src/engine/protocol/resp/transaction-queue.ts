/** The commands of an open transaction, and what it may gather. */
import type { Reply } from "../../keyspace/reply.ts";
import { QUEUED, ReplyError } from "../../keyspace/reply.ts";
import type { Connection } from "./connection.ts";
import type { Request } from "./request.ts";
import { discardTransaction } from "./session-state.ts";

const QUEUE_MAX = 1_000_000;

const TOO_LARGE = new ReplyError("ERR the transaction is too large");

export interface Transaction {
  readonly queue: Request[];
  queuedBytes: number;
  /** A command was refused while queueing: EXEC will abort. */
  broken: boolean;
}

/** Queues one command: +QUEUED. Together they are one command of the log, which takes so many bytes. */
export function queueInTransaction(transaction: Transaction, request: Request, maxBytes: number): Reply {
  if (transaction.broken) return QUEUED;
  transaction.queuedBytes += request.sizeBytes;
  if (transaction.queuedBytes > maxBytes || transaction.queue.length >= QUEUE_MAX) {
    transaction.broken = true;
    transaction.queue.length = 0;
    return TOO_LARGE;
  }
  transaction.queue.push(request);
  return QUEUED;
}

/** What a command answers that is refused before it is carried out: EXEC will abort, and EXEC itself ends the transaction. */
export function refuse(connection: Connection, name: string, reason: ReplyError): ReplyError {
  if (name !== "exec") {
    if (connection.transaction !== undefined) connection.transaction.broken = true;
    return reason;
  }
  discardTransaction(connection);
  const text = reason.message.replace(/^ERR /, "");
  return new ReplyError(`EXECABORT Transaction discarded because of: ${text}`);
}
