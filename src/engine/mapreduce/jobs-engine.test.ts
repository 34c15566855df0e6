import { expect, test } from "vitest";
import type { Job } from "./jobs/job.ts";
import { booksOf, JobsCluster } from "./jobs-cluster.testing.ts";
import { judgeJob, judgeLeftovers } from "./judge.testing.ts";

/** Runs a job to its end, and everything after it to rest. */
function toTheEnd(cluster: JobsCluster, id: string, forMs = 300_000): Job {
  cluster.until(() => cluster.job(id).head.cleaned, `${id} has ended and is cleaned up`, forMs);
  cluster.run(2_000);
  const job = cluster.job(id);
  expect(judgeJob(cluster, job)).toBeUndefined();
  expect(judgeLeftovers(cluster)).toBeUndefined();
  return job;
}

const attemptsOf = (job: Job): string[] =>
  [...job.map.tasks, ...job.reduce.tasks].flatMap(({ attempts }) => attempts.map(({ state }) => state));

test("a job counts every record once, and leaves its output, its counters and nothing else", () => {
  const cluster = new JobsCluster(1);
  const job = toTheEnd(cluster, cluster.submit());
  expect(job.head.state).toBe("succeeded");
  expect(new Set(attemptsOf(job))).toEqual(new Set(["succeeded"]));
});

test("a job of maps only", () => {
  const cluster = new JobsCluster(2);
  expect(toTheEnd(cluster, cluster.submit({ reduces: 0 })).head.state).toBe("succeeded");
});

test("a job without any input leaves an empty output", () => {
  const cluster = new JobsCluster(3, { input: new Map() });
  const job = toTheEnd(cluster, cluster.submit({ reduces: 1 }));
  expect(job.head.state).toBe("succeeded");
});

test("maps run where their split is, but for those that found no room there", () => {
  const cluster = new JobsCluster(4, { input: booksOf(6, 30) });
  const job = toTheEnd(cluster, cluster.submit());
  const local = job.map.tasks.filter(({ attempts }, map) =>
    job.splits[map]!.nodes.includes(attempts[0]!.node),
  );
  expect(local.length / job.map.tasks.length).toBeGreaterThan(0.8);
});

test("the loss of the scheduler at any moment loses no finished task and needs no one's help", () => {
  let lost = 0;
  for (let atMs = 20; atMs < 1_500; atMs += 60) {
    const cluster = new JobsCluster(atMs, { tasks: { stepMs: 40 } });
    cluster.until(() => cluster.leader !== undefined, "a leader");
    const id = cluster.submit();
    cluster.run(atMs);
    const finished = new Map(
      cluster
        .job(id)
        .map.tasks.map((task, map) => [map, task.winner])
        .filter(([, winner]) => winner !== undefined) as [number, number][],
    );
    const { leader } = cluster;
    // Its worker goes on: what is lost is who decides.
    const term = cluster.log.term;
    cluster.world.network.partition([leader!]);
    cluster.until(() => cluster.log.term > term, "another leader");
    cluster.world.network.heal();
    const job = toTheEnd(cluster, id);
    expect(job.head.state).toBe("succeeded");
    for (const [map, winner] of finished) expect(job.map.tasks[map]!.winner).toBe(winner);
    lost += finished.size;
  }
  expect(lost, "maps had finished when the scheduler was lost").toBeGreaterThan(20);
});

test("a node that dies for good costs what it ran and the map outputs that it held, and no more", () => {
  const cluster = new JobsCluster(6, { nodes: 4, tasks: { stepMs: 300 }, input: booksOf(6, 20) });
  const id = cluster.submit();
  cluster.until(() => cluster.job(id).map.tally.finished > 12, "half of the maps");
  const victim = cluster.ids.find((node) => node !== cluster.leader)!;
  cluster.kill(victim);
  const job = toTheEnd(cluster, id);
  expect(job.head.state).toBe("succeeded");
  for (const task of [...job.map.tasks, ...job.reduce.tasks]) {
    for (const { node, state } of task.attempts) {
      if (state === "lost") expect(node).toBe(victim);
      expect(state).not.toBe("failed");
    }
    expect(task.attempts[task.winner!]!.node).not.toBe(victim);
  }
  expect(attemptsOf(job)).toContain("lost");
});

test("a process that starts again still has its map outputs: they are not made anew", () => {
  const cluster = new JobsCluster(7, { tasks: { stepMs: 300 }, restartMs: 100 });
  const id = cluster.submit();
  cluster.until(() => cluster.job(id).map.tally.finished > 8, "half of the maps");
  const held = cluster
    .job(id)
    .map.tasks.map(({ winner, attempts }) => winner !== undefined && attempts[winner]!.node);
  const victim = cluster.ids.find((node) => node !== cluster.leader && held.includes(node))!;
  cluster.kill(victim);
  const job = toTheEnd(cluster, id);
  for (const [map, node] of held.entries()) {
    if (node === victim) expect(job.map.tasks[map]!.attempts).toHaveLength(1);
  }
});

test("reduces that cannot fetch an output have its map run again", () => {
  const cluster = new JobsCluster(8, { tasks: { stepMs: 300 } });
  const id = cluster.submit();
  cluster.until(() => cluster.job(id).map.tally.finished > 10, "most maps");
  // Somebody has cleaned up the wrong directory.
  const victim = cluster.ids.find((node) => cluster.areas.get(node)!.outputs.size > 0)!;
  cluster.areas.get(victim)!.outputs.clear();
  const job = toTheEnd(cluster, id);
  expect(job.head.state).toBe("succeeded");
  expect(
    job.map.tasks.some(({ attempts }) => attempts[0]!.reason?.includes("could not be fetched") === true),
  ).toBe(true);
});

