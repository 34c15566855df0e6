import { expect, test } from "vitest";
import { Leaderships } from "./leaderships.ts";

function observed(): { leaderships: Leaderships; found: string[] } {
  const found: string[] = [];
  return { leaderships: new Leaderships((what) => found.push(what)), found };
}

test("two leaders of one term are found, one that says so twice is not", () => {
  const { leaderships, found } = observed();
  expect(leaderships.leads("n1", 3)).toBe(true);
  expect(leaderships.leads("n1", 3)).toBe(false);
  expect(leaderships.leads("n2", 4)).toBe(true);
  expect(found).toEqual([]);
  expect(leaderships.elections).toBe(2);
  leaderships.leads("n3", 3);
  expect(found).toEqual(["term 3 has two leaders: n1 and n3"]);
});

test("a lease that holds while another leads a later term is found, unless its process has ended", () => {
  const { leaderships, found } = observed();
  leaderships.began("n1", () => 3);
  leaderships.leads("n1", 3);
  leaderships.checkLease("n1");
  expect(found).toEqual([]);
  leaderships.leads("n2", 4);
  expect(found).toEqual(["n1 holds a lease of term 3 while n2 leads term 4"]);
  leaderships.ended("n1");
  leaderships.leads("n3", 5);
  expect(found.length).toBe(1);
});
