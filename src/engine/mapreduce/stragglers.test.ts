import { expect, test } from "vitest";
import type { Standing } from "./beats.ts";
import type { Job } from "./jobs/job.ts";
import { Trial } from "./jobs/jobs.testing.ts";
import { backupsAllowed, stragglersOf, usualDuration } from "./stragglers.ts";

function slow(
  trial: Trial,
  job: Job,
  fractions: Readonly<Record<number, number>>,
  standings: Readonly<Record<string, Standing>> = {},
  readyMs = 0,
): number[] {
  const stragglers = stragglersOf({
    job,
    kind: "map",
    nowMs: trial.timeMs,
    fractionOf: (task) => fractions[task],
    standingOf: (node) => standings[node] ?? "live",
    afterMs: 5_000,
    readyMs,
  });
  return stragglers.map(({ task }) => task);
}

/** A job of maps that took 10 s each, and more that have run for so long. */
function underWay(runningMs: number, running: number): { trial: Trial; job: Job } {
  const trial = new Trial();
  const job = trial.submit(6 + running);
  for (let task = 0; task < 6; task++) {
    const attempt = trial.begin(job, "map", task);
    trial.pass(10_000);
    trial.finish(job, "map", task, attempt);
  }
  for (let task = 6; task < 6 + running; task++) trial.begin(job, "map", task, `n${task}`);
  trial.pass(runningMs);
  return { trial, job };
}

test("an attempt that will take much longer than one begun now is slow; the slowest comes first", () => {
  const { trial, job } = underWay(20_000, 4);
  // 20 s at a half: 20 s more, of which one begun now takes 10. At nine tenths it is sooner done.
  expect(slow(trial, job, { 6: 0.5, 7: 0.9, 8: 0.1 })).toEqual([9, 8, 6]);
});

test("an attempt that has just begun is left alone, whatever it says", () => {
  const { trial, job } = underWay(4_000, 2);
  expect(slow(trial, job, {})).toEqual([]);
});

test("an attempt on a node that is silent is slow at once", () => {
  const { trial, job } = underWay(100, 2);
  expect(slow(trial, job, { 6: 0.9 }, { n6: "silent" })).toEqual([6]);
});

test("an attempt that has a backup gets no other", () => {
  const { trial, job } = underWay(60_000, 1);
  expect(slow(trial, job, {})).toEqual([6]);
  trial.begin(job, "map", 6, "n1", true);
  expect(slow(trial, job, {})).toEqual([]);
});

test("time in which an attempt could not get on does not make it slow", () => {
  const { trial, job } = underWay(60_000, 1);
  expect(slow(trial, job, { 6: 0.1 }, {}, trial.timeMs - 1_000)).toEqual([]);
});

test("one alone is like nobody: nothing is said of how long it usually takes", () => {
  const trial = new Trial();
  const job = trial.submit(1);
  trial.begin(job, "map", 0);
  trial.pass(100_000);
  const question = { job, kind: "map" as const, nowMs: trial.timeMs, fractionOf: () => 0.3, readyMs: 0 };
  expect(usualDuration(question)).toBeUndefined();
  expect(slow(trial, job, { 0: 0.01 })).toEqual([]);
});

test("backups are a tenth of the tasks, and one at least", () => {
  expect([1, 9, 10, 55].map(backupsAllowed)).toEqual([1, 1, 1, 5]);
});
