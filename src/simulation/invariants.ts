/**
 * What must always hold, looked at after every step of every node, from outside and with a view of all nodes at once.
 *
 * The observer stands between a node and its parts: it sees what the core is told and says, when the log calls a write
 * durable, what a restart recovers, and what the state machine is given. It only looks; the first broken invariant is kept.
 *
 *   one leader        at most one leader a term (Raft section 5.2, Election Safety)
 *   complete leaders  a leader holds every entry that was committed in an earlier term (Leader Completeness)
 *   one value         an entry that any node takes for committed is the same at every node, for ever (State Machine Safety)
 *   one decree        in a log of slots, what a majority accepted in one ballot is never followed by another (`decrees.ts`)
 *   same members      the membership at an index is the same at every node that has committed so far
 *   durable first     an entry is committed only while a majority says that it is on its disk
 *   durable promises  a vote and an acknowledgement leave a node only when what they promise is on its disk
 *   own term          a leader takes entries for committed only through one of its own term (section 5.4.2; not where
 *                     every leader carries entries on under its own term, see `Protocol.entriesKeepTerm`)
 *   one lease         while a leader's lease holds, nobody leads a later term (thesis section 6.4.1)
 *   current reads     a confirmed read sees everything that any node took for committed before it was asked
 *   durable is kept   what a log called durable is recovered after any crash, unless its disk may decay
 *   equal states      replicas that applied the same prefix have the same digest
 *   one application   every command is applied at one place of the log, and replicas apply in order, each place once
 *   log time          never goes back, and is the same everywhere
 *   monotone          commit and applied index of one process never go back
 */
import type {
  Consensus,
  DurableWrite,
  Effect,
  Entry,
  Index,
  Membership,
  Recovered,
  Role,
  Term,
} from "../consensus/consensus.ts";
import type { ConsensusMessage, Protocol } from "../consensus/protocol.ts";
import type { MessageCodec } from "../engine/group/replica-options.ts";
import type { ReplicaStorage } from "../engine/group/storage.ts";
import { encodeCommand } from "../engine/keyspace/command-codec.ts";
import type { KeyspaceMachine } from "../engine/keyspace/machine.ts";
import type { Scheduler } from "../runtime/simulated/scheduler.ts";
import type { Clock, Logger, NodeId } from "../runtime/world.ts";
import { crc32 } from "node:zlib";
import { Decrees } from "./decrees.ts";

/** An entry that a node took for committed. */
interface Chosen {
  readonly term: Term;
  readonly checksum: number;
  readonly kind: Entry["kind"];
  /** The term in which it was first seen committed. */
  readonly committedInTerm: Term;
  /** In force from here on. */
  readonly members: string;
}

/** What a node's log has called durable. */
interface DurableView {
  term: Term;
  votedFor: NodeId | undefined;
  readonly entries: Map<Index, Term>;
  /**
   * Acknowledged, and damaged since: it still counts, because the floor of the damaged log keeps its node from electing a
   * leader that lacks it (docs/storage.md).
   */
  readonly damaged: Map<Index, Term>;
  snapshotIndex: Index;
  /** Nothing below is kept. */
  compactedBelow: Index;
  /** Writes that are under way: after a crash they may count or not. */
  readonly underWay: Set<DurableWrite>;
}

export class Invariants {
  /** The first broken one, for a person. */
  violation: string | undefined;
  private readonly leaders = new Map<Term, NodeId>();
  private readonly chosen = new Map<Index, Chosen>();
  private readonly digests = new Map<Index, { digest: number; node: NodeId }>();
  private readonly times = new Map<Index, number>();
  private readonly places = new Map<string, string>();
  private readonly durable = new Map<NodeId, DurableView>();
  /** The terms in which running processes hold a lease just now. */
  private readonly leases = new Map<NodeId, () => Term | undefined>();
  private latestTerm: Term = 0;
  private readonly scheduler: Scheduler;
  private readonly protocol: Protocol;
  private readonly decrees: Decrees | undefined;

  /** `voters`: undefined when they may change. */
  constructor(scheduler: Scheduler, protocol: Protocol, voters?: readonly NodeId[]) {
    this.scheduler = scheduler;
    this.protocol = protocol;
    this.decrees = voters && new Decrees(voters);
  }

  /** The highest index that any node took for committed. */
  highestCommitted: Index = 0;
  elections = 0;
  /**
   * When a process began to lead that had heard no entry in its life: it takes log time from its wall clock, which may be
   * wrong (`engine/group/log-clock.ts`). Virtual milliseconds.
   */
  readonly timeJumps: number[] = [];

