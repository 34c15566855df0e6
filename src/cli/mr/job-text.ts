/** Jobs as text: what a live display, `mr show` and the end of a run have in common. */
import type { JobFailure, JobReport, JobState, JobSummary, TaskTally } from "../../mapreduce/job-api.ts";
import { recordWord } from "../../mapreduce/job-api.ts";
import type { Counters } from "../../mapreduce/job-spec.ts";
import { withoutRecordPlace } from "../../mapreduce/task/failure.ts";
import type { Colour, Paint } from "../style.ts";
import { formatBytes, formatCount, formatDuration, formatTable } from "../style.ts";
import type { Rates } from "./rates.ts";
import { counterOf } from "./rates.ts";

const BAR_WIDTH = 24;
const STRAGGLERS_MAX = 3;
/** Of the user's stack. */
const STACK_LINES_MAX = 12;

const COLOURS: Readonly<Record<JobState, Colour>> = {
  running: "cyan",
  committing: "cyan",
  succeeded: "green",
  failed: "red",
  killed: "yellow",
};

/** A job that runs: its bars, what is slow, and how long it may take. */
export function progressLines(report: JobReport, rates: Rates, paint: Paint): readonly string[] {
  const { id, name, state, maps, reduces, progress } = report;
  const elapsed = formatDuration(Math.max(0, report.nowMs - report.submittedMs));
  const lines = [`${paint("bold", name)}  ${id}  ${paint(COLOURS[state], state)}  ${elapsed}`];
  lines.push(bar("map", progress.map, tallyText(maps), rateText(rates.of("MAP_INPUT_BYTES"))));
  if (report.spec.settings.reduces > 0) {
    lines.push(bar("shuffle", progress.shuffle, "", rateText(rates.of("REDUCE_SHUFFLE_BYTES"))));
    lines.push(bar("reduce", progress.reduce, tallyText(reduces), recordsText(rates.of("OUTPUT_RECORDS"))));
  }
  for (const attempt of report.running.filter(({ straggler }) => straggler).slice(0, STRAGGLERS_MAX)) {
    const since = formatDuration(report.nowMs - attempt.startedMs);
    lines.push(
      paint(
        "yellow",
        `  slow     ${attempt.attempt} on ${attempt.node}: ${percent(attempt.fraction)} after ${since}`,
      ),
    );
  }
  const status = report.running.find((attempt) => attempt.status !== undefined && attempt.status !== "");
  if (status !== undefined) lines.push(paint("dim", `  status   ${status.attempt}: ${status.status ?? ""}`));
  if (report.remainingMs !== undefined)
    lines.push(`  about ${formatDuration(report.remainingMs)} to the end`);
  return lines;
}

/** The same in one line, for logs and pipes. */
export function progressLine({ id, progress, maps, reduces, spec }: JobReport): string {
  const ofMaps = `map ${percent(progress.map)} (${maps.finished} of ${maps.total})`;
  if (spec.settings.reduces === 0) return `${id}  ${ofMaps}`;
  const ofReduces = `reduce ${percent(progress.reduce)} (${reduces.finished} of ${reduces.total})`;
  return `${id}  ${ofMaps}  shuffle ${percent(progress.shuffle)}  ${ofReduces}`;
}

/** What became of it: where the output is, counters, or why it failed. */
export function endLines(report: JobReport, outputUrl: string, paint: Paint): readonly string[] {
  const took = formatDuration((report.endedMs ?? report.nowMs) - report.submittedMs);
  const head = `${paint(COLOURS[report.state], report.state)}  ${report.name}  ${report.id}  in ${took}`;
  if (report.failure !== undefined) return [head, ...failureLines(report.failure), ...logLines(report)];
  if (report.killed !== undefined) return [head, `  ${report.killed}`];
  const counters = countersText(report.counters);
  return [
    head,
    `  output   ${outputUrl}  ${outputText(report)}`,
    ...attemptsLines(report),
    ...skippedLines(report),
    ...counters,
  ];
}

/** What an attempt printed is kept by a cluster; a job on this machine leaves nothing. */
function logLines({ id, failure }: JobReport): readonly string[] {
  const { attempt } = failure ?? {};
  return attempt === undefined || isLocal(id) ? [] : [`  log      quorate mr logs ${id} ${attempt}`];
}

/** Records and groups that the program failed on; on this machine the explanation has them, one by one. */
function skippedLines({ id, counters, explanation }: JobReport): readonly string[] {
  const words = (["MAP_SKIPPED_RECORDS", "REDUCE_SKIPPED_GROUPS"] as const).flatMap((name) => {
    const count = counterOf(counters, name);
    return count === 0 ? [] : [`${formatCount(count)} ${name.replace(/^.*_/, "").toLowerCase()}`];
  });
  if (words.length === 0) return [];
  const where = isLocal(id) ? "" : `; each is in the log: quorate mr logs ${id} --all`;
  return [`  skipped  ${words.join(", ")}${where}`, ...explanation.map((each) => `    ${each}`)];
}

