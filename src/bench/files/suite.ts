/**
 * Files beside those who do nothing else: nginx sending one, the disk itself, HDFS with the same replication. One file of a
 * GiB is moved as a whole by curl; small requests come from sixteen clients. The goals are those of the file system's plan.
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { RunningEngine } from "../engines.ts";
import type { Finding, Measurement } from "../page.ts";
import type { Comparison, Extent } from "../suites.ts";
import { withEngines } from "../suites.ts";
import { alternate } from "../throughput.ts";
import type { Contender } from "../throughput.ts";
import { lacksHdfs, startHdfs } from "./hdfs.ts";
import { growthWhile, uploadStream } from "./memory.ts";
import type { FileServer } from "./servers.ts";
import { names } from "./names.ts";
import { lacksNginx, startFiles, startNginx } from "./servers.ts";
import type { Mover } from "./transfers.ts";
import { compareMoves } from "./transfers.ts";
import type { Operation } from "./webhdfs.ts";
import {
  curl,
  download,
  finish,
  loadMetadata,
  makeDirectory,
  remove,
  STAT_FILES,
  upload,
} from "./webhdfs.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const CLIENTS = 16;
const MEMORY_GOAL_BYTES = 256 * MIB;
const READ_GOAL_MB = 800;
/** Reading takes well below a second: so many are needed until compilers have made fast what a server runs all day. */
const READ_WARM_UPS = 10;
const NAMES = 1_000_000;

export interface FilesReport {
  readonly measurement: (measurement: Measurement) => void;
  readonly comparison: (comparison: Comparison) => void;
  readonly finding: (finding: Finding) => void;
}

/** Ends the process with the reason when there is no curl. */
export async function files(extent: Extent, report: FilesReport): Promise<void> {
  if (spawnSync("curl", ["--version"]).error !== undefined)
    throw new Error("curl is not installed (package curl)");
  for (const reason of [lacksHdfs(), lacksNginx()])
    if (reason !== undefined) report.finding({ title: "left out", engine: "-", result: reason });
  const bytes = Math.max(MIB, Math.round((GIB * extent.scale) / MIB) * MIB);
  await singleNode(bytes, extent, report);
  await threeNodes(bytes, extent, report);
  await metadata(extent, report);
  await names(Math.max(1, Math.round(NAMES * extent.scale)), report.finding);
}

async function singleNode(bytes: number, { rounds, scale }: Extent, report: FilesReport): Promise<void> {
  await withEngines(async (folder, own) => {
    const source = join(folder, "source");
    writeNoise(source, bytes);
    const quorate = await ownServer(own, startFiles(join(folder, "quorate"), 1));
    const hdfs = await ownHdfs(own, folder, [true, false], 1);
    const local = join(folder, "local");
    const writers = [quorate, ...hdfs].map((server) => uploader(server, source, 1));
    const write = await compareMoves(
      `Write ${size(bytes)}, one replica`,
      `Over WebHDFS with curl, synced when it is answered; the disk: \`dd bs=256k conv=fdatasync\` from the same file, as programs write one. That goes through the system's memory, and follows what state it is in: 0.4 to 1.7 GB/s were seen here. Past it: \`bs=4M oflag=direct\`.`,
      bytes,
      [
        ...writers.slice(0, 1),
        { ...diskMover(source, local), goal: 0.77 },
        ...directMovers(source, local),
        ...writers.slice(1),
      ],
      rounds,
    );
    report.measurement(write);
    for (const server of [quorate, ...hdfs]) await upload(server, source, "/read", { replication: 1 });
    const readers = [quorate, ...hdfs.slice(0, 1)].map((server, at): Mover => {
      const goal = at === 0 ? {} : { goal: 1.5 };
      return {
        label: server.label,
        processes: server.processes,
        move: () => download(server, "/read"),
        ...goal,
      };
    });
    if (lacksNginx() === undefined) {
      const nginx = await own(
        startNginx(join(folder, "nginx"), folder).then((server) => ({ name: "nginx", port: 0, ...server })),
      );
      readers.push({
        label: "nginx, sendfile",
        processes: nginx.processes,
        move: () => curl(`${nginx.url}/source`),
        goal: 0.75,
      });
    }
    readers.push({
      label: "cat to a pipe",
      processes: [],
      move: () => finish("sh", ["-c", `cat "${source}" | cat > /dev/null`]),
    });
    const read = await compareMoves(
      `Read ${size(bytes)} from one node`,
      `Received by curl and thrown away; all from the page cache, and after ${READ_WARM_UPS} times that do not count. Every byte that we send is verified; nginx and \`cat\` verify none.`,
      bytes,
      readers,
      2 * rounds,
      READ_WARM_UPS,
    );
    report.measurement(read);
    const rate = Number(read.rows[0]?.[1]?.replaceAll(",", ""));
    report.finding({
      title: `Read ${size(bytes)} from one node`,
      engine: quorate.label,
      result: `${read.rows[0]?.[1] ?? "?"} MB/s (goal ${READ_GOAL_MB}: ${rate >= READ_GOAL_MB ? "met" : "missed"})`,
    });
    await remove(quorate, "/read");
    await streaming(quorate, Math.round(10 * GIB * scale), report);
  });
}

async function streaming(quorate: FileServer, bytes: number, report: FilesReport): Promise<void> {
  const steps = [
    ["written", () => uploadStream(quorate, "/stream", bytes)],
    ["read", () => download(quorate, "/stream")],
  ] as const;
  for (const [what, work] of steps) {
    const { most, seconds } = await growthWhile(quorate.processes, work);
    const verdict = most <= MEMORY_GOAL_BYTES ? "met" : "missed";
    report.finding({
      title: `Memory of a node beyond what it had, while ${size(bytes)} are ${what}`,
      engine: quorate.label,
      result: `at most ${Math.round(most / MIB)} MiB (goal 256: ${verdict}), ${seconds.toFixed(1)} s`,
    });
  }
  await remove(quorate, "/stream");
}