  fail(what: string): void {
    this.violation ??= `step ${this.scheduler.steps}, ${this.now().toFixed(3)} ms: ${what}`;
  }

  /**
   * Whether a disk that decays lost what it had acknowledged and shows no sign of it: the damage hit the very end of the log
   * in the moment before its seal, and looks like a torn write (docs/storage.md says so). Such a disk is out of service.
   */
  lostUnseen(node: NodeId, recovered: Recovered): boolean {
    return this.lost(node, recovered) !== undefined;
  }

  /** A process has read its disk. `decayed`: the disk may have lost what it called durable. */
  recovered(node: NodeId, recovered: Recovered, decayed: boolean): void {
    const before = this.durable.get(node);
    const lost = decayed ? undefined : this.lost(node, recovered);
    if (lost !== undefined) this.fail(lost);
    const floorIndex = recovered.floor?.index ?? 0;
    const acknowledged = [...(before?.damaged ?? []), ...(before?.entries ?? [])];
    this.durable.set(node, {
      term: recovered.term,
      votedFor: recovered.votedFor,
      entries: new Map(recovered.entries.map((entry) => [entry.index, entry.term])),
      damaged: new Map(acknowledged.filter(([index]) => index <= floorIndex)),
      snapshotIndex: recovered.snapshot?.index ?? 0,
      compactedBelow: recovered.entries[0]?.index ?? (recovered.snapshot?.index ?? 0) + 1,
      underWay: new Set(),
    });
  }

  /** The node lost its data directory: its next one never promised anything. */
  forget(node: NodeId): void {
    this.durable.delete(node);
  }

  /** The process is gone, and its lease with it. */
  ended(node: NodeId): void {
    this.leases.delete(node);
  }

  observeStorage(node: NodeId, storage: ReplicaStorage): ReplicaStorage {
    const view = (): DurableView => this.view(node);
    return {
      append: (write, done) => {
        const mine = view();
        mine.underWay.add(write);
        storage.append(write, () => {
          mine.underWay.delete(write);
          applyWrite(mine, write);
          this.checkDecrees(node, write);
          done();
        });
      },
      compact: (belowIndex) => {
        const mine = view();
        mine.compactedBelow = Math.max(mine.compactedBelow, belowIndex);
        for (const index of mine.entries.keys()) if (index < belowIndex) mine.entries.delete(index);
        storage.compact(belowIndex);
      },
      saveSnapshot: (snapshot, cut, done) => {
        const mine = view();
        storage.saveSnapshot(snapshot, cut, (error, saved) => {
          if (saved !== undefined) mine.snapshotIndex = Math.max(mine.snapshotIndex, saved.index);
          done(error, saved);
        });
      },
      readChunk: (snapshot, offset, length) => storage.readChunk(snapshot, offset, length),
      storeChunk: (snapshot, offset, chunk, done) => storage.storeChunk(snapshot, offset, chunk, done),
      adoptSnapshot: (snapshot, done) => {
        const mine = view();
        storage.adoptSnapshot(snapshot, (content) => {
          // Durable in its own file, before the log's mark says so.
          if (content !== undefined) mine.snapshotIndex = Math.max(mine.snapshotIndex, snapshot.index);
          done(content);
        });
      },
      refusing: () => storage.refusing(),
      stalled: () => storage.stalled(),
      diskBytes: () => storage.diskBytes(),
      pinnedBytes: () => storage.pinnedBytes(),
    };
  }

  /** The nodes compare their states themselves: they must find nothing, as this observer does. */
  observeLogger(node: NodeId, logger: Logger): Logger {
    return {
      log: (level, event, fields) => {
        if (event === "replicas diverged") {
          this.fail(`${node} found another state than its own after entry ${String(fields?.["index"])}`);
        }
        logger.log(level, event, fields);
      },
    };
  }

