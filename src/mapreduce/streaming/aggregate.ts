/**
 * `-reducer aggregate`: the mapper says by its keys how values are put together (`LongValueSum:word`), and no reducer needs to
 * be written. Hadoop's package of that name: the same types, the same texts.
 */
import { QuorateError } from "../../runtime/errors.ts";
import { doubleText } from "./java-text.ts";

/** What becomes of the values of one key. */
export interface Aggregator {
  /** Throws JOB_FAILED when it is no such value. */
  add(value: string): void;
  /** What the reducer writes. */
  report(): string;
  /** Values that give the same when they are added in place of all that were: what a combiner passes on. */
  partial(): Iterable<string>;
}

/** Hadoop's limit, and property `mapreduce.aggregate.max.num.unique.values` (older: `aggregate.max.num.unique.values`). */
const NO_LIMIT = Infinity;

/** A key `TYPE:ID` in its two parts. Throws JOB_FAILED. */
export function splitAggregateKey(key: string): { readonly type: string; readonly id: string } {
  const colon = key.indexOf(":");
  if (colon < 0)
    throw new QuorateError(
      "JOB_FAILED",
      `-reducer aggregate takes keys such as LongValueSum:word, not "${key.slice(0, 200)}"`,
    );
  return { type: key.slice(0, colon), id: key.slice(colon + 1) };
}

/** Names of types are told apart without regard to case. Throws JOB_FAILED for one that there is not. */
export function createAggregator(type: string, maxUnique: number = NO_LIMIT): Aggregator {
  switch (type.toLowerCase()) {
    case "longvaluesum":
      return longs((sum, value) => BigInt.asIntN(64, sum + value), 0n);
    case "longvaluemax":
      return longs((most, value) => (value > most ? value : most), -(2n ** 63n));
    case "longvaluemin":
      return longs((least, value) => (value < least ? value : least), 2n ** 63n - 1n);
    case "doublevaluesum":
      return doubleSum();
    case "stringvaluemax":
      return strings((text, most) => text > most);
    case "stringvaluemin":
      return strings((text, least) => text < least);
    case "uniqvaluecount":
      return uniqueCount(maxUnique);
    case "valuehistogram":
      return histogram();
    default:
      throw new QuorateError("JOB_FAILED", `-reducer aggregate has no type "${type.slice(0, 200)}"`);
  }
}

function longs(merge: (sofar: bigint, value: bigint) => bigint, start: bigint): Aggregator {
  let sofar = start;
  return {
    add: (value) => (sofar = merge(sofar, longOf(value))),
    report: () => String(sofar),
    partial: () => [String(sofar)],
  };
}

function longOf(text: string): bigint {
  const value = /^[+-]?\d+$/.test(text) ? BigInt(text.replace(/^\+/, "")) : undefined;
  if (value === undefined || value !== BigInt.asIntN(64, value))
    throw new QuorateError(
      "JOB_FAILED",
      `-reducer aggregate: not a whole number of 64 bits: "${text.slice(0, 200)}"`,
    );
  return value;
}

function doubleSum(): Aggregator {
  let sum = 0;
  return {
    add(text) {
      const value = Number(text.trim());
      if (text.trim() === "" || (Number.isNaN(value) && text.trim() !== "NaN"))
        throw new QuorateError("JOB_FAILED", `-reducer aggregate: not a number: "${text.slice(0, 200)}"`);
      sum += value;
    },
    report: () => doubleText(sum),
    partial: () => [doubleText(sum)],
  };
}

function strings(isBetter: (text: string, than: string) => boolean): Aggregator {
  let best: string | undefined;
  return {
    add: (text) => {
      if (best === undefined || isBetter(text, best)) best = text;
    },
    report: () => best ?? "",
    partial: () => (best === undefined ? [] : [best]),
  };
}

function uniqueCount(max: number): Aggregator {
  const seen = new Set<string>();
  return {
    add: (text) => {
      if (seen.size < max) seen.add(text);
    },
    report: () => String(seen.size),
    partial: () => seen,
  };
}

/** Values `TEXT` or `TEXT<tab>COUNT`. Reports how many texts, then least, median, most, mean and deviation of their counts. */
function histogram(): Aggregator {
  const counts = new Map<string, bigint>();
  return {
    add(value) {
      const tab = value.lastIndexOf("\t");
      const text = tab < 0 ? value : value.slice(0, tab);
      const count = tab < 0 ? 1n : longOf(value.slice(tab + 1));
      counts.set(text, (counts.get(text) ?? 0n) + count);
    },
    report() {
      const sorted = [...counts.values()]
        .sort((left, right) => (left < right ? -1 : left > right ? 1 : 0))
        .map(Number);
      const all = sorted.length;
      if (all === 0) return "0";
      const mean = sorted.reduce((sum, count) => sum + count, 0) / all;
      const deviation = Math.sqrt(sorted.reduce((sum, count) => sum + (count - mean) ** 2, 0) / all);
      const figures = [sorted[0], sorted[all >> 1], sorted[all - 1]];
      return [all, ...figures, doubleText(mean), doubleText(deviation)].join("\t");
    },
    *partial() {
      for (const [text, count] of counts) yield `${text}\t${count}`;
    },
  };
}
