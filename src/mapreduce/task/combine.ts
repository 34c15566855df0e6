/** Fewer records of the same keys: what happens to sorted records before they are written where others must read them. */
import { ByteSink } from "../codec/byte-sink.ts";
import { integer, number } from "../codec/numbers.ts";
import type { Fold } from "../job.ts";
import { equalBytes } from "../key-order.ts";
import type { RecordTarget, Records } from "./records.ts";

/** Takes all of the records, and adds what they become, in the same order. */
export type Combine = (records: Records, target: RecordTarget) => void;

/** What can take records as they are. */
interface CopyTarget {
  copy(records: Records): void;
}

/** A fold over numbers, and how the numbers are encoded. */
export interface NumericFold {
  readonly fold: Fold["fold"];
  readonly codec: "integer" | "number";
}

export function numberCodec(codec: NumericFold["codec"]): typeof number {
  return codec === "integer" ? integer : number;
}

/** What two values become. A count is 1 for each value from the start, and a sum from there on. */
export function foldValues(fold: Fold["fold"], left: number, right: number): number {
  switch (fold) {
    case "sum":
    case "count":
      return left + right;
    case "min":
      return Math.min(left, right);
    case "max":
      return Math.max(left, right);
  }
}

export function foldCombine({ fold, codec: name }: NumericFold): Combine {
  const codec = numberCodec(name);
  return (records, target) => {
    const held = new ByteSink();
    let keyLength = -1;
    let value = 0;
    const give = (): void => {
      if (keyLength < 0) return;
      held.length = keyLength;
      codec.write(value, held);
      target.add(held.bytes, 0, keyLength, held.bytes, keyLength, held.length);
    };
    while (records.next()) {
      const { bytes, keyStart, keyEnd } = records;
      const next = codec.read(bytes, records.valueStart, records.valueEnd);
      if (keyLength >= 0 && equalBytes(held.bytes, 0, keyLength, bytes, keyStart, keyEnd)) {
        value = foldValues(fold, value, next);
        continue;
      }
      give();
      held.clear();
      held.raw(bytes, keyStart, keyEnd);
      keyLength = held.length;
      value = next;
    }
    give();
  };
}

/** All records as they are. */
export function pour(records: Records, target: CopyTarget): void {
  while (records.next()) target.copy(records);
}
