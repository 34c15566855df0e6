/** Changes of a connection's state that several commands share. */
import { timingSafeEqual } from "node:crypto";
import { databaseNumber } from "../../keyspace/commands/argument.ts";
import type { Reply } from "../../keyspace/reply.ts";
import { NOT_AN_INTEGER, OK, ReplyError } from "../../keyspace/reply.ts";
import { DATABASE_COUNT } from "../../keyspace/keyspace.ts";
import type { Connection } from "./connection.ts";

const WRONG_PASSWORD = new ReplyError("WRONGPASS invalid username-password pair or user is disabled.");

/** SELECT. */
export function selectDatabase(connection: Connection, text: string): Reply {
  const index = databaseNumber(text);
  if (index instanceof ReplyError) return index;
  if (index < 0 || index >= DATABASE_COUNT) return new ReplyError("ERR DB index is out of range");
  connection.database = index;
  return OK;
}

/** Leaves the transaction and forgets the watched keys. */
export function discardTransaction(connection: Connection): void {
  connection.transaction = undefined;
  forgetWatched(connection);
}

export function forgetWatched(connection: Connection): void {
  connection.watched.clear();
  connection.watchedBytes = 0;
}

/** Checks name and password of the one user there is, "default"; without a password any is right, as in Redis. */
export function authenticate(connection: Connection, user: string, password: string): Reply {
  const expected = connection.server.settings.password;
  if (user !== "default" || (expected !== "" && !equalInConstantTime(password, expected)))
    return WRONG_PASSWORD;
  connection.authenticated = true;
  connection.parser.limits.restricted = false;
  return OK;
}

function equalInConstantTime(given: string, expected: string): boolean {
  const left = Buffer.from(given, "latin1");
  const right = Buffer.from(expected, "latin1");
  // Comparing the expected one with itself keeps the time independent of a wrong length.
  const sameLength = left.length === right.length;
  return timingSafeEqual(sameLength ? left : right, right) && sameLength;
}

/** CLIENT SETNAME: undefined when done. An empty name removes it. */
export function setName(connection: Connection, name: string): ReplyError | undefined {
  if (!isPlainWord(name)) {
    return new ReplyError("ERR Client names cannot contain spaces, newlines or special characters.");
  }
  connection.name = name;
  return undefined;
}

/** Only printable ASCII without spaces: what CLIENT LIST can show unambiguously. */
export function isPlainWord(text: string): boolean {
  return /^[!-~]*$/.test(text);
}

/** A whole number among the arguments. Throws what Redis answers to anything else. */
export function wholeNumber(text: string | undefined, error: ReplyError = NOT_AN_INTEGER): number {
  if (text === undefined || !/^-?(0|[1-9]\d{0,15})$/.test(text)) throw error;
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw error;
  return value;
}
