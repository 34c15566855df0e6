/**
 * The writing half of the log: group commit. At most one frame is on its way to the disk; everything that is appended
 * meanwhile shares the next one.
 */
import type { DurableWrite, Index } from "../../../consensus/consensus.ts";
import { NO_BYTES } from "../../../runtime/bytes.ts";
import type { QuorateError } from "../../../runtime/errors.ts";
import { assert } from "../../../runtime/errors.ts";
import type { Clock, DiskCallback, Timer } from "../../../runtime/world.ts";
import type { FrameBuilder, LogRecord } from "./frame-builder.ts";
import { pushRecords } from "./frame-builder.ts";
import type { GroupId } from "./frame.ts";
import { FRAME_MAX_BYTES, RECORD_HEADER_BYTES } from "./frame.ts";
import type { GroupState } from "./group-state.ts";
import { emptyGroupState, noteWrite, pushCheckpoint } from "./group-state.ts";
import type { LogStats, WriteAheadLog } from "./log-contract.ts";
import type { OpenSegment, SegmentStore } from "./segment-store.ts";
import { FIRST_FRAME_POSITION } from "./segment.ts";

interface Pending {
  readonly group: GroupId;
  readonly write: DurableWrite;
  readonly bytes: number;
  readonly done: () => void;
}

/** What goes into the next frame. */
interface Batch {
  readonly writes: readonly Pending[];
  readonly compactions: ReadonlyMap<GroupId, Index>;
}

export interface LogWriterOptions {
  readonly clock: Clock;
  readonly segments: SegmentStore;
  readonly builder: FrameBuilder;
  readonly groups: Map<GroupId, GroupState>;
  readonly durability: "always" | "everysec";
  readonly frameMaxBytes: number;
  readonly sealDelayMs: number;
  readonly fatal: (error: Error) => void;
  /** Where the log goes on. */
  readonly position: number;
  readonly nextSequence: number;
}

const SYNC_EVERY_MS = 1000;

export class LogWriter implements WriteAheadLog {
  private readonly options: LogWriterOptions;
  private queue: Pending[] = [];
  private queueBytes = 0;
  private compactions = new Map<GroupId, Index>();
  /** Compaction points that are written and not yet synced; and those that are: only these let segments go. */
  private unsyncedCompactions: { sequence: number; group: GroupId; index: Index }[] = [];
  private readonly compacted = new Map<GroupId, Index>();
  private position: number;
  /** The last frame that was written; the last that is known to be on the disk; the last that is sealed there. */
  private written: number;
  private synced: number;
  private sealed = 0;
  /** What the last written frame says of those before it. */
  private lastSyncedThrough = 0;
  /** A frame, with the rotation before it if any, is under way. */
  private busy = false;
  private scheduled = false;
  private stopped = false;
  private closing: (() => void) | undefined;
  private sealTimer: Timer | undefined;
  private syncTimer: Timer | undefined;
  private fsyncs = 0;
  private frames = 0;
  private bytesWritten = 0;
  private lastFsyncMs = 0;

  constructor(options: LogWriterOptions) {
    this.options = options;
    this.position = options.position;
    this.written = options.nextSequence - 1;
    // Recovery synced whatever it kept.
    this.synced = this.written;
    for (const [group, state] of options.groups) this.compacted.set(group, state.compactedBelow);
    options.segments.prepare();
    this.armSeal();
  }

  append(group: GroupId, write: DurableWrite, done: () => void): void {
    if (this.stopped) return;
    assert(this.closing === undefined, "append after close");
    let bytes = RECORD_HEADER_BYTES * 4;
    for (const { payload } of write.entries ?? []) bytes += payload.length + RECORD_HEADER_BYTES * 2;
    assert(bytes < FRAME_MAX_BYTES, "one durable write is larger than a frame can be");
    this.queue.push({ group, write, bytes, done });
    this.queueBytes += bytes;
    this.schedule();
  }

  compact(group: GroupId, belowIndex: Index): void {
    const known = Math.max(this.stateOf(group).compactedBelow, this.compactions.get(group) ?? 0);
    if (this.stopped || this.closing !== undefined || belowIndex <= known) return;
    this.compactions.set(group, belowIndex);
    this.schedule();
  }

