/** `docs/benchmarks.md`: a section for each suite, so that one can be measured again without the others. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bar } from "./plot.ts";
import { drawBars, figure } from "./plot.ts";
import type { Comparison } from "./suites.ts";

/** Bars that are no rates of engines side by side, with the table that says the same. */
export interface Measurement {
  readonly title: string;
  readonly unit: string;
  /** What the figures are, how they came about, and how to see them again. */
  readonly note: string;
  readonly headings: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly bars: readonly Bar[];
}

/** What is neither: one line of a table. */
export interface Finding {
  readonly title: string;
  readonly engine: string;
  readonly result: string;
}

export type Result =
  | { readonly type: "comparison"; readonly comparison: Comparison }
  | { readonly type: "measurement"; readonly measurement: Measurement }
  | { readonly type: "finding"; readonly finding: Finding };

export interface Section {
  readonly suite: string;
  readonly heading: string;
  readonly results: readonly Result[];
}

/** Replaces the sections and their plots, and leaves the others as they are; `order`: of all suites on the page. */
export function writePage(
  docs: string,
  head: readonly string[],
  sections: readonly Section[],
  order: readonly string[],
): void {
  mkdirSync(join(docs, "benchmarks"), { recursive: true });
  const path = join(docs, "benchmarks.md");
  const texts = existsSync(path) ? sectionsOf(readFileSync(path, "utf8")) : new Map<string, string>();
  for (const section of sections) texts.set(section.suite, draw(docs, section));
  const known = order.filter((suite) => texts.has(suite));
  const body = known.map((suite) => `${mark(suite)}\n${texts.get(suite) ?? ""}`);
  writeFileSync(path, `${head.join("\n")}\n\n${body.join("\n")}`);
}

const MARK = /^<!-- suite: ([\w-]+) -->\n/m;

function mark(suite: string): string {
  return `<!-- suite: ${suite} -->`;
}

function sectionsOf(page: string): Map<string, string> {
  const [, ...parts] = page.split(MARK);
  const texts = new Map<string, string>();
  for (let at = 0; at + 1 < parts.length; at += 2)
    texts.set(parts[at] ?? "", `${(parts[at + 1] ?? "").trimEnd()}\n`);
  return texts;
}

function draw(docs: string, { suite, heading, results }: Section): string {
  const lines = [`## ${heading}`, ""];
  let plots = 0;
  const plot = (title: string, unit: string, bars: readonly Bar[]): void => {
    const name = `benchmarks/${suite}-${++plots}.svg`;
    writeFileSync(join(docs, name), drawBars({ title, unit, bars }));
    lines.push(`![${title}](${name})`, "");
  };
  for (const result of results) {
    if (result.type === "comparison") {
      const { comparison } = result;
      lines.push(tableOf(comparison), "");
      const bars = comparison.measured.map((row) => ({
        label: comparison.title,
        value: row.opsPerSecond,
        series: row.label,
      }));
      plot(comparison.title, "ops/s", bars);
    } else if (result.type === "measurement") {
      const { title, unit, bars } = result.measurement;
      lines.push(textOf(result.measurement), "");
      plot(title, unit, bars);
    }
  }
  const findings = results.flatMap((result) => (result.type === "finding" ? [result.finding] : []));
  if (findings.length > 0) {
    lines.push("| what | engine | result |", "|---|---|---|");
    for (const { title, engine, result } of findings) lines.push(`| ${title} | ${engine} | ${result} |`);
    lines.push("");
  }
  return lines.join("\n");
}

export function textOf({ title, note, headings, rows }: Measurement): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = `|${headings.map((_, at) => (at < 2 ? "---" : "---:")).join("|")}|`;
  return [`### ${title}`, "", note, "", line(headings), rule, ...rows.map(line)].join("\n");
}

export function tableOf({ title, goals, compared = "Quorate", within, measured }: Comparison): string {
  const rows = measured.map((row, at) => {
    const ratio = at === 0 ? "" : row.ratio.toFixed(2);
    const cpu = row.cpuMicros.map((micros) => micros.toFixed(1)).join(" + ");
    const latency = [row.p50Ms, row.p99Ms, row.p999Ms].map((ms) => ms.toFixed(2)).join(" / ");
    const fsyncs = row.fsyncsPerThousand?.toFixed(row.fsyncsPerThousand < 100 ? 1 : 0) ?? "";
    const verdict = at === 0 ? "" : verdictOn(row.ratio, goals[row.label], within);
    return `| ${row.label} | ${figure(row.opsPerSecond)} | ${latency} | ${cpu} | ${fsyncs} | ${ratio} | ${verdict} |`;
  });
  return [
    `### ${title}`,
    "",
    `| engine | ops/s | p50 / p99 / p99.9 ms | CPU us per op, each process | fsyncs per 1000 ops | ${compared} / it | goal |`,
    "|---|---:|---|---|---:|---:|---|",
    ...rows,
  ].join("\n");
}

function verdictOn(ratio: number, least: number | undefined, within: number | undefined): string {
  if (within !== undefined) {
    const met = ratio >= 1 - within && ratio <= 1 / (1 - within);
    return `within ${within * 100} % ${met ? "met" : "missed"}`;
  }
  return least === undefined || least === 0 ? "" : `${least} ${ratio >= least ? "met" : "missed"}`;
}
