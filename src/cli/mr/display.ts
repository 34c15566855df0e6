/** A job as it goes on, for who watches: bars on a terminal, lines elsewhere, JSON for programs. */
import { stripVTControlCharacters } from "node:util";
import type { JobReport } from "../../mapreduce/job-api.ts";
import { paintFor } from "../style.ts";
import { progressLine, progressLines } from "./job-text.ts";
import { Rates } from "./rates.ts";

export interface Display {
  /** Called with each report. */
  show(report: JobReport): void;
  /** Takes away what was drawn: text follows. */
  end(): void;
}

interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Between two pictures on a terminal. */
const FRAME_MS = 100;
/** Between two lines elsewhere, unless something changed its phase. */
const LINE_MS = 5_000;

export function displayFor(screen: Screen, json: boolean): Display {
  if (json) return jsonDisplay(screen);
  return screen.isTTY === true ? liveDisplay(screen) : lineDisplay(screen);
}

function liveDisplay(screen: Screen): Display {
  const rates = new Rates();
  const paint = paintFor(screen);
  let drawn = 0;
  let drawnMs = -Infinity;
  const erase = (): string => (drawn === 0 ? "" : `\u001b[${drawn}A\u001b[J`);
  return {
    show(report) {
      rates.add(report);
      const nowMs = performance.now();
      if (nowMs - drawnMs < FRAME_MS) return;
      const width = Math.max(20, (screen.columns ?? 80) - 1);
      const lines = progressLines(report, rates, paint).map((line) => cut(line, width));
      screen.write(`${erase()}${lines.join("\n")}\n`);
      drawn = lines.length;
      drawnMs = nowMs;
    },
    end() {
      screen.write(erase());
      drawn = 0;
    },
  };
}

/** A line that is wider than the terminal would take two, and be left behind when it is drawn anew. */
function cut(line: string, width: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length <= width ? line : `${plain.slice(0, width - 1)}…`;
}

function lineDisplay(screen: Screen): Display {
  let last = "";
  let lastMs = -Infinity;
  let lastPhase = "";
  return {
    show(report) {
      const line = progressLine(report);
      const phase = `${report.state} ${Math.floor(report.progress.map)} ${Math.floor(report.progress.reduce)}`;
      const isDue = performance.now() - lastMs >= LINE_MS || phase !== lastPhase;
      if (!isDue || line === last) return;
      [last, lastMs, lastPhase] = [line, performance.now(), phase];
      screen.write(`${line}\n`);
    },
    end: () => undefined,
  };
}

function jsonDisplay(screen: Screen): Display {
  return {
    show({ spec: _spec, ...report }) {
      screen.write(`${JSON.stringify({ type: "progress", ...report })}\n`);
    },
    end: () => undefined,
  };
}
