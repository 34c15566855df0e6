import { expect, test } from "vitest";
import { ATTEMPTS_MAX } from "./model.ts";
import { specOf, splitsOf, Trial } from "./jobs.testing.ts";

const records = (n: number): { group: string; name: string; value: number }[] => [
  { group: "user", name: "records", value: n },
];

test("the same submission again is the same job, and says so", () => {
  const trial = new Trial();
  const given = { submission: "s-1", token: "t", spec: JSON.stringify(specOf()), splits: splitsOf(2) };
  const first = trial.do("submit", given);
  const again = trial.do("submit", { ...given, token: "another" });
  expect([first.known, again.known]).toEqual([false, true]);
  expect(again.job).toBe(first.job);
  expect(trial.machine.job(first.job)!.head.token).toBe("t");
  expect(first.job).toMatch(/^job_2026\d{4}_0001$/);
});

test("what is too large or no spec is refused, and leaves nothing", () => {
  const trial = new Trial();
  const given = { submission: "s-1", token: "t", spec: JSON.stringify(specOf()), splits: splitsOf(2) };
  expect(trial.refused("ARGUMENT_INVALID", "submit", { ...given, spec: "{" })).toMatch(/cannot be read/);
  expect(trial.refused("ARGUMENT_INVALID", "submit", { ...given, spec: "null" })).toMatch(/cannot be read/);
  const wide = JSON.stringify(specOf({ reduces: 9000 }));
  expect(
    trial.refused("ARGUMENT_INVALID", "submit", { ...given, spec: wide, splits: splitsOf(445) }),
  ).toMatch(/445 maps times 9000 reduces/);
  expect(trial.refused("JOB_NOT_FOUND", "kill", { job: "job_1", reason: "" })).toMatch(/no job job_1/);
});

test("a task begins once at a time; only a backup runs beside another attempt, and one at most", () => {
  const trial = new Trial();
  const job = trial.submit(1);
  const assign = (attempt: number, backup: boolean): boolean =>
    trial.do("assign", {
      assignments: [{ job: job.id, kind: "map", task: 0, attempt, node: "n2", life: 1, backup }],
    })[0]!;
  expect(assign(1, false)).toBe(false);
  expect(assign(0, true)).toBe(false);
  expect(assign(0, false)).toBe(true);
  expect(assign(0, false)).toBe(false);
  expect(assign(1, false)).toBe(false);
  expect(assign(1, true)).toBe(true);
  expect(assign(2, true)).toBe(false);
  expect([...trial.machine.runningOn("n2")]).toHaveLength(2);
});

test("the first attempt that finishes wins, the others end, and the winner's counters alone count", () => {
  const trial = new Trial();
  const job = trial.submit(1, { reduces: 1 });
  const slow = trial.begin(job, "map", 0, "n1");
  const backup = trial.begin(job, "map", 0, "n2", true);
  expect(trial.finish(job, "map", 0, backup, { counters: records(10) })).toBe(true);
  expect(trial.finish(job, "map", 0, slow, { counters: records(10) })).toBe(false);
  expect(job.task("map", 0)).toMatchObject({ winner: backup });
  expect(job.task("map", 0)!.attempts.map(({ state }) => state)).toEqual(["killed", "succeeded"]);
  expect(job.counters()).toEqual({ user: { records: 10 } });
  expect([...trial.machine.runningOn("n1")]).toEqual([]);
});

test("an attempt whose answer was lost may say again that it finished, and is told the same", () => {
  const trial = new Trial();
  const job = trial.submit(2);
  const attempt = trial.begin(job, "map", 0);
  expect([trial.finish(job, "map", 0, attempt), trial.finish(job, "map", 0, attempt)]).toEqual([true, true]);
  expect(job.counters()).toEqual({ user: { records: 10 } });
});

