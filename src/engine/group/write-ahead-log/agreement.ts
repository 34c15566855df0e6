/**
 * A disk may read in the wrong place once and report success, and then a log looks shorter than it is, or looks like none. What
 * that reading would remove or overwrite is acknowledged data. So where one reading finds the end of the log, fresh ones must see
 * nothing behind it; and when they do see something, or the reading refuses the log, the next one must find the same.
 */
import { isQuorateError } from "../../../runtime/errors.ts";
import type { QuorateError } from "../../../runtime/errors.ts";
import type { Disk } from "../../../runtime/world.ts";
import type { Checksum } from "../../../wire/crc32.ts";
import { nextHead } from "./frame-scan.ts";
import type { Recovery } from "./recovery.ts";
import { corrupt, readHeader, readLog } from "./recovery.ts";
import { SegmentReader } from "./segment-reader.ts";
import { FIRST_FRAME_POSITION, segmentNumber } from "./segment.ts";

/** More than two are needed only by a disk that reads something else each time. */
const READINGS_MAX = 5;

/** Raises DATA_CORRUPT (naming file and offset) when the log is beyond repair, UNSUPPORTED when its format is another one. */
export function recover(disk: Disk, checksum: Checksum): Recovery {
  let before: string | undefined;
  for (let reading = 1; ; reading++) {
    const found = readOnce(disk, checksum);
    if (isQuorateError(found)) {
      if (found.message === before || reading === READINGS_MAX) throw found;
      before = found.message;
      continue;
    }
    const finding = findingOf(found);
    if (finding === before || isQuietBehind(disk, found, checksum)) return found;
    if (reading === READINGS_MAX) {
      const name = found.segments.at(-1)?.name ?? found.discard[0] ?? "";
      throw corrupt(name, found.position, `${reading} readings of the log, none like the one before`);
    }
    before = finding;
  }
}

function readOnce(disk: Disk, checksum: Checksum): Recovery | QuorateError {
  try {
    return readLog(disk, checksum);
  } catch (error) {
    if (isQuorateError(error) && error.code === "DATA_CORRUPT") return error;
    throw error;
  }
}

/** Where the log goes on, and what is lost by it. */
function findingOf({ salt, segments, position, nextSequence, staleEnd, discard }: Recovery): string {
  return JSON.stringify([salt, segments.at(-1)?.name, position, nextSequence, staleEnd, discard]);
}

/** Whether fresh readings see no frame where the log is to go on, and none in the files that are to be removed. */
function isQuietBehind(disk: Disk, found: Recovery, checksum: Checksum): boolean {
  const { salt } = found;
  const current = found.segments.at(-1);
  const places = found.discard.map((name) => ({ name, from: FIRST_FRAME_POSITION }));
  if (current !== undefined) places.push({ name: current.name, from: found.position });
  return places.every(({ name, from }) => {
    const file = { segment: segmentNumber(name) ?? 0, reader: new SegmentReader(disk, name) };
    if (salt === undefined) return readHeader(file, checksum) === undefined;
    return nextHead(file, from, { salt, checksum }) === undefined;
  });
}
