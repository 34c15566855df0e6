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

/** Small frames are read in one piece, which their entries then share: thousands of tiny buffers are dear to collect. */
const WHOLE_MAX_BYTES = 256 << 10;

export function readFrame(place: FramePlace, sealing: Sealing): readonly RecordReading[] {
  const { position, frameBytes, head, file, sequence } = place;
  const whole = frameBytes > WHOLE_MAX_BYTES ? undefined : file.reader.copy(position, frameBytes);
  const bytesAt: BytesAt = (offset, length) => {
    // A length of zero: the frame is missing, and nobody knows how long it was.
    if (offset + length > frameBytes) return undefined;
    if (whole !== undefined) return whole.subarray(offset, offset + length);
    return file.reader.copy(position + offset, length);
  };
  const own = head && bytesAt(FRAME_HEAD_BYTES, head.recordCount * RECORD_HEADER_BYTES);
  const headers = Array.from(
    { length: head?.recordCount ?? 0 },
    (_, record) => own && readRecordHeader(own, record * RECORD_HEADER_BYTES, sequence, sealing),
  );
  // The copies are only looked at where something is damaged.
  const damaged = head === undefined || headers.includes(undefined);
  const copies = damaged ? copiedHeaders(place, sealing) : [];
  const count = head?.recordCount ?? copies?.length;
  if (count === undefined) return [LOST];
  return Array.from({ length: count }, (_, record): RecordReading => {
    const header = headers[record] ?? copies?.[record];
    if (header === undefined) return LOST;
    const source: HeaderSource = headers[record] === undefined ? "copy" : "own";
    return { header, source, value: readValue(bytesAt, header, sealing) };
  });
}

/** This frame's record headers as the next frame repeats them; undefined when that frame cannot tell. */
function copiedHeaders(place: FramePlace, sealing: Sealing): (RecordHeader | undefined)[] | undefined {
  const { head, next, sequence } = place;
  if (next === undefined || next.head.sequence !== sequence + 1) return undefined;
  const { recordCount, previousCount, position } = next.head;
  if (head !== undefined && head.recordCount !== previousCount) return undefined;
  const start = position + FRAME_HEAD_BYTES + recordCount * RECORD_HEADER_BYTES;
  const copies = next.file.reader.copy(start, previousCount * RECORD_HEADER_BYTES);
  return (
    copies &&
    Array.from({ length: previousCount }, (_, record) =>
      readRecordHeader(copies, record * RECORD_HEADER_BYTES, sequence, sealing),
    )
  );
}

type BytesAt = (offset: number, length: number) => Bytes | undefined;

function readValue(bytesAt: BytesAt, header: RecordHeader, { salt, checksum }: Sealing): Bytes | undefined {
  if (header.valueBytes === 0) return NO_BYTES;
  const value = bytesAt(header.valueOffset, header.valueBytes);
  return value !== undefined && checksum(value, salt) === header.valueChecksum ? value : undefined;
}
