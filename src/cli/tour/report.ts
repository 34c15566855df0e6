/** The end of the tour: a short table of what was done, verified and measured. */
import type { Paint } from "../style.ts";
import { formatCount, formatDuration } from "../style.ts";
import type { Finding } from "./act.ts";
import type { FaultRecord } from "./faults.ts";
import type { ConnectionStatistics } from "./connection.ts";
import type { Pauses } from "./pauses.ts";
import { median } from "./pauses.ts";

const KINDS = ["done", "verified", "measured"] as const;

/** What the faults did to the clients. */
export function measurements(
  faults: readonly FaultRecord[],
  pauses: Pauses,
  connections: readonly ConnectionStatistics[],
  workedMs: number,
): readonly Finding[] {
  const gaps = pauses.gaps().flat();
  const sum = (pick: (statistics: ConnectionStatistics) => number): number =>
    connections.reduce((total, statistics) => total + pick(statistics), 0);
  const measured = (text: string): Finding => ({ kind: "measured", text, ok: true });
  const times = (pick: (record: FaultRecord) => number): string =>
    `${formatDuration(median(faults.map(pick)))} median, ${formatDuration(Math.max(...faults.map(pick)))} at most`;
  return [
    measured(
      `leader killed ${faults.length} times: writes paused ${formatDuration(median(gaps))} median, ${formatDuration(Math.max(...gaps))} at most, over ${gaps.length} writers' gaps`,
    ),
    measured(`new leader after ${times((record) => record.electionMs)}`),
    measured(`killed node back and caught up after ${times((record) => record.catchUpMs)}`),
    measured(
      `${formatCount(pauses.total)} acknowledgements in ${formatDuration(workedMs)}; ${formatCount(sum((each) => each.refused))} refused and ${formatCount(sum((each) => each.unknown))} unknown outcomes, all tried again`,
    ),
  ];
}

export function formatFindings(findings: readonly Finding[], paint: Paint): string {
  const lines: string[] = [];
  for (const kind of KINDS) {
    findings
      .filter((finding) => finding.kind === kind)
      .forEach((finding, at) => {
        const mark = finding.ok ? paint("green", kind === "verified" ? "ok" : "  ") : paint("red", "NO");
        lines.push(`  ${paint("bold", (at === 0 ? kind : "").padEnd(9))} ${mark} ${finding.text}`);
      });
  }
  return lines.join("\n");
}