async function threeNodes(bytes: number, { rounds }: Extent, report: FilesReport): Promise<void> {
  await withEngines(async (folder, own) => {
    const source = join(folder, "source");
    writeNoise(source, bytes);
    const quorate = await ownServer(own, startFiles(join(folder, "quorate"), 3));
    const hdfs = await ownHdfs(own, folder, [true, false], 3);
    const local = join(folder, "local");
    const writers = [quorate, ...hdfs].map((server) => uploader(server, source, 3));
    report.measurement(
      await compareMoves(
        `Write ${size(bytes)}, three replicas on this one disk`,
        "As above, on three nodes of this machine: the disk takes every byte three times, so ours is held against a third of its rate.",
        bytes,
        [
          ...writers.slice(0, 1),
          { ...diskMover(source, local), label: "the disk, a third of its rate", share: 1 / 3, goal: 0.7 },
          ...writers.slice(1),
        ],
        rounds,
      ),
    );
  });
}

async function metadata(extent: Extent, report: FilesReport): Promise<void> {
  await withEngines(async (folder, own) => {
    const quorate = await ownServer(own, startFiles(join(folder, "quorate"), 1));
    const three = await ownServer(own, startFiles(join(folder, "three"), 3));
    const hdfs = await ownHdfs(own, folder, [true], 1);
    const servers = [quorate, three, ...hdfs];
    for (const server of servers) {
      await makeDirectory(server, "/stat");
      await loadMetadata(server, {
        operation: "create",
        clients: CLIENTS,
        requests: STAT_FILES,
        folder: "/stat",
      });
    }
    const goals = { create: 5, mkdir: 0, stat: 2 } as const;
    const titles = {
      create: "Create empty files over WebHDFS, 16 clients",
      mkdir: "Make directories over WebHDFS, 16 clients",
      stat: "Ask for the status of files over WebHDFS, 16 clients",
    } as const;
    for (const operation of ["create", "mkdir", "stat"] as const) {
      const requests = Math.max(CLIENTS, Math.round((operation === "stat" ? 20_000 : 5_000) * extent.scale));
      const contenders = servers.map((server) => metadataContender(server, operation, requests));
      report.comparison({
        title: titles[operation],
        goals: Object.fromEntries(hdfs.map(({ label }) => [label, goals[operation]])),
        measured: await alternate(contenders, extent.rounds),
      });
    }
  });
}

function metadataContender(server: FileServer, operation: Operation, requests: number): Contender {
  let turn = 0;
  return {
    label: server.label,
    engine: { name: server.label, port: 0, processes: server.processes, stop: () => Promise.resolve() },
    async load() {
      const folder = operation === "stat" ? "/stat" : `/${operation}-${turn++}`;
      await makeDirectory(server, folder);
      return loadMetadata(server, { operation, clients: CLIENTS, requests, folder });
    },
  };
}

type Own = Parameters<Parameters<typeof withEngines>[0]>[1];

async function ownServer(own: Own, starting: Promise<FileServer>): Promise<FileServer> {
  return own<FileServer & RunningEngine>(
    starting.then((server) => ({ name: server.label, port: 0, ...server })),
  );
}

/** With blocks that are synced, and as HDFS does it by itself; none where it is not here. */
async function ownHdfs(
  own: Own,
  folder: string,
  synced: readonly boolean[],
  nodes: number,
): Promise<readonly FileServer[]> {
  if (lacksHdfs() !== undefined) return [];
  const servers: FileServer[] = [];
  for (const each of synced)
    servers.push(
      await ownServer(own, startHdfs({ folder: join(folder, `hdfs-${each}`), nodes, synced: each })),
    );
  return servers;
}

function uploader(server: FileServer, source: string, replication: number): Mover {
  const isPeer = server.label.startsWith("HDFS");
  return {
    label: server.label,
    processes: server.processes,
    move: () => upload(server, source, "/written", { replication }),
    undo: () => remove(server, "/written"),
    ...(isPeer ? { goal: 1.5 } : {}),
  };
}

/** A file written and synced as programs do it; or past the system's memory, where its file system can. */
function diskMover(source: string, target: string, how: readonly string[] = ["bs=256k"]): Mover {
  return {
    label: "the disk, written and synced",
    processes: [],
    move: () => finish("dd", [`if=${source}`, `of=${target}`, ...how, "conv=fdatasync"]),
    undo: async () => rmSync(target),
  };
}

/** None where there is no such way. */
function directMovers(source: string, target: string): readonly Mover[] {
  const how = ["bs=4M", "oflag=direct"];
  const takes = spawnSync("dd", ["if=/dev/zero", `of=${target}`, "count=1", ...how]).status === 0;
  rmSync(target, { force: true });
  return takes ? [{ ...diskMover(source, target, how), label: "the same past the system's memory" }] : [];
}

/** Bytes that no disk and no server makes less of. */
function writeNoise(path: string, bytes: number): void {
  const file = openSync(path, "w");
  const piece = Buffer.allocUnsafe(MIB);
  let state = 0x9e37_79b9;
  for (let at = 0; at < bytes; at += MIB) {
    for (let word = 0; word < MIB; word += 4) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      piece.writeInt32LE(state, word);
    }
    writeSync(file, piece, 0, Math.min(MIB, bytes - at));
  }
  closeSync(file);
}

function size(bytes: number): string {
  return bytes >= GIB ? `${Number((bytes / GIB).toFixed(1))} GiB` : `${Math.round(bytes / MIB)} MiB`;
}
