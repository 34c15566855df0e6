/** `quorate mr show JOB`: what it is, how far it is, and what it waits for; `--tasks` with every attempt; `--follow` until its end. */
import type { AttemptReport, JobReport, TaskReport } from "../../mapreduce/job-api.ts";
import { recordWord } from "../../mapreduce/job-api.ts";
import type { Paint } from "../style.ts";
import { formatBytes, formatCount, formatDuration, formatTable, paintFor } from "../style.ts";
import type { Call } from "../verb.ts";
import type { Cluster } from "./cluster.ts";
import { endLines, progressLines } from "./job-text.ts";
import { jobIn, print, withCluster } from "./listing.ts";
import { Rates } from "./rates.ts";

/** The largest partition, in medians, that is worth a word. */
const SKEWED = 2;
const RUNNING_SHOWN = 10;
const NUMBERS_SHOWN = 10;
const REASON_MAX_LENGTH = 80;

export async function show(call: Call): Promise<number> {
  return withCluster(call, async (cluster) => {
    const id = jobIn(call);
    if (call.has("follow")) return cluster.follow(cluster.jobs.follow(id), call.has("json"));
    const report = await cluster.jobs.report(id);
    const tasks = call.has("tasks") ? await tasksOf(cluster, id) : [];
    if (call.has("json")) return print(JSON.stringify({ ...report, ...(call.has("tasks") && { tasks }) }));
    const paint = paintFor(process.stdout);
    const lines = [...jobLines(report, cluster, paint), ...taskLines(tasks, report.nowMs)];
    return print(lines.join("\n"));
  });
}

async function tasksOf(cluster: Cluster, id: string): Promise<readonly TaskReport[]> {
  const tasks: TaskReport[] = [];
  for (const kind of ["map", "reduce"] as const)
    for await (const task of cluster.jobs.tasks(id, kind)) tasks.push(task);
  return tasks;
}

function jobLines(report: JobReport, cluster: Cluster, paint: Paint): readonly string[] {
  const isOver = report.state === "succeeded" || report.state === "failed" || report.state === "killed";
  if (isOver)
    return [
      ...endLines(report, `${cluster.place.url.replace(/\/$/, "")}${report.output}`, paint),
      ...aboutLines(report),
      ...skewLines(report, paint),
    ];
  const rates = new Rates();
  rates.add(report);
  return [
    ...progressLines(report, rates, paint),
    ...aboutLines(report),
    ...report.explanation.map((why) => paint("yellow", `  waits    ${why}`)),
    ...runningLines(report),
    ...skewLines(report, paint),
  ];
}

function aboutLines({ spec, user, submittedMs }: JobReport): readonly string[] {
  const { program, inputs, output } = spec;
  const command =
    program.type === "module"
      ? program.bundle
      : [
          `-mapper ${JSON.stringify(program.mapper)}`,
          program.reducer === undefined ? "" : `-reducer ${JSON.stringify(program.reducer)}`,
        ].join(" ");
  return [
    formatTable([
      ["  by", `${user}, ${new Date(submittedMs).toISOString().slice(0, 19).replace("T", " ")}`],
      ["  program", command.trim()],
      ["  input", inputs.flatMap(({ paths }) => paths).join(" ")],
      ["  output", output],
    ]),
  ];
}

function runningLines({ running, nowMs }: JobReport): readonly string[] {
  if (running.length === 0) return [];
  const rows = running
    .slice(0, RUNNING_SHOWN)
    .map(({ attempt, node, phase, fraction, startedMs, straggler, backup }) => [
      `  ${attempt}`,
      node,
      phase ?? "-",
      `${Math.floor(fraction * 100)} %`,
      formatDuration(Math.max(0, nowMs - startedMs)),
      [straggler ? "slow" : "", backup ? "a backup" : ""].filter(Boolean).join(", "),
    ]);
  return [formatTable([["  attempt", "node", "phase", "done", "for", ""], ...rows], [3, 4])];
}

function skewLines({ skew }: JobReport, paint: Paint): readonly string[] {
  const [largest] = skew?.largest ?? [];
  if (skew === undefined || largest === undefined || skew.medianBytes === 0) return [];
  const times = largest.bytes / skew.medianBytes;
  const text = `  skew     partition ${largest.partition} has ${formatBytes(largest.bytes)}, ${times.toFixed(1)} times the median`;
  return [times >= SKEWED ? paint("yellow", text) : text];
}

function taskLines(tasks: readonly TaskReport[], nowMs: number): readonly string[] {
  if (tasks.length === 0) return [];
  const rows = tasks.flatMap((task) => {
    const name = `${task.kind} ${task.task}`;
    if (task.attempts.length === 0) return [[`  ${name}`, task.state, "-", "", "", task.split ?? ""]];
    return task.attempts.map((attempt, at) =>
      attemptRow(at === 0 ? name : "", attempt, task.split ?? "", nowMs),
    );
  });
  return [formatTable([["  task", "attempt", "node", "took", "records", "split", ""], ...rows], [3, 4])];
}

/** The first of them, and how many more. */
function numbersText(numbers: readonly number[]): string {
  const shown = numbers.slice(0, NUMBERS_SHOWN).join(", ");
  return numbers.length > NUMBERS_SHOWN ? `${shown} and ${numbers.length - NUMBERS_SHOWN} more` : shown;
}

function attemptRow(name: string, attempt: AttemptReport, split: string, nowMs: number): readonly string[] {
  const { number, state, winner, node, startedMs, endedMs, outputRecords, skipped } = attempt;
  const told = attempt.record === undefined ? [] : [`${recordWord(attempt)} ${attempt.record.index}`];
  if (attempt.reason !== undefined) told.push(attempt.reason);
  if (skipped.length > 0) told.push(`skipped ${numbersText(skipped)}`);
  const reason = told.join(": ");
  return [
    `  ${name}`,
    `${number}: ${state}${winner ? ", the winner" : ""}${attempt.backup ? ", a backup" : ""}`,
    node,
    formatDuration(Math.max(0, (endedMs ?? nowMs) - startedMs)),
    formatCount(outputRecords),
    split,
    reason.length > REASON_MAX_LENGTH ? `${reason.slice(0, REASON_MAX_LENGTH)}…` : reason,
  ];
}
