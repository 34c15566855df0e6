/**
 * The first pass of recovery: where the frames are, where frames are missing, and up to which frame the log is sealed.
 *
 * Only heads are read. A place without a head is searched sector by sector for the next head: nothing but a frame of this
 * log at exactly its own place can look like one.
 */
import { zeroBytes } from "../../../runtime/bytes.ts";
import type { FrameHead, Sealing } from "./frame.ts";
import { FRAME_HEAD_BYTES, readFrameHead, SECTOR_BYTES } from "./frame.ts";
import type { SegmentReader } from "./segment-reader.ts";
import { FIRST_FRAME_POSITION } from "./segment.ts";

export interface SegmentFile {
  readonly segment: number;
  readonly reader: SegmentReader;
}

/** A frame whose head was found, or one that must have been here. */
export interface FramePlace {
  readonly file: SegmentFile;
  readonly position: number;
  readonly sequence: number;
  readonly head: FrameHead | undefined;
  /** The head of the frame that follows in sequence, which repeats this one's record headers. */
  next: { readonly file: SegmentFile; readonly head: FrameHead } | undefined;
  /** Of a missing frame: 0 when unknown. */
  readonly frameBytes: number;
}

export interface FrameScan {
  /** In order of their sequence, without gaps, up to where the log is broken. */
  readonly places: readonly FramePlace[];
  readonly sealedThrough: number;
  /** The first place after which the places of the frames cannot be told, and the frame that is missing there. */
  readonly broken:
    | { readonly file: SegmentFile; readonly position: number; readonly sequence: number }
    | undefined;
  /** Where the last head of each file says that its frame ends. */
  readonly ends: ReadonlyMap<SegmentFile, number>;
}

/** Most of what lies behind the end of a log, compared at once in place of sector by sector. */
const ZEROS = zeroBytes(64 << 10);

/** More frames in a row than this are not listed one by one when they are missing: the log is beyond repair anyway. */
const MISSING_MAX = 16;

export function scanFrames(files: readonly SegmentFile[], sealing: Sealing): FrameScan {
  const places: FramePlace[] = [];
  const ends = new Map<SegmentFile, number>();
  let broken: FrameScan["broken"];
  let sealedThrough = 0;
  let end: { file: SegmentFile; position: number } | undefined;
  for (const file of files) {
    let position = FIRST_FRAME_POSITION;
    for (;;) {
      const head = nextHead(file, position, sealing);
      if (head === undefined) break;
      // Where the frames that are missing before this one began, if any are.
      const gap = position < head.position || end === undefined ? { file, position } : end;
      const before = places.at(-1);
      const missing = broken === undefined ? missingBefore(head, before, gap) : undefined;
      if (missing !== undefined) placeFrame(places, missing, file, head);
      else broken ??= { ...gap, sequence: before === undefined ? 1 : before.sequence + 1 };
      sealedThrough = Math.max(sealedThrough, head.syncedThrough);
      position = head.position + head.frameBytes;
      end = { file, position };
      ends.set(file, position);
    }
    // A segment without a frame: a lost one may have been here.
    if (end === undefined || end.file !== file) end = { file, position };
  }
  return { places, sealedThrough, broken, ends };
}

function placeFrame(
  places: FramePlace[],
  missing: readonly FramePlace[],
  file: SegmentFile,
  head: FrameHead,
): void {
  places.push(...missing);
  const last = places.at(-1);
  if (last !== undefined) last.next = { file, head };
  const { position, sequence, frameBytes } = head;
  places.push({ file, position, sequence, head, next: undefined, frameBytes });
}

/** Of the first frame that begins there or behind it in this file. */
export function nextHead(file: SegmentFile, from: number, sealing: Sealing): FrameHead | undefined {
  const { reader, segment } = file;
  for (let at = from; at + SECTOR_BYTES <= reader.size; at += SECTOR_BYTES) {
    if (at === from || at % ZEROS.length === 0) {
      at = reader.endOfZeros(at, ZEROS);
      if (at + SECTOR_BYTES > reader.size) break;
    }
    const head = readFrameHead(reader.view(at, FRAME_HEAD_BYTES), segment, at, sealing);
    if (head !== undefined && at + head.frameBytes <= reader.size) return head;
  }
  return undefined;
}

/**
 * The frames that must have been between two heads; undefined when that cannot be told, because the sequence goes back or
 * jumps too far, or because frames of the first segment are missing and nobody knows how many there were.
 */
function missingBefore(
  head: FrameHead,
  before: FramePlace | undefined,
  gap: { file: SegmentFile; position: number },
): FramePlace[] | undefined {
  const hole = gap.file.segment === head.segment ? head.position - gap.position : 0;
  let lost: number;
  if (before !== undefined) lost = head.sequence - before.sequence - 1;
  else if (gap.file.segment !== head.segment) return undefined;
  else if (hole > 0 && hole !== head.previousBytes) return undefined;
  else lost = hole > 0 ? 1 : 0;
  if (lost < 0 || lost > MISSING_MAX || (lost === 0 && hole > 0)) return undefined;
  return Array.from({ length: lost }, (_, at) => {
    const sequence = head.sequence - lost + at;
    const frameBytes = lost === 1 ? head.previousBytes : 0;
    return { ...gap, sequence, head: undefined, next: undefined, frameBytes };
  });
}
