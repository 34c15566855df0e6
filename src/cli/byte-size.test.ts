import { expect, test } from "vitest";
import { bytesOf } from "./byte-size.ts";

test("a size is bytes, or a number with a binary unit", () => {
  const texts = ["1", "10k", "3M", "2g", "1t", "1p", "1e"];
  expect(texts.map(bytesOf)).toEqual([1, 10 * 2 ** 10, 3 * 2 ** 20, 2 ** 31, 2 ** 40, 2 ** 50, 2 ** 60]);
});

test.each(["", "k", "1.5g", "-1", "10kb", "1 k", "0x10", "1z"])('"%s" is no size', (text) => {
  expect(bytesOf(text)).toBeNaN();
});
