/** Puts the records of one write into a frame: a list of chunks, with the values where they already are in memory. */
import type { DurableWrite, Floor, Index } from "../../../consensus/consensus.ts";
import { allocateOwnedBytes, bytesFromUtf8, NO_BYTES, zeroBytes } from "../../../runtime/bytes.ts";
import type { Bytes } from "../../../runtime/bytes.ts";
import { assert } from "../../../runtime/errors.ts";
import { encodeSnapshotMeta } from "../snapshot-meta.ts";
import type { GroupId, RecordType, Sealing } from "./frame.ts";
import {
  atLeast,
  directoryBytes,
  FRAME_HEAD_BYTES,
  OWN_SLOT,
  RECORD_HEADER_BYTES,
  roundUpToSector,
  SECTOR_BYTES,
  writeFrameHead,
  writeRecordHeader,
} from "./frame.ts";
import { entryKindCode } from "./replay.ts";

export interface LogRecord {
  readonly type: RecordType;
  readonly kind: number;
  readonly group: GroupId;
  readonly index: number;
  readonly term: number;
  readonly value: Bytes;
}

export function ballotRecord(
  group: GroupId,
  { term, votedFor }: NonNullable<DurableWrite["ballot"]>,
): LogRecord {
  const voted = votedFor !== undefined;
  const value = voted ? bytesFromUtf8(votedFor) : NO_BYTES;
  return { type: "ballot", kind: voted ? 1 : 0, group, index: 0, term, value };
}

/** Without `floor` the log is as far as it ever was. `afresh`: what was stored before is void. */
export function floorRecord(group: GroupId, floor: Floor | undefined, afresh: boolean): LogRecord {
  const { index, term } = floor ?? { index: 0, term: 0 };
  return { type: "floor", kind: afresh ? 1 : 0, group, index, term, value: NO_BYTES };
}

export function chosenRecord(group: GroupId, index: Index): LogRecord {
  return { type: "chosen", kind: 0, group, index, term: 0, value: NO_BYTES };
}

/** The records of one durable write, in the order in which recovery applies them. */
export function pushRecords(records: LogRecord[], group: GroupId, write: DurableWrite): void {
  const { afresh = false, floor, ballot, entries = [], snapshot, slots = false, chosen } = write;
  assert(!afresh || (floor !== undefined && floor !== "reached"), "a log begins afresh without a floor");
  if (floor !== undefined) {
    records.push(floorRecord(group, floor === "reached" ? undefined : floor, afresh));
  }
  if (ballot !== undefined) records.push(ballotRecord(group, ballot));
  if (snapshot !== undefined) {
    const { index, term } = snapshot;
    const value = encodeSnapshotMeta(snapshot);
    records.push({ type: "snapshot", kind: slots ? 1 : 0, group, index, term, value });
  }
  for (const { kind, index, term, payload } of entries) {
    const code = entryKindCode(kind) + (slots ? OWN_SLOT : 0);
    records.push({ type: "entry", kind: code, group, index, term, value: payload });
  }
  if (chosen !== undefined) records.push(chosenRecord(group, chosen));
}

export interface FrameSite {
  readonly segment: number;
  readonly position: number;
  readonly sequence: number;
  readonly syncedThrough: number;
}

export class FrameBuilder {
  private readonly sealing: Sealing;
  private head: Bytes = allocateOwnedBytes(4096);
  /** The last frame's record headers, which the next frame repeats. */
  private previousHeaders: Bytes;
  private previousCount: number;
  private previousBytes: number;
  private readonly padding: Bytes = zeroBytes(SECTOR_BYTES);

  constructor(sealing: Sealing, previous: { headers: Bytes; count: number; bytes: number }) {
    this.sealing = sealing;
    this.previousHeaders = previous.headers;
    this.previousCount = previous.count;
    this.previousBytes = previous.bytes;
  }

  /** True when the last frame held records: then it is worth a seal. */
  get lastHeldRecords(): boolean {
    return this.previousCount > 0;
  }

  sizeOf(records: readonly LogRecord[]): number {
    let bytes = directoryBytes(records.length, this.previousCount);
    for (const { value } of records) bytes += value.length;
    return roundUpToSector(bytes);
  }

  /** The chunks stay valid until the next call: at most one frame is on its way to the disk. */
  build(records: readonly LogRecord[], site: FrameSite): Uint8Array[] {
    const { salt, checksum } = this.sealing;
    const headBytes = directoryBytes(records.length, this.previousCount);
    this.head = atLeast(this.head, headBytes);
    const chunks: Uint8Array[] = [this.head.subarray(0, headBytes)];
    let valueOffset = headBytes;
    let at = FRAME_HEAD_BYTES;
    for (const record of records) {
      const { value, type, kind, group, index, term } = record;
      const valueBytes = value.length;
      const valueChecksum = valueBytes === 0 ? 0 : checksum(value, salt);
      const header = { type, kind, group, index, term, valueBytes, valueChecksum, valueOffset };
      writeRecordHeader(this.head, at, header, site.sequence, this.sealing);
      if (valueBytes > 0) chunks.push(value);
      valueOffset += valueBytes;
      at += RECORD_HEADER_BYTES;
    }
    this.previousHeaders.copy(this.head, at, 0, this.previousCount * RECORD_HEADER_BYTES);
    const frameBytes = roundUpToSector(valueOffset);
    if (frameBytes > valueOffset) chunks.push(this.padding.subarray(0, frameBytes - valueOffset));
    const { previousBytes, previousCount } = this;
    const recordCount = records.length;
    writeFrameHead(
      this.head,
      Object.assign({ frameBytes, recordCount, previousBytes, previousCount }, site),
      this.sealing,
    );
    this.previousHeaders = atLeast(this.previousHeaders, recordCount * RECORD_HEADER_BYTES);
    this.head.copy(
      this.previousHeaders,
      0,
      FRAME_HEAD_BYTES,
      FRAME_HEAD_BYTES + recordCount * RECORD_HEADER_BYTES,
    );
    this.previousCount = recordCount;
    this.previousBytes = frameBytes;
    return chunks;
  }
}
