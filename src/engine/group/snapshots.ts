/**
 * Snapshots of one replica: taking them in slices when the log has grown, sending them to followers that need entries
 * which are gone, and receiving them. The core decides when; this file moves the bytes.
 */
import type { Consensus, Effect, Entry, Index, SnapshotMeta } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { assert, QuorateError } from "../../runtime/errors.ts";
import type { Logger } from "../../runtime/world.ts";
import type { Applier } from "./applier.ts";
import type { ReplicaStorage } from "./storage.ts";

export interface SnapshotsOptions<Command, Reply, Message> {
  readonly consensus: Consensus<Message>;
  readonly applier: Applier<Command, Reply>;
  readonly storage: ReplicaStorage;
  readonly logger: Logger;
  /** Log bytes applied since the last snapshot that start the next one. */
  readonly everyBytes: number;
  /** Bytes of entries that are kept behind a snapshot, in memory and on disk, for followers that are only a little late. */
  readonly trailingBytes: number;
  nowMs(): number;
  /** Unix milliseconds. */
  wallMs(): number;
  /** Sends a message that carries a chunk. */
  sendChunk(to: string, message: Message, chunk: Bytes): void;
  /** Effects may wait in the core. */
  pump(): void;
  /** The state is half replaced and can serve nobody. */
  fatal(error: Error): never;
}

/** The newest snapshot of a replica. */
export interface SnapshotStatus {
  readonly index: Index;
  /** When this process had it, Unix milliseconds by the machine's clock; of one from before, when the process began. */
  readonly savedMs: number;
  /** The next one is being written. */
  readonly underWay: boolean;
  /** The last one could not be written. */
  readonly failed: boolean;
}

/** What an entry costs besides its payload, about. */
const ENTRY_OVERHEAD_BYTES = 64;

/** `error`: why there is no new snapshot. */
export type SaveDone = (error: Error | undefined) => void;

export class Snapshots<Command, Reply, Message> {
  private readonly options: SnapshotsOptions<Command, Reply, Message>;
  private bytesSinceLast = 0;
  private busy = false;
  private lastIndex: number;
  private savedMs: number;
  private failed = false;
  /** The last one that was sent to its end: who asks for its beginning again may have found it damaged. */
  private sentWhole: Index | undefined;
  private verifying = false;
  /** The newest one is damaged: its successor may be of the same entry. */
  private lost: SnapshotMeta | undefined;
  /** Somebody asked for one. */
  private wished: SaveDone | undefined;

  constructor(options: SnapshotsOptions<Command, Reply, Message>, lastIndex: number) {
    this.options = options;
    this.lastIndex = lastIndex;
    this.savedMs = options.wallMs();
  }

  get status(): SnapshotStatus {
    const underWay = this.busy || this.wished !== undefined;
    return { index: this.lastIndex, savedMs: this.savedMs, underWay, failed: this.failed };
  }

  /** Counts applied bytes; starts a snapshot when enough have come together. */
  applied(entry: Entry): void {
    this.bytesSinceLast += entry.payload.length + ENTRY_OVERHEAD_BYTES;
  }

  /** Takes one if it is time, or somebody asked. Not while an entry is applied. */
  maybeTake(): void {
    const { wished } = this;
    const due = this.lost !== undefined || this.bytesSinceLast >= this.options.everyBytes;
    if (this.busy || (wished === undefined && !due)) return;
    this.wished = undefined;
    if (this.lost !== undefined) return this.take(this.options.trailingBytes, wished);
    if (this.options.applier.appliedIndex > this.lastIndex)
      return this.take(this.options.trailingBytes, wished);
    if (wished === undefined) return;
    this.failed = false;
    this.savedMs = this.options.wallMs();
    wished(undefined);
  }

  /** Gives up every applied entry at once, for the sake of others that write to the same log. */
  release(): void {
    if (!this.busy) this.take(0);
  }

  /**
   * Asks `maybeTake` for one, unless nothing was applied since the last one. `done` comes when it is durable, or could not be
   * written. Not at once: who asks may be somebody whose command is applied at this moment, and then half of an entry is.
   */
  save(done: SaveDone): void {
    assert(!this.status.underWay, "one snapshot at a time");
    this.wished = done;
  }

  /** There will be none: whoever asked is told. */
  refuse(error: QuorateError): void {
    const { wished } = this;
    this.wished = undefined;
    wished?.(error);
  }

