/**
 * What a map leaves for the reduces: a file of one run per partition, and an index of where each lies. Spills are the same, so
 * a map that spilled once has its output by renaming.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { QuorateError } from "../../runtime/errors.ts";
import type { MapOutput } from "./orders.ts";
import type { RunExtent } from "./run-writer.ts";

/** Names in the attempt's directory. */
export const OUTPUT_NAME = "output";
export const INDEX_SUFFIX = ".index";

/** By partition. */
export type MapOutputIndex = readonly RunExtent[];

/** One line: the CRC-32 of the rest, and [offset, length, records, blockMax] of each partition as JSON. */
export function writeIndex(path: string, index: MapOutputIndex): void {
  const rows = JSON.stringify(index.map((run) => [run.offset, run.length, run.records, run.blockMax]));
  writeFileSync(path + INDEX_SUFFIX, `${crc32(rows).toString(16).padStart(8, "0")} ${rows}\n`);
}

/**
 * Where the partitions of a map output lie in the file `path`: what a server of map outputs gives out, byte for byte.
 * Throws CHECKSUM_MISMATCH when the index is damaged, and what the machine throws when it is not there.
 */
export function readMapOutputIndex(path: string): MapOutputIndex {
  const line = readFileSync(path + INDEX_SUFFIX, "utf8").trimEnd();
  const rows = line.slice(9);
  if (Number.parseInt(line.slice(0, 8), 16) !== crc32(rows))
    throw new QuorateError("CHECKSUM_MISMATCH", `the index of ${path} does not fit its checksum`);
  return (JSON.parse(rows) as readonly (readonly [number, number, number, number])[]).map(
    ([offset, length, records, blockMax]) => ({ offset, length, records, blockMax }),
  );
}

/** Makes a file of runs the output of the attempt whose directory it is in. */
export function publishMapOutput(directory: string, file: string, index: MapOutputIndex): MapOutput {
  const path = join(directory, OUTPUT_NAME);
  renameSync(file, path);
  writeIndex(path, index);
  return { partitions: index.map(({ length }) => length), records: index.map(({ records }) => records) };
}
