/**
 * One reading of the whole log, which decides and changes nothing: what each group holds, where the log goes on, and what must
 * be done to the files first. `agreement.ts` asks whether another reading sees the same, `mend.ts` then does it.
 */
import { NO_BYTES, zeroBytes } from "../../../runtime/bytes.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { QuorateError } from "../../../runtime/errors.ts";
import type { Disk } from "../../../runtime/world.ts";
import type { Checksum } from "../../../wire/crc32.ts";
import type { Decision } from "./decision-table.ts";
import { decide } from "./decision-table.ts";
import type { GroupId, Sealing } from "./frame.ts";
import { RECORD_HEADER_BYTES, writeRecordHeader } from "./frame.ts";
import type { RecordReading } from "./frame-reading.ts";
import { readFrame } from "./frame-reading.ts";
import type { FramePlace, FrameScan, SegmentFile } from "./frame-scan.ts";
import { scanFrames } from "./frame-scan.ts";
import type { RecoveredGroup } from "./recovered.ts";
import { GroupReplay } from "./replay.ts";
import { SegmentReader } from "./segment-reader.ts";
import type { SegmentHeader } from "./segment.ts";
import { decodeSegmentHeader, FIRST_FRAME_POSITION, FORMAT_VERSION, segmentNumber } from "./segment.ts";

/** A segment that stays, and what pins it. */
export interface KeptSegment {
  readonly segment: number;
  readonly name: string;
  readonly sizeBytes: number;
  readonly firstSequence: number;
  /** Highest index stored here, by group. */
  readonly highest: Map<GroupId, number>;
}

export interface Recovery {
  /** Undefined: there was no log yet. */
  readonly salt: number | undefined;
  readonly groups: ReadonlyMap<GroupId, RecoveredGroup>;
  /** Oldest first; the last one is where the log goes on. */
  readonly segments: readonly KeptSegment[];
  /** Where the next frame goes, in the last of `segments`. */
  readonly position: number;
  readonly nextSequence: number;
  /** The record headers and length of the last frame, which the next one repeats. */
  readonly previous: { readonly headers: Bytes; readonly count: number; readonly bytes: number };
  /** Where kept frames have no seal: to be written again before anything relies on them. */
  readonly unsealed: readonly FileRange[];
  /** Up to where, in the last of `segments`, cut frames must be overwritten with zeros. */
  readonly staleEnd: number;
  /** Segment files that hold nothing that counts: interrupted creations, spares, and what followed a cut. */
  readonly discard: readonly string[];
  /** What was found and survived, for the log of the program. */
  readonly notes: readonly RecoveryNote[];
}

export interface FileRange {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export interface RecoveryNote {
  readonly decision: Decision;
  readonly file: string;
  readonly position: number;
  readonly sequence: number;
}

/** Raises DATA_CORRUPT (naming file and offset) when the decision is to refuse, UNSUPPORTED for another format. */
export function readLog(disk: Disk, checksum: Checksum): Recovery {
  const files = disk
    .list()
    .flatMap((name): SegmentFile[] => {
      const segment = segmentNumber(name);
      return segment === undefined ? [] : [{ segment, reader: new SegmentReader(disk, name) }];
    })
    .sort((left, right) => left.segment - right.segment);
  const headers = new Map(files.map((file) => [file, readHeader(file, checksum)] as const));
  const salt = [...headers.values()].find((header) => header !== undefined)?.salt;
  if (salt === undefined) return withoutHeader(files);
  const sealing = { salt, checksum };
  const scan = scanFrames(files, sealing);
  checkSizes(files, headers, scan);
  return new Walk(scan, files, sealing).result();
}

/** Undefined when neither copy of it is readable. */
export function readHeader(file: SegmentFile, checksum: Checksum): SegmentHeader | undefined {
  const header = decodeSegmentHeader(file.reader.view(0, FIRST_FRAME_POSITION), file.segment, checksum);
  if (header !== undefined && header.version !== FORMAT_VERSION) {
    throw new QuorateError(
      "UNSUPPORTED",
      `${file.reader.name} has log format ${header.version}; this version reads format ${FORMAT_VERSION}`,
    );
  }
  return header;
}

export function corrupt(name: string, position: number, what: string): QuorateError {
  return new QuorateError("DATA_CORRUPT", `${name} at byte ${position}: ${what}`);
}

/** No segment has a readable header: either the very first creation was interrupted, or everything is unreadable. */
function withoutHeader(files: readonly SegmentFile[]): Recovery {
  const zeros = zeroBytes(1 << 20);
  for (const { reader } of files) {
    for (let at = FIRST_FRAME_POSITION; at < reader.size; at += zeros.length) {
      const piece = reader.view(at, zeros.length);
      if (!piece.equals(zeros.subarray(0, piece.length))) {
        throw corrupt(reader.name, 0, "both copies of the segment's header are damaged");
      }
    }
  }
  return {
    salt: undefined,
    groups: new Map(),
    segments: [],
    position: FIRST_FRAME_POSITION,
    nextSequence: 1,
    previous: { headers: NO_BYTES, count: 0, bytes: 0 },
    unsealed: [],
    staleEnd: 0,
    discard: files.map(({ reader }) => reader.name),
    notes: [],
  };
}

function checkSizes(
  files: readonly SegmentFile[],
  headers: ReadonlyMap<SegmentFile, SegmentHeader | undefined>,
  scan: FrameScan,
): void {
  for (const file of files) {
    const { reader } = file;
    const expected = headers.get(file)?.sizeBytes ?? 0;
    const used = scan.places.some((place) => place.file === file);
    if (used && reader.size < expected) {
      throw corrupt(reader.name, reader.size, `the file was cut short: ${expected} bytes were allocated`);
    }
  }
}

class Walk {
  private readonly scan: FrameScan;
  private readonly files: readonly SegmentFile[];
  private readonly sealing: Sealing;
  private readonly groups = new Map<GroupId, GroupReplay>();
  private readonly highest = new Map<SegmentFile, Map<GroupId, number>>();
  private readonly kept: FramePlace[] = [];
  private readonly notes: RecoveryNote[] = [];
  private lastRecords: readonly RecordReading[] = [];

