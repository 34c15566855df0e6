/** A job on this machine as a person started it: shown while it runs, ended by Ctrl-C, its end told. */
import { pathToFileURL } from "node:url";
import type { JobReport } from "../../mapreduce/job-api.ts";
import type { JobSpec } from "../../mapreduce/job-spec.ts";
import type { LocalOptions } from "../../mapreduce/local/run-locally.ts";
import { planLocally, runLocally } from "../../mapreduce/local/run-locally.ts";
import { paintFor } from "../style.ts";
import { displayFor } from "./display.ts";
import { endLines } from "./job-text.ts";
import { planDocument, planLines } from "./plan-text.ts";

const INTERRUPTED_EXIT = 130;

export interface Shown {
  readonly json: boolean;
}

/** Resolves to the exit code. */
export async function watchLocal(spec: JobSpec, options: LocalOptions, { json }: Shown): Promise<number> {
  const display = displayFor(json ? process.stdout : process.stderr, json);
  const report = await interruptible((signal) =>
    runLocally(spec, {
      ...options,
      signal,
      onReport: (each) => each.state === "running" && display.show(each),
    }),
  );
  display.end();
  const code = tellEnd(report, pathToFileURL(spec.output).href, json);
  return report.state === "killed" ? INTERRUPTED_EXIT : code;
}

export async function planOnly(spec: JobSpec, options: LocalOptions, { json }: Shown): Promise<number> {
  const { splits, sample } = await interruptible((signal) => planLocally(spec, { ...options, signal }));
  const text = json
    ? JSON.stringify(planDocument(spec.name, splits, sample))
    : planLines(spec.name, splits, sample, paintFor(process.stdout)).join("\n");
  process.stdout.write(`${text}\n`);
  return 0;
}

/** What became of it, and the exit code that says the same. */
export function tellEnd(report: JobReport, outputUrl: string, json: boolean): number {
  const { spec: _spec, ...rest } = report;
  if (json) process.stdout.write(`${JSON.stringify({ type: "end", ...rest })}\n`);
  else {
    const stream = report.state === "succeeded" ? process.stdout : process.stderr;
    stream.write(`${endLines(report, outputUrl, paintFor(stream)).join("\n")}\n`);
  }
  return report.state === "succeeded" ? 0 : 1;
}

/** Ctrl-C, and being told to end, abort it. */
async function interruptible<T>(action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupt = new AbortController();
  const stop = (): void => interrupt.abort(new Error("interrupted"));
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    return await action(interrupt.signal);
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}