test("a job whose tasks all have winners commits, and has succeeded when its output is there", () => {
  const trial = new Trial();
  const job = trial.submit(2, { reduces: 1 });
  trial.run(job, "map", 0);
  trial.run(job, "map", 1);
  expect(job.head.state).toBe("running");
  trial.run(job, "reduce", 0);
  expect(job.head.state).toBe("committing");
  expect(trial.refused("JOB_ENDED", "kill", { job: job.id, reason: "late" })).toMatch(/about to appear/);
  expect(trial.do("committed", { job: job.id, marker: 99 })).toBe(false);
  expect(trial.do("committed", { job: job.id, marker: 3 })).toBe(true);
  expect(trial.do("committed", { job: job.id, marker: 3 })).toBe(false);
  expect(job.head).toMatchObject({ state: "succeeded", endedMs: trial.timeMs - 1 });
  expect(job.counters()).toEqual({ user: { records: 30 } });
});

test("nothing begins before there is a place for the output, and one that is gone can be made again until then", () => {
  const trial = new Trial();
  const job = trial.submit(1, { reduces: 1 }, false);
  const reduce = {
    job: job.id,
    kind: "reduce",
    task: 0,
    attempt: 0,
    node: "n1",
    life: 1,
    backup: false,
  } as const;
  expect(trial.do("assign", { assignments: [reduce] })).toEqual([false]);
  const output = { directory: 1, temporary: 2, marker: 3 };
  expect(trial.do("staged", { job: job.id, output, instead: undefined })).toBe(true);
  expect(trial.do("staged", { job: job.id, output: { ...output, marker: 4 }, instead: undefined })).toBe(
    false,
  );
  expect(trial.do("staged", { job: job.id, output: { ...output, marker: 4 }, instead: 3 })).toBe(true);
  expect(trial.do("prepared", { job: job.id, marker: 3 })).toBe(false);
  expect(trial.do("prepared", { job: job.id, marker: 4 })).toBe(true);
  expect(trial.do("staged", { job: job.id, output, instead: 4 })).toBe(false);
  expect(trial.do("assign", { assignments: [reduce] })).toEqual([true]);
});

test("a job without any input commits an empty output", () => {
  const trial = new Trial();
  expect(trial.submit(0, { reduces: 0 }).head.state).toBe("committing");
});

test("a lost map output makes its map run again, and its counters count once", () => {
  const trial = new Trial();
  const job = trial.submit(1, { reduces: 2 });
  trial.run(job, "map", 0, "n1");
  expect(job.partitionBytes).toEqual([1, 2]);
  const gone = {
    attempts: [{ job: job.id, kind: "map" as const, task: 0, attempt: 0 }],
    reason: "n1 is gone",
  };
  expect(trial.do("lost", gone)).toBe(1);
  expect(trial.do("lost", gone)).toBe(0);
  expect(job.counters()).toEqual({});
  expect(job.partitionBytes).toEqual([0, 0]);
  expect(job.map.waiting).toEqual(new Set([0]));
  trial.run(job, "map", 0, "n2");
  expect(job.counters()).toEqual({ user: { records: 10 } });
  expect(job.failuresByNode).toEqual(new Map());
});

test("the output of a map that reduces do not fetch is in the file system, and not lost with its node", () => {
  const trial = new Trial();
  const job = trial.submit(2, { reduces: 0 });
  trial.run(job, "map", 0, "n1");
  const gone = {
    attempts: [{ job: job.id, kind: "map" as const, task: 0, attempt: 0 }],
    reason: "n1 is gone",
  };
  expect(trial.do("lost", gone)).toBe(0);
  expect(job.task("map", 0)!.winner).toBe(0);
});

test("reduces that cannot fetch an output say so, and the second time its map runs again", () => {
  const trial = new Trial();
  const job = trial.submit(1, { reduces: 2 });
  trial.run(job, "map", 0, "n1");
  for (const reduce of [0, 1]) trial.begin(job, "reduce", reduce, "n2");
  const complain = (task: number, round: number, attempt = 0): boolean =>
    trial.do("complain", {
      reducer: { job: job.id, kind: "reduce", task, attempt: 0 },
      map: 0,
      attempt,
      round,
      reason: "refused",
    });
  expect(complain(0, 1)).toBe(false);
  expect(complain(0, 1), "the same word, sent again").toBe(false);
  expect(complain(1, 1)).toBe(true);
  expect(job.task("map", 0)).toMatchObject({ winner: undefined });
  trial.run(job, "map", 0, "n3");
  expect(complain(0, 2), "about an output that is known to be gone").toBe(false);
  expect(job.task("map", 0)).toMatchObject({ winner: 1 });
});

