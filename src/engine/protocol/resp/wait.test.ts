import { afterEach, expect, test } from "vitest";
import { member, startTestServer } from "./local-node.testing.ts";
import { plain, RespClient } from "./resp-client.testing.ts";

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

test.each([0, 3_600_000])("WAIT with timeout %i ends at the server's own bound", async (timeoutMs) => {
  const { server, port } = await startTestServer({ server: { waitMaxMs: 50 } });
  ends.push(() => server.close());
  const client = await RespClient.open(port);
  ends.push(() => client.close());
  expect(plain(await client.call("WAIT", "5", `${timeoutMs}`))).toBe(0);
});

test("in a transaction WAIT tells what is known, and does not wait", async () => {
  const { server, port } = await startTestServer({});
  ends.push(() => server.close());
  const client = await RespClient.open(port);
  ends.push(() => client.close());
  await client.call("MULTI");
  await client.call("SET", "key", "1");
  await client.call("WAIT", "5", "0");
  expect(plain(await client.call("EXEC"))).toEqual(["+OK", 0]);
});

test("at a node that does not lead, WAIT counts the others in sight that have applied the write", async () => {
  const { server, port, node } = await startTestServer({ id: "n1", leader: "n2", server: { waitMaxMs: 50 } });
  ends.push(() => server.close());
  const client = await RespClient.open(port);
  ends.push(() => client.close());
  await client.call("SET", "key", "1");
  node.memberViews = [
    { ...member("n1", "127.0.0.1:1", "follower"), appliedIndex: 1 },
    { ...member("n2", "127.0.0.1:2", "leader"), appliedIndex: 1 },
    { ...member("n3", "127.0.0.1:3", "follower"), appliedIndex: 0 },
    { ...member("n4", "127.0.0.1:4", "unreachable"), appliedIndex: 1 },
  ];
  expect(plain(await client.call("WAIT", "2", "0"))).toBe(1);
});
