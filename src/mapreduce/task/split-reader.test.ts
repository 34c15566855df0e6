import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Files } from "../../client/files/files.ts";
import type { Framing } from "../input/format.ts";
import type { SplitPiece } from "../job-spec.ts";
import { SplitPlace, readSplit } from "./split-reader.ts";

const LINES: Framing = { type: "lines", maxBytes: 1000, header: false, quoted: false };

/** A file system of one file, which gives its bytes in pieces of these sizes, over and over. */
function filesWith(content: Buffer, sizes: readonly number[]): Files {
  const driver = {
    describe: async () => ({ length: content.length }),
    async *read(_path: string, { offset = 0, length = Infinity }: { offset?: number; length?: number }) {
      const end = Math.min(content.length, offset + length);
      for (let at = offset, index = 0; at < end; index++) {
        const size = sizes[index % sizes.length] ?? 1;
        yield Buffer.from(content.subarray(at, Math.min(end, at + size)));
        at += size;
      }
    },
  };
  return { driver } as unknown as Files;
}

interface Read {
  readonly record: string;
  readonly position: number;
  readonly header: string | undefined;
}

async function read(
  files: Files,
  piece: Partial<SplitPiece>,
  framing: Framing,
  used: (bytes: number) => void = () => undefined,
): Promise<readonly Read[]> {
  const found: Read[] = [];
  const split = { path: "/f", start: 0, length: 0, whole: false, ...piece };
  const place = new SplitPlace(split.path);
  await readSplit({
    files,
    split,
    framing,
    place,
    take(bytes, start, end) {
      const record = bytes.toString("latin1", start, end);
      found.push({ record, position: place.position, header: place.header });
      if (place.isAscii) expect(record).toMatch(/^[\0-\x7f]*$/);
    },
    pause: used,
  });
  return found;
}

/** The pieces that these cuts make of a file. */
function piecesAt(length: number, cuts: readonly number[]): readonly { start: number; length: number }[] {
  const inside = cuts.map((cut) => cut % (length + 1)).toSorted((left, right) => left - right);
  const edges = [0, ...inside, length];
  return edges.slice(1).map((end, index) => ({ start: edges[index]!, length: end - edges[index]! }));
}

/** All lines and where they begin, read as simply as can be. */
function linesOf(content: Buffer): readonly { readonly record: string; readonly position: number }[] {
  const lines: { record: string; position: number }[] = [];
  let position = 0;
  for (const line of content.toString("latin1").split("\n")) {
    lines.push({ record: line.replace(/\r$/, ""), position });
    position += line.length + 1;
  }
  if (lines.at(-1)!.position === content.length) lines.pop();
  return lines;
}

const contents = fc
  .array(fc.constantFrom("\n", "\r\n", "a", "bc", "é", "\u{1f600}", "\r", '"', ",", ""), { maxLength: 40 })
  .map((parts) => Buffer.from(parts.join("")));
const cutLists = fc.array(fc.nat(200), { maxLength: 6 });
const sizeLists = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });

test("wherever a file is cut, each line is read once, whole, by the split that it begins in", async () => {
  await fc.assert(
    fc.asyncProperty(contents, cutLists, sizeLists, async (content, cuts, sizes) => {
      const files = filesWith(content, sizes);
      const found: Read[] = [];
      for (const piece of piecesAt(content.length, cuts)) {
        const inside = await read(files, piece, LINES);
        for (const { position } of inside) {
          expect(position).toBeGreaterThanOrEqual(piece.start);
          expect(position).toBeLessThan(piece.start + piece.length);
        }
        found.push(...inside);
      }
      expect(found.map(({ record, position }) => ({ record, position }))).toEqual(linesOf(content));
    }),
    { numRuns: 400 },
  );
});

test("the first line of a file with a header is told with every record, and is none", async () => {
  await fc.assert(
    fc.asyncProperty(contents, cutLists, sizeLists, async (content, cuts, sizes) => {
      const files = filesWith(content, sizes);
      const [header, ...records] = linesOf(content);
      const found: Read[] = [];
      for (const piece of piecesAt(content.length, cuts))
        found.push(...(await read(files, piece, { ...LINES, header: true })));
      expect(found.map(({ record }) => record)).toEqual(records.map(({ record }) => record));
      const expected = Buffer.from(header?.record ?? "", "latin1").toString("utf8");
      for (const each of found) expect(each.header).toBe(expected);
    }),
  );
});

test("the bytes that splits tell of come to the length of the file, wherever it is cut", async () => {
  const framings: readonly Framing[] = [LINES, { ...LINES, header: true }, { type: "fixed", bytes: 1 }];
  await fc.assert(
    fc.asyncProperty(contents, cutLists, sizeLists, async (content, cuts, sizes) => {
      for (const framing of framings) {
        let bytes = 0;
        for (const piece of piecesAt(content.length, cuts))
          await read(filesWith(content, sizes), piece, framing, (used) => (bytes += used));
        expect(bytes).toBe(content.length);
      }
      let plain = 0;
      const packed = { path: "/f.gz", length: content.length };
      await read(filesWith(gzipSync(content), sizes), packed, LINES, (used) => (plain += used));
      expect(plain).toBe(content.length);
    }),
    { numRuns: 200 },
  );
});

