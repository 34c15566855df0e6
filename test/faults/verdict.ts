/** Judges what the clients of a test saw; keeps the history of one that cannot be explained. */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkHistory } from "../../src/simulation/history.ts";
import type { RecordedHistory } from "../../src/simulation/history.ts";
import type { Load } from "./load.ts";
import type { Histories } from "./recorder.ts";

const CONFIGURATIONS_MAX = 3_000_000;

/** The reports of what is not linearizable, or could not be decided; each with the file that its history is kept in. */
export function complaints(name: string, histories: Histories): readonly string[] {
  return (["store", "lock"] as const).flatMap((model) => {
    const history: RecordedHistory = { quorateHistory: 1, model, operations: histories[model] };
    const verdict = checkHistory(history, { maxConfigurations: CONFIGURATIONS_MAX });
    if (verdict.outcome === "linearizable") return [];
    const path = join(tmpdir(), `quorate-history-${name}-${model}-${process.pid}-${Date.now()}.json`);
    writeFileSync(path, JSON.stringify(history));
    const report = verdict.violation?.report ?? `undecided after ${verdict.configurations} configurations`;
    return `${name}: the ${model} history of ${verdict.operations} operations, kept in ${path}\n${report}`;
  });
}

/** Ends the load and judges it. Throws with the reports. Prints a line about what was judged. */
export async function judge(name: string, load: Load): Promise<void> {
  await load.stop();
  const { counts, reasons, longestGapMs } = load.recorder;
  const histories = load.recorder.histories();
  const found = complaints(name, histories);
  console.log(
    `${name}: seed ${load.seed}, ${counts.answered} answered, ${counts.refused} refused, ${counts.unknown} unknown; ` +
      `longest time without an answered write ${Math.round(longestGapMs)} ms; ` +
      `${JSON.stringify(Object.fromEntries(reasons))}`,
  );
  if (found.length > 0) throw new Error(found.join("\n\n"));
}
