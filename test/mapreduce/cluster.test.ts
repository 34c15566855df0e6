/** Jobs on three real processes, which are killed and stopped under them. */
import fs from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { connectJobs } from "../../src/client/mapreduce/connect.ts";
import { JobFailedError } from "../../src/client/mapreduce/job-run.ts";
import type { JobReport } from "../../src/mapreduce/job-api.ts";
import { userName } from "../../src/runtime/node/user-name.ts";
import { isAlive, launch, until } from "../cli/program.ts";
import type { Three } from "./three.ts";
import {
  checksumOf,
  endThree,
  everything,
  followWith,
  pidOf,
  schedulerOf,
  submissionOf,
  textOf,
  three,
} from "./three.ts";

vi.setConfig({ testTimeout: 240_000 });
afterEach(endThree);

const SLOW = "jobs/slow-count.ts";
/** Small, so that there are many tasks. */
const SETTINGS = { reduces: 3, splitSize: 64 * 1024, compress: "gzip" } as const;

async function withText(cluster: Three): Promise<Three> {
  await cluster.files.writeFile("/books/a.txt", textOf(20_000, 1));
  await cluster.files.writeFile("/books/b.txt", textOf(4_000, 2));
  return cluster;
}

/** Nothing is left of a job but its output and its history. */
async function nothingIsLeft({ data, files }: Three): Promise<void> {
  await until("all that was temporary to be gone", 60_000, async () => {
    const left = (await everything(files, "/")).filter((path) => path.includes("_temporary"));
    const local = ["n1", "n2", "n3"].flatMap((node) => fs.readdirSync(join(data, node, "jobs", "work")));
    return (left.length === 0 && local.length === 0) || undefined;
  });
}

const kill = async (id: string, https: readonly string[]): Promise<void> => {
  process.kill(await pidOf(id, https), "SIGKILL");
};

test("the same job has the same output, byte for byte, whether or not nodes and the scheduler are killed during it", async () => {
  const cluster = await withText(await three("--slots", "2"));
  const { https, files, jobs } = cluster;
  const calm = await jobs.run(
    await submissionOf(files, SLOW, { input: "/books", output: "/calm", settings: SETTINGS }),
  );
  const { counters: expected } = await calm.result;
  const wanted = await checksumOf(files, "/calm");

  const killed = await jobs.run(
    await submissionOf(files, SLOW, { input: "/books", output: "/killed", settings: SETTINGS }),
  );
  const scheduler = await schedulerOf(jobs);
  const [worker = ""] = ["n1", "n2", "n3"].filter((id) => id !== scheduler);
  const finishedBefore = new Map<number, number>();
  const last = await followWith(killed, {
    "a few maps have finished": [({ maps }) => maps.finished >= 4, () => kill(worker, https)],
    "more maps have finished": [
      ({ maps }) => maps.finished >= 10,
      async () => {
        for await (const { task, attempts } of jobs.tasks(killed.id, "map", { state: "finished" }))
          finishedBefore.set(
            task,
            attempts.findIndex(({ winner }) => winner),
          );
        await kill(await schedulerOf(jobs), https);
      },
    ],
    "reduces run": [
      ({ maps, reduces }) => maps.finished === maps.total && reduces.running > 0,
      async () => kill(await schedulerOf(jobs), https),
    ],
  });
  expect(last.state, JSON.stringify(last.failure)).toBe("succeeded");
  expect(await checksumOf(files, "/killed")).toBe(wanted);
  const { counters } = await killed.result;
  expect(counters["words"]).toEqual(expected["words"]);
  for (const name of [
    "MAP_INPUT_RECORDS",
    "MAP_INPUT_BYTES",
    "REDUCE_INPUT_GROUPS",
    "OUTPUT_RECORDS",
    "OUTPUT_BYTES",
  ])
    expect([name, counters["Task"]?.[name]]).toEqual([name, expected["Task"]?.[name]]);
  expect(finishedBefore.size).toBeGreaterThanOrEqual(10);
  await nothingIsLeft(cluster);
});

test("a job goes on by itself after all nodes were killed at once, to the output that it would have had", async () => {
  const cluster = await withText(await three("--slots", "2"));
  const { https, files, jobs } = cluster;
  const calm = await jobs.run(
    await submissionOf(files, SLOW, { input: "/books", output: "/calm", settings: SETTINGS }),
  );
  await calm.result;
  const run = await jobs.run(
    await submissionOf(files, SLOW, { input: "/books", output: "/out", settings: SETTINGS }),
  );
  const last = await followWith(run, {
    "a few maps have finished": [
      ({ maps }) => maps.finished >= 4,
      async () => {
        const pids = await Promise.all(["n1", "n2", "n3"].map((id) => pidOf(id, https)));
        for (const pid of pids) process.kill(pid, "SIGKILL");
      },
    ],
  });
  expect(last.state, JSON.stringify(last.failure)).toBe("succeeded");
  expect(await checksumOf(files, "/out")).toBe(await checksumOf(files, "/calm"));
  await nothingIsLeft(cluster);
});

