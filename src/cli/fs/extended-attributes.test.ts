import fc from "fast-check";
import { expect, test } from "vitest";
import { attributeText, attributeValue } from "./extended-attributes.ts";

test("a value that is printed in hexadecimal or base 64 is read back byte for byte", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom("hex", "base64"), (bytes, encoding) => {
      expect(attributeValue(attributeText(Buffer.from(bytes), encoding))).toEqual(Buffer.from(bytes));
    }),
  );
});

test("a text is itself, with or without quotes, also when it looks like a number", () => {
  for (const [given, meant] of [
    ["grün", "grün"],
    ['"grün"', "grün"],
    ['"0x00"', "0x00"],
    ['"', '"'],
    ["", ""],
    ["0", "0"],
  ] as const)
    expect(attributeValue(given).toString("utf8")).toBe(meant);
  expect(attributeText(Buffer.from("grün"), "text")).toBe('"grün"');
});

test.each(["0x0", "0xgg", "0s*", "0sQQ==="])("%s is refused", (text) => {
  expect(() => attributeValue(text)).toThrow(/not (hexadecimal|base 64)/);
});
