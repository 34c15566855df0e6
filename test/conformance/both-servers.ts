/** redis-server 7.0 and this server, both there while the tests of a file run. */
import { afterAll, beforeAll, test } from "vitest";
import { startTestServer, type TestServer } from "../../src/engine/protocol/resp/local-node.testing.ts";
import { loadScriptEngine } from "../../src/engine/scripting/script-engine.ts";
import { lacks } from "../engines.ts";
import { type RedisPeer, startRedis } from "./redis-peer.ts";

const missing = lacks("redis-server");

/** A test that needs both: skipped where redis-server is missing. */
export const compare: ReturnType<typeof test.skipIf> = test.skipIf(missing);

/** To be called by a test file once. */
export function bothServers(): { readonly redisPort: () => number; readonly ourPort: () => number } {
  let redis: RedisPeer;
  let ours: TestServer;
  beforeAll(async () => {
    if (missing) return;
    redis = await startRedis();
    ours = await startTestServer({ scripts: await loadScriptEngine() });
  });
  afterAll(async () => {
    await redis?.stop();
    await ours?.server.close();
  });
  return { redisPort: () => redis.port, ourPort: () => ours.port };
}
