/** Many runs to few: merged into new files until one merge of bounded memory reads all that are left. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { CompareBytes } from "../key-order.ts";
import type { Combine } from "./combine.ts";
import { pour } from "./combine.ts";
import { MergedRecords } from "./merge.ts";
import type { Records } from "./records.ts";
import { BLOCK_BYTES } from "./run-format.ts";
import type { RunPlace } from "./run-reader.ts";
import { RunReader } from "./run-reader.ts";
import { RunWriter } from "./run-writer.ts";

/** A run and how errors call it. */
export interface NamedRun {
  readonly name: string;
  readonly place: RunPlace;
}

export interface MergeSettings {
  /** For the files in between. */
  readonly directory: string;
  readonly compare: CompareBytes | undefined;
  readonly combine: Combine | undefined;
  readonly compress: "none" | "gzip";
  /** Memory for blocks, bytes. */
  readonly memoryBytes: number;
  readonly tick: () => void;
}

/** More at a time would gain nothing: each record takes a comparison for each doubling. */
const AT_A_TIME_MAX = 64;

/** How many runs are merged at a time in so much memory, when their longest block has `blockMax` bytes. Three always are. */
export function mergeMax(blockMax: number, memoryBytes: number): number {
  const each = 2 * Math.max(BLOCK_BYTES, blockMax);
  return Math.max(3, Math.min(AT_A_TIME_MAX, Math.floor(memoryBytes / each)));
}

/** All records of the runs in order; runs are read as far as the records are. */
export function mergeRuns(runs: readonly NamedRun[], settings: MergeSettings): Records {
  const left = [...runs];
  for (let made = 0; ; made++) {
    const lengths = left.map(({ place }) => place.extent.length);
    const longest = Math.max(0, ...left.map(({ place }) => place.extent.blockMax));
    const next = nextMerge(lengths, mergeMax(longest, settings.memoryBytes));
    if (next === undefined) break;
    const { at, many } = next;
    left.splice(at, many, mergeToFile(left.slice(at, at + many), `merged-${made}`, settings));
  }
  return new MergedRecords(
    left.map(({ place, name }) => new RunReader(place, name)),
    settings.compare,
  );
}

/**
 * Which runs, by their lengths, are merged before all that are left fit into one merge of `most`; undefined: they do. Neighbours,
 * so that equal keys stay in the order of the runs; those with the fewest bytes; and in the first round just so many that all
 * later ones are full.
 */
export function nextMerge(
  lengths: readonly number[],
  most: number,
): { readonly at: number; readonly many: number } | undefined {
  if (lengths.length <= most) return undefined;
  const many = Math.min(most, lengths.length - most + 1);
  let sum = lengths.slice(0, many).reduce((total, length) => total + length, 0);
  let best = 0;
  let least = sum;
  for (let at = 1; at + many <= lengths.length; at++) {
    sum += (lengths[at + many - 1] ?? 0) - (lengths[at - 1] ?? 0);
    if (sum < least) {
      least = sum;
      best = at;
    }
  }
  return { at: best, many };
}

function mergeToFile(runs: readonly NamedRun[], name: string, settings: MergeSettings): NamedRun {
  const path = join(settings.directory, name);
  const readers = runs.map((run) => new RunReader(run.place, run.name));
  const merged = new MergedRecords(readers, settings.compare);
  const writer = new RunWriter(path, settings.compress);
  if (settings.combine === undefined) pour(merged, writer);
  else settings.combine(merged, writer);
  const extent = writer.endRun();
  writer.close();
  for (const reader of readers) reader.close();
  for (const { place } of runs)
    if (place.type === "file" && place.path.startsWith(join(settings.directory, "merged-")))
      rmSync(place.path);
  settings.tick();
  return { name: path, place: { type: "file", path, extent } };
}
