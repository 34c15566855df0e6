/** Log lines: JSON for machines, aligned text for a person at a terminal. */
import { styleText } from "node:util";
import type { LogFields, LogLevel, Logger } from "../world.ts";

export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export interface LoggerOptions {
  /** The least important level that is written. Default "info". */
  readonly level?: LogLevel;
  /** Default: "pretty" when the standard error is a terminal, otherwise "json". */
  readonly format?: "json" | "pretty";
  /** Fields of every line, such as the node's id. */
  readonly fields?: LogFields;
  /** Takes a line without its newline. Default: standard error. */
  readonly sink?: (line: string) => void;
}

export function createLogger(options: LoggerOptions = {}): Logger {
  const least = LOG_LEVELS.indexOf(options.level ?? "info");
  const format = options.format ?? (process.stderr.isTTY ? "pretty" : "json");
  const sink = options.sink ?? ((line) => void process.stderr.write(`${line}\n`));
  const render = format === "json" ? jsonLine : prettyLine;
  return {
    log(level, event, fields) {
      if (LOG_LEVELS.indexOf(level) < least) return;
      sink(render(new Date(), level, event, { ...options.fields, ...fields }));
    },
  };
}

function jsonLine(time: Date, level: LogLevel, event: string, fields: LogFields): string {
  return JSON.stringify({ time: time.toISOString(), level, event, ...fields });
}

const COLOURS = { debug: "gray", info: "cyan", warn: "yellow", error: "red" } as const;

function prettyLine(time: Date, level: LogLevel, event: string, fields: LogFields): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => paint("gray", `${name}=`) + prettyValue(value));
  const head = `${paint("gray", time.toISOString().slice(11, 23))} ${paint(COLOURS[level], level.padEnd(5))}`;
  return [`${head} ${event}`, ...pairs].join(" ");
}

/** Plain where a person asked for it (https://no-color.org). */
function paint(colour: "gray" | (typeof COLOURS)[LogLevel], text: string): string {
  return process.env["NO_COLOR"] ? text : styleText(colour, text);
}

/** Quoted when it could be taken for something else, or could move the cursor of a terminal. */
function prettyValue(value: string | number | boolean | undefined): string {
  const text = String(value);
  return /^[\w.:/@+,-]+$/.test(text) ? text : JSON.stringify(text);
}
