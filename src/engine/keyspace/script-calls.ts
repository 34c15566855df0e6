/** What scripts called, kept for whoever watches: no more of it than can be shown without holding up the node. */
import { bytesFromLatin1 } from "../../runtime/bytes.ts";

/** What is kept of the calls of commands that are carried out together, in bytes as `sizeBytes` counts them: 1 MiB. */
export const SCRIPT_CALLS_MAX_BYTES: number = 1 << 20;
/** Of an argument; the rest is cut off. */
const ARGUMENT_KEPT_BYTES = 1024;
/** What a call and each argument cost beside their text, here and as a line: about 10,000 short calls fit. */
const CALL_BYTES = 64;
const ARGUMENT_BYTES = 16;

/** What a script called. */
export interface ScriptCall {
  /** Of the script among the commands that were carried out together. */
  readonly place: number;
  /** After the call, which may have been SELECT. */
  readonly database: number;
  /** Long ones are cut, as in the slow log; where there was no room for more, the last one says how many are missing. */
  readonly args: readonly string[];
  /** What it takes of `SCRIPT_CALLS_MAX_BYTES`. */
  readonly sizeBytes: number;
}

/** The first calls, as many as there is room for. */
export class ScriptCalls {
  private calls: ScriptCall[] = [];
  private roomBytes = SCRIPT_CALLS_MAX_BYTES;

  get list(): readonly ScriptCall[] {
    return this.calls;
  }

  note(place: number, database: number, args: readonly string[]): void {
    if (this.roomBytes <= CALL_BYTES) return;
    let sizeBytes = CALL_BYTES;
    const kept: string[] = [];
    for (const argument of args) {
      if (sizeBytes >= this.roomBytes) {
        kept.push(`... (${args.length - kept.length} more arguments)`);
        break;
      }
      const text = cut(argument);
      kept.push(text);
      sizeBytes += ARGUMENT_BYTES + text.length;
    }
    // The last one may go beyond by one argument; counted so, it would not fit among the calls of others.
    this.keep({ place, database, args: kept, sizeBytes: Math.min(sizeBytes, this.roomBytes) });
  }

  /** Calls that were noted elsewhere; from the first one on that there is no room for, none. */
  addAll(calls: readonly ScriptCall[]): void {
    for (const call of calls) {
      if (call.sizeBytes > this.roomBytes) {
        this.roomBytes = 0;
        return;
      }
      this.keep(call);
    }
  }

  clear(): void {
    if (this.calls.length > 0) this.calls = [];
    this.roomBytes = SCRIPT_CALLS_MAX_BYTES;
  }

  private keep(call: ScriptCall): void {
    this.calls.push(call);
    this.roomBytes -= call.sizeBytes;
  }
}

/** By way of bytes: a slice would keep the whole argument alive. */
function cut(argument: string): string {
  const rest = argument.length - ARGUMENT_KEPT_BYTES;
  if (rest <= 0) return argument;
  return bytesFromLatin1(`${argument.slice(0, ARGUMENT_KEPT_BYTES)}... (${rest} more bytes)`).toString(
    "latin1",
  );
}
