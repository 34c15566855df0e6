import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sendError } from "./job-exchange.ts";
import { sendMapOutput } from "./map-outputs.ts";

const NAME = "attempt_20261125_0001_m_000003_1";
const folder = mkdtempSync(join(tmpdir(), "quorate-outputs-"));
let server: Server;
let url: string;

beforeAll(async () => {
  const path = join(folder, "output");
  writeFileSync(path, "..0123456789..");
  const outputs = {
    tokenOf: (job: string) => (job === "job_20261125_0001" ? "secret" : undefined),
    placeOf: ({ task }: { task: number }, partition: number) => {
      if (task !== 3 || partition > 1) return undefined;
      return partition === 0 ? { path, offset: 2, length: 10 } : { path, offset: 12, length: 0 };
    },
  };
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://node");
    const partition = Number(searchParams.get("partition"));
    sendMapOutput(outputs, request, response, pathname.slice(1), partition).catch((error: unknown) =>
      sendError(request, response, error),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const get = (name: string, partition: number, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${url}/${name}?partition=${partition}`, { headers: { Authorization: "Bearer secret", ...headers } });

test("a partition comes with its length, byte for byte, and an empty one as nothing", async () => {
  const whole = await get(NAME, 0);
  expect([whole.status, whole.headers.get("content-length"), await whole.text()]).toEqual([
    200,
    "10",
    "0123456789",
  ]);
  const empty = await get(NAME, 1);
  expect([empty.status, empty.headers.get("content-length"), await empty.text()]).toEqual([200, "0", ""]);
});

test("what broke off is gone on with from any byte", async () => {
  const ranges = [
    ["bytes=4-", 206, "456789", "bytes 4-9/10"],
    ["bytes=0-0", 206, "0", "bytes 0-0/10"],
    ["bytes=8-99", 206, "89", "bytes 8-9/10"],
    ["bytes=10-", 416, "", "bytes */10"],
    ["bytes=-3", 200, "0123456789", null],
  ] as const;
  for (const [range, status, text, place] of ranges) {
    const answer = await get(NAME, 0, { Range: range });
    expect([range, answer.status, await answer.text(), answer.headers.get("content-range")]).toEqual([
      range,
      status,
      text,
      place,
    ]);
  }
});

test("what is not here is told as gone, so that its map runs again; a wrong secret is told as that", async () => {
  const cases = [
    [NAME, 2, {}, 404],
    ["attempt_20261125_0001_m_000004_0", 0, {}, 404],
    ["attempt_20261125_0002_m_000003_1", 0, {}, 404],
    ["no-attempt", 0, {}, 404],
    [NAME, 0, { Authorization: "Bearer wrong" }, 403],
    [NAME, 0, { Authorization: "secret" }, 403],
    [NAME, 0, { Authorization: "" }, 403],
  ] as const;
  for (const [name, partition, headers, status] of cases) {
    const answer = await get(name, partition, headers);
    expect([name, partition, headers, answer.status]).toEqual([name, partition, headers, status]);
    await answer.body?.cancel();
  }
});
