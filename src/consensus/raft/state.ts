/** What a Raft node knows, and the few acts that everything else is made of: change the log, open a write, send. */
import { assert } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import type {
  ConsensusOptions,
  Effect,
  Entry,
  Floor,
  Index,
  Membership,
  Role,
  SnapshotMeta,
  Term,
} from "../consensus.ts";
import type { DurableWrite } from "../consensus.ts";
import type { Durability } from "../durability.ts";
import type { FailureDetector, TickGauge } from "../failure-detector.ts";
import type { Lease } from "../lease.ts";
import type { Log } from "../log.ts";
import { decodeMembership, isMeant, type MembershipGoal, type MembershipHistory } from "../membership.ts";
import type { RaftMessage } from "../message.ts";
import type { Progress } from "../progress.ts";
import { isVoter, type VoterSets } from "../quorum.ts";
import type { ReadBarrier } from "../read-barrier.ts";
import type { SnapshotReceiver } from "../snapshot-transfer.ts";

export type RaftEffect = Effect<RaftMessage>;

/** What only a leader has; a new one for each leadership. */
export interface Leadership {
  /** Everyone who is served: members, and removed ones until they know. */
  readonly peers: Map<NodeId, Progress>;
  readonly barrier: ReadBarrier;
  readonly lease: Lease;
  /** The first entry of this leadership: nothing is certain before it is committed. */
  readonly noopIndex: Index;
  uncommittedBytes: number;
  /** All peers are to hear of the newest commit with this drain. */
  announcing: boolean;
  heartbeatSentMs: number;
  transfer: Transfer | undefined;
  change: MembershipChange | undefined;
}

export interface Transfer {
  readonly to: NodeId;
  readonly startedMs: number;
  toldToCampaign: boolean;
}

export interface MembershipChange {
  readonly id: number;
  readonly goal: MembershipGoal;
  readonly before: Membership;
  step: "learn" | "switch" | "undo";
  refused: string | undefined;
  /** For each newcomer: the round of catching up that it is in (thesis section 4.2.1). */
  readonly rounds: Map<NodeId, { readonly endIndex: Index; readonly startMs: number }>;
}

export interface Candidacy {
  readonly votes: Map<NodeId, boolean>;
  /** When to try again. */
  readonly deadlineMs: number;
  /** The write that holds the term and the vote for itself. */
  readonly writeId: number;
}

/** Reads of this node that wait at the leader, under one attempt id. */
export interface ForwardedReads {
  readonly ids: readonly number[];
  readonly sentMs: number;
}

export interface Raft {
  readonly options: ConsensusOptions;
  readonly id: NodeId;
  nowMs: number;

  role: Role;
  term: Term;
  votedFor: NodeId | undefined;
  leader: NodeId | undefined;

  readonly log: Log;
  readonly history: MembershipHistory;
  /** In force: the latest of the history. */
  membership: Membership;
  commitIndex: Index;
  /** What the driver was told. */
  commitTold: Index;
  appliedIndex: Index;
  /** The newest local snapshot. */
  snapshot: SnapshotMeta | undefined;
  /** Compact up to here once no peer pins the log. */
  compactWanted: Index;

  /** No membership that names this life of the node is known yet: it has no say. */
  newcomer: boolean;
  /** The log held a membership that names this life of the node. */
  named: boolean;
  /** How far the log must reach again before this node may campaign; set while lost entries are fetched. */
  floor: Floor | undefined;

  readonly durability: Durability;
  /** The content of the open write. */
  write: { -readonly [Part in keyof DurableWrite]: DurableWrite[Part] };
  effects: RaftEffect[];