  observeConsensus<Message>(
    node: NodeId,
    core: Consensus<Message>,
    machine: Pick<KeyspaceMachine, "digest">,
    clock: Clock,
  ): Consensus<Message> {
    this.leases.set(node, () => (core.leaseHolds(clock.monotonicMs()) ? core.status(0).term : undefined));
    let commitIndex = 0;
    let appliedIndex = 0;
    let term = 0;
    let role: Role = "follower";
    let heardEntry = false;
    let leading = false;
    const asked = new Map<number, Index>();
    const look = (effect: Effect<Message>): void => {
      if (effect.type === "role") {
        if (effect.term < term) this.fail(`${node} went from term ${term} back to ${effect.term}`);
        term = effect.term;
        role = effect.role;
        if (effect.role === "leader") this.onLeader(node, effect.term, core);
        leading = false; // Until the next turn: what it learned as a follower may be told in this one.
        if (effect.role === "leader" && !heardEntry) this.timeJumps.push(this.now());
      } else if (effect.type === "write") {
        // What a candidate stores is of earlier leaders, and tells nothing of the present.
        const isLive = role !== "candidate" && role !== "precandidate";
        heardEntry ||= isLive && (effect.write.entries?.some((entry) => entry.kind === "command") ?? false);
      } else if (effect.type === "commit") {
        if (effect.upTo < commitIndex)
          this.fail(`commit of ${node} went from ${commitIndex} to ${effect.upTo}`);
        for (let index = commitIndex + 1; index <= effect.upTo; index++) this.onCommit(node, index, core);
        if (leading) this.checkOwnTerm(node, effect.upTo, core);
        commitIndex = Math.max(commitIndex, effect.upTo);
      } else if (effect.type === "read") {
        const least = asked.get(effect.id) ?? 0;
        asked.delete(effect.id);
        if (effect.index < least) {
          this.fail(`${node} confirmed a read at ${effect.index}, asked when ${least} was committed`);
        }
      } else if (effect.type === "readFailed") {
        asked.delete(effect.id);
      }
    };
    return {
      step: (input, nowMs) => {
        if (input.type === "applied") {
          if (input.index < appliedIndex)
            this.fail(`applied of ${node} went from ${appliedIndex} to ${input.index}`);
          appliedIndex = input.index;
          this.onApplied(node, input.index, machine.digest());
        }
        if (input.type === "read") asked.set(input.id, this.highestCommitted);
        core.step(input, nowMs);
        if (leading) this.checkLease(node);
      },
      drain: () => {
        const effects = core.drain();
        for (const effect of effects) look(effect);
        leading = core.status(0).role === "leader";
        return effects;
      },
      status: (nowMs) => core.status(nowMs),
      accepts: (bytes) => core.accepts(bytes),
      leaseHolds: (nowMs) => core.leaseHolds(nowMs),
      entry: (index) => core.entry(index),
      membershipAt: (index) => core.membershipAt(index),
    };
  }

  /** Watches what leaves a node: its promises must be on its disk by then. */
  observedCodec(node: NodeId): MessageCodec<ConsensusMessage> {
    const { protocol } = this;
    return {
      encode: (message) => {
        const view = this.view(node);
        const claim = protocol.claim(message);
        if (claim?.type === "vote" && !hasVoted(view, claim.term)) {
          this.fail(`${node} grants a vote in term ${claim.term}, which is not on its disk`);
        }
        if (claim?.type === "log" && !holds(view, claim.upTo)) {
          this.fail(`${node} acknowledges entry ${claim.upTo}, which is not on its disk`);
        }
        return protocol.encode(message);
      },
      decode: (bytes) => protocol.decode(bytes),
      withChunk: (message, chunk) => protocol.withChunk(message, chunk),
    };
  }

  /** Watches what the machine is given. `unique`: true for a command that clients issue once in the whole run. */
  observeMachine(node: NodeId, machine: KeyspaceMachine, unique: (text: string) => boolean): void {
    let last = { index: 0, position: -1, timeMs: 0 };
    const apply = machine.apply.bind(machine);
    const restore = machine.restore.bind(machine);
    machine.restore = (chunks) => {
      restore(chunks);
      last = { index: 0, position: -1, timeMs: 0 };
    };
    machine.apply = (command, at) => {
      const inOrder = at.index > last.index || (at.index === last.index && at.position > last.position);
      if (!inOrder)
        this.fail(`${node} applied ${at.index}.${at.position} after ${last.index}.${last.position}`);
      if (at.timeMs < last.timeMs) this.fail(`log time at ${node} went from ${last.timeMs} to ${at.timeMs}`);
      const known = this.times.get(at.index);
      if (known === undefined) this.times.set(at.index, at.timeMs);
      else if (known !== at.timeMs) this.fail(`entry ${at.index} has the times ${known} and ${at.timeMs}`);
      last = { index: at.index, position: at.position, timeMs: at.timeMs };
      const text = encodeCommand(command).toString("latin1");
      if (unique(text)) this.onUnique(node, text, `${at.index}.${at.position}`);
      return apply(command, at);
    };
  }

  private now(): number {
    return this.scheduler.nowMs;
  }

  private onUnique(node: NodeId, text: string, place: string): void {
    const known = this.places.get(text);
    if (known === undefined) this.places.set(text, place);
    else if (known !== place) {
      this.fail(
        `${node} applied a command at ${place} that was applied at ${known}: ${JSON.stringify(text)}`,
      );
    }
  }

