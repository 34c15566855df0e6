/**
 * MONITOR: the connections that watch, and the lines that they get.
 *
 * They see what clients of this node send: a command of the data when it comes, others when they are done, those of a
 * transaction with its EXEC. What a script calls is shown as the script is carried out here, where its client is answered.
 */
import type { ScriptCall } from "../../keyspace/executor.ts";
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
    for (const { database, args } of calls) this.send(`${database} lua`, args);
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
  let text = '"';
  for (const character of argument) {
    const code = character.charCodeAt(0);
    const escaped = ESCAPES[character];
    if (escaped !== undefined) text += escaped;
    else if (code < 32 || code > 126) text += `\\x${code.toString(16).padStart(2, "0")}`;
    else text += character;
  }
  return `${text}"`;
}
