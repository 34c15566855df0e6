/** What many names cost a whole node: the memory of its process, and how long it takes until it serves them again. */
import { inFolder } from "../recovery.ts";
import type { Finding } from "../page.ts";
import { until, usage } from "../processes.ts";
import { startFiles } from "./servers.ts";
import { loadMetadata, makeDirectory, target } from "./webhdfs.ts";

const PER_DIRECTORY = 10_000;
const CLIENTS = 16;
const READY_MS = 120_000;
/** Of the process, for a million. */
const GOAL_MIB = 700;
/** So long a node is left alone before its memory is looked at. */
const REST_MS = 10_000;

/** One durable node with `count` empty files, made over WebHDFS. */
export async function names(count: number, report: (finding: Finding) => void): Promise<void> {
  const title = `${count.toLocaleString("en-US")} files, one node`;
  const engine = "Quorate, 1 node";
  await inFolder(async (folder) => {
    const first = await startFiles(folder, 1);
    const before = usage(first.processes[0]?.pid ?? 0).residentBytes;
    let last = "";
    for (let made = 0; made < count; made += PER_DIRECTORY) {
      const directory = `/names/${made / PER_DIRECTORY}`;
      const requests = Math.min(PER_DIRECTORY, count - made);
      await makeDirectory(first, directory);
      await loadMetadata(first, { operation: "create", clients: CLIENTS, requests, folder: directory });
      last = `${directory}/${requests - 1}`;
    }
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const { residentBytes } = usage(first.processes[0]?.pid ?? 0);
    await first.stop();
    report({
      title: `memory, ${title}`,
      engine,
      result: `${megabytes(residentBytes)} resident, ${megabytes(before)} before (goal ${GOAL_MIB}: ${residentBytes <= GOAL_MIB * 2 ** 20 ? "met" : "missed"})`,
    });
    const startedMs = performance.now();
    const second = await startFiles(folder, 1, true);
    await until("the last file", READY_MS, async () => {
      const { status } = await fetch(target(second, last, "op=GETFILESTATUS"));
      return status === 200 || undefined;
    });
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    const again = usage(second.processes[0]?.pid ?? 0).residentBytes;
    await second.stop();
    report({
      title: `restart, ${title}`,
      engine,
      result: `${seconds} s until it answers, ${megabytes(again)} resident (goal 15 s: ${Number(seconds) <= 15 ? "met" : "missed"})`,
    });
  });
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
