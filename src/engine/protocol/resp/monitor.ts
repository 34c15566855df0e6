/**
 * MONITOR: the connections that watch, and the lines that they get.
 *
 * They see what clients of this node send: a command of the data when it comes, others when they are done, those of a
 * transaction with its EXEC. What a script calls is shown as the script is carried out here, where its client is answered.
 */
import type { ScriptCall } from "../../keyspace/script-calls.ts";
import type { Connection } from "./connection.ts";
import { redacted } from "./redaction.ts";
import type { Route } from "./router.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x07": "\\a",
  "\b": "\\b",
  "\\": "\\\\",
  '"': '\\"',
};

/** What stands for itself, and what does not; most arguments are plain, and a test costs little. */
const PLAIN = /^[ !#-[\]-~]*$/;
const NOT_PLAIN = /[^ !#-[\]-~]/g;

export class Monitors {
  private readonly watching = new Set<Connection>();
  /** Told whether what scripts call must be kept. */
  private readonly watchScripts: (watched: boolean) => void;

  constructor(watchScripts: (watched: boolean) => void) {
    this.watchScripts = watchScripts;
  }

  get none(): boolean {
    return this.watching.size === 0;
  }

  add(connection: Connection): void {
    this.watching.add(connection);
    this.watchScripts(true);
  }

  delete(connection: Connection): void {
    if (this.watching.delete(connection)) this.watchScripts(!this.none);
  }

  show(connection: Connection, route: Route, database: number, args: readonly string[]): void {
    if (this.none || route.hidden) return;
    this.send(`${database} ${connection.remoteAddress}`, redacted(route.spec.name, args));
  }

  showCalls(calls: readonly ScriptCall[]): void {
    for (const { database, args } of calls) {
      // The last who watched may be closed by what it was sent.
      if (this.none) return;
      this.send(`${database} lua`, args);
    }
  }

  /** `+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`, with its line end. */
  private send(source: string, args: readonly string[]): void {
    const time = (Date.now() / 1000).toFixed(6);
    const line = `+${time} [${source}] ${args.map(quoted).join(" ")}\r\n`;
    for (const watcher of this.watching) watcher.pushText(line);
  }
}

/** A binary string in double quotes, what is not printable escaped, as Redis's sdscatrepr. */
function quoted(argument: string): string {
  return PLAIN.test(argument) ? `"${argument}"` : `"${argument.replaceAll(NOT_PLAIN, escaped)}"`;
}

function escaped(character: string): string {
  return ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
