import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import type { Bytes } from "../../../runtime/bytes.ts";
import type { AttemptId } from "../../../mapreduce/job-spec.ts";
import { encodeCommand } from "./command-codec.ts";
import type { JobsCommand } from "./commands.ts";
import { Job } from "./job.ts";
import { drained, specOf, splitsOf, Trial } from "./jobs.testing.ts";
import { createJobs } from "./machine.ts";
import { Refusal } from "./replies.ts";
import type { JobsCut } from "./snapshot-cut.ts";
import { SPLITS } from "./command-codec.ts";
import { decode, encode } from "../../../wire/record.ts";
import { count, noTally } from "./tally.ts";

const HISTORY = { jobsMax: 2, tasksMax: 4, ageMaxMs: 60_000 };

const id = fc.constantFrom(1, 1, 2, 3).map((number) => `job_20260916_000${number}`);
const kind = fc.constantFrom("map" as const, "map" as const, "reduce" as const);
const attemptId: fc.Arbitrary<AttemptId> = fc.record({ job: id, kind, task: fc.nat(2), attempt: fc.nat(3) });
const marker = fc.constantFrom(3, 3, 3, 4);
const attempts = fc.array(attemptId, { minLength: 1, maxLength: 4 });
const text = fc.constantFrom("", "it threw", "n1 is gone");

type Typed<Type extends JobsCommand["type"]> = Extract<JobsCommand, { readonly type: Type }>;

function typed<Type extends JobsCommand["type"]>(
  type: Type,
  fields: { [Name in Exclude<keyof Typed<Type>, "type">]: fc.Arbitrary<Typed<Type>[Name]> },
): fc.Arbitrary<JobsCommand> {
  return fc.record({ type: fc.constant(type), ...fields }) as unknown as fc.Arbitrary<JobsCommand>;
}

const counters = fc.array(
  fc.record({
    group: fc.constantFrom("user", "Task"),
    name: fc.constantFrom("records", "bytes", "a\0b"),
    value: fc.constantFrom(0, 1, 5, -2, 2 ** 40, 0.5),
  }),
  { maxLength: 3 },
);

const command: fc.Arbitrary<JobsCommand> = fc.oneof(
  {
    weight: 3,
    arbitrary: typed("submit", {
      submission: fc.constantFrom("s1", "s2", "s3", "s4"),
      token: fc.constant("t"),
      spec: fc.constantFrom(
        JSON.stringify(specOf({ reduces: 2, attempts: 2, skipRecords: 1 })),
        JSON.stringify(specOf({ reduces: 0 })),
        "{}",
      ),
      splits: fc.constantFrom(splitsOf(3), splitsOf(1)),
    }),
  },
  {
    weight: 3,
    arbitrary: typed("staged", {
      job: id,
      output: marker.map((each) => ({ directory: 1, temporary: 2, marker: each })),
      instead: fc.constantFrom(undefined, undefined, 3),
    }),
  },
  { weight: 4, arbitrary: typed("prepared", { job: id, marker }) },
  {
    weight: 20,
    arbitrary: typed("assign", {
      assignments: fc.array(
        fc
          .tuple(attemptId, fc.constantFrom("n1", "n2"), fc.constantFrom(false, false, true))
          .map(([each, node, backup]) => ({ ...each, node, life: 1, backup })),
        { minLength: 1, maxLength: 6 },
      ),
    }),
  },
  {
    weight: 20,
    arbitrary: typed("finished", {
      attempt: attemptId,
      counters,
      partitions: fc.constantFrom([1, 2], [1, 2], [1, 2], undefined),
      outputRecords: fc.nat(5),
      files: fc.constantFrom([], [{ name: "part-00000", bytes: 3, records: 1 }]),
      skipped: fc.constantFrom([], [1]),
    }),
  },
  {
    weight: 5,
    arbitrary: typed("failed", {
      attempt: attemptId,
      message: text,
      stack: fc.constantFrom(undefined, "at map"),
      record: fc.constantFrom(undefined, { index: 1, text: "x" }),
      retryable: fc.constantFrom(true, true, true, false),
    }),
  },
  { weight: 4, arbitrary: typed("lost", { attempts, reason: text }) },
  { weight: 2, arbitrary: typed("preempt", { attempts, reason: text }) },
  {
    weight: 4,
    arbitrary: typed("complain", {
      reducer: attemptId,
      map: fc.nat(2),
      attempt: fc.nat(2),
      round: fc.nat(2),
      reason: text,
    }),
  },
  { weight: 1, arbitrary: typed("kill", { job: id, reason: text }) },
  { weight: 3, arbitrary: typed("committed", { job: id, marker }) },
  {
    weight: 1,
    arbitrary: typed("abandon", { job: id, code: fc.constant("PATH_EXISTS" as const), message: text }),
  },
  { weight: 2, arbitrary: typed("cleaned", { job: id }) },
  { weight: 2, arbitrary: typed("prune", {}) },
);

const steps = fc.array(fc.record({ command, passMs: fc.constantFrom(0, 1, 30_000) }), {
  minLength: 1,
  maxLength: 150,
  size: "max",
});
type Steps = readonly { readonly command: JobsCommand; readonly passMs: number }[];

