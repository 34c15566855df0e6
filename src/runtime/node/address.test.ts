import { expect, test } from "vitest";
import { reachableHost } from "./address.ts";

test.each([
  { host: "10.0.0.1", peer: "10.1.0.1:16379", reached: "10.0.0.1" },
  { host: "0.0.0.0", peer: "10.1.0.1:16379", reached: "10.1.0.1" },
  { host: "::", peer: "[fd00::1]:16379", reached: "fd00::1" },
  { host: "::", peer: "n1.example:16379", reached: "n1.example" },
  { host: "0.0.0.0", peer: "0.0.0.0:16379", reached: "0.0.0.0" },
  { host: "0.0.0.0", peer: undefined, reached: "0.0.0.0" },
])("who listens on $host, with peers at $peer, is reached at $reached", ({ host, peer, reached }) => {
  expect(reachableHost(host, peer)).toBe(reached);
});
