/** What an executable finds in its environment: every property of the job and the task, and what `-cmdenv` adds. */
import type { Properties } from "./property-names.ts";
import { withOlderNames } from "./property-names.ts";

export interface EnvironmentOptions {
  /** By their current names. */
  readonly properties: Properties;
  /** `-cmdenv`. */
  readonly added: Readonly<Record<string, string>>;
  /** The environment of the process that starts the executable. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
  /** Becomes TMPDIR. */
  readonly temporary: string;
}

/** Linux takes no single text beyond this (MAX_ARG_STRLEN, 32 pages), and starts nothing for the sake of one. */
const TEXT_MAX_BYTES = 131_072;

/**
 * Letters and digits of a property's name stay, all else becomes `_`. A value is cut at `stream.jobconf.truncate.limit`
 * characters (default: none), and at what the machine takes. Secrets of this program (QUORATE_…) are not passed on.
 */
export function environmentOf({
  properties,
  added,
  inherited,
  temporary,
}: EnvironmentOptions): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(inherited))
    if (value !== undefined && !/^(QUORATE|NODE)_/.test(name)) environment[name] = value;
  const limit = Number(properties["stream.jobconf.truncate.limit"] ?? -1);
  for (const [name, value] of Object.entries(withOlderNames(properties)))
    environment[variableName(name)] = fitting(variableName(name), limit > -1 ? value.slice(0, limit) : value);
  return { ...environment, ...added, TMPDIR: temporary };
}

export function variableName(property: string): string {
  return property.replaceAll(/[^0-9A-Za-z]/g, "_");
}

function fitting(name: string, value: string): string {
  const room = TEXT_MAX_BYTES - name.length - 2;
  if (value.length * 3 <= room) return value;
  const bytes = Buffer.from(value);
  return bytes.length <= room ? value : bytes.toString("utf8", 0, room).replace(/\uFFFD$/, "");
}

/**
 * The texts of `-cmdenv`. Hadoop puts them together with blanks and takes them apart at blanks, so that one may hold several
 * pairs, and no value holds a blank; what is no pair is left out.
 */
export function parseAdded(texts: readonly string[]): {
  readonly added: Record<string, string>;
  readonly odd: readonly string[];
} {
  const added: Record<string, string> = {};
  const odd: string[] = [];
  for (const pair of texts.flatMap((text) => text.split(" "))) {
    const equals = pair.indexOf("=");
    if (equals > 0) added[pair.slice(0, equals)] = pair.slice(equals + 1);
    else if (pair !== "") odd.push(pair);
  }
  return { added, odd };
}