  private onLeader<Message>(node: NodeId, term: Term, core: Consensus<Message>): void {
    const other = this.leaders.get(term);
    if (other === node) return;
    if (other !== undefined) this.fail(`term ${term} has two leaders: ${other} and ${node}`);
    this.leaders.set(term, node);
    this.latestTerm = Math.max(this.latestTerm, term);
    for (const holder of this.leases.keys()) this.checkLease(holder);
    this.elections++;
    const { firstIndex, lastIndex } = core.status(0);
    for (const [index, chosen] of this.chosen) {
      if (index < firstIndex || chosen.committedInTerm >= term) continue;
      const entry = index > lastIndex ? undefined : core.entry(index);
      if (entry === undefined || !this.isChosen(entry, chosen)) {
        this.fail(
          `${node} leads term ${term} with ${entry === undefined ? "nothing" : `an entry of term ${entry.term}`} ` +
            `at ${index}, where an entry of term ${chosen.term} was committed in term ${chosen.committedInTerm}`,
        );
        return;
      }
    }
  }

  private onCommit<Message>(node: NodeId, index: Index, core: Consensus<Message>): void {
    this.highestCommitted = Math.max(this.highestCommitted, index);
    const entry = core.entry(index);
    if (entry === undefined) return; // Known by a snapshot.
    const known = this.chosen.get(index);
    const checksum = crc32(entry.payload);
    const members = describeMembers(core.membershipAt(index));
    // Below its snapshot a node does not know any more where each membership began.
    const isAlike =
      known === undefined || known.members === members || index <= this.view(node).snapshotIndex;
    if (!isAlike)
      this.fail(`${node} has the members ${members} at ${index}, where others have ${known?.members}`);
    if (known === undefined) {
      const status = core.status(0);
      const { kind, term } = entry;
      this.chosen.set(index, { term, checksum, kind, committedInTerm: status.term, members });
      this.checkDurableFirst(node, entry, [status.membership, core.membershipAt(index)]);
    } else if (!this.isChosen(entry, known)) {
      this.fail(
        `${node} took another entry for committed at ${index}: ` +
          `term ${entry.term} ${entry.kind} instead of term ${known.term} ${known.kind}`,
      );
    }
  }

  private checkDecrees(node: NodeId, { slots, entries }: DurableWrite): void {
    if (slots !== true || entries === undefined) return;
    const index = this.decrees?.accepted(node, entries);
    if (index !== undefined)
      this.fail(`a second value was chosen in slot ${index}, accepted last by ${node}`);
  }

  /** Whether this is the entry that was chosen for its place. */
  private isChosen(entry: Entry, chosen: Chosen): boolean {
    if (this.protocol.entriesKeepTerm && entry.term !== chosen.term) return false;
    return entry.kind === chosen.kind && crc32(entry.payload) === chosen.checksum;
  }

  /** Whether a disk with an entry of `held` at a place still has what was accepted there in `term`. */
  private keeps(held: Term | undefined, term: Term): boolean {
    return held === term || (held !== undefined && held > term && !this.protocol.entriesKeepTerm);
  }

  private checkLease(holder: NodeId): void {
    const term = this.leases.get(holder)?.();
    if (term === undefined || term >= this.latestTerm) return;
    this.fail(
      `${holder} holds a lease of term ${term} while ${this.leaders.get(this.latestTerm)} leads term ${this.latestTerm}`,
    );
  }

  private checkOwnTerm<Message>(node: NodeId, upTo: Index, core: Consensus<Message>): void {
    const { role, term } = core.status(0);
    const entry = core.entry(upTo);
    if (role !== "leader" || entry === undefined || entry.term === term) return;
    if (!this.protocol.entriesKeepTerm) return;
    this.fail(`${node}, leader of term ${term}, committed up to ${upTo}, an entry of term ${entry.term}`);
  }

  /** `memberships`: that of now and, since acknowledgements may have come before a change, that of the entry itself. */
  private checkDurableFirst(node: NodeId, entry: Entry, memberships: readonly Membership[]): void {
    const holds = (voter: NodeId): boolean => {
      const view = this.durable.get(voter);
      if (view === undefined) return false;
      if (view.snapshotIndex >= entry.index || this.keeps(view.entries.get(entry.index), entry.term))
        return true;
      return this.keeps(view.damaged.get(entry.index), entry.term);
    };
    const majority = (voters: readonly NodeId[]): boolean =>
      voters.length === 0 || voters.filter(holds).length * 2 > voters.length;
    if (memberships.some(({ voters, outgoing }) => majority(voters) && majority(outgoing))) return;
    const voters = memberships[0]?.voters ?? [];
    this.fail(
      `${node} committed entry ${entry.index} of term ${entry.term}, which is durable only at ` +
        `[${voters.filter(holds).join()}] of the voters [${voters.join()}]`,
    );
  }

