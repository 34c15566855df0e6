/** Records for tests: made by chance, and compared as texts. */
import fc from "fast-check";
import type { CompareBytes } from "../key-order.ts";
import type { Records } from "./records.ts";
import { viewOf } from "./records.ts";

export interface TestRecord {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Keys that are often equal, begin alike, or differ in how many zeros they end with. */
export const keys: fc.Arbitrary<Buffer> = fc
  .oneof(
    fc.array(fc.constantFrom(0, 1, 97, 98, 255), { maxLength: 12 }),
    fc.array(fc.constantFrom(0, 97), { maxLength: 4 }).map((end) => [120, 120, 120, 120, 120, ...end]),
    fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 20 }),
  )
  .map((bytes) => Buffer.from(bytes));

export const testRecords: fc.Arbitrary<TestRecord[]> = fc.array(
  fc.record({ key: keys, value: fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)) }),
  { maxLength: 200, size: "large" },
);

/** Longer keys first, then the opposite of bytes: an order that bytes do not have. */
export const oddOrder: CompareBytes = (left, leftStart, leftEnd, right, rightStart, rightEnd) =>
  rightEnd - rightStart - (leftEnd - leftStart) ||
  Buffer.compare(right.subarray(rightStart, rightEnd), left.subarray(leftStart, leftEnd));

/** Sorted as they should be: equal keys in the order they came. */
export function sorted(records: readonly TestRecord[], compare?: CompareBytes): readonly TestRecord[] {
  return records.toSorted((left, right) =>
    compare === undefined
      ? Buffer.compare(left.key, right.key)
      : compare(left.key, 0, left.key.length, right.key, 0, right.key.length),
  );
}

export function textOf({ key, value }: TestRecord): string {
  return `${key.toString("hex")}=${value.toString("hex")}`;
}

/** All that is left of some records. */
export function textsOf(records: Records): string[] {
  const texts: string[] = [];
  while (records.next()) {
    const { bytes, keyStart, keyEnd, valueStart, valueEnd } = records;
    texts.push(
      textOf({ key: bytes.subarray(keyStart, keyEnd), value: bytes.subarray(valueStart, valueEnd) }),
    );
  }
  return texts;
}

/** Records that lie in memory one by one. */
export function recordsOf(list: readonly TestRecord[]): Records {
  let at = -1;
  return {
    get bytes() {
      const { key, value } = list[at]!;
      return Buffer.concat([key, value]);
    },
    get view() {
      return viewOf(this.bytes);
    },
    keyStart: 0,
    get keyEnd() {
      return list[at]!.key.length;
    },
    get valueStart() {
      return this.keyEnd;
    },
    get valueEnd() {
      return this.keyEnd + list[at]!.value.length;
    },
    next: () => ++at < list.length,
  };
}