  constructor(scan: FrameScan, files: readonly SegmentFile[], sealing: Sealing) {
    this.scan = scan;
    this.files = files;
    this.sealing = sealing;
  }

  result(): Recovery {
    let cutAt: FramePlace | undefined;
    for (const place of this.scan.places) {
      if (!this.visit(place)) {
        cutAt = place;
        break;
      }
    }
    const { broken, sealedThrough } = this.scan;
    // Removing older segments needs a sealed first frame in the next one, so only the very first may begin with a torn one.
    const headless = this.scan.places.length === 0 && (this.files[0]?.segment ?? 1) > 1;
    const acknowledged = broken && (headless || broken.sequence <= sealedThrough);
    if (cutAt === undefined && acknowledged === true) {
      throw corrupt(broken.file.reader.name, broken.position, "frames of the log are missing here");
    }
    const last = this.kept.at(-1);
    // Without a frame nothing was ever acknowledged: the first segment is as good as new.
    const current = last?.file ?? this.files[0];
    const used = current === undefined ? [] : this.files.slice(0, this.files.indexOf(current) + 1);
    const position = last === undefined ? FIRST_FRAME_POSITION : last.position + last.frameBytes;
    const kept = last === undefined ? [] : used;
    // The first segment is only ever removed once frames of a later one are sealed.
    if (last === undefined && current !== undefined && current.segment > 1) {
      throw corrupt(current.reader.name, FIRST_FRAME_POSITION, "no frame of the log is readable");
    }
    return {
      salt: this.sealing.salt,
      groups: this.recoveredGroups(),
      segments: kept.map((file) => this.keptSegment(file)),
      position,
      nextSequence: (last?.sequence ?? 0) + 1,
      previous: this.previous(last),
      unsealed: this.unsealed(),
      // Frames that were cut must not be found again behind the frames that will be written in their place.
      staleEnd: Math.max(position, (last && this.scan.ends.get(last.file)) ?? 0),
      discard: this.files.slice(kept.length).map(({ reader }) => reader.name),
      notes: this.notes,
    };
  }

  /** False: the log is cut before this frame. */
  private visit(place: FramePlace): boolean {
    const sealed = place.sequence <= this.scan.sealedThrough;
    const records = readFrame(place, this.sealing);
    const decisions = records.map(({ header, source, value }) =>
      decide(sealed, source, value === undefined ? "damaged" : "intact", header?.type),
    );
    for (const decision of ["refuse", "cut", "refetch", "raise", "look-up"] as const) {
      if (decisions.includes(decision)) this.note(decision, place);
    }
    if (decisions.includes("refuse")) {
      throw corrupt(
        place.file.reader.name,
        place.position,
        `frame ${place.sequence}, which was acknowledged, is damaged beyond its repeated headers`,
      );
    }
    if (decisions.includes("cut")) return false;
    records.forEach(({ header, value }, at) => {
      if (header === undefined) return;
      let group = this.groups.get(header.group);
      if (group === undefined) this.groups.set(header.group, (group = new GroupReplay()));
      const where = { file: place.file.reader.name, position: place.position };
      group.apply(header, value, decisions[at] ?? "refuse", where);
      if (header.type === "entry") this.raiseHighest(place.file, header.group, header.index);
    });
    this.kept.push(place);
    this.lastRecords = records;
    return true;
  }

  private note(decision: Decision, place: FramePlace): void {
    const { file, position, sequence } = place;
    this.notes.push({ decision, file: file.reader.name, position, sequence });
  }

  private raiseHighest(file: SegmentFile, group: GroupId, index: number): void {
    let highest = this.highest.get(file);
    if (highest === undefined) this.highest.set(file, (highest = new Map()));
    highest.set(group, Math.max(highest.get(group) ?? 0, index));
  }

  private recoveredGroups(): Map<GroupId, RecoveredGroup> {
    const place = { file: this.files[0]?.reader.name ?? "", position: FIRST_FRAME_POSITION };
    return new Map([...this.groups].map(([id, group]) => [id, group.result(place)]));
  }

  private keptSegment(file: SegmentFile): KeptSegment {
    const first = this.kept.find((place) => place.file === file);
    return {
      segment: file.segment,
      name: file.reader.name,
      sizeBytes: file.reader.size,
      firstSequence: first?.sequence ?? 0,
      highest: this.highest.get(file) ?? new Map<GroupId, number>(),
    };
  }

  private unsealed(): FileRange[] {
    const ranges = new Map<SegmentFile, FileRange>();
    for (const { file, position, frameBytes, sequence } of this.kept) {
      if (sequence <= this.scan.sealedThrough) continue;
      const from = ranges.get(file)?.from ?? position;
      ranges.set(file, { name: file.reader.name, from, to: position + frameBytes });
    }
    return [...ranges.values()];
  }

  private previous(last: FramePlace | undefined): Recovery["previous"] {
    const count = last === undefined ? 0 : this.lastRecords.length;
    const headers = zeroBytes(count * RECORD_HEADER_BYTES);
    this.lastRecords.forEach(({ header }, at) => {
      if (header === undefined || last === undefined) return;
      writeRecordHeader(headers, at * RECORD_HEADER_BYTES, header, last.sequence, this.sealing);
    });
    return { headers, count, bytes: last?.frameBytes ?? 0 };
  }
}
