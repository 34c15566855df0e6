import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findKeyEnd } from "./key-split.ts";
import { firstFields, keyWithin, orderedKey, parseKeyParts, partitionByKeyParts } from "./key-fields.ts";
import { doubleText, longHash, partitionOf, stringHash, textHash } from "./java-text.ts";

function compare(options: string, separator: string, left: string, right: string): number {
  const keys = parseKeyParts(options, separator);
  return Math.sign(Buffer.compare(orderedKey(keys, Buffer.from(left)), orderedKey(keys, Buffer.from(right))));
}

test("a key ends at the separator that the rule says, or nowhere", () => {
  const find = (line: string, separator: string, fields: number): string | undefined => {
    const end = findKeyEnd(Buffer.from(line), 0, Buffer.byteLength(line), {
      separator: Buffer.from(separator),
      fields,
    });
    return end < 0 ? undefined : line.slice(0, end);
  };
  expect(find("a\tb\tc", "\t", 1)).toBe("a");
  expect(find("a\tb\tc", "\t", 2)).toBe("a\tb");
  expect(find("a\tb", "\t", 2)).toBeUndefined();
  expect(find("\tb", "\t", 1)).toBe("");
  expect(find("a::b:c", "::", 1)).toBe("a");
  expect(find("a.b.c.d", ".", 3)).toBe("a.b.c");
  expect(find("a:", "::", 1)).toBeUndefined();
});

describe("keys are ordered", () => {
  test("by fields, by numbers and backwards", () => {
    expect(compare("-k2,2n", "\t", "a\t9", "b\t10")).toBe(-1);
    expect(compare("-k2,2nr", "\t", "a\t9", "b\t10")).toBe(1);
    expect(compare("-k1,1", "\t", "b\t1", "a\t2")).toBe(1);
    expect(compare("-k2.2,2", ".", "x.ab", "x.ba")).toBe(1);
    expect(compare("-n", "\t", "-5", "3")).toBe(-1);
    expect(compare("-r", "\t", "a", "b")).toBe(1);
    expect(compare("-k 2 -r", "\t", "x\ta", "x\tb")).toBe(1);
  });

  test("with those that lack the part first, or last backwards", () => {
    expect(compare("-k2", "\t", "a", "a\tb")).toBe(-1);
    expect(compare("-k2r", "\t", "a", "a\tb")).toBe(1);
  });

  test("as numbers are, whatever their length and spelling", () => {
    const number = fc
      .tuple(
        fc.constantFrom("", "-"),
        fc.bigInt({ min: 0n, max: 10n ** 25n }),
        fc.option(fc.nat(999), { nil: undefined }),
      )
      .map(([sign, whole, fraction]) => `${sign}${whole}${fraction === undefined ? "" : `.${fraction}`}`);
    const scaled = (text: string): bigint => {
      const [whole = "", fraction = ""] = text.replace("-", "").split(".");
      const value = BigInt(whole + fraction.padEnd(3, "0"));
      return text.startsWith("-") ? -value : value;
    };
    fc.assert(
      fc.property(number, number, (left, right) => {
        const difference = scaled(left) - scaled(right);
        if (difference !== 0n) expect(compare("-n", "\t", left, right)).toBe(difference < 0n ? -1 : 1);
      }),
      { numRuns: 1000 },
    );
  });

  test("as sort(1) orders them", () => {
    const lines = Array.from({ length: 300 }, (_, at) => {
      const draw = Math.imul(at + 1, 2_654_435_761) >>> 0;
      return `${"abc"[draw % 3]}${draw % 7}\t${(draw % 2001) - 1000}\t${(draw >>> 8) % 5}`;
    });
    for (const options of [
      ["-k2,2n", "-k1,1"],
      ["-k1,1", "-k3,3nr", "-k2,2n"],
      ["-k1.2,1.2nr", "-k2n"],
    ]) {
      const keys = parseKeyParts(options.join(" "), "\t");
      const ours = [...lines].sort((left, right) =>
        Buffer.compare(orderedKey(keys, Buffer.from(left)), orderedKey(keys, Buffer.from(right))),
      );
      const theirs = execFileSync("sort", ["-t", "\t", ...options], {
        input: `${lines.join("\n")}\n`,
        env: { LC_ALL: "C" },
        encoding: "utf8",
      });
      expect(ours).toEqual(theirs.trimEnd().split("\n"));
    }
  });

  test("and are found again in their order", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        const ordered = orderedKey(parseKeyParts("-k2,2n -k1r", "\t"), Buffer.from(bytes));
        const { start, end } = keyWithin(ordered, 0, ordered.length);
        expect(ordered.subarray(start, end)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  test.each(["-k", "-kx", "-k1,2,3", "-k0", "-k1.0", "-k1,1z"])(
    "not by %s, which is no part of a key",
    (options) => {
      const parse = (): unknown => parseKeyParts(options, "\t");
      if (options === "-k") expect(parse()).toMatchObject({ parts: [{ beginField: 1 }] });
      else expect(parse).toThrow(/not a part of a key/);
    },
  );
});

describe("keys go to partitions", () => {
  test("by the hash of the fields that are named", () => {
    const keys = parseKeyParts("-k1,2", ".");
    const of = (key: string): number => partitionByKeyParts(keys, Buffer.from(key), 12);
    expect(of("11.12.1.2")).toBe(of("11.12.9.9"));
    expect(of("11.12.1.2")).toBe(partitionOf(stringHash("11.12"), 12));
    expect(of("")).toBe(0);
    expect(partitionByKeyParts(firstFields(2, "."), Buffer.from("11.12.1"), 12)).toBe(of("11.12.9.9"));
  });

  test("by the hash that Hadoop gives a text", () => {
    // Of Hadoop 3.4.2, by a reduce of several partitions: test/mapreduce holds many more against the real one.
    expect(textHash(Buffer.from("a"), 0, 1)).toBe(31 + 97);
    expect(textHash(Buffer.from("é"), 0, 2)).toBe((31 * (31 + 0xc3 - 256) + 0xa9 - 256) | 0);
    expect(partitionOf(-1, 2)).toBe(1);
    expect(longHash(0)).toBe(0);
    expect(longHash(2 ** 32 + 5)).toBe(4);
  });
});

test.each([
  [1, "1.0"],
  [0.1, "0.1"],
  [-2.5, "-2.5"],
  [1e7, "1.0E7"],
  [12_345_678.9, "1.23456789E7"],
  [9_999_999, "9999999.0"],
  [0.001, "0.001"],
  [0.0001, "1.0E-4"],
  [0, "0.0"],
  [-0, "-0.0"],
  [NaN, "NaN"],
  [-Infinity, "-Infinity"],
])("%d is written as Java writes it", (value, text) => {
  expect(doubleText(value)).toBe(text);
});
