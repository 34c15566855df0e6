/**
 * `quorate tour`: the main job. Three node processes, real input through a real Redis client, the leader killed with
 * SIGKILL in the middle of it, and at the end a comparison of what the store holds with the clients' own record.
 *
 * An act is a file under `tour/`; a further one is a line in `ACTS`.
 */
import { setMaxListeners } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectFiles } from "../client/files/connect.ts";
import { connectJobs } from "../client/mapreduce/connect.ts";
import { ALGORITHMS } from "../consensus/algorithm-names.ts";
import { QuorateError } from "../runtime/errors.ts";
import { readClusterFile } from "./cluster-file.ts";
import type { NodeConfig } from "./node-channel.ts";
import { DEFAULT_PORTS, DEFAULT_RACK, planLocalCluster } from "./plan.ts";
import { NODE_ENTRY } from "./start.ts";
import { formatBytes, formatCount, formatDuration, formatTable, paintFor } from "./style.ts";
import { Supervisor } from "./supervisor.ts";
import type { Act, Finding, Stage } from "./tour/act.ts";
import { milestone } from "./tour/act.ts";
import { bar, createBoard } from "./tour/board.ts";
import type { Board } from "./tour/board.ts";
import { cacheAct } from "./tour/cache-act.ts";
import { Connection } from "./tour/connection.ts";
import { counterAct } from "./tour/counter-act.ts";
import { filesAct } from "./tour/files-act.ts";
import type { Library } from "./tour/documents.ts";
import { readLibrary } from "./tour/documents.ts";
import type { FaultOptions, FaultRecord } from "./tour/faults.ts";
import { killLeaders, killNode } from "./tour/faults.ts";
import { indexAct } from "./tour/index-act.ts";
import { jobsAct } from "./tour/jobs-act.ts";
import type { Pauses } from "./tour/pauses.ts";
import { createPauses } from "./tour/pauses.ts";
import { pulseAct } from "./tour/pulse-act.ts";
import { formatFindings, measurements } from "./tour/report.ts";
import type { Call } from "./verb.ts";

const ACTS: readonly ((stage: Stage) => Act)[] = [
  indexAct,
  filesAct,
  jobsAct,
  cacheAct,
  counterAct,
  pulseAct,
];
const NODES = 3;
const INTERRUPTED_EXIT = 130;
/** The dependencies' documents: below this package when it was cloned, beside it when it was installed. */
const DEPENDENCIES = ["../../node_modules", "../../.."].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);
const PAINT = paintFor(process.stdout);

export async function tour(call: Call): Promise<number> {
  const consensus = call.choice("consensus", ALGORITHMS);
  const library = readLibrary(call.positionals[0], DEPENDENCIES.find(existsSync) ?? ".");
  const ground = openGround(call.text("data"));
  const interruption = onInterrupt();
  try {
    const configs = await planNodes(ground.directory, consensus);
    return await withCluster(configs, interruption, async (supervisor, signal) => {
      const ok = await perform(library, configs, supervisor, signal);
      if (call.has("keep")) await keep(configs, interruption.signal);
      return ok ? 0 : 1;
    });
  } catch (error) {
    if (interruption.signal.aborted) return INTERRUPTED_EXIT;
    throw error;
  } finally {
    interruption.release();
    ground.clear();
  }
}

/** Where the nodes keep their data: a directory that must be new or empty, or a temporary one that is removed again. */
function openGround(data: string | undefined): { readonly directory: string; clear(): void } {
  if (data !== undefined) {
    if (readClusterFile(data)) {
      throw new QuorateError(
        "DATA_DIRECTORY_FOREIGN",
        `${data} holds a cluster already; the tour wants an empty directory`,
      );
    }
    return { directory: data, clear: () => undefined };
  }
  const directory = mkdtempSync(join(tmpdir(), "quorate-tour-"));
  return { directory, clear: () => rmSync(directory, { recursive: true, force: true }) };
}

/** On the usual ports when they are free, so that `--keep` leaves it where clients look; otherwise on any. */
async function planNodes(
  data: string,
  consensus: NodeConfig["consensus"] | undefined,
): Promise<readonly NodeConfig[]> {
  const plan = {
    nodes: NODES,
    host: "127.0.0.1",
    data,
    settings: {
      consensus,
      durability: "always",
      readMode: "barrier",
      password: undefined,
      protectedMode: true,
      browserNames: [],
      rack: DEFAULT_RACK,
      cacheWrites: false,
      secret: undefined,
      logLevel: "error",
      logFormat: process.stderr.isTTY ? "pretty" : "json",
    },
  } as const;
  const { resp, http, peer } = DEFAULT_PORTS;
  try {
    return await planLocalCluster({ ...plan, respPort: resp, httpPort: http, peerPort: peer });
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== "PORT_IN_USE") throw error;
    return planLocalCluster({ ...plan, respPort: 0, httpPort: 0, peerPort: 0 });
  }
}