test("a task may fail so often, then the job fails and says of what; nothing of it runs any more", () => {
  const trial = new Trial();
  const job = trial.submit(2, { attempts: 3 });
  trial.begin(job, "map", 1, "n3");
  for (const node of ["n1", "n2", "n1"]) trial.fail(job, "map", 0, trial.begin(job, "map", 0, node));
  expect(job.head).toMatchObject({
    state: "failed",
    failure: { code: "JOB_FAILED", attempt: { task: 0, attempt: 2 } },
  });
  expect(job.head.failure!.message).toMatch(
    /^map 0 failed 3 times, at last as attempt_2026\d+_0001_m_000000_2: it threw$/,
  );
  expect(job.task("map", 1)!.attempts[0]).toMatchObject({ state: "killed" });
  expect(job.failuresByNode).toEqual(
    new Map([
      ["n1", 2],
      ["n2", 1],
    ]),
  );
  expect(trial.do("committed", { job: job.id, marker: 3 })).toBe(false);
});

test("what will fail alike every time fails the job at once", () => {
  const trial = new Trial();
  const job = trial.submit(1);
  trial.fail(job, "map", 0, trial.begin(job, "map", 0), { retryable: false, message: "no default export" });
  expect(job.head.failure!.message).toMatch(/map 0 failed for good as .*: no default export/);
});

test("attempts that are lost or make room do not count as failures, but nothing goes on for ever", () => {
  const trial = new Trial();
  const job = trial.submit(1, { attempts: 1 });
  for (let round = 0; round < ATTEMPTS_MAX; round++) {
    expect(job.head.state).toBe("running");
    const attempts = [{ job: job.id, kind: "map" as const, task: 0, attempt: trial.begin(job, "map", 0) }];
    trial.do(round % 2 === 0 ? "preempt" : "lost", { attempts, reason: "out" });
  }
  expect(job.head).toMatchObject({ state: "failed", failure: { code: "JOB_FAILED" } });
});

test("records that attempts died of are skipped, as many as allowed, and do not count as failures", () => {
  const trial = new Trial();
  const job = trial.submit(1, { attempts: 1, skipRecords: 2 });
  const failOf = (index: number): void => {
    const record = { index, text: `record ${index}` };
    trial.fail(job, "map", 0, trial.begin(job, "map", 0), { record });
  };
  failOf(9);
  failOf(4);
  expect(job.task("map", 0)).toMatchObject({ skip: [4, 9], failures: 0 });
  expect(job.head.state).toBe("running");
  failOf(5);
  expect(job.head.state).toBe("failed");
});

test("an attempt that says it did what cannot be fails, and takes its job with it", () => {
  const over = Array.from({ length: 1101 }, (_, at) => ({ group: "user", name: `c${at}`, value: 1 }));
  const cases = [
    [{ partitions: [1] }, /left 1 partitions, not 2/],
    [{ partitions: undefined }, /left no partitions, not 2/],
    [{ counters: records(1.5) }, /is 1.5, which is no whole number/],
    [{ counters: over }, /more than 1100 counters/],
    [{ files: [{ name: "../x", bytes: 1, records: 1 }] }, /cannot be called "..\/x"/],
    [{ files: [{ name: "_temporary/x", bytes: 1, records: 1 }] }, /cannot be called/],
    [{ files: [{ name: "_SUCCESS", bytes: 1, records: 1 }] }, /cannot be called/],
  ] as const;
  for (const [given, message] of cases) {
    const trial = new Trial();
    const job = trial.submit(1, { reduces: 2 });
    expect(trial.finish(job, "map", 0, trial.begin(job, "map", 0), given)).toBe(false);
    expect(job.head.failure?.message).toMatch(message);
    expect(job.counters()).toEqual({});
  }
});

