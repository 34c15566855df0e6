/** The slowest commands lately: from arrival to reply, so the wait for the log counts, unlike in Redis. */
import type { Reply } from "../../keyspace/reply.ts";
import type { Connection } from "./connection.ts";
import { redacted } from "./redaction.ts";
import type { Request } from "./request.ts";

const ARGUMENTS_SHOWN = 32;
const ARGUMENT_SHOWN_BYTES = 128;

interface SlowCommand {
  readonly id: number;
  readonly atSeconds: number;
  readonly microseconds: number;
  readonly args: readonly string[];
  readonly client: string;
  readonly name: string;
}

export class SlowLog {
  /** Negative: nothing is kept. */
  thresholdMicroseconds = 10_000;
  maxLength = 128;
  private entries: SlowCommand[] = [];
  private nextId = 0;

  /** A command that took at least the threshold. */
  add(connection: Connection, request: Request, microseconds: number): void {
    if (this.thresholdMicroseconds < 0) return;
    this.entries.unshift({
      id: this.nextId,
      atSeconds: Math.floor(Date.now() / 1000),
      microseconds: Math.round(microseconds),
      args: shown(redacted(request.route.spec.name, request.args)),
      client: connection.remoteAddress,
      name: connection.name,
    });
    this.nextId += 1;
    if (this.entries.length > this.maxLength) this.entries.length = this.maxLength;
  }

  get length(): number {
    return this.entries.length;
  }

  setMaxLength(maxLength: number): void {
    this.maxLength = maxLength;
    if (this.entries.length > maxLength) this.entries.length = maxLength;
  }

  reset(): void {
    this.entries = [];
  }

  /** The newest `count` as SLOWLOG GET answers them; all for -1. */
  replies(count: number): readonly Reply[] {
    const chosen = count < 0 ? this.entries : this.entries.slice(0, count);
    return chosen.map(({ id, atSeconds, microseconds, args, client, name }): Reply => {
      return [id, atSeconds, microseconds, args, client, name];
    });
  }
}

function shown(args: readonly string[]): readonly string[] {
  const list = args.slice(0, args.length > ARGUMENTS_SHOWN ? ARGUMENTS_SHOWN - 1 : ARGUMENTS_SHOWN).map(cut);
  if (args.length > ARGUMENTS_SHOWN) list.push(`... (${args.length - list.length} more arguments)`);
  return list;
}

/** A copy also where nothing is cut off: a slice would keep the whole argument alive. */
function cut(argument: string): string {
  if (argument.length <= ARGUMENT_SHOWN_BYTES) return argument;
  const rest = argument.length - ARGUMENT_SHOWN_BYTES;
  return Buffer.from(`${argument.slice(0, ARGUMENT_SHOWN_BYTES)}... (${rest} more bytes)`, "latin1").toString(
    "latin1",
  );
}
