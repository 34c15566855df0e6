/**
 * The files of a running log: the current segment, the spare that is prepared ahead so that no write waits for an
 * allocation, and the older ones, which are removed oldest first once nothing in them is needed.
 */
import { QuorateError } from "../../../runtime/errors.ts";
import type { Clock, Disk, DiskCallback, DiskFile, Logger, Timer } from "../../../runtime/world.ts";
import type { GroupId, Sealing } from "./frame.ts";
import { roundUpToSector } from "./frame.ts";
import { inOrder } from "./mend.ts";
import type { KeptSegment } from "./recovery.ts";
import { encodeSegmentHeader, FORMAT_VERSION, segmentName } from "./segment.ts";

const RETRY_MS = 1000;

export interface OpenSegment extends Omit<KeptSegment, "firstSequence"> {
  readonly file: DiskFile;
  /** Sequence of its first frame; 0 while it has none. */
  firstSequence: number;
}

export interface SegmentStoreOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sealing: Sealing;
  readonly segmentBytes: number;
  readonly syncDirectory: (done: DiskCallback) => void;
  readonly fatal: (error: Error) => void;
  /** Called when space ran out while a write waits for it. */
  readonly spaceRanOut: () => void;
}

export class SegmentStore {
  current: OpenSegment | undefined;
  private readonly options: SegmentStoreOptions;
  private older: KeptSegment[];
  private spare: OpenSegment | undefined;
  /** Given while a segment is being created or its creation is waiting for space. */
  private whenReady: ((segment: OpenSegment) => void) | undefined;
  private creating = false;
  private removing = false;
  private closed = false;
  private whenIdle: (() => void) | undefined;
  private retry: Timer | undefined;
  private full: QuorateError | undefined;
  private wantedBytes: number;

  constructor(options: SegmentStoreOptions, older: readonly KeptSegment[], current: OpenSegment | undefined) {
    this.options = options;
    this.older = [...older];
    this.current = current;
    this.wantedBytes = options.segmentBytes;
  }

  /** DISK_FULL while no further segment can be had; what fits into the current one is still written. */
  get refusing(): QuorateError | undefined {
    return this.full;
  }

  /** As `refusing`, and a frame waits for the segment. */
  get stalled(): QuorateError | undefined {
    return this.whenReady === undefined ? undefined : this.full;
  }

  get count(): number {
    return this.older.length + (this.current === undefined ? 0 : 1) + (this.spare === undefined ? 0 : 1);
  }

  get diskBytes(): number {
    let bytes = (this.current?.sizeBytes ?? 0) + (this.spare?.sizeBytes ?? 0);
    for (const { sizeBytes } of this.older) bytes += sizeBytes;
    return bytes;
  }

  /** Prepares the segment after the current one. */
  prepare(): void {
    if (this.spare === undefined && !this.creating && !this.closed) this.create();
  }

  /** Makes the first segment of a new log. */
  begin(sizeBytes: number, ready: (segment: OpenSegment) => void): void {
    this.whenReady = ready;
    this.wantedBytes = sizeBytes;
    this.prepare();
    if (this.full !== undefined) this.options.spaceRanOut();
  }

  /** Makes the next segment, with room for `bytes` in all, the current one, at once if it is prepared. */
  rotate(bytes: number, ready: (segment: OpenSegment) => void): void {
    const { spare } = this;
    if (spare !== undefined && spare.sizeBytes >= bytes) {
      this.adopt(spare);
      return ready(spare);
    }
    this.whenReady = ready;
    this.wantedBytes = Math.max(this.options.segmentBytes, roundUpToSector(bytes));
    if (spare !== undefined) this.discardSpare(spare);
    else this.prepare();
    if (this.full !== undefined) this.options.spaceRanOut();
  }

  /**
   * Removes the oldest segments whose entries are all below their groups' compaction points. `sealedThrough`: the next
   * segment must begin, with its summary of all groups, with a sealed frame.
   */
  removeOld(compactedBelow: (group: GroupId) => number, sealedThrough: number): void {
    const [oldest, second] = [this.older[0], this.older[1] ?? this.current];
    if (this.removing || this.closed || oldest === undefined || second === undefined) return;
    if (second.firstSequence === 0 || second.firstSequence > sealedThrough) return;
    for (const [group, highest] of oldest.highest) if (highest >= compactedBelow(group)) return;
    this.removing = true;
    const { disk, syncDirectory } = this.options;
    // One at a time, each made durable, so that a crash leaves no gap in the numbers.
    inOrder([(next) => disk.remove(oldest.name, next), syncDirectory], (error) => {
      this.removing = false;
      if (this.closed) return this.settle();
      if (error !== undefined) return this.options.fatal(error);
      this.older.shift();
      this.tryAgain();
      this.removeOld(compactedBelow, sealedThrough);
    });
  }

