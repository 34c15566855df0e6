import { expect, test } from "vitest";
import { TaskCounters } from "./counters.ts";

test("counters add up, and what was added since the last record can be taken back", () => {
  const counters = new TaskCounters();
  counters.add("a", "x", 2);
  counters.begin();
  counters.add("a", "x", 3);
  counters.keep();
  counters.add("a", "x", 10);
  counters.add("b", "y", 1);
  counters.takeBack();
  counters.system.MAP_INPUT_RECORDS = 7;
  expect(counters.snapshot()).toMatchObject({ a: { x: 5 }, b: { y: 0 }, Task: { MAP_INPUT_RECORDS: 7 } });
});

test("names and amounts that are no counters are refused", () => {
  const counters = new TaskCounters();
  expect(() => counters.add("a", "x", 0.5)).toThrow(/whole numbers, not by 0.5/);
  expect(() => counters.add("Task", "x", 1)).toThrow(/the system's/);
  expect(() => counters.add("a", "", 1)).toThrow(/1 to 200 characters/);
  for (let name = 0; name < 1000; name++) counters.add("many", String(name), 1);
  expect(() => counters.add("many", "more", 1)).toThrow("more than 1000 counters");
  counters.add("many", "999", 1);
});
