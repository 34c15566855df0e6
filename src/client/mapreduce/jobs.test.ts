/** What a client makes of nodes that are gone, silent, not ready or wrong: servers here say what such nodes say. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { JobReport } from "../../mapreduce/job-api.ts";
import { connectJobs } from "./connect.ts";
import { JobNodes } from "./job-nodes.ts";
import { JobFailedError, JobRun } from "./job-run.ts";

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

async function node(
  answer: (request: IncomingMessage, response: ServerResponse, count: number) => void,
): Promise<string> {
  let count = 0;
  const server = createServer((request, response) => answer(request, response, ++count));
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const json =
  (body: object, status = 200) =>
  (_: unknown, response: ServerResponse): void => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  };
const refusal = (code: string, status: number): ReturnType<typeof json> =>
  json({ error: { code, message: `because of ${code}`, retryable: false, outcome: "not-applied" } }, status);

const QUESTION = { method: "GET", path: "/x" } as const;

test("a node that is gone, silent, not ready or breaks off is passed over", async () => {
  let silent = 0;
  const nodes = [
    "127.0.0.1:1",
    await node(() => void silent++),
    await node(refusal("NO_QUORUM", 503)),
    await node(refusal("OUTCOME_UNKNOWN", 504)),
    await node((_, response) => {
      response.writeHead(200, { "Content-Length": 100 });
      response.write("{");
      setTimeout(() => response.destroy(), 5);
    }),
    await node((_, response) => {
      response.writeHead(502);
      response.end("a gateway");
    }),
    await node(json({ here: true })),
  ];
  const asked = new JobNodes(nodes, undefined);
  expect(await asked.ask({ ...QUESTION, patienceMs: 50 })).toEqual({ here: true });
  for (let again = 0; again < 5; again++) await asked.ask(QUESTION);
  expect(silent, "who answered last is asked first").toBe(1);
});

test("a node that becomes ready is asked again until then", async () => {
  const slow = await node((request, response, count) =>
    count < 4 ? refusal("NO_QUORUM", 503)(request, response) : json({ count })(request, response),
  );
  expect(await new JobNodes([slow], undefined).ask(QUESTION)).toEqual({ count: 4 });
});

test("what is refused for good is not asked of another", async () => {
  let others = 0;
  const other = await node((request, response) => {
    others++;
    json({})(request, response);
  });
  for (const [code, status] of [
    ["ARGUMENT_INVALID", 400],
    ["JOBS_REFUSED", 403],
    ["PATH_EXISTS", 409],
  ] as const) {
    const asked = new JobNodes([await node(refusal(code, status)), other], undefined);
    await expect(asked.ask(QUESTION)).rejects.toMatchObject({ code, message: `because of ${code}` });
  }
  const foreign = new JobNodes([await node(json({ hello: "world" }, 404)), other], undefined);
  await expect(foreign.ask(QUESTION)).rejects.toMatchObject({
    code: "UNSUPPORTED",
    message: /HTTP port of a node/,
  });
  expect(others).toBe(0);
});

test("nodes are learnt, each once, and asked when those that were given are gone", async () => {
  const second = await node(json({ node: 2 }));
  const nodes = new JobNodes(["127.0.0.1:1"], undefined);
  nodes.learn([second, second, "127.0.0.1:1"]);
  expect(nodes.urls).toEqual(["127.0.0.1:1", second]);
  expect(await nodes.ask(QUESTION)).toEqual({ node: 2 });
});

const report = (given: Partial<JobReport>): object => ({
  id: "job_1",
  state: "running",
  output: "/out",
  cursor: "1",
  cleaned: false,
  counters: {},
  nodes: [],
  running: [],
  explanation: [],
  ...given,
});

test("a job that is given up before its submission is answered is killed when it is known", async () => {
  const asked: string[] = [];
  const giveUp = new AbortController();
  const authority = await node((request, response) => {
    asked.push(request.url ?? "");
    if (request.url !== "/mapreduce/v1/jobs") return json({})(request, response);
    giveUp.abort(new Error("no longer wanted"));
    setImmediate(() => json({ job: { id: "job_7" }, nodes: [] }, 201)(request, response));
  });
  const submission = {
    program: { type: "streaming", mapper: "cat", environment: {} },
    inputs: [{ paths: ["/in"], mapper: 0 }],
    output: "/out",
  } as const;
  const run = connectJobs(`http://${authority}`).run(submission, { signal: giveUp.signal });
  await expect(run).rejects.toThrow("no longer wanted");
  await expect.poll(() => asked).toEqual(["/mapreduce/v1/jobs", "/mapreduce/v1/jobs/job_7/kill"]);
});

test("a job is followed from change to change; all who follow it see its end, also those who come later", async () => {
  const seen: string[] = [];
  const states = ["running", "running", "committing", "succeeded"] as const;
  const authority = await node((request, response, count) => {
    seen.push(request.url ?? "");
    const state = states[Math.min(count, states.length) - 1]!;
    json(report({ state, cursor: String(count), counters: { user: { a: 1 } } }))(request, response);
  });
  const run = new JobRun("job_1", new JobNodes([authority], undefined), "ann");
  const follow = async (): Promise<string[]> => {
    const told: string[] = [];
    for await (const { state } of run) told.push(state);
    return told;
  };
  const [first, second, result] = await Promise.all([follow(), follow(), run.result]);
  for (const told of [first, second]) {
    expect(told.at(-1)).toBe("succeeded");
    expect(told.filter((state) => state === "succeeded")).toHaveLength(1);
  }
  expect(result).toMatchObject({ id: "job_1", output: "/out", counters: { user: { a: 1 } } });
  expect(await follow()).toEqual(["succeeded"]);
  expect(seen).toEqual([
    "/mapreduce/v1/jobs/job_1",
    "/mapreduce/v1/jobs/job_1?after=1&waitMs=10000",
    "/mapreduce/v1/jobs/job_1?after=2&waitMs=10000",
    "/mapreduce/v1/jobs/job_1?after=3&waitMs=10000",
  ]);
});

test("a job that failed rejects with what failed, where, and on which record; when nothing of it is left", async () => {
  const failure = {
    code: "JOB_FAILED" as const,
    message: "map 3 failed 4 times",
    attempt: "attempt_1",
    node: "n2",
    stack: "TypeError: x\n    at map (count.ts:7:3)",
    split: "/a:0+10",
    record: { index: 9, text: "odd" },
  };
  const authority = await node((request, response, count) =>
    json(report({ state: "failed", failure, cleaned: count > 2, cursor: String(count) }))(request, response),
  );
  const run = new JobRun("job_1", new JobNodes([authority], undefined), "ann");
  const error = await run.result.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(JobFailedError);
  expect(error).toMatchObject({
    code: "JOB_FAILED",
    failure,
    message: "job_1 failed: map 3 failed 4 times (split /a:0+10); record 9: odd",
    stack: expect.stringContaining("at map (count.ts:7:3)") as string,
  });
  const told = [];
  for await (const each of run) told.push(each.state);
  expect(told).toEqual(["failed"]);
});

test("when the signal fires the job is killed, and the signal's reason is what is told", async () => {
  const bodies: string[] = [];
  const authority = await node((request, response) => {
    if (request.method !== "POST")
      return request.url?.includes("after") === true ? undefined : json(report({}))(request, response);
    request.on("data", (chunk: Buffer) => bodies.push(`${request.url}: ${chunk.toString()}`));
    request.on("end", () => json({})(request, response));
    return undefined;
  });
  const gaveUp = new AbortController();
  const run = new JobRun("job_1", new JobNodes([authority], undefined), "ann", gaveUp.signal);
  const seen: string[] = [];
  const following = (async () => {
    for await (const { state } of run) {
      seen.push(state);
      gaveUp.abort(new Error("no longer wanted"));
    }
  })();
  await expect(following).rejects.toThrow("no longer wanted");
  await expect(run.result).rejects.toThrow("no longer wanted");
  expect(seen).toEqual(["running"]);
  expect(bodies).toEqual([
    `/mapreduce/v1/jobs/job_1/kill: {"user":"ann","reason":"whoever submitted it gave it up"}`,
  ]);
});