  flush(): void {
    if (this.busy || this.stopped) return;
    if (this.queue.length > 0 || this.compactions.size > 0) this.writeFrame();
    else if (this.closing !== undefined) this.finish(this.closing);
    else this.armSeal();
  }

  refusing(): QuorateError | undefined {
    return this.options.segments.refusing;
  }

  stalled(): QuorateError | undefined {
    return this.options.segments.stalled;
  }

  /** No space can be had at the moment; a log that is being closed does not wait for it. */
  spaceRanOut(): void {
    if (this.closing !== undefined && this.busy) this.stop(this.closing);
  }

  stats(): LogStats {
    const { segments } = this.options;
    return {
      fsyncs: this.fsyncs,
      frames: this.frames,
      bytesWritten: this.bytesWritten,
      lastFsyncMs: this.lastFsyncMs,
      queueBytes: this.queueBytes,
      segments: segments.count,
      diskBytes: segments.diskBytes,
      pinnedBy: segments.pinnedBy(this.compactedBelow),
    };
  }

  close(done: () => void): void {
    assert(this.closing === undefined, "close called twice");
    if (this.stopped) return done();
    this.closing = done;
    if (this.refusing() === undefined) this.flush();
    else this.stop(done);
  }

  private readonly compactedBelow = (group: GroupId): Index => this.compacted.get(group) ?? 0;

  private stateOf(group: GroupId): GroupState {
    const { groups } = this.options;
    let state = groups.get(group);
    if (state === undefined) groups.set(group, (state = emptyGroupState()));
    return state;
  }

  private schedule(): void {
    if (this.scheduled || this.busy) return;
    this.scheduled = true;
    this.options.clock.endOfTurn(() => {
      this.scheduled = false;
      this.flush();
    });
  }

  /** With nothing waiting, the frame has no records: it is a seal. */
  private writeFrame(): void {
    const { builder, segments } = this.options;
    this.busy = true;
    this.sealTimer?.cancel();
    this.sealTimer = undefined;
    const batch = { writes: this.take(), compactions: this.compactions };
    this.compactions = new Map();
    const records: LogRecord[] = [];
    for (const { group, write } of batch.writes) pushRecords(records, group, write);
    for (const [group, index] of batch.compactions) {
      records.push({ type: "compaction", kind: 0, group, index, term: 0, value: NO_BYTES });
    }
    const { current } = segments;
    if (current !== undefined && this.position + builder.sizeOf(records) <= current.sizeBytes) {
      this.put(current, records, batch);
    } else if (current?.firstSequence === 0) {
      // A segment without a frame, and another behind it, would look like one whose frames were lost.
      this.queue = [...batch.writes, ...this.queue];
      this.compactions = new Map(batch.compactions);
      this.put(current, [], { writes: [], compactions: new Map() });
    } else {
      this.syncThen(() => this.rotate(records, batch));
    }
  }

  /** Takes from the queue what one frame may hold, and at least one write. */
  private take(): readonly Pending[] {
    let count = 0;
    let bytes = 0;
    for (const pending of this.queue) {
      bytes += pending.bytes;
      if (count > 0 && bytes > this.options.frameMaxBytes) break;
      count++;
    }
    const rest = this.queue.splice(count);
    const taken = this.queue;
    this.queue = rest;
    return taken;
  }

  /** The first frame of a segment says again what older segments said of every group, so that those can be removed. */
  private rotate(records: readonly LogRecord[], batch: Batch): void {
    const { builder, segments, groups } = this.options;
    const all: LogRecord[] = [];
    pushCheckpoint(all, groups);
    for (const record of records) all.push(record);
    const ready = (segment: OpenSegment): void => {
      if (this.stopped) return;
      this.position = FIRST_FRAME_POSITION;
      this.put(segment, all, batch);
    };
    segments.rotate(FIRST_FRAME_POSITION + builder.sizeOf(all), ready);
  }