/** Applies everything to a replica that takes a snapshot midway, and to one that only follows; then to one restored from it. */
function replay(all: Steps, cutAt: number, maxBytes: number): void {
  const first = createJobs(HISTORY);
  const second = createJobs(HISTORY);
  let cut: JobsCut | undefined;
  let cutDigest = 0;
  const chunks: Bytes[] = [];
  const missed: { command: JobsCommand; timeMs: number; reply: unknown }[] = [];
  let timeMs = Date.UTC(2026, 8, 16);
  for (const [index, step] of all.entries()) {
    timeMs += step.passMs;
    if (index === cutAt) {
      cutDigest = first.digest();
      cut = first.snapshot();
    }
    const reply = first.apply(step.command, { timeMs });
    expect(second.apply(second.decode(encodeCommand(step.command)), { timeMs })).toEqual(reply);
    if (reply instanceof Refusal) expect(reply.message.length).toBeGreaterThan(0);
    expect(second.digest()).toBe(first.digest());
    if (cut !== undefined) missed.push({ command: step.command, timeMs, reply });
    const piece = index % 3 === 0 ? cut?.next(maxBytes) : undefined;
    if (piece !== undefined) chunks.push(piece);
  }
  for (const job of first.jobs()) if (job.detailed) checkSums(job);
  const whole = createJobs(HISTORY);
  whole.restore(drained(second.snapshot(), 1000));
  expect(whole.digest()).toBe(second.digest());
  for (const node of ["n1", "n2"]) {
    const names = [...second.runningOn(node)].map((each) => JSON.stringify(each)).toSorted();
    expect([...whole.runningOn(node)].map((each) => JSON.stringify(each)).toSorted()).toEqual(names);
  }
  if (cut === undefined) return;
  const restored = createJobs(HISTORY);
  restored.restore([...chunks, ...drained(cut, maxBytes)]);
  expect(restored.digest()).toBe(cutDigest);
  for (const { command: each, timeMs: at, reply } of missed)
    expect(restored.apply(each, { timeMs: at })).toEqual(reply);
  expect(restored.digest()).toBe(first.digest());
}

/** What a job says of itself is what its tasks add up to. */
function checkSums(job: Job): void {
  for (const each of ["map", "reduce"] as const) {
    const { tasks, tally, waiting, running } = job.table(each);
    const counted = noTally();
    for (const task of tasks) count(counted, task, 1);
    expect(tally).toEqual(counted);
    expect([waiting.size, running.size]).toEqual([counted.waiting, counted.running]);
    for (const { attempts: tried, winner } of tasks) {
      expect(tried.filter(({ state }) => state === "running").length).toBeLessThanOrEqual(2);
      expect(tried.filter(({ state }) => state === "succeeded").length).toBe(winner === undefined ? 0 : 1);
      if (winner !== undefined) expect(tried.every(({ state }) => state !== "running")).toBe(true);
    }
  }
  let total = 0;
  for (const { attempts: tried, winner } of [...job.map.tasks, ...job.reduce.tasks]) {
    if (winner !== undefined)
      for (const value of tried[winner]!.counters) total += Number.isNaN(value) ? 0 : value;
  }
  let told = 0;
  for (const group of Object.values(job.counters())) for (const value of Object.values(group)) told += value;
  expect(told).toBe(total);
  if (job.head.state === "committing" || job.head.state === "succeeded") {
    expect([...job.map.tasks, ...job.reduce.tasks].every(({ winner }) => winner !== undefined)).toBe(true);
  }
}

const runs = fc.property(steps, fc.nat(120), fc.integer({ min: 1, max: 700 }), replay);

afterEach(() => void vi.restoreAllMocks());

test("replicas agree in replies and digests, also one that was restored from a snapshot taken while commands were applied", () => {
  fc.assert(runs, { numRuns: 400 });
});

test("a task that is changed in place, under a snapshot that is being written, is found out", () => {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with the job that it is called on.
  const { put } = Job.prototype;
  vi.spyOn(Job.prototype, "put").mockImplementation(function (this: Job, ...given) {
    const before = this.task(given[0], given[1])!;
    put.apply(this, given);
    if (before.attempts.length > 0) Object.assign(before.attempts, given[2].attempts);
  });
  expect(fc.check(runs, { numRuns: 2000, endOnFailure: true }).failed).toBe(true);
});

test("a command survives the log as it is", () => {
  fc.assert(
    fc.property(command, (each) => {
      const decoded = createJobs().decode(encodeCommand(each));
      expect(JSON.parse(JSON.stringify(decoded))).toEqual(JSON.parse(JSON.stringify(each)));
    }),
    { numRuns: 1000 },
  );
});

test("splits survive the log as they are, and say each path once", () => {
  const splits = splitsOf(100);
  const bytes = encode(SPLITS, splits);
  expect(decode(SPLITS, bytes)).toEqual(splits);
  expect(bytes.length).toBeLessThan(100 * 50);
});

test("a snapshot that is cut short or damaged is refused, never half believed", () => {
  const trial = new Trial();
  const job = trial.submit(4, { reduces: 2 });
  trial.run(job, "map", 0);
  trial.fail(job, "map", 1, trial.begin(job, "map", 1), { record: { index: 4, text: "x" } });
  const [whole] = drained(trial.machine.snapshot(), 1 << 20);
  for (let cutAt = 0; cutAt < whole!.length; cutAt += 3) {
    expect(() => createJobs().restore([whole!.subarray(0, cutAt)]), `cut at ${cutAt}`).toThrow(/snapshot/);
  }
  let accepted = 0;
  for (let offset = 0; offset < whole!.length; offset++) {
    whole![offset]! ^= 0x15;
    try {
      createJobs().restore([whole!]);
      accepted++;
    } catch (error) {
      expect(String(error)).toMatch(/snapshot/);
    }
    whole![offset]! ^= 0x15;
  }
  // The log time, texts for people and names of counters are not covered by the digest: the file's checksum is.
  expect(accepted / whole!.length).toBeLessThan(0.4);
});