test("records of a fixed length are read once, wherever the file is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 7 }),
      fc.nat(20),
      cutLists,
      sizeLists,
      async (bytes, many, cuts, sizes) => {
        const content = Buffer.from(Array.from({ length: bytes * many }, (_, index) => index % 100));
        const files = filesWith(content, sizes);
        const found: Read[] = [];
        for (const piece of piecesAt(content.length, cuts))
          found.push(...(await read(files, piece, { type: "fixed", bytes })));
        expect(found.map(({ record }) => record).join("")).toBe(content.toString("latin1"));
        expect(found.map(({ position }) => position)).toEqual(
          Array.from({ length: many }, (_, index) => index * bytes),
        );
      },
    ),
  );
});

test("a rest at the end of a file of fixed records is an error of the split that it is in", async () => {
  const files = filesWith(Buffer.alloc(25), [10]);
  const fixed: Framing = { type: "fixed", bytes: 10 };
  expect(await read(files, { start: 0, length: 10 }, fixed)).toHaveLength(1);
  await expect(read(files, { start: 10, length: 15 }, fixed)).rejects.toThrow(
    /ends with 5 bytes, which is no record of 10 bytes/,
  );
});

test("a compressed file is read whole, and a damaged one is an error", async () => {
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index}`);
  const packed = gzipSync(lines.join("\n"));
  const split = { path: "/f.gz", length: packed.length, whole: true };
  const found = await read(filesWith(packed, [17]), split, LINES);
  expect(found.map(({ record }) => record)).toEqual(lines);
  const short = filesWith(packed.subarray(0, packed.length - 9), [17]);
  await expect(read(short, split, LINES)).rejects.toThrow(/\/f\.gz is no whole gzip file/);
  const header = await read(filesWith(packed, [17]), split, { ...LINES, header: true });
  expect(header[0]).toMatchObject({ record: "line 1", header: "line 0" });
  const whole = await read(filesWith(packed, [17]), split, { type: "whole", maxBytes: 10_000 });
  expect(whole).toMatchObject([{ record: lines.join("\n") }]);
});

test("line ends in quotes belong to the record where the format says so", async () => {
  const content = Buffer.from('h\n1,"a\nb"\n2,"c""\nd"\r\n3,e');
  const framing: Framing = { ...LINES, header: true, quoted: true };
  const found = await read(filesWith(content, [3]), { length: content.length, whole: true }, framing);
  expect(found.map(({ record }) => record)).toEqual(['1,"a\nb"', '2,"c""\nd"', "3,e"]);
});

test("a line beyond its bound is a clear error, and one below it is read over any number of pieces", async () => {
  const long = "x".repeat(1000);
  const content = Buffer.from(`a\n${long}\r\nb\n${long}y\nc`);
  const good = await read(filesWith(content, [7]), { start: 0, length: 1004 }, LINES);
  expect(good.map(({ record }) => record)).toEqual(["a", long]);
  await expect(read(filesWith(content, [7]), { start: 0, length: content.length }, LINES)).rejects.toThrow(
    /\/f: the line at byte 1006 is longer than 1000 bytes \(maxBytes of the format\)/,
  );
  // A split that begins inside of it does not mind.
  const rest = await read(filesWith(content, [7]), { start: 1100, length: content.length - 1100 }, LINES);
  expect(rest).toMatchObject([{ record: "c" }]);
  await expect(
    read(filesWith(content, [7]), { length: content.length, whole: true }, { type: "whole", maxBytes: 100 }),
  ).rejects.toThrow(/is longer than 100 bytes/);
});

test("records are given to the mapper one after the other, however long it takes", async () => {
  const files = filesWith(Buffer.from("a\nb\nc\n"), [2]);
  const log: string[] = [];
  const place = new SplitPlace("/f");
  await readSplit({
    files,
    split: { path: "/f", start: 0, length: 6, whole: false },
    framing: LINES,
    place,
    async take(bytes, start, end) {
      const record = bytes.toString("latin1", start, end);
      log.push(`begin ${record}`);
      await Promise.resolve();
      log.push(`end ${bytes.toString("latin1", start, end)}`);
    },
    pause: () => undefined,
  });
  expect(log).toEqual(["begin a", "end a", "begin b", "end b", "begin c", "end c"]);
});

test("a split asks for its own bytes and little more, and for as much more as its last line takes", async () => {
  const content = Buffer.from(`${"a line\n".repeat(20_000)}${"x".repeat(300_000)}\n${"b\n".repeat(500_000)}`);
  const asked: { readonly offset: number; readonly length: number }[] = [];
  const { driver } = filesWith(content, [4096]);
  const files = {
    driver: {
      ...driver,
      read(path: string, options: { offset: number; length: number }) {
        asked.push(options);
        return driver.read(path, options);
      },
    },
  } as unknown as Files;
  const lines: Framing = { ...LINES, maxBytes: 1_000_000 };
  expect(await read(files, { start: 0, length: 70_000 }, lines)).toHaveLength(10_000);
  expect(asked).toEqual([{ offset: 0, length: 70_000 + 64 * 1024 }]);
  asked.length = 0;
  const last = await read(files, { start: 133_000, length: 10_000 }, lines);
  expect(last.at(-1)?.record).toHaveLength(300_000);
  expect(asked.map(({ offset }) => offset)).toEqual([132_999, 132_999 + 10_001 + 64 * 1024]);
});
