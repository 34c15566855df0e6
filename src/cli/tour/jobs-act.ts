/**
 * Two jobs over the input that was stored as one file: the words are counted, and the counts sorted, the most frequent word
 * first. A node that runs tasks is killed in the middle of the first, and then the node that schedules. The output must be
 * what one thread counts.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Files } from "../../client/files/files.ts";
import type { JobResult } from "../../client/mapreduce/job-run.ts";
import type { Jobs, OwnSubmission } from "../../client/mapreduce/jobs.ts";
import type { JobReport } from "../../mapreduce/job-api.ts";
import { openJobModule } from "../mr/job-module.ts";
import { formatBytes, formatCount, formatDuration } from "../style.ts";
import type { Act, Finding, Stage } from "./act.ts";
import { unlessAborted } from "./connection.ts";
import { untilStored } from "./retry.ts";

const COUNTS = "/tour/counts";
const SORTED = "/tour/top-words";
const PROGRAMS = "/tour/programs";
/** So many maps, or as many as there are pieces of this size: enough to kill a node in the middle of them. */
const MAPS = 12;
const SPLIT_MIN_BYTES = 64 * 1024;
const REDUCES = 3;
/** Words that are shown. */
const SHOWN = 5;

export function jobsAct(stage: Stage): Act {
  const wanted = plainCount(stage);
  let state = "waits for the input";
  let fraction: number | undefined;
  const killed: string[] = [];
  let lost = 0;
  let attempts = 0;
  let top: readonly string[] = [];
  let tookMs = 0;

  /** Submits a job, shows it, and lets `disturb` look at each report. */
  const follow = async (
    jobs: Jobs,
    submission: OwnSubmission,
    share: number,
    disturb: (report: JobReport) => void,
  ): Promise<JobResult> => {
    const run = await jobs.run(submission, { signal: stage.signal });
    for await (const report of run) {
      const { map, shuffle, reduce } = report.progress;
      const { maps, reduces, name } = report;
      state = `${name}: ${maps.finished} of ${maps.total} maps, ${reduces.finished} of ${reduces.total} reduces`;
      fraction = share + (map + shuffle + reduce) / 6;
      disturb(report);
    }
    const result = await run.result;
    for (const tally of [result.report.maps, result.report.reduces]) {
      lost += tally.attempts.lost;
      attempts +=
        tally.attempts.succeeded + tally.attempts.failed + tally.attempts.killed + tally.attempts.lost;
    }
    return result;
  };

  const store = async (files: Files, jobs: Jobs, name: string): Promise<OwnSubmission["program"]> => {
    const path = fileURLToPath(new URL(`jobs/${name}.js`, import.meta.url));
    const module = await openJobModule(path);
    try {
      const bundle = `${PROGRAMS}/${jobs.user}/${module.bundle.sha256}.mjs`;
      const code = await readFile(module.path);
      await untilStored(stage.signal, () => files.writeFile(bundle, code));
      return { type: "module", bundle, sha256: module.bundle.sha256 };
    } finally {
      module.remove();
    }
  };

  return {
    title: "jobs",
    async run() {
      const files = stage.files(1);
      const jobs = stage.jobs(1);
      const [counting, sorting] = await Promise.all([
        store(files, jobs, "word-count"),
        store(files, jobs, "top-words"),
      ]);
      const input = await unlessAborted(stage.whole.reached, stage.signal);
      await unlessAborted(stage.faultsOver, stage.signal);
      const startedMs = performance.now();
      const disturbances: Promise<void>[] = [];
      const disturb = (report: JobReport): void => {
        if (disturbances.length > 0 || report.maps.finished === 0 || report.maps.waiting === 0) return;
        const victim = report.running[0]?.node;
        if (victim === undefined) return;
        disturbances.push(
          (async () => {
            killed.push(`${victim}, which ran a task`);
            await stage.kill(victim, "which runs a task");
            const scheduler = (await jobs.nodesOf()).nodes.find(({ leader }) => leader)?.id;
            if (scheduler === undefined) return;
            killed.push(`${scheduler}, which scheduled`);
            await stage.kill(scheduler, "which schedules the jobs");
          })(),
        );
      };
      const { size } = await files.stat(input);
      await follow(
        jobs,
        {
          name: "word count",
          program: counting,
          inputs: [{ paths: [input], mapper: 0 }],
          output: COUNTS,
          settings: { reduces: REDUCES, splitSize: Math.max(SPLIT_MIN_BYTES, Math.ceil(size / MAPS)) },
        },
        0,
        disturb,
      );
      await follow(
        jobs,
        {
          name: "top words",
          program: sorting,
          inputs: [{ paths: [COUNTS], mapper: 0 }],
          output: SORTED,
          settings: { reduces: REDUCES },
          totalOrder: true,
        },
        0.5,
        () => undefined,
      );
      tookMs = performance.now() - startedMs;
      await Promise.all(disturbances);
      state = "done";
      fraction = 1;
    },
    progress: () => ({ text: state, ...(fraction === undefined ? {} : { fraction }) }),
    async verify(_, node) {
      const files = stage.files(node, "alone");
      const read = async (directory: string): Promise<readonly string[]> => {
        const names = await untilStored(stage.signal, () => files.readdir(directory));
        const parts = names.filter((name) => name.startsWith("part-")).sort();
        const texts = await Promise.all(
          parts.map((name) =>
            untilStored(stage.signal, () => files.readFile(`${directory}/${name}`, { encoding: "utf8" })),
          ),
        );
        return texts.flatMap((text) => text.split("\n").filter((line) => line !== ""));
      };
      const counts = await read(COUNTS);
      const sorted = await read(SORTED);
      top = sorted.slice(0, SHOWN);
      return [
        ...compare("word count", [...counts].sort(), [...wanted].sort()),
        ...compare("top words", sorted, wanted),
      ];
    },
    findings(complaints): readonly Finding[] {
      return [
        {
          kind: "done",
          text: `jobs: two, one on the other's output, ${formatCount(attempts)} attempts; most frequent: ${top.map((line) => line.replace("\t", " ")).join(", ")}`,
          ok: true,
        },
        {
          kind: "verified",
          text:
            complaints.length === 0
              ? `both outputs are what one thread counts: ${formatCount(wanted.length)} words, in one order`
              : `jobs: ${complaints.length} differences, first: ${complaints[0] ?? ""}`,
          ok: complaints.length === 0,
        },
        {
          kind: "measured",
          text: `jobs took ${formatDuration(tookMs)} over ${formatBytes(stage.library.bytes)}; SIGKILL to ${killed.length === 0 ? "nobody: they were too fast" : killed.join(" and ")}; ${lost} attempts lost and made again`,
          ok: true,
        },
      ];
    },
  };
}

/** One thread's count, as lines of the output: the most frequent word first, equal ones by their bytes. */
function plainCount({ library }: Stage): readonly string[] {
  const counts = new Map<string, number>();
  for (const { words } of library.documents) {
    for (const [word, count] of words) counts.set(word, (counts.get(word) ?? 0) + count);
  }
  const bytes = (word: string): Buffer => Buffer.from(word);
  return [...counts]
    .sort(([left, many], [right, more]) => more - many || Buffer.compare(bytes(left), bytes(right)))
    .map(([word, count]) => `${word}\t${count}`);
}

function compare(name: string, found: readonly string[], wanted: readonly string[]): readonly string[] {
  if (found.length !== wanted.length) return [`${name} has ${found.length} lines, not ${wanted.length}`];
  const at = found.findIndex((line, index) => line !== wanted[index]);
  return at < 0 ? [] : [`line ${at + 1} of ${name} is "${found[at] ?? ""}", not "${wanted[at] ?? ""}"`];
}
