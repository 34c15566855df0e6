/**
 * The leader's side of a group: what waits in the intake becomes entries of the log; this file says when, and how much at a time.
 *
 * While the disk is writing, more gathers: the next entry leaves when the write is durable, which makes entries as large as the
 * load and the disk want them to be. While an entry is on its way, a small one gathers behind it: an entry costs the same few
 * system calls on every node whatever it carries, and those, not the disk, are what runs out first. When the entry is
 * committed, the clients that it answered are let in once more (`gathering.ts`).
 */
import type { Index } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import type { Clock, NodeId, Timer } from "../../runtime/world.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { Batch } from "./batch.ts";
import { encodeBatch, sealEntry } from "./batch.ts";
import { Gathering, PLENTY_BYTES } from "./gathering.ts";
import { Intake } from "./intake.ts";
import type { LogClock } from "./log-clock.ts";
import { PayloadMemory } from "./payload-memory.ts";

export interface SealerOptions {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly logClock: LogClock;
  /** Bytes of batches in one entry. */
  readonly entryMaxBytes: number;
  /** The highest number of a session that this replica has applied, 0 when it knows none. */
  applied(node: NodeId, session: number): number;
  /** A command that the state machine itself wants applied. */
  upkeep(nowMs: number): Uint8Array | undefined;
  /** Whether the core takes so many bytes now. */
  accepts(bytes: number): boolean;
  propose(payload: Bytes, awaitedBy: readonly NodeId[]): void;
  /** Sends every replica the entries and the commit that it has not heard of. */
  announce(): void;
  /** Asks for a look at `ready` in this turn. */
  wake(): void;
}

const UPKEEP_MS = 100;
/** How long an entry or a commit that no client of another replica waits for may wait for others to travel with. */
const ANNOUNCE_MS = 5;

export class Sealer {
  private readonly options: SealerOptions;
  private readonly intake: Intake;
  private gathering = new Gathering();
  private readonly memory = new PayloadMemory();
  private leading = false;
  private writesInFlight = 0;
  private commitIndex: Index = 0;
  /** The last entry that was written to this node's log. */
  private appendedIndex: Index = 0;
  private lastUpkeepMs = 0;
  private gatherTimer: Timer | undefined;
  private announceTimer: Timer | undefined;

  constructor(options: SealerOptions) {
    this.options = options;
    this.intake = new Intake((node, session) => options.applied(node, session));
  }

  /** A leadership began or ended: what waits here is sent again by its owners. */
  restart(leading: boolean): void {
    this.leading = leading;
    this.intake.reset();
    this.gathering = new Gathering();
    this.endGathering();
  }

  /** A batch for the log; `encoded` when its bytes are at hand. Dropped unless this node leads: its owner sends it again. */
  add(batch: Batch, encoded: Bytes | undefined): void {
    if (this.leading) this.intake.add(batch, encoded);
  }

  /** A batch of this session was refused for a gap: its owner sends again, and must be let in. */
  forget(node: NodeId, session: number): void {
    this.intake.forget(node, session);
  }

  /** A write has gone to the disk; `lastIndex`: of the entries in it. */
  writing(lastIndex: Index | undefined): void {
    this.writesInFlight++;
    this.appendedIndex = lastIndex ?? this.appendedIndex;
  }

  written(): void {
    this.writesInFlight--;
  }

  committed(upTo: Index): void {
    this.commitIndex = upTo;
    if (upTo >= this.appendedIndex) this.gathering.committed(this.intake.commandBytes, this.now());
    if (this.leading) this.announceSoon();
  }

  /** Whether `seal` would make an entry of what waits. */
  get ready(): boolean {
    return !this.intake.empty && this.mayFollowOn() && !this.gathers() && this.accepts();
  }

  /** What waits becomes one entry, if now is the time. */
  seal(): void {
    if (!this.leading || !this.mayFollowOn() || this.gathers()) return;
    const upkeep = this.upkeepBatch();
    if ((this.intake.empty && upkeep === undefined) || !this.accepts()) return;
    this.endGathering();
    const { batches, nodes, commandBytes } = this.intake.take(this.options.entryMaxBytes);
    if (commandBytes > 0) this.gathering.sealed(commandBytes, this.now());
    if (upkeep !== undefined) batches.unshift(upkeep);
    this.options.propose(sealEntry(this.options.logClock.stamp(), batches, this.memory.allocate), nodes);
    this.announceSoon();
  }

  /**
   * Whether `seal` would make no entry even if so many bytes of commands more waited, and is surely called when that changes: the
   * entry that is under way sees to it, or the timer.
   */
  holdsBack(commandBytes: number): boolean {
    if (!this.leading) return false;
    if (!this.mayFollowOn(commandBytes)) return true;
    if (this.gatherTimer === undefined) return false;
    return this.gathering.waitMs(this.intake.commandBytes + commandBytes, this.now()) > 0;
  }

  /** Writes of whatever kind are on their way to this node's disk. */
  get isWriting(): boolean {
    return this.writesInFlight > 0;
  }

  stop(): void {
    this.leading = false;
    this.announceTimer?.cancel();
    this.endGathering();
  }

  private now(): number {
    return this.options.clock.monotonicMs();
  }

  /** `moreBytes`: of commands that are not in the intake yet. */
  private mayFollowOn(moreBytes = 0): boolean {
    if (this.isWriting) return false;
    return this.commitIndex >= this.appendedIndex || this.intake.commandBytes + moreBytes >= PLENTY_BYTES;
  }

  private accepts(): boolean {
    return this.options.accepts(this.intake.bytes);
  }

  /** Whether what waits should wait a moment longer; looks again then. */
  private gathers(): boolean {
    if (this.intake.empty) return false;
    const waitMs = this.gathering.waitMs(this.intake.commandBytes, this.now());
    if (waitMs <= 0) return false;
    this.gatherTimer ??= this.options.clock.setTimer(waitMs, () => {
      this.gatherTimer = undefined;
      this.options.wake();
    });
    return true;
  }

  private endGathering(): void {
    this.gatherTimer?.cancel();
    this.gatherTimer = undefined;
  }

  /**
   * Replicas without a waiting client hear of a commit with the next entry, or by this when none follows soon. Those that a quorum
   * does not need get entries by this; where one that it needs is silent, they take its place.
   */
  private announceSoon(): void {
    this.announceTimer ??= this.options.clock.setTimer(ANNOUNCE_MS, () => {
      this.announceTimer = undefined;
      this.options.announce();
      this.options.wake();
    });
  }

  private upkeepBatch(): Bytes | undefined {
    const nowMs = this.now();
    if (this.intake.empty && nowMs - this.lastUpkeepMs < UPKEEP_MS) return undefined;
    this.lastUpkeepMs = nowMs;
    const command = this.options.upkeep(this.options.logClock.estimateMs());
    if (command === undefined) return undefined;
    const body = new ByteWriter(command.length + 4).bytes(command).take();
    return encodeBatch({ kind: "upkeep", node: this.options.id, session: 0, abandonedFrom: 0, seq: 0, body });
  }
}
