/** Runs `redis-benchmark` against a RESP port and reads its report. */
import { execFile } from "node:child_process";
import type { LatencySummary } from "./latency.ts";

export interface RespLoad {
  readonly port: number;
  readonly operation: "set" | "get";
  readonly connections: number;
  /** Commands sent before a reply is awaited. */
  readonly pipeline: number;
  readonly requests: number;
  readonly keys: number;
  readonly valueBytes: number;
}

/** Rejects when the benchmark fails, or when the server answered with an error. */
export function loadResp(load: RespLoad): Promise<LatencySummary> {
  const flags = {
    "-p": load.port,
    "-c": load.connections,
    "-n": load.requests,
    "-P": load.pipeline,
    "-r": load.keys,
    "-d": load.valueBytes,
    "-t": load.operation,
    "--precision": 3,
  };
  const args = Object.entries(flags).flatMap(([flag, value]) => [flag, String(value)]);
  return new Promise((resolve, reject) => {
    execFile("redis-benchmark", args, { timeout: 300_000, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      const complaint = /error[^\n]*/i.exec(stderr)?.[0];
      if (error !== null) reject(new Error(`redis-benchmark failed: ${complaint ?? error.message}`));
      else if (complaint !== undefined) reject(new Error(`redis-benchmark: ${complaint}`));
      else resolve(readReport(stdout));
    });
  });
}

function readReport(report: string): LatencySummary {
  const throughput = /throughput summary: ([\d.]+) requests per second/.exec(report)?.[1];
  if (throughput === undefined)
    throw new Error(`unexpected report of redis-benchmark:\n${report.slice(-500)}`);
  const steps = [...report.matchAll(/^([\d.]+)% <= ([\d.]+) milliseconds/gm)].map((match) => ({
    percent: Number(match[1]),
    ms: Number(match[2]),
  }));
  const at = (percent: number): number => steps.find((step) => step.percent >= percent)?.ms ?? 0;
  return {
    opsPerSecond: Number(throughput),
    p50Ms: at(50),
    p99Ms: at(99),
    p999Ms: at(99.9),
    maxMs: at(100),
  };
}
