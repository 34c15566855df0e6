/**
 * bench: Quorate beside the engines it stands in for, on this machine, alternating in one run. Prints a table for each
 * comparison and writes `docs/benchmarks.md` and its plots with `--write`.
 *
 *   npm run bench -- [--only durable,memory,failover,restart] [--rounds 5] [--scale 1] [--write]
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { failOver, restart } from "./recovery.ts";
import type { Finding } from "./recovery.ts";
import { drawBars, figure } from "./plot.ts";
import type { Comparison } from "./suites.ts";
import { durableCluster, memoryNode } from "./suites.ts";

const SUITES = ["durable", "memory", "failover", "restart"] as const;

const { values } = parseArgs({
  options: {
    only: { type: "string", default: SUITES.join(",") },
    rounds: { type: "string", default: "5" },
    scale: { type: "string", default: "1" },
    write: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(`npm run bench -- [--only ${SUITES.join(",")}] [--rounds 5] [--scale 1] [--write]

  --only LIST    which comparisons; default all
  --rounds N     how often each engine takes its turn; default 5 (and four kills of the leader for each)
  --scale X      multiplies the number of requests; default 1
  --write        write docs/benchmarks.md and its plots`);
  process.exit(0);
}

for (const engine of ["redis-server", "redis-benchmark", "etcd"]) {
  if (spawnSync(engine, ["--version"]).error !== undefined) {
    console.error(
      `bench: ${engine} is not installed; the peers are Debian's redis-server, redis-tools and etcd-server`,
    );
    process.exit(2);
  }
}

const chosen = values.only.split(",");
const extent = { rounds: Number(values.rounds), scale: Number(values.scale) };
const comparisons: Comparison[] = [];
const findings: Finding[] = [];

const report = (comparison: Comparison): void => {
  comparisons.push(comparison);
  console.log(`\n${tableOf(comparison)}`);
};
const find = (finding: Finding): void => {
  findings.push(finding);
  console.log(`\n${finding.title}: ${finding.engine} ${finding.result}`);
};

if (chosen.includes("durable")) await durableCluster(extent, report);
if (chosen.includes("memory")) await memoryNode(extent, report);
if (chosen.includes("failover")) await failOver(Math.max(3, extent.rounds * 4), find);
if (chosen.includes("restart")) await restart(1_000_000, find);
if (values.write) writePage();

function tableOf({ title, goals, measured }: Comparison): string {
  const rows = measured.map((row, at) => {
    const goal = goals[row.label];
    const ratio = at === 0 ? "" : row.ratio.toFixed(2);
    const verdict = goal === undefined || goal === 0 ? "" : `${goal} ${row.ratio >= goal ? "met" : "missed"}`;
    const cpu = row.cpuMicros.map((micros) => micros.toFixed(1)).join(" + ");
    const latency = [row.p50Ms, row.p99Ms, row.p999Ms].map((ms) => ms.toFixed(2)).join(" / ");
    const fsyncs = row.fsyncsPerThousand?.toFixed(row.fsyncsPerThousand < 100 ? 1 : 0) ?? "";
    return `| ${row.label} | ${figure(row.opsPerSecond)} | ${latency} | ${cpu} | ${fsyncs} | ${ratio} | ${verdict} |`;
  });
  return [
    `### ${title}`,
    "",
    "| engine | ops/s | p50 / p99 / p99.9 ms | CPU us per op, each process | fsyncs per 1000 ops | Quorate / it | goal |",
    "|---|---:|---|---|---:|---:|---|",
    ...rows,
  ].join("\n");
}

function writePage(): void {
  const docs = resolve(import.meta.dirname, "../../docs");
  mkdirSync(resolve(docs, "benchmarks"), { recursive: true });
  const plots = comparisons.map((comparison, at) => {
    const name = `benchmarks/${at + 1}.svg`;
    const bars = comparison.measured.map((row) => ({
      label: comparison.title,
      value: row.opsPerSecond,
      series: row.label,
    }));
    writeFileSync(resolve(docs, name), drawBars({ title: comparison.title, unit: "ops/s", bars }));
    return `${tableOf(comparison)}\n\n![${comparison.title}](${name})\n`;
  });
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), Node.js ${process.versions.node}`;
  const page = [
    "# Benchmarks",
    "",
    `Measured by \`npm run bench -- --write\` on ${machine}: engines alternating in one run, medians of ${extent.rounds} rounds;`,
    "the ratio is the median of the rounds' own ratios. The machine is small and shared: trust the ratios, not the figures.",
    "Load: `redis-benchmark` for RESP, a small gRPC client for etcd; 64-byte values over 100,000 keys. All servers and the",
    "load share the cores. etcd's cost includes gRPC, MVCC and a bbolt commit; redis-server with two asynchronous replicas",
    "promises less than a majority on disk. Fsyncs are the leader's (redis-server does not count its own).",
    "",
    ...plots,
    ...(findings.length === 0
      ? []
      : ["## Recovery and memory", "", "| what | engine | result |", "|---|---|---|"]),
    ...findings.map((finding) => `| ${finding.title} | ${finding.engine} | ${finding.result} |`),
    "",
  ];
  writeFileSync(resolve(docs, "benchmarks.md"), page.join("\n"));
  console.log("\nwritten: docs/benchmarks.md");
}