test("reduces make way for a map that must run again", () => {
  const cluster = new JobsCluster(9, { nodes: 3, slots: 1, tasks: { stepMs: 3_000 } });
  const id = cluster.submit({ reduces: 3, progressTimeoutMs: 60_000 }, "/counts", 40);
  cluster.until(() => cluster.job(id).reduce.running.size === 3, "all slots are taken by reduces");
  for (const area of cluster.areas.values()) area.outputs.clear();
  const victim = cluster.job(id).map.tasks[0]!;
  cluster.put(cluster.leader!, {
    type: "lost",
    attempts: [{ job: id, kind: "map", task: 0, attempt: victim.winner! }],
    reason: "its disk",
  });
  const job = toTheEnd(cluster, id, 600_000);
  expect(job.head.state).toBe("succeeded");
  expect(attemptsOf(job).filter((state) => state === "killed").length).toBeGreaterThan(0);
});

test("an attempt much slower than its like gets a backup, and the first to finish wins", () => {
  const cluster = new JobsCluster(10, { tasks: { slow: 0.1, stepMs: 400 }, input: booksOf(6, 20) });
  const job = toTheEnd(cluster, cluster.submit({ progressTimeoutMs: 600_000 }), 600_000);
  const backups = [...job.map.tasks, ...job.reduce.tasks].filter(({ attempts }) =>
    attempts.some(({ backup }) => backup),
  );
  expect(backups.length).toBeGreaterThan(0);
  expect(backups.some(({ attempts, winner }) => attempts[winner!]!.backup)).toBe(true);
  expect(job.head.endedMs! - job.head.submittedMs, "without backups it takes over a minute").toBeLessThan(
    60_000,
  );
});

test("a program that hangs is ended after the timeout, and says so", () => {
  const cluster = new JobsCluster(11, { tasks: { hangs: 0.3 } });
  const job = toTheEnd(cluster, cluster.submit({ speculative: false }));
  expect(job.head.state).toBe("succeeded");
  const reasons = [...job.map.tasks, ...job.reduce.tasks].flatMap(({ attempts }) =>
    attempts.map(({ reason }) => reason),
  );
  expect(reasons.some((reason) => reason?.startsWith("it said nothing for 5000 ms") === true)).toBe(true);
});

test("a program that fails every time fails its job, with the reason, and leaves nothing", () => {
  const cluster = new JobsCluster(12, { tasks: { throws: 4 } });
  const job = toTheEnd(cluster, cluster.submit({ attempts: 3 }));
  expect(job.head).toMatchObject({ state: "failed", failure: { code: "JOB_FAILED" } });
  expect(job.head.failure!.message).toMatch(
    /failed 3 times, at last as attempt_\d+_0001_m_\d+_2: the program threw/,
  );
  expect(cluster.files.has("/counts")).toBe(false);
});

test("the second job with the same output fails, and the first one's output stays", () => {
  const cluster = new JobsCluster(13);
  const first = cluster.submit();
  const second = cluster.submit();
  cluster.until(() => cluster.job(first).head.cleaned && cluster.job(second).head.cleaned, "both have ended");
  cluster.run(2_000);
  const states = [first, second].map((id) => cluster.job(id).head.state).toSorted();
  expect(states).toEqual(["failed", "succeeded"]);
  const failed = [first, second].map((id) => cluster.job(id)).find(({ head }) => head.state === "failed")!;
  expect(failed.head.failure).toMatchObject({ code: "CHANGED_MEANWHILE" });
  for (const id of [first, second]) expect(judgeJob(cluster, cluster.job(id))).toBeUndefined();
  expect(judgeLeftovers(cluster)).toBeUndefined();
});

test("a killed job ends at once and leaves nothing; other jobs go on", () => {
  const cluster = new JobsCluster(14, { tasks: { stepMs: 300 } });
  const killed = cluster.submit();
  const other = cluster.submit({}, "/other/counts");
  cluster.until(() => cluster.job(killed).map.tally.finished > 3, "it is under way");
  cluster.put(cluster.ids[2]!, { type: "kill", job: killed, reason: "ann: enough" });
  expect(toTheEnd(cluster, other).head.state).toBe("succeeded");
  expect(cluster.job(killed).head).toMatchObject({ state: "killed", cleaned: true });
  expect(cluster.files.has("/counts")).toBe(false);
});

test("jobs share the slots: a short job does not wait for the end of a long one", () => {
  const cluster = new JobsCluster(15, { tasks: { stepMs: 300 }, input: booksOf(20, 20) });
  const long = cluster.submit({}, "/long", 2);
  cluster.until(() => cluster.job(long).map.tally.finished > 5, "the long one is under way");
  const short = cluster.submit({}, "/short", 20);
  cluster.until(() => cluster.job(short).head.state === "succeeded", "the short one has succeeded");
  expect(cluster.job(long).map.tally.finished).toBeLessThan(cluster.job(long).map.tasks.length);
  expect(toTheEnd(cluster, long, 900_000).head.state).toBe("succeeded");
});

test("a node on which attempts fail is avoided", () => {
  const cluster = new JobsCluster(16, { input: booksOf(8, 20) });
  const bad = "n2";
  cluster.until(() => cluster.lives.size === 3, "all run");
  cluster.areas.get(bad)!.full = true;
  const job = toTheEnd(cluster, cluster.submit());
  expect(job.head.state).toBe("succeeded");
  expect(job.failuresByNode.get(bad)).toBeGreaterThanOrEqual(3);
  expect(job.failuresByNode.get(bad)).toBeLessThan(8);
  const reasons = job.map.tasks.flatMap(({ attempts }) => attempts.map(({ reason }) => reason));
  expect(reasons).toContain("it could not begin: no space left on device");
});