  private onApplied(node: NodeId, index: Index, digest: number): void {
    const known = this.digests.get(index);
    if (known === undefined) this.digests.set(index, { digest, node });
    else if (known.digest !== digest) {
      this.fail(`after entry ${index}, the states of ${known.node} and ${node} differ`);
    }
  }

  /** What a disk had made durable, does not have any more, and does not miss by its floor. */
  private lost(node: NodeId, recovered: Recovered): string | undefined {
    const before = this.durable.get(node);
    if (before === undefined) return undefined;
    if (recovered.term < before.term) {
      return `${node} had made term ${before.term} durable and recovered term ${recovered.term}`;
    }
    const sameVote = recovered.votedFor === before.votedFor || before.votedFor === undefined;
    if (recovered.term === before.term && !sameVote) {
      return `${node} had voted for ${before.votedFor} in term ${before.term} and recovered another vote`;
    }
    const floorIndex = recovered.floor?.index ?? 0;
    const snapshotIndex = recovered.snapshot?.index ?? 0;
    const found = new Map(recovered.entries.map((entry) => [entry.index, entry.term]));
    // An older snapshot, or none, stands in for one that rotted as long as the log still has every entry after it.
    for (let index = Math.max(snapshotIndex, floorIndex) + 1; index <= before.snapshotIndex; index++) {
      if (found.has(index)) continue;
      return `${node} had a snapshot at ${before.snapshotIndex}, recovered one at ${snapshotIndex}, and misses entry ${index}`;
    }
    // What a write under way was about to replace may be gone.
    let sureBelow = Infinity;
    for (const write of before.underWay) {
      // What replaces a slot is of a later ballot; nothing else goes.
      if (write.slots === true) continue;
      sureBelow = Math.min(sureBelow, write.entries?.[0]?.index ?? Infinity);
      if (write.snapshot !== undefined) sureBelow = Math.min(sureBelow, write.snapshot.index + 1);
    }
    for (const [index, term] of before.entries) {
      if (index >= sureBelow || index <= snapshotIndex || index < before.compactedBelow) continue;
      if (index <= floorIndex || this.keeps(found.get(index), term)) continue;
      return `${node} had made entry ${index} of term ${term} durable and recovered ${found.get(index) ?? "nothing"}`;
    }
    return undefined;
  }

  private view(node: NodeId): DurableView {
    let view = this.durable.get(node);
    if (view === undefined) {
      view = {
        term: 0,
        votedFor: undefined,
        entries: new Map(),
        damaged: new Map(),
        snapshotIndex: 0,
        compactedBelow: 1,
        underWay: new Set(),
      };
      this.durable.set(node, view);
    }
    return view;
  }
}

function describeMembers({ voters, outgoing, learners }: Membership): string {
  return [voters, outgoing, learners].map((ids) => ids.join()).join("/");
}

function hasVoted(view: DurableView, term: Term): boolean {
  return view.term > term || (view.term === term && view.votedFor !== undefined);
}

function holds(view: DurableView, index: Index): boolean {
  return index <= view.snapshotIndex || index < view.compactedBelow || view.entries.has(index);
}

function applyWrite(view: DurableView, write: DurableWrite): void {
  if (write.floor === "reached") view.damaged.clear();
  if (write.afresh === true) {
    view.entries.clear();
    view.snapshotIndex = 0;
    view.compactedBelow = 1;
  }
  if (write.ballot !== undefined) {
    view.term = write.ballot.term;
    view.votedFor = write.ballot.votedFor;
  }
  if (write.snapshot !== undefined) {
    const { index: snapshotIndex, term } = write.snapshot;
    view.snapshotIndex = Math.max(view.snapshotIndex, snapshotIndex);
    // Entries that follow the snapshot stay (Raft section 7); others are dropped.
    const follows = view.entries.get(snapshotIndex) === term;
    const stay = follows || write.slots === true;
    for (const index of view.entries.keys()) if (!stay || index <= snapshotIndex) view.entries.delete(index);
  }
  const first = write.entries?.[0];
  if (first === undefined) return;
  const cut = write.slots === true ? Number.POSITIVE_INFINITY : first.index;
  for (const index of view.entries.keys()) if (index >= cut) view.entries.delete(index);
  for (const entry of write.entries ?? []) view.entries.set(entry.index, entry.term);
}
