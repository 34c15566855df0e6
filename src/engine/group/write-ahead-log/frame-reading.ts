/** The second pass of recovery reads each frame's records: from the frame, and where it is damaged, by the next frame's copy. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import type { HeaderSource } from "./decision-table.ts";
import type { RecordHeader, Sealing } from "./frame.ts";
import { FRAME_HEAD_BYTES, readRecordHeader, RECORD_HEADER_BYTES } from "./frame.ts";
import type { FramePlace } from "./frame-scan.ts";

export interface RecordReading {
  readonly header: RecordHeader | undefined;
  readonly source: HeaderSource;
  /** Owns its memory; undefined when damaged. */
  readonly value: Bytes | undefined;
}

/** A frame that is lost altogether reads as one lost record. */
const LOST: RecordReading = { header: undefined, source: "lost", value: undefined };

export function readFrame(place: FramePlace, sealing: Sealing): readonly RecordReading[] {
  const copies = copiedDirectory(place);
  const own = ownDirectory(place);
  const count = place.head?.recordCount ?? (copies && copies.length / RECORD_HEADER_BYTES);
  if (count === undefined) return [LOST];
  const readings: RecordReading[] = [];
  for (let record = 0; record < count; record++) {
    const at = record * RECORD_HEADER_BYTES;
    let source: HeaderSource = "own";
    let header = own && readRecordHeader(own, at, place.sequence, sealing);
    if (header === undefined && copies !== undefined) {
      source = "copy";
      header = readRecordHeader(copies, at, place.sequence, sealing);
    }
    if (header === undefined) readings.push(LOST);
    else readings.push({ header, source, value: readValue(place, header, sealing) });
  }
  return readings;
}

function ownDirectory({ head, file, position }: FramePlace): Bytes | undefined {
  return head && file.reader.copy(position + FRAME_HEAD_BYTES, head.recordCount * RECORD_HEADER_BYTES);
}

/** This frame's record headers as the next frame repeats them. */
function copiedDirectory({ head, next, sequence }: FramePlace): Bytes | undefined {
  if (next === undefined || next.head.sequence !== sequence + 1) return undefined;
  const { recordCount, previousCount, position } = next.head;
  if (head !== undefined && head.recordCount !== previousCount) return undefined;
  const start = position + FRAME_HEAD_BYTES + recordCount * RECORD_HEADER_BYTES;
  return next.file.reader.copy(start, previousCount * RECORD_HEADER_BYTES);
}

function readValue(place: FramePlace, header: RecordHeader, { salt, checksum }: Sealing): Bytes | undefined {
  if (header.valueBytes === 0) return NO_BYTES;
  if (header.valueOffset + header.valueBytes > place.frameBytes) return undefined;
  const value = place.file.reader.copy(place.position + header.valueOffset, header.valueBytes);
  return value !== undefined && checksum(value, salt) === header.valueChecksum ? value : undefined;
}