test("a node that is stopped for a while is worked around; when it goes on, what it did late leaves nothing", async () => {
  const cluster = await withText(await three("--slots", "2"));
  const { https, files, jobs } = cluster;
  const run = await jobs.run(
    await submissionOf(files, SLOW, { input: "/books", output: "/out", settings: SETTINGS }),
  );
  const scheduler = await schedulerOf(jobs);
  const [worker = ""] = ["n1", "n2", "n3"].filter((id) => id !== scheduler && id !== "n1");
  const pid = await pidOf(worker, https);
  const last = await followWith(run, {
    "a few maps have finished": [
      ({ maps }) => maps.finished >= 4,
      async () => {
        process.kill(pid, "SIGSTOP");
        await Promise.resolve();
      },
    ],
  });
  expect(last.state, JSON.stringify(last.failure)).toBe("succeeded");
  process.kill(pid, "SIGCONT");
  await until("the node to come back", 60_000, async () => {
    const { nodes } = await jobs.nodesOf();
    return nodes.every(({ state }) => state === "live") || undefined;
  });
  expect((await run.result).counters["words"]?.["lines"]).toBe(24_000);
  await nothingIsLeft(cluster);
});

test("the node that a client talks to dies: it goes on at another one, and does not submit twice", async () => {
  const cluster = await withText(await three());
  const { https, files } = cluster;
  const jobs = connectJobs(`http://${https[1]}`);
  const run = await jobs.run(
    await submissionOf(files, SLOW, { input: "/books", output: "/out", settings: SETTINGS }),
  );
  const last = await followWith(run, {
    "the first map has finished": [({ maps }) => maps.finished >= 1, () => kill("n2", https)],
  });
  expect(last.state).toBe("succeeded");
  expect((await jobs.list()).jobs.map(({ id }) => id)).toEqual([run.id]);
});

test("every attempt's log is told by any node, and what a job waits for, its tasks and its history", async () => {
  const cluster = await withText(await three());
  const { https, jobs } = cluster;
  const streaming = {
    user: userName(),
    program: {
      type: "streaming",
      mapper: "sh -c 'echo here is $mapreduce_task_id >&2; cat'",
      reducer: "uniq -c",
      environment: {},
    },
    inputs: [{ paths: ["/books"], mapper: 0 }],
    output: "/lines",
    settings: { reduces: 2 },
  } as const;
  const run = await jobs.run(streaming);
  await run.result;
  const names = [];
  for await (const task of jobs.tasks(run.id, "map")) {
    expect(task).toMatchObject({ kind: "map", state: "finished" });
    names.push(...task.attempts.map(({ attempt }) => attempt));
  }
  expect(names.length).toBeGreaterThan(0);
  for (const http of https) {
    const [name = ""] = names;
    expect(await connectJobs(`http://${http}`).log(run.id, name)).toContain("here is task_");
    expect(await connectJobs(`http://${http}`).log(run.id, name, { offset: -3 })).toHaveLength(3);
  }
  expect((await jobs.history()).jobs).toMatchObject([{ id: run.id, state: "succeeded" }]);
  expect((await jobs.list({ states: ["running"] })).jobs).toEqual([]);
  await expect(jobs.log(run.id, "attempt_20200101_0001_m_000000_0")).rejects.toMatchObject({
    code: "JOB_NOT_FOUND",
  });
  await expect(jobs.report("job_20200101_0001")).rejects.toMatchObject({ code: "JOB_NOT_FOUND" });
  await nothingIsLeft(cluster);
});

test("a total order is sampled by a node before the job begins: the parts one behind the other are sorted", async () => {
  const { files, jobs } = await withText(await three());
  const run = await jobs.run(
    await submissionOf(files, "../../examples/total-order-sort.ts", {
      input: "/books",
      output: "/sorted",
      settings: { reduces: 3, splitSize: 256 * 1024 },
    }),
  );
  const { report } = await run.result;
  expect(report.spec.ranges).toHaveLength(2);
  const parts = await Promise.all(
    ["part-00000", "part-00001", "part-00002"].map((name) =>
      files.readFile(`/sorted/${name}`, { encoding: "utf8" }),
    ),
  );
  const lines = parts.join("").split("\n").slice(0, -1);
  expect(lines).toHaveLength(24_000);
  expect(lines).toEqual(
    lines.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))),
  );
  expect(parts.every((part) => part.length > 0)).toBe(true);
});

