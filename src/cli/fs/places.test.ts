import { expect, test } from "vitest";
import { tidy } from "./places.ts";

test("paths are what they mean to people, and none leads out of the root in silence", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["/", "/"],
    ["//a//b/", "/a/b"],
    ["/a/./b/../c", "/a/c"],
    ["/a/..", "/"],
    ["/a/../../b", "/../b"],
    ["/../../b/..", "/../.."],
  ];
  for (const [path, tidied] of cases) expect(tidy(path), path).toBe(tidied);
});