  private take(trailingBytes: number, done?: SaveDone): void {
    const { applier, consensus, storage, logger } = this.options;
    const index = applier.appliedIndex;
    const lost = this.lost?.index === index ? this.lost : undefined;
    const entry = consensus.entry(index) ?? lost;
    this.lost = undefined;
    if (entry === undefined)
      return done?.(new QuorateError("INVARIANT", `entry ${index} is gone from the log`));
    const membership = lost?.membership ?? consensus.membershipAt(index);
    this.busy = true;
    const bytesBefore = this.bytesSinceLast;
    this.bytesSinceLast = 0;
    storage.saveSnapshot({ index, term: entry.term, membership }, applier.snapshot(), (error, saved) => {
      this.busy = false;
      // A later one was installed meanwhile, and is durable: this one had to end, and nobody needs it.
      if (saved === undefined && this.lastIndex > index) return done?.(undefined);
      if (saved === undefined) {
        this.failed = true;
        // The one that is due by itself does not wait longer because somebody asked in vain.
        if (done !== undefined) this.bytesSinceLast += bytesBefore;
        logger.log("error", "snapshot failed", { index, reason: error?.message });
        return done?.(error);
      }
      this.failed = false;
      this.savedMs = this.options.wallMs();
      this.lastIndex = saved.index;
      if (this.lost !== undefined && this.lost.index < saved.index) this.lost = undefined;
      this.step({ type: "compact", snapshot: saved, keepFrom: this.keepFrom(saved.index, trailingBytes) });
      storage.compact(consensus.status(this.options.nowMs()).firstIndex);
      logger.log("info", "snapshot taken", { index: saved.index, bytes: saved.sizeBytes });
      done?.(undefined);
    });
  }

  /** The first of the newest entries up to `index` that fit into the trailing bytes. */
  private keepFrom(index: Index, trailingBytes: number): Index {
    const { consensus } = this.options;
    let bytes = 0;
    let first = index + 1;
    for (;;) {
      const entry = consensus.entry(first - 1);
      if (entry === undefined) return first;
      bytes += entry.payload.length + ENTRY_OVERHEAD_BYTES;
      if (bytes > trailingBytes) return first;
      first--;
    }
  }

  sendChunk(effect: Extract<Effect<Message>, { type: "sendChunk" }>): void {
    const { snapshot, offset, length } = effect;
    if (offset === 0 && this.sentWhole === snapshot.index) this.verify(snapshot);
    if (offset + length === snapshot.sizeBytes) this.sentWhole = snapshot.index;
    const chunk = this.options.storage.readChunk(snapshot, offset, length);
    // A snapshot that was replaced meanwhile: the core offers the newer one when the follower stays silent.
    if (chunk !== undefined) this.options.sendChunk(effect.to, effect.message, chunk);
  }

  /** What has rotted since it was written is found before it goes round for ever, and another one is taken. */
  private verify(snapshot: SnapshotMeta): void {
    if (this.verifying) return;
    this.verifying = true;
    this.options.storage.verifySnapshot(snapshot, (intact) => {
      this.verifying = false;
      if (intact || snapshot.index < this.lastIndex) return;
      this.lost = snapshot;
      this.options.pump();
    });
  }

  storeChunk(effect: Extract<Effect<Message>, { type: "storeChunk" }>): void {
    const { snapshot, offset, chunk } = effect;
    this.options.storage.storeChunk(snapshot, offset, chunk, (valid) => {
      this.step({
        type: "chunkStored",
        snapshotIndex: snapshot.index,
        offset: valid ? offset + chunk.length : 0,
        valid,
      });
    });
  }

  install(snapshot: SnapshotMeta): void {
    this.options.storage.adoptSnapshot(snapshot, (content) => {
      if (content === undefined) {
        this.step({ type: "chunkStored", snapshotIndex: snapshot.index, offset: 0, valid: false });
        return;
      }
      if (snapshot.index > this.options.applier.appliedIndex) {
        this.restore(snapshot.index, content);
        this.lastIndex = snapshot.index;
        this.savedMs = this.options.wallMs();
        this.failed = false;
        this.bytesSinceLast = 0;
        this.lost = undefined;
      }
      this.step({ type: "installed", snapshot });
      this.options.logger.log("info", "snapshot installed", { index: snapshot.index });
    });
  }

  /** The content is read from the disk as it is restored, and may have been damaged since it was verified. */
  private restore(index: number, content: Iterable<Bytes>): void {
    try {
      this.options.applier.restore(index, content);
    } catch (error) {
      this.options.fatal(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private step(input: Parameters<Consensus<Message>["step"]>[0]): void {
    this.options.consensus.step(input, this.options.nowMs());
    this.options.pump();
  }
}