  // As a follower.
  readonly detector: FailureDetector;
  /** When a leader was last heard, whichever it was. */
  leaderHeardMs: number;
  readonly ticks: TickGauge;
  /** Chance of this wait: the fraction of the timeout that is added to it. */
  jitter: number;
  /** The wait was restarted because this node was away; only once until the leader is heard again. */
  waitRestarted: boolean;
  /** The link to the leader broke: campaign at this time unless it is heard before. */
  suspectedAtMs: number | undefined;
  /** No vote before this time: the promise of the last incarnation to a leader's lease. */
  votesFromMs: number;
  /** The log agrees with the leader's up to here. */
  verifiedIndex: Index;
  /** The newest commit index that a leader named. */
  leaderCommit: Index;
  /** The leader gets an acknowledgement at the end of the turn. */
  replyDue: boolean;
  unsentReads: number[];
  readonly forwarded: Map<number, ForwardedReads>;
  lastAttempt: number;
  receiver: SnapshotReceiver | undefined;

  candidacy: Candidacy | undefined;
  leadership: Leadership | undefined;
  /** The newest round of heartbeats of this node, over all its leaderships. */
  lastRound: number;
}

export function send(raft: Raft, to: NodeId, message: RaftMessage, after = 0): void {
  raft.effects.push({ type: "send", to, message, after });
}

/** The open write of this turn. */
function openWrite(raft: Raft): void {
  if (!raft.durability.change()) return;
  raft.write = {};
  // It stands before every message that waits for it; `drain` fills it in.
  raft.effects.push({ type: "write", id: raft.durability.newestId, write: raft.write });
}

/** Fixes the content of this turn's write, if there is one. */
export function sealWrite(raft: Raft): void {
  const { durability, write } = raft;
  if (!durability.isOpen) return;
  if (durability.floorReached) write.floor = "reached";
  if (durability.ballotChanged) write.ballot = { term: raft.term, votedFor: raft.votedFor };
  if (durability.firstChanged > 0) write.entries = raft.log.tail(durability.firstChanged);
  if (durability.snapshot !== undefined) write.snapshot = durability.snapshot;
  durability.seal(raft.log.lastIndex, raft.nowMs);
}

export function setBallot(raft: Raft, term: Term, votedFor: NodeId | undefined): void {
  assert(term >= raft.term, `term would go back from ${raft.term} to ${term}`);
  assert(
    term > raft.term || raft.votedFor === undefined || raft.votedFor === votedFor,
    "a second vote in a term",
  );
  raft.term = term;
  raft.votedFor = votedFor;
  openWrite(raft);
  raft.durability.ballotChanged = true;
}

/** Peers whose clients wait for an entry hear of its commit at once; without `by`, all do. */
export function awaitCommit(leadership: Leadership, index: Index, by?: readonly NodeId[]): void {
  for (const peer of leadership.peers.values()) {
    if (by === undefined || by.includes(peer.id)) peer.awaitedIndex = Math.max(peer.awaitedIndex, index);
  }
}

export function appendEntry(raft: Raft, entry: Entry): void {
  raft.log.append(entry);
  openWrite(raft);
  raft.durability.entriesChanged(entry.index);
  if (entry.kind !== "membership") return;
  const { index, term } = entry;
  raft.history.append({ index, term, membership: decodeMembership(entry.payload) });
  adoptMembership(raft);
}

/** Removes a suffix that a leader contradicted. What is committed never is. */
export function truncateLog(raft: Raft, from: Index): void {
  assert(from > raft.commitIndex, `truncation at ${from} would undo the commit of ${raft.commitIndex}`);
  raft.log.truncateFrom(from);
  raft.durability.truncated(from);
  openWrite(raft);
  raft.durability.entriesChanged(from);
  if (raft.history.truncateFrom(from)) adoptMembership(raft);
}

/** The log now goes on after an installed snapshot. */
export function startAfterSnapshot(raft: Raft, snapshot: SnapshotMeta): void {
  const { log, durability, history } = raft;
  if (log.term(snapshot.index) === snapshot.term) {
    // The suffix agrees with the snapshot and may be the only other copy of a committed entry: it stays.
    log.compactTo(snapshot.index);
    history.compactTo(snapshot.index);
  } else {
    log.reset(snapshot.index, snapshot.term);
    durability.truncated(snapshot.index + 1);
    durability.firstChanged = 0;
    history.reset({ index: snapshot.index, term: snapshot.term, membership: snapshot.membership });
    adoptMembership(raft);
  }
  durability.stableIndex = Math.max(durability.stableIndex, snapshot.index);
  recordSnapshot(raft, snapshot);
}