test("what the code of a job does to its process is done to no node: the job fails, with the reason, and leaves nothing", async () => {
  const cluster = await withText(await three());
  const { https, files, jobs } = cluster;
  const before = await Promise.all(["n1", "n2", "n3"].map((id) => pidOf(id, https)));
  const cases = [
    ["sh -c 'exit 3'", /exit|code|3/],
    ["sh -c 'kill -9 $PPID'", /SIGKILL|ended/],
    ["sh -c 'while :; do :; done'", /no progress|said nothing/],
  ] as const;
  for (const [number, [mapper, message]] of cases.entries()) {
    const run = await jobs.run({
      program: { type: "streaming", mapper, environment: {} },
      inputs: [{ paths: ["/books/b.txt"], mapper: 0 }],
      output: `/failed${number}`,
      settings: { attempts: 2, progressTimeoutMs: 2_000 },
    });
    const error = await run.result.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(JobFailedError);
    const { code, failure } = error as JobFailedError;
    expect(code).toBe("JOB_FAILED");
    expect(failure.message).toMatch(message);
    expect(failure).toMatchObject({ split: expect.stringMatching(/^\/books\/b.txt:0\+/) as string });
    expect(await files.exists(`/failed${number}`)).toBe(false);
  }
  expect(await Promise.all(["n1", "n2", "n3"].map((id) => pidOf(id, https)))).toEqual(before);
  await nothingIsLeft(cluster);
});

test("a job that is killed, by whom or by its signal, ends at once and leaves nothing", async () => {
  const cluster = await withText(await three());
  const { files, jobs } = cluster;
  const submission = (output: string): ReturnType<typeof submissionOf> =>
    submissionOf(files, SLOW, { input: "/books", output, settings: SETTINGS });
  const first = await jobs.run(await submission("/first"));
  const gaveUp = new AbortController();
  const second = await jobs.run(await submission("/second"), { signal: gaveUp.signal });
  await until("both to run", 60_000, async () => {
    const { jobs: list } = await jobs.list();
    return list.every(({ maps }) => maps.finished > 0) || undefined;
  });
  await expect(
    connectJobs(`http://${cluster.https[0]}`, { user: "mallory" }).kill(first.id),
  ).rejects.toMatchObject({
    code: "ACCESS_DENIED",
  });
  await first.kill("enough");
  await expect(first.result).rejects.toMatchObject({ code: "JOB_KILLED", message: /enough/ });
  const ended = second.result;
  ended.catch(() => undefined);
  gaveUp.abort(new Error("no longer wanted"));
  await expect(ended).rejects.toThrow("no longer wanted");
  const killed = async (): Promise<JobReport | undefined> => {
    const report = await jobs.report(second.id);
    return report.state === "killed" ? report : undefined;
  };
  await until("the second to be killed", 30_000, killed);
  await nothingIsLeft(cluster);
  expect((await files.readdir("/")).toSorted()).toEqual(["books", "user"]);
});

test("a node that listens on more than loopback refuses jobs, and says why", async () => {
  const program = launch([
    "start",
    "--host",
    "0.0.0.0",
    "--port",
    "0",
    "--http-port",
    "0",
    "--peer-port",
    "0",
    "--durability",
    "memory",
  ]);
  await until("the five lines", 30_000, () => /^ {2}try /m.test(program.stdout()) || undefined);
  const [url = ""] = /http:\/\/[\d.:]+/.exec(program.stdout()) ?? [];
  const jobs = connectJobs(url);
  const submission = {
    program: { type: "streaming", mapper: "cat", environment: {} },
    inputs: [{ paths: ["/books"], mapper: 0 }],
    output: "/out",
  } as const;
  await expect(jobs.run(submission)).rejects.toMatchObject({
    code: "JOBS_REFUSED",
    message: expect.stringMatching(
      /listens on 0\.0\.0\.0: the code of jobs is run only by nodes that listen on loopback/,
    ) as string,
  });
  await until("the node to tell of itself", 30_000, async () => {
    const { nodes } = await jobs.nodesOf();
    return nodes[0]?.state === "refusing" || undefined;
  });
  expect(isAlive(program.pid)).toBe(true);
});
