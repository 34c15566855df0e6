import { expect, test } from "vitest";
import { Founding } from "./founding.ts";
import type { Greeting } from "./frames.ts";

const greeting = (directory: string, more: Partial<Greeting>): Greeting => ({
  resp: undefined,
  http: undefined,
  pid: undefined,
  dataDir: undefined,
  role: "learner",
  appliedIndex: 0,
  commitIndex: 0,
  diskBytes: 0,
  recovering: false,
  directory,
  ...more,
});
const blank = (directory: string): Greeting => greeting(directory, { newcomer: true, blank: true });
const everyone = (): boolean => true;

test("a node founds once all founders are blank, not before", () => {
  const founding = new Founding("n1", "d1", ["n1", "n2", "n3"]);
  founding.heard("n2", blank("d2"));
  founding.heard("n4", blank("d4"));
  expect(founding.founders(everyone)).toBeUndefined();
  founding.heard("n3", blank("d3"));
  expect(founding.founders(everyone)).toEqual(["d1", "d2", "d3"]);
  expect(founding.founders((id) => id !== "n2")).toBeUndefined();
});

test("one that has founded already, with this node among the blank, does not keep it from founding", () => {
  const founding = new Founding("n1", "d1", ["n1", "n2", "n3"]);
  founding.heard("n2", blank("d2"));
  founding.heard("n2", greeting("d2", { founders: ["d2", "d1", "d3"] }));
  founding.heard("n3", blank("d3"));
  expect(founding.founders(everyone)).toEqual(["d1", "d2", "d3"]);
});

test("one that holds something, from whenever, keeps this node from founding", () => {
  const founding = new Founding("n1", "d1", ["n1", "n2", "n3"]);
  founding.heard("n2", blank("d2"));
  founding.heard("n3", blank("d3"));
  // n2 was admitted by a cluster that went on without this node.
  founding.heard("n2", greeting("d2", {}));
  expect(founding.founders(everyone)).toBeUndefined();
  // It founded with an earlier life of this node.
  const second = new Founding("n1", "d1'", ["n1", "n2", "n3"]);
  second.heard("n3", blank("d3"));
  second.heard("n2", greeting("d2", { founders: ["d2", "d1", "d3"] }));
  expect(second.founders(everyone)).toBeUndefined();
  // A newcomer that knows of a cluster.
  second.heard("n2", greeting("d2", { newcomer: true }));
  expect(second.founders(everyone)).toBeUndefined();
});
