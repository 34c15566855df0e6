/** What a dry run tells: splits, bytes, partitions, and how even they will be. */
import type { Split } from "../../mapreduce/job-spec.ts";
import type { Sample } from "../../mapreduce/task/orders.ts";
import type { Paint } from "../style.ts";
import { formatBytes, formatCount, formatTable } from "../style.ts";

/** Partitions that are shown, the largest ones. */
const SHOWN_MAX = 20;
const BAR_WIDTH = 24;
/** The largest partition, in means: more is worth a word. */
const SKEWED = 2;

export function planLines(
  name: string,
  splits: readonly Split[],
  sample: Sample,
  paint: Paint,
): readonly string[] {
  const pieces = splits.flatMap((split) => [split, ...(split.also ?? [])]);
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  const files = new Set(pieces.map(({ path }) => path)).size;
  const largest = Math.max(0, ...splits.map((split) => sizeOf(split)));
  const rows = [
    ["  input", `${formatCount(files)} files, ${formatBytes(bytes)}`],
    ["  maps", `${formatCount(splits.length)} splits, the largest of ${formatBytes(largest)}`],
    ["  reduces", formatCount(sample.shares.length)],
    ...sampleRows(sample, bytes),
  ];
  return [
    `${paint("bold", name)}  nothing is done, this is what would be`,
    formatTable(rows),
    ...partitionLines(sample, bytes, paint),
  ];
}

/** The same for programs. */
export function planDocument(name: string, splits: readonly Split[], sample: Sample): object {
  const pieces = splits.flatMap((split) => [split, ...(split.also ?? [])]);
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  return {
    type: "plan",
    name,
    files: new Set(pieces.map(({ path }) => path)).size,
    bytes,
    maps: splits.length,
    largestSplitBytes: Math.max(0, ...splits.map((split) => sizeOf(split))),
    reduces: sample.shares.length,
    expectedMapOutputBytes: expectedBytes(sample, bytes),
    shares: sample.shares,
    skew: skewOf(sample.shares),
    sample: {
      inputRecords: sample.inputRecords,
      inputBytes: sample.inputBytes,
      outputRecords: sample.outputRecords,
    },
    splits: splits.map(({ path, start, length, also = [] }) => ({ path, start, length, also })),
  };
}

function sizeOf(split: Split): number {
  return [split, ...(split.also ?? [])].reduce((sum, { length }) => sum + length, 0);
}

function sampleRows(sample: Sample, bytes: number): readonly (readonly string[])[] {
  const { inputRecords, inputBytes, outputRecords } = sample;
  if (inputRecords === 0) return [["  sample", "no record"]];
  return [
    [
      "  sample",
      `${formatCount(inputRecords)} records (${formatBytes(inputBytes)}) gave ${formatCount(outputRecords)} to the reduces`,
    ],
    ["  shuffle", `about ${formatBytes(expectedBytes(sample, bytes))} of map output, before any combiner`],
  ];
}

function expectedBytes({ inputBytes, outputBytes }: Sample, bytes: number): number {
  return inputBytes === 0 ? 0 : Math.round((outputBytes / inputBytes) * bytes);
}

/** The largest partition in means; 1 is even. */
function skewOf(shares: readonly number[]): number {
  return Math.max(0, ...shares) * shares.length;
}

function partitionLines(sample: Sample, bytes: number, paint: Paint): readonly string[] {
  const { shares } = sample;
  if (shares.length === 0 || sample.outputRecords === 0) return [];
  const most = Math.max(...shares);
  const shown = shares
    .map((share, partition) => ({ share, partition }))
    .toSorted((left, right) => right.share - left.share)
    .slice(0, SHOWN_MAX)
    .toSorted((left, right) => left.partition - right.partition);
  const rows = shown.map(({ share, partition }) => [
    `  ${partition}`,
    `${(share * 100).toFixed(1)} %`,
    formatBytes(share * expectedBytes(sample, bytes)),
    "█".repeat(Math.max(share > 0 ? 1 : 0, Math.round((share / most) * BAR_WIDTH))),
  ]);
  const skew = skewOf(shares);
  const verdict = `  the largest partition is ${skew.toFixed(2)} times the mean`;
  const advice = " (a key or two are most of it: a combiner, a finer key or another partition helps)";
  return [
    formatTable([["  partition", "share", "bytes", ""], ...rows], [1, 2]),
    skew >= SKEWED ? paint("yellow", verdict + advice) : verdict,
  ];
}
