/** The lines of MONITOR. */
import type { Connection } from "./connection.ts";
import type { Request } from "./request.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x07": "\\a",
  "\b": "\\b",
  "\\": "\\\\",
  '"': '\\"',
};

/** `+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`, with its line end. */
export function monitorLine(connection: Connection, request: Request): string {
  const time = (Date.now() / 1000).toFixed(6);
  const words = request.args.map(quoted).join(" ");
  return `+${time} [${request.database} ${connection.remoteAddress}] ${words}\r\n`;
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
