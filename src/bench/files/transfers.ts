/** How long it takes to move one large file, contender by contender in turn, and what it costs the servers. */
import { spawnSync } from "node:child_process";
import { median } from "../latency.ts";
import type { Measurement } from "../page.ts";
import { figure } from "../plot.ts";
import type { Process } from "../processes.ts";
import { usage } from "../processes.ts";

export interface Mover {
  readonly label: string;
  /** Of the servers. */
  readonly processes: readonly Process[];
  move(): Promise<void>;
  /** Makes room again; not measured. */
  undo?(): Promise<void>;
  /** The share of its rate that ours is held against, such as a third of what a disk takes. Default 1. */
  readonly share?: number;
  /** Least ratio of our rate to that share. Default: none is aimed at. */
  readonly goal?: number;
}

interface Timed {
  readonly mover: Mover;
  readonly seconds: number[];
  readonly cpuSeconds: number[];
}

const MB = 1e6;
const GB = 1e9;

/** Ours is the first. `warmUps` turns of each do not count (default 1): servers are measured as they run all day. */
export async function compareMoves(
  title: string,
  note: string,
  bytes: number,
  movers: readonly Mover[],
  rounds: number,
  warmUps = 1,
): Promise<Measurement> {
  const timed = movers.map((mover): Timed => ({ mover, seconds: [], cpuSeconds: [] }));
  for (let round = -warmUps; round < rounds; round++) {
    // There and back: what one leaves behind, such as memory that is free, is not always the same one's.
    for (const { mover, seconds, cpuSeconds } of round % 2 === 0 ? timed : timed.toReversed()) {
      spawnSync("sync");
      const before = cpuOf(mover.processes);
      const startedMs = performance.now();
      await mover.move();
      const elapsed = (performance.now() - startedMs) / 1000;
      if (round >= 0) {
        seconds.push(elapsed);
        cpuSeconds.push(cpuOf(mover.processes) - before);
      }
      await mover.undo?.();
    }
  }
  return measurementOf(title, note, bytes, timed);
}

function cpuOf(processes: readonly Process[]): number {
  return processes.reduce((sum, { pid }) => sum + usage(pid).cpuSeconds, 0);
}

function measurementOf(title: string, note: string, bytes: number, timed: readonly Timed[]): Measurement {
  const rate = ({ seconds, mover }: Timed): number => ((mover.share ?? 1) * bytes) / MB / median(seconds);
  const [ours] = timed;
  const rows = timed.map((each, at) => {
    const { mover, seconds, cpuSeconds } = each;
    const cpu = mover.processes.length === 0 ? "" : ((median(cpuSeconds) * GB) / bytes).toFixed(2);
    const ratio = ratioOf(each, ours);
    const verdict =
      mover.goal === undefined || at === 0 ? "" : `${mover.goal} ${ratio >= mover.goal ? "met" : "missed"}`;
    return [
      mover.label,
      figure(rate(each)),
      median(seconds).toFixed(2),
      cpu,
      at === 0 ? "" : ratio.toFixed(2),
      verdict,
    ];
  });
  return {
    title,
    unit: "MB/s",
    note,
    headings: ["program", "MB/s", "seconds", "CPU s per GB, servers", "our rate / its", "goal"],
    rows,
    bars: timed.map((each) => ({ label: title, value: rate(each), series: each.mover.label })),
  };
}

/** Our rate over its, round by round: the median. */
function ratioOf({ seconds, mover }: Timed, ours: Timed | undefined): number {
  const ratios = seconds.map((its, round) => its / (mover.share ?? 1) / (ours?.seconds[round] ?? Number.NaN));
  return median(ratios);
}
