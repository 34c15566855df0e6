/**
 * bench: Quorate beside the engines it stands in for, and its algorithms beside each other, on this machine, alternating in
 * one run. Prints a table for each comparison; `--write` puts them into `docs/benchmarks.md` with their plots.
 *
 *   npm run bench -- [--only durable,memory,failover,restart,modes,consensus,mapreduce,files] [--rounds 5] [--scale 1] [--write]
 */
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { failOverGaps, laggingReplica, simulated, steadyPath } from "./algorithms.ts";
import { files } from "./files/suite.ts";
import type { Finding, Result, Section } from "./page.ts";
import { tableOf, textOf, writePage } from "./page.ts";
import { mapReduce } from "./mapreduce/suite.ts";
import { modes } from "./modes.ts";
import { failOver, restart } from "./recovery.ts";
import type { Comparison } from "./suites.ts";
import { durableCluster, memoryNode } from "./suites.ts";

/** `--only consensus` means four of them. */
const SUITES = [
  "durable",
  "memory",
  "failover",
  "restart",
  "modes",
  "consensus-steady",
  "consensus-kills",
  "consensus-lagging",
  "consensus-simulated",
  "mapreduce",
  "files",
] as const;
type Suite = (typeof SUITES)[number];
/** Of servers that run on: before the rounds comes one that does not count. */
const WARMED: readonly Suite[] = ["durable", "memory", "modes", "consensus-steady"];
/** Of the simulator, and with how many seeds: a slow disk is a long run. */
const EXPERIMENTS = [
  ["election-under-loss", 60],
  ["slow-disk", 5],
  ["catch-up", 20],
  ["timeouts", 20],
] as const;

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
  --scale X      multiplies the number of requests, and the sizes of files (1 GiB, 10 GiB); default 1
  --write        write these sections of docs/benchmarks.md and their plots`);
  process.exit(0);
}

const asked = values.only.split(",");
const isChosen = (suite: string): boolean =>
  asked.some((name) => suite === name || suite.startsWith(`${name}-`));
/** Beside jobs and files stand other programs, each where it is there. */
const peers = SUITES.some((suite) => suite !== "mapreduce" && suite !== "files" && isChosen(suite))
  ? ["redis-server", "redis-benchmark", "etcd"]
  : [];
for (const engine of peers) {
  if (spawnSync(engine, ["--version"]).error !== undefined) {
    console.error(
      `bench: ${engine} is not installed; the peers are Debian's redis-server, redis-tools and etcd-server`,
    );
    process.exit(2);
  }
}

const odd = asked.find((name) => !SUITES.some((suite) => suite === name || suite.startsWith(`${name}-`)));
if (odd !== undefined) {
  console.error(`bench: there is no suite ${odd}: --only takes ${SUITES.join(",")}`);
  process.exit(2);
}
const extent = { rounds: Number(values.rounds), scale: Number(values.scale) };
const sections: Section[] = [];

const HEADINGS: Readonly<Record<Suite, string>> = {
  durable: "Three nodes, every write durable on a majority",
  memory: "One node in memory",
  failover: "Fail-over",
  restart: "Restart and memory",
  modes: "Cluster size, durability and read mode",
  "consensus-steady": "The algorithms on the steady path",
  "consensus-kills": "The algorithms when the leader is killed",
  "consensus-lagging": "The algorithms and a lagging replica",
  "consensus-simulated": "The algorithms on bad networks and disks",
  mapreduce: "MapReduce on one machine",
  files: "Files on one machine",
};

for (const suite of SUITES.filter(isChosen)) {
  const results: Result[] = [];
  const { rounds, scale } = extent;
  const warmed = WARMED.includes(suite) ? ", after one that does not count," : "";
  const size = `${rounds} rounds${warmed}${scale === 1 ? "" : `, ${scale} of the usual requests`} on ${machine()}, ${today()}`;
  sections.push({ suite, heading: HEADINGS[suite], extent: size, results });
  await measure(suite, (result) => {
    results.push(result);
    console.log(`\n${textOfResult(result)}`);
  });
}
if (values.write) write();

async function measure(suite: Suite, report: (result: Result) => void): Promise<void> {
  const compare = (comparison: Comparison): void => report({ type: "comparison", comparison });
  const find = (finding: Finding): void => report({ type: "finding", finding });
  switch (suite) {
    case "durable":
      return durableCluster(extent, compare);
    case "memory":
      return memoryNode(extent, compare);
    case "failover":
      return failOver(Math.max(3, extent.rounds * 4), find);
    case "restart":
      return restart(1_000_000, find);
    case "modes":
      return modes(extent, compare);
    case "consensus-steady":
      return steadyPath(extent, compare);
    case "consensus-kills": {
      const measurement = await failOverGaps(Math.max(4, extent.rounds * 4));
      return report({ type: "measurement", measurement });
    }
    case "consensus-lagging":
      return report({ type: "measurement", measurement: await laggingReplica(extent.rounds) });
    case "consensus-simulated":
      for (const [experiment, seeds] of EXPERIMENTS) {
        for (const measurement of await simulated(experiment, Math.ceil(seeds * extent.scale)))
          report({ type: "measurement", measurement });
      }
      return;
    case "mapreduce":
      return mapReduce(extent, {
        measurement: (each) => report({ type: "measurement", measurement: each }),
        finding: find,
      });
    case "files":
      return files(extent, {
        measurement: (each) => report({ type: "measurement", measurement: each }),
        comparison: compare,
        finding: find,
      });
  }
}

function textOfResult(result: Result): string {
  switch (result.type) {
    case "comparison":
      return tableOf(result.comparison);
    case "measurement":
      return textOf(result.measurement);
    case "finding":
      return `${result.finding.title}: ${result.finding.engine} ${result.finding.result}`;
  }
}

function machine(): string {
  return `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), Node.js ${process.versions.node}`;
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function write(): void {
  const head = [
    "# Benchmarks",
    "",
    "Measured by `npm run bench -- --write`; each section says where and when: engines alternating in one run, medians of rounds;",
    "the ratio is the median of the rounds' own ratios. The machines are small and shared: trust the ratios, not the figures, and",
    "these only so far: where single cores are slow, programs of one thread fall behind those of many.",
    "Load: `redis-benchmark` for RESP, a small gRPC client for etcd; 64-byte values over 100,000 keys. All servers and the",
    "load share the cores. etcd's cost includes gRPC, MVCC and a bbolt commit; redis-server with two asynchronous replicas",
    "promises less than a majority on disk. Fsyncs are the leader's (redis-server does not count its own).",
  ];
  writePage(resolve(import.meta.dirname, "../../docs"), head, sections, SUITES);
  console.log(`\nwritten: docs/benchmarks.md (${sections.map(({ suite }) => suite).join(", ")})`);
}
