import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { simdKernel, tableKernel } from "./column-kernel.ts";
import { generatorMatrix, inverse, inverted, multiply, product } from "./galois-field.ts";
import { ReedSolomon } from "./reed-solomon.ts";
import { COLUMN_BYTES } from "./simd-module.ts";

const CODES = [
  [6, 3],
  [3, 2],
  [10, 4],
  [1, 1],
  [2, 6],
] as const;

/**
 * Parity of `byte(unit, at)` at 0…15 as RSRawErasureCoderFactory of Hadoop 3.4.1 makes it (hadoop-client-api 3.4.1, Java 17).
 */
const HADOOP = {
  "6-3": [
    "9e10e2528806f6454b47a5b443c8ccce",
    "0c3e3107d0e0bc6ff23a9c0ff5237843",
    "96fe237e33a320b1191cbb1e6f05c575",
  ],
  "3-2": ["be93e2c90a275e710568d22ac9c426a2", "cbfbf83f0b3bcf59f1f1e2ce01ca7fa0"],
  "10-4": [
    "0cc031c2cf23946c8fbd0424ca58cabf",
    "ab65466198a342c364c630ed7a1f7f1a",
    "c9e7895fd917811bba01a6316c63d9bc",
    "31c3d63bd8a323967f424bd338995fc3",
  ],
} as const;

const byte = (unit: number, at: number): number => ((unit * 131 + at * 31 + 7) ^ (unit * at)) & 0xff;

function unitsOf(count: number, length: number): Uint8Array[] {
  return Array.from({ length: count }, (_, unit) =>
    Uint8Array.from({ length }, (__, at) => byte(unit, at + (at >> 8) + (at >> 16))),
  );
}

function encoded(code: ReedSolomon, data: readonly Uint8Array[]): Uint8Array[] {
  const length = Math.max(...data.map((unit) => unit.length));
  const parity = Array.from({ length: code.parityUnits }, () => new Uint8Array(length).fill(0xee));
  code.encode(
    data.map((unit) => [unit]),
    parity,
  );
  return [...data, ...parity];
}

/** All ways to pick so many of these. */
function* choices(from: readonly number[], count: number): Generator<number[]> {
  if (count === 0) return yield [];
  for (const [at, first] of from.entries()) {
    for (const rest of choices(from.slice(at + 1), count - 1)) yield [first, ...rest];
  }
}

test("the field is one: every number but zero has an inverse, and products distribute over sums", () => {
  for (let of = 1; of < 256; of++) expect(multiply(of, inverse(of))).toBe(1);
  // 0x80 times 2 is where the polynomial comes in.
  expect(multiply(0x80, 2)).toBe(0x1d);
  const number = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(number, number, number, (a, b, c) => {
      expect(multiply(a, b ^ c)).toBe(multiply(a, b) ^ multiply(a, c));
      expect(multiply(a, multiply(b, c))).toBe(multiply(multiply(a, b), c));
    }),
  );
});

test("a matrix times its inverse is one", () => {
  const cauchy = generatorMatrix(5, 5).subarray(25);
  expect(product(cauchy, inverted(cauchy, 5), 5)).toEqual(generatorMatrix(5, 0));
  // A zero where the first pivot should be.
  const swapped = Uint8Array.of(0, 1, 1, 0);
  expect(inverted(swapped, 2)).toEqual(swapped);
});

describe.each([
  ["WebAssembly", simdKernel()],
  ["tables", tableKernel],
] as const)("by %s", (_, combine) => {
  test("runs here", () => expect(combine).toBeDefined());

  test.each(Object.entries(HADOOP))("parity of %s is Hadoop's", (name, parity) => {
    const [dataUnits = 0, parityUnits = 0] = name.split("-").map(Number);
    const data = Array.from({ length: dataUnits }, (__, unit) =>
      Uint8Array.from({ length: 16 }, (___, at) => byte(unit, at)),
    );
    const made = encoded(new ReedSolomon(dataUnits, parityUnits, combine), data).slice(dataUnits);
    expect(made.map((unit) => Buffer.from(unit).toString("hex"))).toEqual(parity);
  });

  test.each(CODES)("%d data and %d parity units survive every loss of as many as there is parity", (k, m) => {
    const code = new ReedSolomon(k, m, combine);
    const all = encoded(code, unitsOf(k, 37));
    for (const lost of choices([...all.keys()], m)) {
      const left = new Map(
        [...all.entries()].filter(([unit]) => !lost.includes(unit)).map(([unit, bytes]) => [unit, [bytes]]),
      );
      const outputs = lost.map(() => new Uint8Array(37).fill(0xee));
      code.decode(left, lost, outputs);
      for (const [at, unit] of lost.entries()) expect(outputs[at], `${lost.join()} lost`).toEqual(all[unit]);
    }
  });

  test("lengths around a column, data in pieces and shorter data are as one buffer with zeros behind", () => {
    const code = new ReedSolomon(3, 2, combine);
    for (const length of [
      1,
      15,
      16,
      17,
      COLUMN_BYTES - 1,
      COLUMN_BYTES,
      COLUMN_BYTES + 1,
      3 * COLUMN_BYTES + 5,
    ]) {
      const data = unitsOf(3, length);
      const short = data.map((unit, at) => unit.subarray(0, Math.ceil(length / (at + 1))));
      const padded = short.map((unit) => {
        const whole = new Uint8Array(length);
        whole.set(unit);
        return whole;
      });
      const expected = encoded(code, padded).slice(3);
      const parity = [new Uint8Array(length), new Uint8Array(length)];
      code.encode(
        short.map((unit) => [unit.subarray(0, 1), unit.subarray(1, 7), new Uint8Array(0), unit.subarray(7)]),
        parity,
      );
      for (const [row, bytes] of parity.entries()) expect(Buffer.compare(bytes, expected[row]!)).toBe(0);
      // Byte by byte, as the field says.
      const matrix = generatorMatrix(3, 2).subarray(9);
      for (const at of [0, length >> 1, length - 1]) {
        for (const row of [0, 1]) {
          const sum = padded.reduce((total, unit, j) => total ^ multiply(matrix[row * 3 + j]!, unit[at]!), 0);
          expect(parity[row]![at]).toBe(sum);
        }
      }
    }
  });
});

test("a code of more data units than a kernel takes is refused", () => {
  expect(() => new ReedSolomon(17, 3)).toThrow("1 to 16 data units");
});
