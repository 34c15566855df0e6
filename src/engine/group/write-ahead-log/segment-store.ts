/**
 * The files of a running log: the current segment, the spares that are prepared ahead so that no write waits for an
 * allocation, and the older ones, which go oldest first once nothing in them is needed.
 *
 * One that goes becomes a spare under a new number, as long as there are not enough of them: its space is allocated, and its
 * zeros need not be written, which would be as much again as the log itself. No byte that is left in it can pass for one of the
 * new segment, because every frame says of which segment it is. It is read through before: a frame overwrites parts of pages,
 * which the system must be able to read, and had better have at hand.
 */
import { QuorateError } from "../../../runtime/errors.ts";
import type { Clock, Disk, DiskCallback, DiskFile, Logger, Timer } from "../../../runtime/world.ts";
import type { GroupId, Sealing } from "./frame.ts";
import { roundUpToSector } from "./frame.ts";
import { inOrder } from "./mend.ts";
import type { KeptSegment } from "./recovery.ts";
import { encodeSegmentHeader, FORMAT_VERSION, segmentName } from "./segment.ts";

const RETRY_MS = 1000;
/** Older segments become spares as long as there are fewer. Without any, one is made from nothing. */
const SPARES_MAX = 2;
/** So many segments more must be free for a second spare: snapshots need room too. */
const ROOM_SEGMENTS = 4;
const READ_BYTES = 1 << 20;

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
  /** In the order of their numbers, which follow that of the current one. */
  private spares: OpenSegment[] = [];
  /** Given while a segment is being made or its creation is waiting for space. */
  private whenReady: ((segment: OpenSegment) => void) | undefined;
  /** The next spare is being made, or those that there were are being removed. */
  private making = false;
  private removing = false;
  /** Older segments may go, once it is known whether they are needed as spares. */
  private waitingToRemove: (() => void) | undefined;
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
    return this.older.length + (this.current === undefined ? 0 : 1) + this.spares.length;
  }

  get diskBytes(): number {
    let bytes = this.current?.sizeBytes ?? 0;
    for (const { sizeBytes } of [...this.older, ...this.spares]) bytes += sizeBytes;
    return bytes;
  }

  /** Prepares the segment after the current one. */
  prepare(): void {
    if (this.spares.length === 0 && !this.making && !this.closed) this.create();
  }

  /** Makes the first segment of a new log. */
  begin(sizeBytes: number, ready: (segment: OpenSegment) => void): void {
    this.whenReady = ready;
    this.wantedBytes = sizeBytes;
    this.prepare();
  }

  /** Makes the next segment, with room for `bytes` in all, the current one, at once if it is prepared. */
  rotate(bytes: number, ready: (segment: OpenSegment) => void): void {
    const [spare] = this.spares;
    if (spare !== undefined && spare.sizeBytes >= bytes) {
      this.adopt(spare);
      return ready(spare);
    }
    this.whenReady = ready;
    this.wantedBytes = Math.max(this.options.segmentBytes, roundUpToSector(bytes));
    if (spare === undefined) this.prepare();
    else if (!this.making) this.discardSpares();
  }

  /**
   * Lets the oldest segments go whose entries are all below their groups' compaction points. `sealedThrough`: the next
   * segment must begin, with its summary of all groups, with a sealed frame.
   */
  removeOld(compactedBelow: (group: GroupId) => number, sealedThrough: number): void {
    const [oldest, second] = [this.older[0], this.older[1] ?? this.current];
    if (this.removing || this.closed || oldest === undefined || second === undefined) return;
    if (second.firstSequence === 0 || second.firstSequence > sealedThrough) return;
    for (const [group, highest] of oldest.highest) if (highest >= compactedBelow(group)) return;
    const goOn = (): void => this.removeOld(compactedBelow, sealedThrough);
    if (this.making) {
      this.waitingToRemove = goOn;
      return;
    }
    this.removing = true;
    // One at a time, each made durable, so that a crash leaves no gap in the numbers.
    const gone = (error: Error | undefined): void => {
      this.removing = false;
      if (this.closed) return this.settle();
      if (error !== undefined) return this.options.fatal(error);
      this.tryAgain();
      goOn();
    };
    if (this.isReusable(oldest)) this.reuse(oldest, gone);
    else this.remove(oldest, gone);
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
    for (const { file } of this.spares) file.close();
    this.whenIdle = done;
    this.settle();
  }

  private settle(): void {
    const { whenIdle } = this;
    if (!this.closed || this.making || this.removing || whenIdle === undefined) return;
    this.whenIdle = undefined;
    whenIdle();
  }

  private adopt(segment: OpenSegment): void {
    if (this.current !== undefined) {
      this.current.file.close();
      this.older.push(this.current);
    }
    this.current = segment;
    this.spares.shift();
    this.wantedBytes = this.options.segmentBytes;
    this.prepare();
  }

  private get nextNumber(): number {
    return ((this.spares.at(-1) ?? this.current)?.segment ?? 0) + 1;
  }

  private create(): void {
    const { disk } = this.options;
    const segment = this.nextNumber;
    const sizeBytes = this.wantedBytes;
    if (disk.freeBytes() < sizeBytes)
      return this.waitForSpace(`${sizeBytes} bytes for ${segmentName(segment)}`);
    this.making = true;
    disk.create(segmentName(segment), sizeBytes, (error, file) => {
      if (file !== undefined) {
        return this.giveHeader(segment, sizeBytes, file, (failure) => {
          if (failure !== undefined && !this.closed) this.options.fatal(failure);
        });
      }
      this.making = false;
      if (this.closed) return this.settle();
      if (isDiskFull(error)) return this.waitForSpace(error.message);
      this.options.fatal(error ?? new Error("no file was created"));
    });
  }

  private remove({ name }: KeptSegment, gone: DiskCallback): void {
    const { disk, syncDirectory } = this.options;
    inOrder([(next) => disk.remove(name, next), syncDirectory], (error) => {
      if (error === undefined) this.older.shift();
      gone(error);
    });
  }

  private isReusable({ sizeBytes }: KeptSegment): boolean {
    const { disk, segmentBytes } = this.options;
    const count = this.spares.length;
    if (sizeBytes !== segmentBytes || sizeBytes < this.wantedBytes || count >= SPARES_MAX) return false;
    return count === 0 || disk.freeBytes() >= ROOM_SEGMENTS * segmentBytes;
  }

  /** The oldest segment gets the number behind the last spare's. Until its header says so too, it is no segment at all. */
  private reuse(oldest: KeptSegment, gone: DiskCallback): void {
    const { disk, syncDirectory } = this.options;
    this.making = true;
    const failed = (error: Error | undefined): void => {
      this.notMaking();
      gone(error);
    };
    this.isReadable(oldest, (readable) => {
      if (this.closed) return failed(undefined);
      if (!readable) {
        this.notMaking();
        return this.remove(oldest, gone);
      }
      const segment = this.nextNumber;
      const name = segmentName(segment);
      // A rename replaces what is there without a word.
      if (disk.size(name) !== undefined) return failed(new Error(`there is a file ${name} already`));
      inOrder([(next) => disk.rename(oldest.name, name, next), syncDirectory], (error) => {
        if (error !== undefined) return failed(error);
        this.older.shift();
        disk.open(name, (openError, file) => {
          if (file === undefined) failed(openError ?? new Error("no file was opened"));
          else this.giveHeader(segment, oldest.sizeBytes, file, gone);
        });
      });
    });
  }

  private isReadable({ name, sizeBytes }: KeptSegment, done: (readable: boolean) => void): void {
    this.options.disk.open(name, (openError, file) => {
      if (file === undefined) return done(false);
      const end = (readable: boolean): void => {
        file.close();
        done(readable);
      };
      const step = (at: number): void => {
        if (at >= sizeBytes || this.closed) return end(true);
        file.read(at, Math.min(READ_BYTES, sizeBytes - at), (error) => {
          if (error !== undefined) end(false);
          else step(at + READ_BYTES);
        });
      };
      step(0);
    });
  }

  /** The file is there, with its space: it needs a header to be a segment. */
  private giveHeader(segment: number, sizeBytes: number, file: DiskFile, done: DiskCallback): void {
    const { sealing, syncDirectory } = this.options;
    const header = { version: FORMAT_VERSION, segment, salt: sealing.salt, sizeBytes };
    const bytes = encodeSegmentHeader(header, sealing.checksum);
    inOrder([(next) => file.write(0, [bytes], "durable", next), syncDirectory], (error) => {
      if (error !== undefined || this.closed) file.close();
      else {
        const highest = new Map<GroupId, number>();
        this.spares.push({
          segment,
          name: segmentName(segment),
          sizeBytes,
          file,
          highest,
          firstSequence: 0,
        });
      }
      this.notMaking();
      done(error);
    });
  }

  /** What was being made is there, or not: whoever waits for it goes on. */
  private notMaking(): void {
    this.making = false;
    if (this.closed) return this.settle();
    const [first] = this.spares;
    if (first === undefined) return this.prepare();
    if (first.sizeBytes < this.wantedBytes) return this.discardSpares();
    this.full = undefined;
    // Before the spare is taken and another one made: else, in a busy log, none would ever go.
    this.removeWaiting();
    const { whenReady } = this;
    if (whenReady === undefined) return;
    this.whenReady = undefined;
    this.adopt(first);
    whenReady(first);
  }

  private removeWaiting(): void {
    const { waitingToRemove } = this;
    this.waitingToRemove = undefined;
    waitingToRemove?.();
  }

  /** The spares are too small for the frame that waits: they make way for a larger one. The newest goes first, as ever. */
  private discardSpares(): void {
    const { disk, syncDirectory, fatal } = this.options;
    const spares = this.spares.toReversed();
    this.spares = [];
    this.making = true;
    for (const { file } of spares) file.close();
    const steps = spares.flatMap(({ name }) => [
      (next: DiskCallback) => disk.remove(name, next),
      syncDirectory,
    ]);
    inOrder(steps, (error) => {
      this.making = false;
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
    this.removeWaiting();
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
