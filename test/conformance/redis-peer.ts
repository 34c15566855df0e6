/** A real redis-server of Debian's package beside the test, on a free port, without persistence. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { RespClient } from "../../src/engine/protocol/resp/resp-client.testing.ts";
import { freePorts } from "../free-ports.ts";

const START_MS = 5000;

export interface RedisPeer {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startRedis(options: readonly string[] = []): Promise<RedisPeer> {
  const [port = 0] = await freePorts(1);
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