/** Runs `action` with a started cluster and stops it afterwards, whatever happened. */
async function withCluster(
  configs: readonly NodeConfig[],
  interruption: Interruption,
  action: (supervisor: Supervisor, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const trouble = new AbortController();
  const supervisor = new Supervisor({
    nodes: configs,
    entry: NODE_ENTRY,
    restart: false,
    onEvent(event) {
      if (event.type === "output") process.stderr.write(`${event.id} | ${event.line}\n`);
      // The kills of the tour itself end with SIGKILL; a node that ends in any other way is a failure of the tour.
      if (event.type === "died" && event.how !== "ended (SIGKILL)")
        trouble.abort(new Error(`${event.id} ${event.how}`));
      if (event.type === "failed") trouble.abort(event.error);
    },
  });
  interruption.onForce(() => supervisor.killAll());
  try {
    await supervisor.start();
    return await action(supervisor, AbortSignal.any([interruption.signal, trouble.signal]));
  } finally {
    await supervisor.stop();
  }
}

/** The acts, the faults in the middle of them, the verification. True when everything was verified. */
async function perform(
  library: Library,
  configs: readonly NodeConfig[],
  supervisor: Supervisor,
  outer: AbortSignal,
): Promise<boolean> {
  const startedMs = performance.now();
  const failure = new AbortController();
  const signal = AbortSignal.any([outer, failure.signal]);
  // Everybody who waits listens to it; the usual limit of ten is a guess at leaks.
  setMaxListeners(0, signal);
  const pauses = createPauses();
  const connections: Connection[] = [];
  let mayEnd = false;
  const faultsOver = milestone<void>();
  const urls = configs.map(({ respPort }) => `redis://127.0.0.1:${respPort}`);
  const stage: Stage = {
    library,
    urls,
    connect(node) {
      const connection = new Connection(urls, node, signal);
      connections.push(connection);
      return connection;
    },
    files: (node, how) => connectFiles(filesUrl(configs, node, how === "alone")),
    jobs: (node) => connectJobs(filesUrl(configs, node, false)),
    whole: milestone(),
    faultsOver: faultsOver.reached,
    kill: (node, why) => killNode(faultOptions, node, why),
    mayEnd: () => mayEnd,
    signal,
    acknowledged: (writer) => pauses.acknowledged(writer),
  };
  const acts = ACTS.map((act) => act(stage));
  const faultOptions: FaultOptions = {
    supervisor,
    ids: configs.map(({ id }) => id),
    signal,
    underWay: () => acts.every((act) => act.progress().fraction !== 0),
    onKill: () => pauses.fault(),
    note: (line) => board.note(`  ${PAINT("yellow", "!")} ${line}`),
  };
  introduce(library, configs, supervisor);
  const board = createBoard(
    process.stdout,
    (columns) => drawActs(acts, columns),
    () => summary(acts),
  );
  try {
    let faults: readonly FaultRecord[] = [];
    const director = async (): Promise<void> => {
      faults = await killLeaders(faultOptions);
      mayEnd = true;
      faultsOver.reach();
    };
    await orAbort(failure, [director(), ...acts.map((act) => act.run())]);
    const workedMs = performance.now() - startedMs;
    const findings = await verify(acts, stage, configs, board);
    board.end();
    return conclude(findings, faults, pauses, connections, workedMs, startedMs);
  } finally {
    board.end();
    for (const connection of connections) connection.close();
  }
}

/** Of all nodes, the one with this number first. */
function filesUrl(configs: readonly NodeConfig[], first: number, alone: boolean): string {
  const hosts = configs.map(({ httpPort }) => `127.0.0.1:${httpPort}`);
  const at = first % hosts.length;
  const order = alone ? hosts.slice(at, at + 1) : [...hosts.slice(at), ...hosts.slice(0, at)];
  return `webhdfs://${order.join(",")}`;
}

/** As Promise.all; the first failure also ends the others, and all have ended when it is thrown. */
async function orAbort(controller: AbortController, work: readonly Promise<void>[]): Promise<void> {
  for (const each of work) each.catch((error: unknown) => controller.abort(error));
  await Promise.allSettled(work);
  await Promise.all(work);
}

function introduce(library: Library, configs: readonly NodeConfig[], supervisor: Supervisor): void {
  const { documents, bytes, words, directory, kind } = library;
  const different = new Set(documents.flatMap((document) => [...document.words.keys()])).size;
  const rows = [
    ["input", `${directory} (${kind})`],
    [
      "",
      `${formatCount(documents.length)} documents, ${formatBytes(bytes)}, ${formatCount(words)} words, ${formatCount(different)} different`,
    ],
    [
      "nodes",
      configs
        .map(({ id, respPort }) => `${id} redis://127.0.0.1:${respPort} pid ${supervisor.pid(id) ?? "?"}`)
        .join("   "),
    ],
    ["log", configs[0]?.consensus ?? ""],
    ["data", (configs[0]?.dataDir ?? "").replace(/\/[^/]+$/, "")],
  ];
  const table = formatTable(rows.map(([name = "", value = ""]) => [`  ${PAINT("bold", name)}`, value]));
  process.stdout.write(
    `\n  ${PAINT("green", "Quorate tour")}: three nodes, real work, killed leaders\n\n${table}\n\n`,
  );
}

const BAR_WIDTH = 20;

function drawActs(acts: readonly Act[], columns: number): readonly string[] {
  return acts.map((act) => {
    const { text, fraction } = act.progress();
    const filled = fraction === undefined ? " ".repeat(BAR_WIDTH) : bar(fraction, BAR_WIDTH);
    const room = Math.max(10, columns - BAR_WIDTH - 13);
    return `  ${act.title.padEnd(8)} ${PAINT("cyan", filled)} ${text.slice(0, room)}`;
  });
}

function summary(acts: readonly Act[]): string {
  return `  ${acts.map((act) => `${act.title}: ${act.progress().text}`).join("; ")}`;
}

/** Every act's record against every node's answers. */
async function verify(
  acts: readonly Act[],
  stage: Stage,
  configs: readonly NodeConfig[],
  board: Board,
): Promise<readonly Finding[]> {
  board.note("  comparing every acknowledged write with what each node holds");
  const findings: Finding[] = [];
  for (const act of acts) {
    const complaints: string[] = [];
    for (const [at, { id }] of configs.entries()) {
      const found = await act.verify(stage.connect(at), at);
      complaints.push(...found.map((complaint) => `${id}: ${complaint}`));
    }
    findings.push(...act.findings(complaints));
  }
  return findings;
}

function conclude(
  findings: readonly Finding[],
  faults: readonly FaultRecord[],
  pauses: Pauses,
  connections: readonly Connection[],
  workedMs: number,
  startedMs: number,
): boolean {
  const statistics = connections.map((connection) => connection.statistics);
  const all = [...findings, ...measurements(faults, pauses, statistics, workedMs)];
  const ok = all.every((finding) => finding.ok);
  const took = formatDuration(performance.now() - startedMs);
  const verdict = ok
    ? PAINT("green", "everything verified")
    : PAINT("red", "NOT everything could be verified");
  process.stdout.write(`\n${formatFindings(all, PAINT)}\n\n  ${verdict} in ${took}\n\n`);
  return ok;
}

async function keep(configs: readonly NodeConfig[], signal: AbortSignal): Promise<void> {
  const port = configs[0]?.respPort ?? DEFAULT_PORTS.resp;
  const http = configs[0]?.httpPort ?? DEFAULT_PORTS.http;
  const rows = [
    ["look", `redis-cli -p ${port} zrange index:lock 0 -1 rev withscores`],
    ["status", `npx quorate status --url redis://127.0.0.1:${port}`],
    ["files", `npx quorate fs --fs webhdfs://127.0.0.1:${http} ls -h /tour/documents`],
    ["HTTP", `http://127.0.0.1:${http}/status  /metrics  /healthz`],
    ["end", "Ctrl-C stops the nodes"],
  ];
  const table = formatTable(rows.map(([name = "", value = ""]) => [`  ${PAINT("bold", name)}`, value]));
  process.stdout.write(`  the cluster stays up:\n\n${table}\n\n`);
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

interface Interruption {
  readonly signal: AbortSignal;
  /** What the second Ctrl-C does. */
  onForce(action: () => void): void;
  release(): void;
}

function onInterrupt(): Interruption {
  const controller = new AbortController();
  let force: () => void = () => undefined;
  const interrupt = (): void => {
    if (controller.signal.aborted) force();
    else controller.abort(new Error("interrupted"));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, interrupt);
  return {
    signal: controller.signal,
    onForce(action) {
      force = action;
    },
    release() {
      for (const signal of signals) process.off(signal, interrupt);
    },
  };
}
