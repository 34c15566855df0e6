import fc from "fast-check";
import { expect, test } from "vitest";
import { isQuorateError } from "../../../runtime/errors.ts";
import { decode, encode } from "../../../wire/record.ts";
import type { BlockFrame } from "./protocol.ts";
import { BLOCK_FRAME } from "./protocol.ts";

const content = fc.uint8Array({ maxLength: 40 });
const number = fc.maxSafeNat();
const maybe = <T>(each: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(each, { nil: undefined });
const failure = maybe(
  fc.record({
    code: fc.constantFrom("DISK_FULL" as const, "CHECKSUM_MISMATCH" as const),
    message: fc.string(),
    node: fc.constant("n1"),
  }),
);
const replica = fc.record({
  id: number,
  stamp: number,
  length: number,
  state: fc.constantFrom("writing" as const, "finished" as const, "recovering" as const, "corrupt" as const),
});
const nodes = fc.array(fc.constantFrom("n1", "n2"), { maxLength: 3 });

const frame: fc.Arbitrary<BlockFrame> = fc.oneof(
  fc.record({
    type: fc.constant("open" as const),
    stream: number,
    block: number,
    stamp: number,
    mode: fc.constantFrom("create" as const, "goOn" as const),
    length: number,
    durability: fc.constantFrom("disk" as const, "memory" as const),
    rest: nodes,
  }),
  fc.record({
    type: fc.constant("packet" as const),
    stream: number,
    sequence: number,
    offset: number,
    sync: fc.boolean(),
    last: fc.boolean(),
    checksums: content,
    content,
  }),
  fc.record({ type: fc.constant("ack" as const), stream: number, sequence: number, failure }),
  fc.record({ type: fc.constant("held" as const), stream: number, replica: maybe(replica), failure }),
  fc.record({
    type: fc.constant("report" as const),
    life: number,
    sequence: number,
    full: maybe(fc.record({ part: fc.nat(), last: fc.boolean() })),
    replicas: fc.array(replica, { maxLength: 3 }),
    removed: fc.array(number, { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant("recover" as const),
    term: number,
    file: number,
    block: number,
    stamp: number,
    recoveryStamp: number,
    length: number,
    truncateTo: maybe(number),
    copyTo: maybe(number),
    nodes,
  }),
  fc.constant({ type: "reportWanted" as const }),
);

/** Views of the frame, and arrays of their own, are the same bytes. */
function plain(each: BlockFrame): unknown {
  return JSON.parse(
    JSON.stringify(each, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value)),
  );
}

test("a frame between nodes is read as it was written", () => {
  fc.assert(
    fc.property(frame, (each) => {
      const read = decode(BLOCK_FRAME, encode(BLOCK_FRAME, each));
      if (each.type === "packet" && read.type === "packet") {
        expect(Buffer.from(each.content).equals(read.content)).toBe(true);
        expect(Buffer.from(each.checksums).equals(read.checksums)).toBe(true);
        const { content: _c, checksums: _s, ...rest } = each;
        expect(read).toMatchObject(rest);
      } else {
        expect(plain(read)).toEqual(plain(each));
      }
    }),
  );
});

test("whatever bytes a peer sends, they are a frame or an error of the table", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        decode(BLOCK_FRAME, Buffer.from(bytes));
      } catch (error) {
        expect(isQuorateError(error)).toBe(true);
      }
    }),
    { numRuns: 3000 },
  );
});
