/** The kinds of WebHDFS parameters: how a text of the query becomes a value, and back. */
import { QuorateError } from "../../runtime/errors.ts";

export interface Parameter<T> {
  /** `values` are all that the query has under the name, decoded; empty: it is absent. Throws QuorateError PROTOCOL. */
  parse(name: string, values: readonly string[]): T;
  /** The texts for a query; none: it is left out. */
  render(value: T): readonly string[];
}

function invalid(name: string, value: string, why: string): never {
  throw new QuorateError(
    "PROTOCOL",
    `Invalid value for webhdfs parameter "${name}": ${why}: ${value.slice(0, 200)}`,
  );
}

/** A parameter of which the last value counts, and an empty one is as good as none. */
function single<T>(
  fallback: T,
  parse: (name: string, value: string) => T,
  render: (value: T) => string,
): Parameter<T> {
  return {
    parse: (name, values) => {
      const value = values.at(-1) ?? "";
      return value === "" ? fallback : parse(name, value);
    },
    render: (value) => (value === fallback ? [] : [render(value)]),
  };
}

function whole(name: string, value: string, min: number): number {
  const number = Number(value);
  if (!/^-?\d+$/.test(value) || !Number.isSafeInteger(number))
    return invalid(name, value, "not a whole number");
  if (number < min) return invalid(name, value, `less than ${min}`);
  return number;
}

/** A whole number of at least `min` (default 0). */
export function long<const T extends number | undefined>(fallback: T, min = 0): Parameter<number | T> {
  return single<number | T>(
    fallback,
    (name, value) => whole(name, value, min),
    (value) => String(value),
  );
}

/** The greatest number of Java. */
const LONG_MAX = "9223372036854775807";

/**
 * A number of bytes of a file, from 0 to the greatest number of Java, which Hadoop's clients send for "all". What no file can have
 * is all one: Number.MAX_SAFE_INTEGER.
 */
export function byteCount<const T extends number | undefined>(fallback: T): Parameter<number | T> {
  return single<number | T>(
    fallback,
    (name, value) => whole(name, isBeyondFiles(value) ? String(Number.MAX_SAFE_INTEGER) : value, 0),
    (value) => String(value),
  );
}

function isBeyondFiles(value: string): boolean {
  // A number of many digits is not made: it would cost more than it takes to send it.
  if (!/^\d{16,19}$/.test(value)) return false;
  const number = BigInt(value);
  return number > BigInt(Number.MAX_SAFE_INTEGER) && number <= BigInt(LONG_MAX);
}

/** Clients in Python say True and False. */
export function bool(fallback: boolean): Parameter<boolean> {
  return single(
    fallback,
    (name, value) => {
      const word = value.toLowerCase();
      return word === "true" || (word !== "false" && invalid(name, value, "neither true nor false"));
    },
    String,
  );
}

/** Octal, up to 1777; undefined: the server's default. */
export const permission: Parameter<number | undefined> = single<number | undefined>(
  undefined,
  (name, value) =>
    /^[01]?[0-7]{1,3}$/.test(value) ? Number.parseInt(value, 8) : invalid(name, value, "not octal"),
  (value) => (value ?? 0).toString(8),
);

export const text: Parameter<string | undefined> = single<string | undefined>(
  undefined,
  (_, value) => value,
  (value) => value ?? "",
);

/** A text that must be there. */
export const needed: Parameter<string> = {
  parse: (name, values) => values.at(-1) || invalid(name, "", "it is required"),
  render: (value) => [value],
};

/** Given several times. */
export const repeated: Parameter<readonly string[]> = {
  parse: (_, values) => values.filter((value) => value !== ""),
  render: (values) => values,
};

/** Joined by commas. */
export const commas: Parameter<readonly string[]> = {
  parse: (_, values) => (values.at(-1) ?? "").split(",").filter((value) => value !== ""),
  render: (values) => (values.length === 0 ? [] : [values.join(",")]),
};

/** Some of a few words, joined by commas, in any case. */
export function choices<const T extends string>(words: readonly T[]): Parameter<readonly T[]> {
  const one = choice(words, undefined);
  return {
    parse: (name, values) =>
      commas
        .parse(name, values)
        .map((value) => one.parse(name, [value.trim()]) ?? invalid(name, value, "empty")),
    render: (values) => commas.render(values),
  };
}

/** QUOTA_DONT_SET, which Hadoop's clients send for the quota that they leave as it is. */
const QUOTA_UNTOUCHED = LONG_MAX;

/** A number of at least 1, -1 for none; undefined: it stays as it is. */
export const quota: Parameter<number | undefined> = single<number | undefined>(
  undefined,
  (name, value) => (value === QUOTA_UNTOUCHED ? undefined : whole(name, value, -1)),
  String,
);

/** One of a few words, in any case. */
export function choice<const T extends string, const F extends T | undefined>(
  words: readonly T[],
  fallback: F,
): Parameter<T | F> {
  return single<T | F>(
    fallback,
    (name, value) =>
      words.find((word) => word.toLowerCase() === value.toLowerCase()) ??
      invalid(name, value, `not one of ${words.join(", ")}`),
    String,
  );
}