  private put(segment: OpenSegment, records: readonly LogRecord[], batch: Batch): void {
    const { builder, clock, durability } = this.options;
    const { position, synced } = this;
    const sequence = this.written + 1;
    const frameBytes = builder.sizeOf(records);
    const site = { segment: segment.segment, position, sequence, syncedThrough: synced };
    const chunks = builder.build(records, site);
    this.noteBatch(segment, batch, sequence);
    const startMs = clock.monotonicMs();
    segment.file.write(position, chunks, durability === "always" ? "durable" : "cached", (error) => {
      if (this.stopped) return;
      if (error !== undefined) return this.fail(error);
      this.position += frameBytes;
      this.written = sequence;
      this.lastSyncedThrough = synced;
      this.frames++;
      this.bytesWritten += frameBytes;
      if (durability === "always") this.noteSynced(sequence, synced, startMs);
      else this.armSync();
      for (const { bytes, done } of batch.writes) {
        this.queueBytes -= bytes;
        done();
      }
      this.busy = false;
      this.flush();
    });
  }

  private noteBatch(segment: OpenSegment, { writes, compactions }: Batch, sequence: number): void {
    if (segment.firstSequence === 0) segment.firstSequence = sequence;
    for (const { group, write } of writes) {
      noteWrite(this.stateOf(group), write);
      if (write.afresh === true) this.forgetCompaction(group);
      const last = write.entries?.at(-1);
      if (last === undefined) continue;
      segment.highest.set(group, Math.max(segment.highest.get(group) ?? 0, last.index));
    }
    for (const [group, index] of compactions) {
      this.stateOf(group).compactedBelow = index;
      this.unsyncedCompactions.push({ sequence, group, index });
    }
  }

  /** The group's log begins at a lower index again: what was compacted of the old one says nothing of the new one. */
  private forgetCompaction(group: GroupId): void {
    this.compacted.set(group, 0);
    this.compactions.delete(group);
    this.unsyncedCompactions = this.unsyncedCompactions.filter((each) => each.group !== group);
  }

  private noteSynced(through: number, sealed: number, startMs: number): void {
    this.fsyncs++;
    this.lastFsyncMs = this.options.clock.monotonicMs() - startMs;
    this.synced = Math.max(this.synced, through);
    this.sealed = Math.max(this.sealed, sealed);
    for (let first = this.unsyncedCompactions[0]; first !== undefined && first.sequence <= this.synced;) {
      this.compacted.set(first.group, first.index);
      this.unsyncedCompactions.shift();
      first = this.unsyncedCompactions[0];
    }
    this.options.segments.removeOld(this.compactedBelow, this.sealed);
  }

  /** Only in mode `everysec` is there ever something written and not synced. */
  private syncThen(next: DiskCallback): void {
    const { current } = this.options.segments;
    if (current === undefined || this.synced === this.written) return next(undefined);
    const { written, lastSyncedThrough } = this;
    const startMs = this.options.clock.monotonicMs();
    current.file.sync((error) => {
      if (this.stopped) return;
      if (error !== undefined) return this.fail(error);
      this.noteSynced(written, lastSyncedThrough, startMs);
      next(undefined);
    });
  }

  private armSync(): void {
    this.syncTimer ??= this.options.clock.setTimer(SYNC_EVERY_MS, () => {
      this.syncTimer = undefined;
      this.syncThen(() => {
        if (this.written > this.synced) this.armSync();
        else if (!this.busy) this.flush();
      });
    });
  }

  /**
   * When the log falls silent, an empty frame seals the last one: from then on damage to it cannot pass for the torn end of
   * a crash. While writes go on, each frame seals the one before it.
   */
  private armSeal(): void {
    const { builder, clock, sealDelayMs } = this.options;
    if (!builder.lastHeldRecords || this.synced < this.written) return;
    this.sealTimer ??= clock.setTimer(sealDelayMs, () => {
      this.sealTimer = undefined;
      if (!this.busy && !this.stopped && this.queue.length === 0) this.writeFrame();
    });
  }

  private finish(done: () => void): void {
    if (this.synced < this.written) {
      this.busy = true;
      this.syncThen(() => {
        this.busy = false;
        this.flush();
      });
    } else if (this.options.builder.lastHeldRecords) this.writeFrame();
    else this.stop(done);
  }

  private fail(error: Error): void {
    this.stop(() => undefined);
    this.options.fatal(error);
  }

  private stop(done: () => void): void {
    this.stopped = true;
    this.sealTimer?.cancel();
    this.syncTimer?.cancel();
    this.options.segments.close(done);
  }
}
