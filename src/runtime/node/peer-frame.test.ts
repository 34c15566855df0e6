import fc from "fast-check";
import { expect, test } from "vitest";
import { framed, FrameReader } from "./peer-frame.ts";

const PREAMBLE = Buffer.from("QRT\n");

function wire(frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat([PREAMBLE, ...frames.flatMap((frame) => framed([frame]))]);
}

/** Feeds `stream` in pieces of the given sizes, each in a chunk of its own memory. */
function read(stream: Buffer, sizes: readonly number[], maxBytes = 1 << 20): Buffer[] {
  const frames: Buffer[] = [];
  const reader = new FrameReader(PREAMBLE, maxBytes, (frame) => frames.push(frame));
  let at = 0;
  for (let turn = 0; at < stream.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    reader.push(Buffer.from(stream.subarray(at, at + size)));
    at += size;
  }
  return frames;
}

test("frames come out as they went in, however the stream is cut", () => {
  const frames = fc.array(fc.uint8Array({ minLength: 0, maxLength: 300 }), { maxLength: 20 });
  const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(frames, cuts, (sent, sizes) => {
      const got = read(wire(sent), sizes);
      // An empty frame is a sign of life and not delivered.
      expect(got.map((frame) => frame.toString("hex"))).toEqual(
        sent.filter((frame) => frame.length > 0).map((frame) => Buffer.from(frame).toString("hex")),
      );
    }),
  );
});

/** As a socket does: whatever fits, up to `most` bytes, is put where the reader wants it. */
function readInto(reader: FrameReader, stream: Buffer, most: number): number {
  let reads = 0;
  for (let at = 0; at < stream.length; reads++) {
    const room = reader.room();
    const length = Math.min(room.length, most, stream.length - at);
    stream.copy(room, 0, at, at + length);
    at += length;
    reader.took(room, length);
  }
  return reads;
}

test("frames that are read to where they belong come out the same, and keep their bytes", () => {
  const sizes = fc.array(fc.oneof(fc.nat(300), fc.integer({ min: 10_000, max: 200_000 })), { maxLength: 8 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1_000, max: 300_000 }), (lengths, most) => {
      const sent = lengths.filter((length) => length > 0).map((length, at) => Buffer.alloc(length, at + 1));
      const got: Buffer[] = [];
      const reader = new FrameReader(PREAMBLE, 1 << 20, (frame) => got.push(frame));
      readInto(reader, wire(sent), most);
      expect(got.map((frame) => frame.length)).toEqual(sent.map((frame) => frame.length));
      for (const [at, frame] of got.entries()) expect(frame.equals(sent[at] as Buffer)).toBe(true);
    }),
  );
});

test("the end of a large frame needs one read, and what comes after it another", () => {
  const frames: Buffer[] = [];
  const reader = new FrameReader(PREAMBLE, 1 << 21, (frame) => frames.push(frame));
  const reads = readInto(reader, wire([Buffer.alloc(1 << 20, 7), Buffer.from("next")]), 1 << 22);
  expect(reads).toBe(3);
  expect(frames.map((frame) => frame.length)).toEqual([1 << 20, 4]);
});

test("any changed byte of a frame is noticed", () => {
  const stream = wire([Buffer.from("hello, peer")]);
  for (let at = 0; at < stream.length; at++) {
    const damaged = Buffer.from(stream);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    let got: Buffer[] = [];
    let refused = false;
    try {
      got = read(damaged, [1000], 4096);
    } catch {
      refused = true;
    }
    expect(refused || got.length === 0).toBe(true);
  }
});

test("a small frame owns its memory, a large one is not copied needlessly", () => {
  const small = Buffer.alloc(64, 1);
  const large = Buffer.alloc(50_000, 2);
  const [first, second] = read(wire([small, large]), [1 << 20]);
  expect(first?.buffer.byteLength).toBe(64);
  expect(second?.length).toBe(50_000);
  expect(second?.buffer.byteLength).toBeLessThan(2 * 50_000);
});

test("a length above the limit is refused before anything is allocated for it", () => {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0xffff_ffff, 0);
  expect(() => read(Buffer.concat([PREAMBLE, header]), [1])).toThrow(/above the limit/);
});

test("another protocol is refused at its first wrong byte", () => {
  expect(() => read(Buffer.from("GET / HTTP/1.1\r\n"), [1])).toThrow(/peer protocol/);
});

test("nothing is delivered after stop, not even from the same chunk", () => {
  const frames: Buffer[] = [];
  const reader: FrameReader = new FrameReader(PREAMBLE, 100, (frame) => {
    frames.push(frame);
    reader.stop();
  });
  reader.push(wire([Buffer.from("one"), Buffer.from("two")]));
  expect(frames.map(String)).toEqual(["one"]);
});

test("a part without bytes changes nothing of a frame's checksum", () => {
  const parts = [Buffer.from("some"), Buffer.from("thing")];
  const [header] = framed(parts);
  // Which empty buffers zlib stumbles over depends on where they came from.
  for (const empty of [
    Buffer.alloc(0),
    new Uint8Array(0),
    Buffer.from("x").subarray(1),
    Buffer.from(new ArrayBuffer(0)),
  ]) {
    expect(framed([empty, ...parts, empty])[0]).toEqual(header);
  }
});

const HEAD = Buffer.from("what the network guards");
const CONTENT = Buffer.alloc(70_000, "what guards itself");
const partly = Buffer.concat([PREAMBLE, ...framed([HEAD, CONTENT], 1), ...framed([HEAD])]);
const FIRST_GUARDED = PREAMBLE.length;
const FIRST_CONTENT = FIRST_GUARDED + 12 + HEAD.length;

test("a frame that is guarded in part comes out as it went in, however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 80_000 }), { minLength: 1, maxLength: 10 }), (sizes) => {
      const got = read(partly, sizes);
      expect(got.map((frame) => frame.length)).toEqual([HEAD.length + CONTENT.length, HEAD.length]);
      expect(got[0]?.equals(Buffer.concat([HEAD, CONTENT]))).toBe(true);
    }),
    { numRuns: 30 },
  );
});

test("its guarded part, and how long the two are, do not change unseen; what guards itself is delivered as it came", () => {
  for (let at = FIRST_GUARDED; at < FIRST_CONTENT; at++) {
    const damaged = Buffer.from(partly);
    damaged[at]! ^= 0x10;
    // A length that grew waits for more, and is found out with it.
    expect(() => read(Buffer.concat([damaged, Buffer.alloc(1 << 21)]), [1 << 22])).toThrow(/checksum|limit/);
  }
  const changed = Buffer.from(partly);
  changed[FIRST_CONTENT]! ^= 0x10;
  expect(read(changed, [1 << 22])).toHaveLength(2);
});

test("a frame that says it guards more than it has is refused", () => {
  const short = Buffer.concat([PREAMBLE, ...framed([HEAD, CONTENT], 1)]);
  short.writeUInt32LE(1_000_000, PREAMBLE.length + 8);
  expect(() => read(short, [1 << 22])).toThrow(/checksum/);
  for (const length of [1, 4]) {
    const header = Buffer.alloc(8);
    header.writeUInt32LE(0x8000_0000 + length, 0);
    expect(() => read(Buffer.concat([PREAMBLE, header, Buffer.alloc(length)]), [100])).toThrow(/checksum/);
  }
});
