/** A real redis-server of Debian's package beside the test, on a free port, without persistence. */
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { RespClient } from "../../src/engine/protocol/resp/resp-client.testing.ts";

const START_MS = 5000;

/** Why the comparison cannot be made here, or undefined. */
export function missingRedis(): string | undefined {
  const found = spawnSync("redis-server", ["--version"], { encoding: "utf8" });
  if (found.error !== undefined) return "redis-server is not installed (apt-get install redis-server)";
  const version = /v=(\d+\.\d+)/.exec(found.stdout)?.[1];
  return version === "7.0" ? undefined : `redis-server is ${version}, the reference is 7.0`;
}

export interface RedisPeer {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startRedis(options: readonly string[] = []): Promise<RedisPeer> {
  const port = await freePort();
  const fixed = ["--port", String(port), "--save", "", "--appendonly", "no", "--dir", "/tmp"];
  const child: ChildProcess = spawn("redis-server", [...fixed, ...options], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const deadline = performance.now() + START_MS;
  for (;;) {
    try {
      (await RespClient.open(port)).close();
      break;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  return {
    port,
    stop: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