function isLocal(id: string): boolean {
  return id.startsWith("job_local");
}

function outputText({ counters }: JobReport): string {
  const records = counterOf(counters, "OUTPUT_RECORDS");
  return `${formatCount(records)} records, ${formatBytes(counterOf(counters, "OUTPUT_BYTES"))}`;
}

/** Only what was out of the ordinary. */
function attemptsLines({ maps, reduces }: JobSummary): readonly string[] {
  const words = (["failed", "killed", "lost"] as const).flatMap((fate) => {
    const count = maps.attempts[fate] + reduces.attempts[fate];
    return count === 0 ? [] : [`${count} ${fate}`];
  });
  return words.length === 0 ? [] : [`  attempts beside the winners: ${words.join(", ")}`];
}

export function failureLines(failure: JobFailure): readonly string[] {
  const { code, message, attempt, node, split, record, stack } = failure;
  const rows = [
    ["attempt", attempt === undefined ? undefined : `${attempt}${node === undefined ? "" : ` on ${node}`}`],
    ["split", split],
    [
      recordWord(failure),
      record === undefined ? undefined : `${record.index}: ${JSON.stringify(record.text)}`,
    ],
  ];
  const known = rows.flatMap(([what = "", text]) => (text === undefined ? [] : [[`  ${what}`, text]]));
  const lines = [`  ${code}: ${message}`];
  if (known.length > 0) lines.push(formatTable(known));
  if (stack !== undefined) lines.push(...programLines(stack, message).map((line) => `    ${line.trim()}`));
  return lines;
}

/** Of a stack, what is the program's and not of what called it, nor in the message already. */
function programLines(stack: string, message: string): readonly string[] {
  const said = withoutRecordPlace(message);
  const lines = stack
    .split("\n")
    .filter((line) => !/^\s*at .*(mapreduce\/(task|streaming)\/|node:internal)/.test(line))
    .filter((line) => !said.endsWith(line.trim().replace(/^(QuorateError|Error): /, "")));
  return lines.slice(0, STACK_LINES_MAX);
}

/** Groups in their order, a line a counter. */
export function countersText(counters: Counters): readonly string[] {
  return Object.entries(counters).flatMap(([group, byName]) => {
    const rows = Object.entries(byName).map(([name, value]) => [`    ${name}`, shownValue(name, value)]);
    return rows.length === 0 ? [] : [`  ${group}`, formatTable(rows, [1])];
  });
}

function shownValue(name: string, value: number): string {
  return name.endsWith("_BYTES") ? `${formatCount(value)} (${formatBytes(value)})` : formatCount(value);
}

const HEADINGS = ["job", "name", "user", "state", "maps", "reduces", "submitted", "took"];

export function jobsTable(jobs: readonly JobSummary[], nowMs: number, paint: Paint): string {
  const rows = jobs.map((job) => [
    job.id,
    job.name,
    job.user,
    paint(COLOURS[job.state], job.state),
    share(job.maps),
    share(job.reduces),
    new Date(job.submittedMs).toISOString().replace("T", " ").slice(0, 19),
    formatDuration(Math.max(0, (job.endedMs ?? nowMs) - job.submittedMs)),
  ]);
  const [head = "", ...table] = formatTable([HEADINGS, ...rows]).split("\n");
  return [paint("bold", head), ...table].join("\n");
}

function share({ finished, total }: TaskTally): string {
  return `${finished}/${total}`;
}

function tallyText({ finished, total, attempts }: TaskTally): string {
  const running = attempts.running === 0 ? "" : `, ${attempts.running} running`;
  const failed = attempts.failed === 0 ? "" : `, ${attempts.failed} failed`;
  return `${finished} of ${total}${running}${failed}`;
}

function bar(what: string, fraction: number, tasks: string, rate: string): string {
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * BAR_WIDTH);
  const drawn = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  const rest = [tasks, rate].filter((text) => text !== "").join("  ");
  return `  ${what.padEnd(8)} ${drawn} ${percent(fraction).padStart(5)}  ${rest}`.trimEnd();
}

/** "100 %" is said of what has ended only. */
export function percent(fraction: number): string {
  return `${fraction >= 1 ? 100 : Math.min(99, Math.floor(Math.max(0, fraction) * 100))} %`;
}

function rateText(bytesPerSecond: number | undefined): string {
  return bytesPerSecond === undefined || bytesPerSecond === 0 ? "" : `${formatBytes(bytesPerSecond)}/s`;
}

function recordsText(perSecond: number | undefined): string {
  return perSecond === undefined || perSecond === 0 ? "" : `${formatCount(Math.round(perSecond))} records/s`;
}
