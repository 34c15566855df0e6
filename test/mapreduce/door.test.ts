/** The door of jobs over HTTP, at an engine inside this process: what it takes, what it refuses, and how it says so. */
import { randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { connectFiles } from "../../src/client/files/connect.ts";
import { connectJobs } from "../../src/client/mapreduce/connect.ts";
import type { Jobs } from "../../src/client/mapreduce/jobs.ts";
import type { Engine } from "../../src/engine/start.ts";
import { start } from "../../src/engine/start.ts";
import type { ApiError, JobAccepted, JobList, JobReport } from "../../src/mapreduce/job-api.ts";
import { userName } from "../../src/runtime/node/user-name.ts";
import { cleanUp, scratch, until } from "../cli/program.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const PASSWORD = "open sesame";
let engine: Engine;
let guarded: Engine;
let jobs: Jobs;
let url: string;

beforeAll(async () => {
  engine = await start({ data: scratch(), jobs: { slots: 2 } });
  guarded = await start({ password: PASSWORD, jobs: { slots: 1 } });
  url = engine.nodes[0]!.httpUrl;
  jobs = connectJobs(url);
  const files = connectFiles(`webhdfs://${userName()}@${url.slice("http://".length)}`);
  await until("the file system to take a file", 30_000, async () => {
    try {
      await files.writeFile("/in/a.txt", "b\na\nb\n");
      return true;
    } catch {
      return undefined;
    }
  });
  files.close();
  await until("the node to take tasks", 30_000, async () => {
    const { nodes } = await jobs.nodesOf();
    return nodes[0]?.state === "live" || undefined;
  });
});

afterAll(async () => {
  await engine.close();
  await guarded.close();
  await cleanUp();
});

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Headers;
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${url}/mapreduce/v1${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
}

async function refused(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<string> {
  const { status, body: answer } = await ask(method, path, body, headers);
  const { code, message, retryable, outcome } = (answer as ApiError).error;
  expect(message.length).toBeGreaterThan(0);
  expect([retryable, outcome]).toEqual([false, "not-applied"]);
  return `${status} ${code}`;
}

const submission = (output: string): Record<string, unknown> => ({
  submission: randomBytes(16).toString("hex"),
  user: userName(),
  program: { type: "streaming", mapper: "cat", reducer: "uniq -c", environment: {} },
  inputs: [{ paths: ["/in"], mapper: 0 }],
  output,
});

test("a job is submitted, followed and looked at over HTTP alone", async () => {
  const given = submission("/out");
  const accepted = await ask("POST", "/jobs", given);
  expect(accepted.status).toBe(201);
  const { job, nodes } = accepted.body as JobAccepted;
  expect(job).toMatchObject({ name: "cat", state: "running", maps: { total: 1 }, reduces: { total: 1 } });
  expect(nodes).toEqual([url.slice("http://".length)]);
  // Sent again, as a client does whose answer was lost: before and after its end.
  expect(((await ask("POST", "/jobs", given)).body as JobAccepted).job.id).toBe(job.id);
  const ended = await until("its end", 50_000, async () => {
    const { body } = await ask("GET", `/jobs/${job.id}`);
    return (body as JobReport).state === "succeeded" ? (body as JobReport) : undefined;
  });
  expect(ended).toMatchObject({ progress: { map: 1, shuffle: 1, reduce: 1 }, running: [], explanation: [] });
  expect(ended.counters).toMatchObject({
    Task: { MAP_INPUT_RECORDS: 3 },
    Job: { TOTAL_LAUNCHED_MAPS: 1, TOTAL_LAUNCHED_REDUCES: 1, DATA_LOCAL_MAPS: 1 },
  });
  expect(((await ask("POST", "/jobs", given)).body as JobAccepted).job).toMatchObject({
    id: job.id,
    state: "succeeded",
  });
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toMatch(/^quorate_jobs\{state="succeeded"\} [1-9]/m);
  expect(metrics).toMatch(/^quorate_jobs_slots 2$/m);
  expect(await refused("POST", "/jobs", submission("/out"))).toBe("409 PATH_EXISTS");
  expect(await refused("POST", `/jobs/${job.id}/kill`, { user: userName() })).toBe("409 JOB_ENDED");
  const { body: list } = await ask("GET", "/history?limit=1");
  expect((list as JobList).jobs.map(({ id }) => id)).toEqual([job.id]);
  expect(await jobs.plan({ ...(submission("/plan") as Parameters<typeof jobs.plan>[0]) })).toMatchObject({
    files: 1,
    bytes: 6,
    maps: 1,
    reduces: 1,
    localMaps: 1,
    slots: 2,
  });
});

test("a question with a cursor is answered when something has changed, or when its time is over", async () => {
  const { id } = ((await ask("POST", "/jobs", submission("/waited"))).body as JobAccepted).job;
  let report = (await ask("GET", `/jobs/${id}`)).body as JobReport;
  const states = [report.state];
  for (let round = 0; report.state !== "succeeded" && round < 200; round++) {
    report = (await ask("GET", `/jobs/${id}?after=${report.cursor}&waitMs=10000`)).body as JobReport;
    states.push(report.state);
  }
  expect(report.state).toBe("succeeded");
  while (!report.cleaned)
    report = (await ask("GET", `/jobs/${id}?after=${report.cursor}&waitMs=10000`)).body as JobReport;
  const again = (await ask("GET", `/jobs/${id}?after=${report.cursor}&waitMs=50`)).body as JobReport;
  expect(again.cursor).toBe(report.cursor);
});

test("lists come in pages, newest first", async () => {
  const ids: string[] = [];
  for (const output of ["/p1", "/p2", "/p3"])
    ids.unshift(((await ask("POST", "/jobs", submission(output))).body as JobAccepted).job.id);
  const first = await jobs.list({ limit: 2 });
  expect(first.jobs.map(({ id }) => id)).toEqual(ids.slice(0, 2));
  expect(first.next).toBe(ids[1]);
  const second = await jobs.list({ limit: 1, before: ids[1]! });
  expect(second.jobs.map(({ id }) => id)).toEqual([ids[2]]);
  for (const id of ids) await jobs.follow(id).result;
});

test.each([
  ["POST", "/jobs", "{", "400 PROTOCOL"],
  ["POST", "/jobs", {}, "400 ARGUMENT_INVALID"],
  [
    "POST",
    "/jobs",
    { ...submission("/x"), inputs: [{ paths: ["/nowhere"], mapper: 0 }] },
    "404 PATH_NOT_FOUND",
  ],
  ["POST", "/jobs", { ...submission("/x"), settings: { reduces: -1 } }, "400 ARGUMENT_INVALID"],
  ["POST", "/plan", { ...submission("/x"), output: "x" }, "400 PATH_INVALID"],
  ["GET", "/jobs?limit=0", undefined, "400 ARGUMENT_INVALID"],
  ["GET", "/jobs?state=lost", undefined, "400 ARGUMENT_INVALID"],
  ["GET", "/jobs/job_20200101_0001", undefined, "404 JOB_NOT_FOUND"],
  ["GET", "/jobs/job_20200101_0001/tasks", undefined, "404 JOB_NOT_FOUND"],
  ["GET", "/jobs/job_20200101_0001/tasks?kind=sort", undefined, "400 ARGUMENT_INVALID"],
  ["GET", "/jobs/x/attempts/y/log", undefined, "404 JOB_NOT_FOUND"],
  ["GET", "/jobs/x/attempts/y", undefined, "501 UNSUPPORTED"],
  ["POST", "/jobs/job_20200101_0001/kill", { user: "a" }, "404 JOB_NOT_FOUND"],
  ["POST", "/jobs/job_20200101_0001/kill", { user: 1 }, "400 ARGUMENT_INVALID"],
  ["PUT", "/jobs", undefined, "501 UNSUPPORTED"],
  ["GET", "/nothing", undefined, "501 UNSUPPORTED"],
  ["GET", "/jobs/%zz", undefined, "404 JOB_NOT_FOUND"],
  ["GET", "/outputs/attempt_20200101_0001_m_000000_0?partition=0", undefined, "404 JOB_NOT_FOUND"],
  ["GET", "/outputs/x?partition=-1", undefined, "400 ARGUMENT_INVALID"],
])("%s %s with %j is refused: %s", async (method, path, body, expected) => {
  expect(await refused(method, path, body)).toBe(expected);
});

test("a page of another origin may look and not touch, and a body must say that it is JSON", async () => {
  const foreign = { Origin: "http://evil.example" };
  expect((await ask("GET", "/jobs", undefined, foreign)).status).toBe(200);
  expect(await refused("POST", "/jobs", submission("/x"), foreign)).toBe("403 ACCESS_DENIED");
  expect(await refused("POST", "/jobs", submission("/x"), { "Content-Type": "text/plain" })).toBe(
    "400 PROTOCOL",
  );
});

test("a page whose name was pointed at this machine runs no code here", async () => {
  const answer = await new Promise<number | undefined>((resolve, reject) => {
    const headers = {
      Host: "evil.example:9870",
      Origin: "http://evil.example:9870",
      "Content-Type": "application/json",
    };
    const request = httpRequest(`${url}/mapreduce/v1/jobs`, { method: "POST", headers });
    request.on("response", (response) => resolve(response.resume().statusCode));
    request.on("error", reject);
    request.end(JSON.stringify(submission("/rebound")));
  });
  expect(answer).toBe(403);
});

test("a body that is too large is refused before all of it came", async () => {
  const answer = await new Promise<string>((resolve, reject) => {
    const request = httpRequest(`${url}/mapreduce/v1/jobs`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
    });
    request.on("response", (response) => {
      resolve(`${response.statusCode}`);
      response.destroy();
    });
    request.on("error", reject);
    const piece = Buffer.alloc(1024 * 1024, "x");
    for (let sent = 0; sent < 17; sent++) request.write(piece);
  });
  expect(answer).toBe("413");
});

test("with a password, nothing is told without it", async () => {
  const { httpUrl } = guarded.nodes[0]!;
  for (const password of [undefined, "wrong"]) {
    const stranger = connectJobs(httpUrl, password === undefined ? {} : { password });
    await expect(stranger.list()).rejects.toMatchObject({ code: "ACCESS_DENIED", message: /password/ });
    await expect(stranger.nodesOf()).rejects.toMatchObject({ code: "ACCESS_DENIED" });
  }
  expect(await connectJobs(httpUrl, { password: PASSWORD }).list()).toMatchObject({ jobs: [] });
  const basic = `Basic ${Buffer.from(`x:${PASSWORD}`).toString("base64")}`;
  const answer = await fetch(`${httpUrl}/mapreduce/v1/jobs`, { headers: { Authorization: basic } });
  expect(answer.status).toBe(200);
});

test("a map output is given to nobody without the secret of its job, and the secret is told to nobody", async () => {
  const program = { type: "streaming", mapper: "cat", reducer: "sh -c 'cat; sleep 30'", environment: {} };
  const given = { ...submission("/fetched"), program };
  const { id } = ((await ask("POST", "/jobs", given)).body as JobAccepted).job;
  await until("its map", 30_000, async () => {
    const { body } = await ask("GET", `/jobs/${id}`);
    return (body as JobReport).maps.finished === 1 || undefined;
  });
  const path = `/outputs/attempt_${id.slice("job_".length)}_m_000000_0?partition=0`;
  expect(await refused("GET", path)).toBe("403 ACCESS_DENIED");
  expect(await refused("GET", path, undefined, { Authorization: "Bearer wrong" })).toBe("403 ACCESS_DENIED");
  const told = JSON.stringify([
    (await ask("GET", `/jobs/${id}`)).body,
    (await ask("GET", `/jobs/${id}/tasks`)).body,
  ]);
  expect(told).not.toMatch(/token|Bearer/);
  await jobs.follow(id).kill();
});

test("a client that finds nobody says so when its time is over", async () => {
  const lost = connectJobs("http://127.0.0.1:1");
  await expect(lost.list({ timeoutMs: 300 })).rejects.toMatchObject({
    code: "NO_QUORUM",
    message: /cannot be reached/,
  });
  const gaveUp = AbortSignal.abort(new Error("enough"));
  await expect(lost.list({ signal: gaveUp })).rejects.toThrow("enough");
  expect(() => connectJobs("redis://x")).toThrow(/jobs are at http:\/\/host:port/);
});
