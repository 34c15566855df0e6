import { expect, test } from "vitest";
import { requestOf, withRequest } from "../namespace/request-name.ts";
import { DoneRequests } from "./done-requests.ts";

test("the newest requests are known, each for the path that it named", () => {
  const requests = new DoneRequests(9);
  requests.add("r1", "/a");
  requests.add("r2", "/b");
  expect([requests.has("r1", "/a"), requests.has("r1", "/b")]).toEqual([true, false]);
  requests.add("r3", "/c");
  expect(["r1", "r2", "r3"].map((each, at) => requests.has(each, ["/a", "/b", "/c"][at] ?? ""))).toEqual([
    false,
    true,
    true,
  ]);
  // By their length, not their number.
  requests.add("r4", "/four");
  expect([requests.has("r2", "/b"), requests.has("r3", "/c"), requests.has("r4", "/four")]).toEqual([
    false,
    false,
    true,
  ]);
});

test("a request's name goes with its caller, whose groups stay", () => {
  const caller = { user: "ann", groups: ["staff"] };
  const named = withRequest(caller, "r1");
  expect([requestOf(caller), requestOf(named), named.groups[0]]).toEqual([undefined, "r1", "staff"]);
  expect(withRequest(caller, undefined)).toBe(caller);
});
