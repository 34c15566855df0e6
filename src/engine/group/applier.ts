/**
 * Applies chosen entries to the state machine, in order, in slices of a few milliseconds.
 *
 * It is the only writer of the replicated state: the machine, the session table and the time of the last entry, which
 * together form a snapshot. Commands of this node's own clients are applied from the values that were parsed at the
 * socket and answered here; everyone else's are decoded from the log.
 */
import type { Entry, Index } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { assert } from "../../runtime/errors.ts";
import type { Clock, NodeId } from "../../runtime/world.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { Batch } from "./batch.ts";
import { commandsOf, openEntry, sealedTimeMs } from "./batch.ts";
import { SessionTable } from "./session-table.ts";
import type { SnapshotCut, StateMachine } from "./state-machine.ts";
import { CutEnded } from "./state-machine.ts";
import type { Submission } from "./submission.ts";

/** The loop is never held longer than this by applying. */
const SLICE_MS = 8;
/** Commands that the machine is shown before it applies them: what they need together must still fit the near caches. */
const FORESEEN = 64;
/** The first entry of each such interval of log time: all replicas see the same log time, and so pick the same entries. */
const COMPARE_EVERY_MS = 1000;

/** What the applier tells the replica, besides answering clients. */
export interface ApplierEvents {
  /** A batch was refused because an earlier one of its session is missing. */
  gap(node: NodeId, session: number): void;
  /** An entry was applied after which every replica notes the digest of its state. */
  compared(index: Index, digest: number): void;
}

export interface ApplierOptions<Command, Reply> {
  readonly self: NodeId;
  readonly machine: StateMachine<Command, Reply>;
  /** Holds the commands of this node's own clients, and whom to answer. */
  readonly submission: Pick<Submission<Command, Reply>, "applied" | "registered" | "restored">;
  readonly events: ApplierEvents;
  readonly clock: Clock;
  /** Deliberate bug for the simulator: snapshots forget the session table. */
  readonly forgetSessionsInSnapshot: boolean;
}

export class Applier<Command, Reply> {
  readonly sessions: SessionTable = new SessionTable();
  private readonly options: ApplierOptions<Command, Reply>;
  private lastTimeMs = 0;
  private position = 0;
  /** An entry is applied half. */
  private applying = false;
  /** How many states have taken the place of another. */
  private restored = 0;
  appliedIndex: Index = 0;

  constructor(options: ApplierOptions<Command, Reply>) {
    this.options = options;
  }

  /** The log time of the last applied entry. */
  get timeMs(): number {
    return this.lastTimeMs;
  }

  /** The log time of the newest entry in the log, which ends at `lastIndex`, applied or not. */
  newestTimeMs(lastIndex: Index, entry: (index: Index) => Entry | undefined): number {
    let newestMs = this.lastTimeMs;
    for (let index = lastIndex; index > this.appliedIndex; index--) {
      const next = entry(index);
      if (next?.kind === "command") newestMs = Math.max(newestMs, sealedTimeMs(next.payload));
    }
    return newestMs;
  }

  /** Applies entries up to `commitIndex` until the slice is used up; true when more is left. */
  run(commitIndex: Index, entry: (index: Index) => Entry | undefined): boolean {
    const startedMs = this.options.clock.monotonicMs();
    while (this.appliedIndex < commitIndex) {
      const next = entry(this.appliedIndex + 1);
      if (next === undefined) return false; // A snapshot is on its way to replace this gap.
      this.apply(next);
      if (this.options.clock.monotonicMs() - startedMs > SLICE_MS) return this.appliedIndex < commitIndex;
    }
    return false;
  }

  /** The replicated state after `appliedIndex`: a first chunk with times and sessions, then the machine's own. */
  snapshot(): SnapshotCut {
    assert(!this.applying, "a snapshot in the middle of an entry");
    const { restored } = this;
    const writer = new ByteWriter().double(this.lastTimeMs);
    const sessions = this.options.forgetSessionsInSnapshot ? new SessionTable() : this.sessions;
    sessions.write(writer);
    let head: Bytes | undefined = writer.take();
    const machine = this.options.machine.snapshot();
    return {
      next: (maxBytes) => {
        if (this.restored !== restored) throw new CutEnded("the state was replaced");
        if (head === undefined) return machine.next(maxBytes);
        const first = head;
        head = undefined;
        return first;
      },
      close: () => machine.close(),
    };
  }

  restore(index: Index, content: Iterable<Bytes>): void {
    this.restored++;
    const chunks = content[Symbol.iterator]();
    const head = chunks.next();
    if (head.done === true) throw new Error("an empty snapshot");
    const reader = new ByteReader(head.value);
    this.lastTimeMs = reader.double();
    this.sessions.read(reader);
    this.options.machine.restore({ [Symbol.iterator]: () => chunks });
    this.appliedIndex = index;
    this.options.submission.restored(this.sessions.get(this.options.self));
  }

  private apply(entry: Entry): void {
    this.appliedIndex = entry.index;
    if (entry.kind !== "command") return;
    const { timeMs, batches } = openEntry(entry.payload);
    const before = this.lastTimeMs;
    this.lastTimeMs = Math.max(before, timeMs);
    this.position = 0;
    this.applying = true;
    for (const batch of batches) this.applyBatch(batch, entry.index);
    this.applying = false;
    if (Math.floor(this.lastTimeMs / COMPARE_EVERY_MS) > Math.floor(before / COMPARE_EVERY_MS)) {
      this.options.events.compared(entry.index, this.options.machine.digest());
    }
  }

  private applyBatch(batch: Batch, index: Index): void {
    if (batch.kind === "register") {
      this.sessions.register(batch, index);
      const { self, submission } = this.options;
      if (batch.node === self) submission.registered(this.sessions.get(self));
      return;
    }
    if (batch.kind === "commands") {
      const admission = this.sessions.admit(batch);
      if (admission === "gap") this.options.events.gap(batch.node, batch.session);
      if (admission !== "apply") return;
      if (batch.node === this.options.self && this.applyOwn(batch, index)) return;
    }
    const commands = commandsOf(batch.body, (bytes) => this.options.machine.decode(bytes));
    this.applyAll(commands, index, () => undefined);
  }

  private applyOwn({ session, seq }: Batch, index: Index): boolean {
    const own = this.options.submission.applied(session, seq);
    if (own === undefined) return false;
    this.applyAll(own.commands, index, (reply, at) => own.dones[at]?.(reply, undefined));
    return true;
  }

  private applyAll(
    commands: readonly Command[],
    index: Index,
    answer: (reply: Reply, at: number) => void,
  ): void {
    const { machine } = this.options;
    for (let start = 0; start < commands.length; start += FORESEEN) {
      const next = commands.length <= FORESEEN ? commands : commands.slice(start, start + FORESEEN);
      machine.foresee?.(next);
      for (let at = 0; at < next.length; at++) answer(this.applyCommand(next[at]!, index), start + at);
    }
  }

  private applyCommand(command: Command, index: Index): Reply {
    const position = this.position++;
    const seed = mix(index, position);
    return this.options.machine.apply(command, { index, position, timeMs: this.lastTimeMs, seed });
  }
}

/** 32 well mixed bits of an entry's index and a command's position (the finaliser of MurmurHash3). */
function mix(index: number, position: number): number {
  let bits =
    (index ^
      Math.imul(Math.floor(index / 0x1_0000_0000), 0x9e3779b1) ^
      Math.imul(position + 1, 0x85ebca6b)) >>>
    0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
