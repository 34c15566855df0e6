import fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes, copyBytes, NO_BYTES, zeroBytes } from "../../../runtime/bytes.ts";
import { crc32 } from "../../../wire/crc32.ts";
import type { LogRecord } from "./frame-builder.ts";
import { FrameBuilder } from "./frame-builder.ts";
import {
  FRAME_HEAD_BYTES,
  readFrameHead,
  readRecordHeader,
  RECORD_HEADER_BYTES,
  SECTOR_BYTES,
} from "./frame.ts";

const uint53 = fc.maxSafeNat();
const record: fc.Arbitrary<LogRecord> = fc.record({
  type: fc.constantFrom("ballot", "entry", "snapshot", "compaction", "extent"),
  kind: fc.nat(255),
  group: fc.nat(0xffff_ffff),
  index: uint53,
  term: uint53,
  value: fc.uint8Array({ maxLength: 2000 }).map((bytes) => copyBytes(bytes)),
});

test("what is built into a frame is read back, and the next frame repeats its headers", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(record, { maxLength: 5 }), { minLength: 1, maxLength: 4 }),
      fc.nat(0xffff_ffff),
      fc.integer({ min: 1, max: 2 ** 48 }),
      (frames, salt, first) => {
        const sealing = { salt, checksum: crc32 };
        const builder = new FrameBuilder(sealing, { headers: NO_BYTES, count: 0, bytes: 0 });
        frames.forEach((records, at) => {
          const size = builder.sizeOf(records);
          const site = {
            segment: 3,
            position: 512 * at,
            sequence: first + at,
            syncedThrough: first + at - 1,
          };
          const bytes = concatBytes(builder.build(records, site));
          expect(bytes.length).toBe(size);
          expect(bytes.length % SECTOR_BYTES).toBe(0);
          const head = readFrameHead(bytes, 3, 512 * at, sealing);
          expect(head).toMatchObject({ ...site, frameBytes: size, recordCount: records.length });
          const readAll = (list: readonly LogRecord[], start: number, sequence: number): void =>
            list.forEach(({ value, ...rest }, record) => {
              const header = readRecordHeader(bytes, start + record * RECORD_HEADER_BYTES, sequence, sealing);
              expect(header).toMatchObject({ ...rest, valueBytes: value.length });
              if (sequence !== first + at || header === undefined) return;
              const { valueOffset, valueBytes } = header;
              expect(bytes.subarray(valueOffset, valueOffset + valueBytes).equals(value)).toBe(true);
            });
          readAll(records, FRAME_HEAD_BYTES, first + at);
          const copies = FRAME_HEAD_BYTES + records.length * RECORD_HEADER_BYTES;
          readAll(frames[at - 1] ?? [], copies, first + at - 1);
        });
      },
    ),
  );
});

test("a head is no head at another place, in another segment, of another log, or with any byte changed", () => {
  const sealing = { salt: 5, checksum: crc32 };
  const builder = new FrameBuilder(sealing, { headers: NO_BYTES, count: 0, bytes: 0 });
  const site = { segment: 1, position: 1024, sequence: 9, syncedThrough: 8 };
  const bytes = concatBytes(builder.build([], site));
  expect(readFrameHead(bytes, 1, 1024, sealing)).toBeDefined();
  expect(readFrameHead(bytes, 1, 1536, sealing)).toBeUndefined();
  expect(readFrameHead(bytes, 2, 1024, sealing)).toBeUndefined();
  expect(readFrameHead(bytes, 1, 1024, { ...sealing, salt: 6 })).toBeUndefined();
  for (let at = 0; at < FRAME_HEAD_BYTES; at++) {
    const changed = copyBytes(bytes);
    changed[at] = (changed[at] as number) ^ 0x10;
    expect(readFrameHead(changed, 1, 1024, sealing)).toBeUndefined();
  }
  expect(readFrameHead(zeroBytes(512), 1, 1024, sealing)).toBeUndefined();
});

test("random bytes are never a head or a record header", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 60, maxLength: 200 }), fc.nat(), (noise, salt) => {
      const bytes = copyBytes(noise);
      const sealing = { salt, checksum: crc32 };
      expect(readFrameHead(bytes, 1, 1024, sealing)).toBeUndefined();
      expect(readRecordHeader(bytes, 0, 1, sealing)).toBeUndefined();
    }),
  );
});