  /** The groups whose uncompacted entries keep the oldest segment. */
  pinnedBy(compactedBelow: (group: GroupId) => number): GroupId[] {
    const pins = [...(this.older[0]?.highest ?? [])];
    return pins.filter(([group, highest]) => highest >= compactedBelow(group)).map(([group]) => group);
  }

  /** `done` comes when nothing is under way any more: the next owner of the directory must not meet a file being made. */
  close(done: () => void): void {
    this.closed = true;
    this.retry?.cancel();
    this.current?.file.close();
    this.spare?.file.close();
    this.whenIdle = done;
    this.settle();
  }

  private settle(): void {
    const { whenIdle } = this;
    if (!this.closed || this.creating || this.removing || whenIdle === undefined) return;
    this.whenIdle = undefined;
    whenIdle();
  }

  private adopt(segment: OpenSegment): void {
    if (this.current !== undefined) {
      this.current.file.close();
      this.older.push(this.current);
    }
    this.current = segment;
    this.spare = undefined;
    this.wantedBytes = this.options.segmentBytes;
    this.prepare();
  }

  private create(): void {
    const { disk, sealing, syncDirectory } = this.options;
    const segment = (this.current?.segment ?? 0) + 1;
    const sizeBytes = this.wantedBytes;
    if (disk.freeBytes() < sizeBytes)
      return this.waitForSpace(`${sizeBytes} bytes for ${segmentName(segment)}`);
    this.creating = true;
    disk.create(segmentName(segment), sizeBytes, (error, file) => {
      if (file === undefined) {
        this.creating = false;
        if (this.closed) return this.settle();
        if (isDiskFull(error)) return this.waitForSpace(error.message);
        return this.options.fatal(error ?? new Error("no file was created"));
      }
      const header = { version: FORMAT_VERSION, segment, salt: sealing.salt, sizeBytes };
      const bytes = encodeSegmentHeader(header, sealing.checksum);
      inOrder([(next) => file.write(0, [bytes], "durable", next), syncDirectory], (failure) => {
        this.creating = false;
        if (this.closed) {
          file.close();
          return this.settle();
        }
        if (failure !== undefined) return this.options.fatal(failure);
        const highest = new Map<GroupId, number>();
        this.created({ segment, name: segmentName(segment), sizeBytes, file, highest, firstSequence: 0 });
      });
    });
  }

  private created(segment: OpenSegment): void {
    const { whenReady } = this;
    this.full = undefined;
    if (segment.sizeBytes < this.wantedBytes) return this.discardSpare(segment);
    if (whenReady === undefined) {
      this.spare = segment;
      return;
    }
    this.whenReady = undefined;
    this.adopt(segment);
    whenReady(segment);
  }

  /** The spare is too small for the frame that waits: it makes way for a larger one of the same number. */
  private discardSpare(spare: OpenSegment): void {
    const { disk, syncDirectory, fatal } = this.options;
    this.spare = undefined;
    this.creating = true;
    spare.file.close();
    inOrder([(next) => disk.remove(spare.name, next), syncDirectory], (error) => {
      this.creating = false;
      if (this.closed) this.settle();
      else if (error !== undefined) fatal(error);
      else this.prepare();
    });
  }

  private waitForSpace(what: string): void {
    if (this.full === undefined) this.options.logger.log("error", "log refuses writes: disk full", { what });
    this.full = new QuorateError("DISK_FULL", `no space left for the log: ${what}`);
    if (this.whenReady !== undefined) this.options.spaceRanOut();
    if (this.closed) return;
    this.retry?.cancel();
    this.retry = this.options.clock.setTimer(RETRY_MS, () => this.tryAgain());
  }

  private tryAgain(): void {
    if (this.full !== undefined) this.prepare();
  }
}

export function isDiskFull(error: Error | undefined): error is Error {
  return error !== undefined && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}