/** Tells the disk that its log starts after `snapshot`. */
export function recordSnapshot(raft: Raft, snapshot: SnapshotMeta): void {
  openWrite(raft);
  raft.durability.snapshot = snapshot;
}

/**
 * Ends the recovery once the log is as far as it ever was. That is recorded in the write that holds the entries which took it
 * there: so there is no moment at which the disk has forgotten the floor and does not reach it.
 */
export function settleFloor(raft: Raft): void {
  const { floor, log } = raft;
  if (floor === undefined || !reaches(log.lastTerm, log.lastIndex, floor)) return;
  raft.floor = undefined;
  openWrite(raft);
  raft.durability.floorReached = true;
}

/** Compares the ends of logs (Raft section 5.4.1): the later last term wins; with equal terms the longer log does. */
export function reaches(lastTerm: Term, lastIndex: Index, { term, index }: Floor): boolean {
  return lastTerm > term || (lastTerm === term && lastIndex >= index);
}

function adoptMembership(raft: Raft): void {
  raft.membership = raft.history.latest.membership;
  if (!raft.named && isNamed(raft, raft.membership)) {
    raft.named = true;
    raft.newcomer = false;
  }
  raft.effects.push({ type: "membership", membership: raft.membership });
  if (raft.role !== "follower" && raft.role !== "learner") return;
  const role = idleRole(raft);
  if (role === raft.role) return;
  raft.role = role;
  tellRole(raft);
}

/** What this node is when it does not campaign or lead. */
export function idleRole(raft: Raft): "follower" | "learner" {
  return !raft.newcomer && isVotingMember(raft, raft.membership) ? "follower" : "learner";
}

/** True when a membership names this life of the node, by its identity. */
export function isNamed({ id, options }: Raft, membership: Membership): boolean {
  return options.identity !== undefined && membership.identities?.[id] === options.identity;
}

function isVotingMember({ id, options }: Raft, membership: Membership): boolean {
  return isVoter(membership, id) && isMeant(membership, id, options.identity);
}

/**
 * False for a newcomer. Whatever asks for its vote may take it for its last life, which may have voted in the same term, or
 * have acknowledged what the candidate lacks. Its log then ends before the entry that took the vote from that life; once
 * it holds the entry that names this one, its log is a judge of candidates like any other (Raft section 5.4.1).
 */
export function mayVote(raft: Raft): boolean {
  return !raft.newcomer || raft.options.mutant === "newcomer-votes"; // mutant
}

/**
 * A voter may campaign; so may one that the latest membership removes, as long as that is not known to be committed: its
 * log may be longer than that of the remaining voters, who then could not win without it (thesis section 4.2.2).
 * One that lost entries which it acknowledged may not: nobody could tell that they are missing from its log.
 */
export function mayCampaign(raft: Raft): boolean {
  if (raft.floor !== undefined && raft.options.mutant !== "ignore-floor") return false; // mutant
  if (raft.newcomer) return false;
  if (isVotingMember(raft, raft.membership)) return true;
  const { index } = raft.history.latest;
  return index > raft.commitIndex && isVotingMember(raft, raft.history.at(index - 1));
}

export function tellRole(raft: Raft): void {
  raft.effects.push({ type: "role", role: raft.role, term: raft.term, leader: raft.leader });
}

/** Whose votes and acknowledgements count now. */
export function voterSets(raft: Raft): VoterSets {
  const { membership } = raft;
  if (raft.options.mutant === "count-learner-in-quorum") {
    return { ...membership, voters: [...membership.voters, ...membership.learners] }; // mutant
  }
  return membership;
}

/** Raises the commit index; the driver is told at the end of the turn. */
export function commitTo(raft: Raft, index: Index): void {
  if (index <= raft.commitIndex) return;
  assert(index <= raft.log.lastIndex, `commit of ${index} past the end ${raft.log.lastIndex}`);
  raft.commitIndex = index;
}