test("a killed job ends at once, stays killed, and can no longer succeed", () => {
  const trial = new Trial();
  const job = trial.submit(1, { reduces: 0 });
  const attempt = trial.begin(job, "map", 0);
  trial.do("kill", { job: job.id, reason: "ann: enough" });
  trial.do("kill", { job: job.id, reason: "again" });
  expect(trial.finish(job, "map", 0, attempt)).toBe(false);
  expect(job.head).toMatchObject({ state: "killed", killed: "ann: enough" });
  expect(job.task("map", 0)!.attempts[0]).toMatchObject({ state: "killed" });
  expect(trial.do("cleaned", { job: job.id })).toBe(true);
  expect(trial.do("abandon", { job: job.id, code: "PATH_EXISTS", message: "" })).toBe(false);
});

test("what is kept of ended jobs is bounded: the oldest lose their tasks, then go; their sums stay as they were", () => {
  const trial = new Trial({ jobsMax: 3, tasksMax: 4, ageMaxMs: 3_600_000 });
  const ids: string[] = [];
  for (let at = 0; at < 5; at++) {
    const job = trial.pass(60_000).submit(2, { reduces: 0 });
    trial.run(job, "map", 0);
    trial.run(job, "map", 1);
    trial.do("committed", { job: job.id, marker: 3 });
    if (at < 4) trial.do("cleaned", { job: job.id });
    ids.push(job.id);
  }
  const { machine } = trial;
  expect(machine.upkeep(trial.timeMs)).toBeDefined();
  expect(machine.upkeep(trial.timeMs), "one at a time").toBeUndefined();
  expect(trial.do("prune", {})).toBe(2);
  expect([...machine.jobs()].map(({ id, detailed }) => [id, detailed])).toEqual([
    [ids[1], false],
    [ids[2], true],
    [ids[3], true],
    [ids[4], true],
  ]);
  const summed = machine.job(ids[1]!)!;
  expect(summed.counters()).toEqual({ user: { records: 20 } });
  expect(summed.map.tally).toMatchObject({ finished: 2, succeeded: 2, begun: 2 });
  expect(trial.restored().job(ids[1]!)!.counters()).toEqual({ user: { records: 20 } });
  expect(machine.upkeep(trial.pass(7_200_000).timeMs)).toBeDefined();
  expect(trial.do("prune", {})).toBe(3);
  expect(
    [...machine.jobs()].map(({ id }) => id),
    "what is not cleaned up is kept",
  ).toEqual([ids[4]]);
});

test("whoever watches is told of every change once, and when everything is replaced", () => {
  const trial = new Trial({ jobsMax: 0 });
  const told: string[] = [];
  trial.machine.observer = {
    changed: (job) => told.push(`${job.id.slice(-4)} ${job.head.state} ${job.head.version}`),
    removed: (id) => told.push(`${id.slice(-4)} removed`),
    replaced: () => told.push("replaced"),
  };
  const job = trial.submit(1, { reduces: 0 });
  trial.run(job, "map", 0);
  trial.do("committed", { job: job.id, marker: 3 });
  trial.do("committed", { job: job.id, marker: 3 });
  trial.do("cleaned", { job: job.id });
  trial.do("prune", {});
  trial.machine.restore([...drainedOf(trial)]);
  expect(told).toEqual([
    "0001 running 1",
    "0001 running 2",
    "0001 running 3",
    "0001 running 4",
    "0001 committing 5",
    "0001 succeeded 6",
    "0001 succeeded 7",
    "0001 removed",
    "replaced",
  ]);
});

function drainedOf(trial: Trial): Iterable<ReturnType<typeof Buffer.from>> {
  const cut = trial.machine.snapshot();
  const chunks = [];
  for (let bytes = cut.next(100); bytes !== undefined; bytes = cut.next(100))
    chunks.push(bytes as Buffer<ArrayBuffer>);
  return chunks;
}
