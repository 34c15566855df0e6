/** What a node knows, and the few acts that everything else is made of: change the log, open a write, send. */
import { assert } from "../runtime/errors.ts";
import type { NodeId } from "../runtime/world.ts";
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
} from "./consensus.ts";
import type { DurableWrite } from "./consensus.ts";
import type { Durability } from "./durability.ts";
import type { FailureDetector, TickGauge } from "./failure-detector.ts";
import type { Log } from "./log.ts";
import { decodeMembership, isMeant, isSuccessor, type MembershipHistory } from "./membership.ts";
import type { SharedMessage } from "./message.ts";
import type { Candidacy, ForwardedReads, Leadership } from "./offices.ts";
import type { Policy, PolicyMessage } from "./policy.ts";
import { isVoter } from "./quorum.ts";
import type { SnapshotReceiver } from "./snapshot-transfer.ts";

export type CoreMessage = SharedMessage | PolicyMessage;
export type CoreEffect = Effect<CoreMessage>;

export interface Core {
  readonly policy: Policy;
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
  effects: CoreEffect[];

  // As a follower.
  readonly detector: FailureDetector;
  /** When a leader was last heard, whichever it was. */
  leaderHeardMs: number;
  /** The latest term whose leader this node heard, or was. */
  ledTerm: Term;
  readonly ticks: TickGauge;
  /** Chance of this wait: the fraction of the timeout that is added to it. */
  jitter: number;
  /** The wait was restarted because this node was away; only once until the leader is heard again. */
  waitRestarted: boolean;
  /** The link to the leader broke: campaign at this time unless it is heard before. */
  suspectedAtMs: number | undefined;
  /** No vote before this time: the promise of the last incarnation to a leader's lease. */
  votesFromMs: number;
  /** The log agrees with the leader's up to here, without a gap. */
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

export function send(core: Core, to: NodeId, message: CoreMessage, after = 0): void {
  core.effects.push({ type: "send", to, message, after });
}

/** The open write of this turn. */
export function openWrite(core: Core): void {
  if (!core.durability.change()) return;
  core.write = {};
  // It stands before every message that waits for it; `drain` fills it in.
  core.effects.push({ type: "write", id: core.durability.newestId, write: core.write });
}

/** Fixes the content of this turn's write, if there is one. */
export function sealWrite(core: Core): void {
  const { durability, write } = core;
  if (!durability.isOpen) return;
  if (durability.floorReached) write.floor = "reached";
  if (durability.ballotChanged) write.ballot = { term: core.term, votedFor: core.votedFor };
  if (durability.firstChanged > 0) {
    write.entries = core.log.range(durability.firstChanged, durability.lastChanged);
  }
  if (durability.snapshot !== undefined) write.snapshot = durability.snapshot;
  core.policy.sealWrite(core);
  durability.seal(core.policy.vouchedIndex(core), core.nowMs);
}

export function setBallot(core: Core, term: Term, votedFor: NodeId | undefined): void {
  assert(term >= core.term, `term would go back from ${core.term} to ${term}`);
  assert(
    term > core.term || core.votedFor === undefined || core.votedFor === votedFor,
    "a second vote in a term",
  );
  const entering = term > core.term;
  core.term = term;
  core.votedFor = votedFor;
  openWrite(core);
  core.durability.ballotChanged = true;
  if (entering) core.policy.enterTerm(core);
}

/** Peers whose clients wait for an entry hear of its commit at once; without `by`, all do. */
export function awaitCommit(leadership: Leadership, index: Index, by?: readonly NodeId[]): void {
  for (const peer of leadership.peers.values()) {
    if (by === undefined || by.includes(peer.id)) peer.awaitedIndex = Math.max(peer.awaitedIndex, index);
  }
}

/** Appends an entry of a leader, this node or another. */
export function appendEntry(core: Core, entry: Entry): void {
  core.log.append(entry);
  openWrite(core);
  core.durability.entriesChanged(entry.index, entry.index);
  noteMembership(core, entry);
}

/** A membership is in force from where it stands in the log on; one that does not follow the last one changes nothing. */
export function noteMembership(core: Core, { index, term, kind, payload }: Entry): void {
  if (kind !== "membership") return;
  const membership = decodeMembership(payload);
  if (!isSuccessor(core.membership, membership)) return;
  core.history.append({ index, term, membership });
  adoptMembership(core);
}

/** Tells the disk that its log starts after `snapshot`. */
export function recordSnapshot(core: Core, snapshot: SnapshotMeta): void {
  openWrite(core);
  core.durability.snapshot = snapshot;
}

/**
 * Ends the recovery once the log is as far as it ever was. That is recorded in the write that holds the entries which took it
 * there: so there is no moment at which the disk has forgotten the floor and does not reach it.
 */
export function settleFloor(core: Core): void {
  if (core.floor === undefined || !core.policy.hasReachedFloor(core)) return;
  core.floor = undefined;
  openWrite(core);
  core.durability.floorReached = true;
}

/** Compares the ends of logs (Raft section 5.4.1): the later last term wins; with equal terms the longer log does. */
export function reaches(lastTerm: Term, lastIndex: Index, { term, index }: Floor): boolean {
  return lastTerm > term || (lastTerm === term && lastIndex >= index);
}

/** The latest membership of the history is in force. */
export function adoptMembership(core: Core): void {
  core.membership = core.history.latest.membership;
  if (!core.named && isNamed(core, core.membership)) {
    core.named = true;
    core.newcomer = false;
  }
  core.effects.push({ type: "membership", membership: core.membership });
  if (core.role !== "follower" && core.role !== "learner") return;
  const role = idleRole(core);
  if (role === core.role) return;
  core.role = role;
  tellRole(core);
}

/** What this node is when it does not campaign or lead. */
export function idleRole(core: Core): "follower" | "learner" {
  return !core.newcomer && isVotingMember(core, core.membership) ? "follower" : "learner";
}

/** True when a membership names this life of the node, by its identity. */
export function isNamed({ id, options }: Core, membership: Membership): boolean {
  return options.identity !== undefined && membership.identities?.[id] === options.identity;
}

function isVotingMember({ id, options }: Core, membership: Membership): boolean {
  return isVoter(membership, id) && isMeant(membership, id, options.identity);
}

/**
 * False for a newcomer. Whatever asks for its vote may take it for its last life, which may have voted in the same term, or
 * have acknowledged what the candidate lacks. Its log then ends before the entry that took the vote from that life; once
 * it holds the entry that names this one, its log is a judge of candidates like any other (Raft section 5.4.1).
 */
export function mayVote(core: Core): boolean {
  return !core.newcomer || core.options.mutant === "newcomer-votes"; // mutant
}

/**
 * A voter may campaign, but not one that lost entries which it acknowledged: nobody could tell that they are missing from its
 * log. Nor may a newcomer, nor one whose state machine is being given a snapshot: a leader could not say what it has committed.
 */
export function mayCampaign(core: Core): boolean {
  if (core.receiver?.installing === true) return false;
  if (core.floor !== undefined && core.options.mutant !== "ignore-floor") return false; // mutant
  if (core.newcomer) return false;
  return core.policy.campaigns(core).some((membership) => isVotingMember(core, membership));
}

export function tellRole({ effects, role, term, leader }: Core, found?: Term): void {
  effects.push({ type: "role", role, term, leader, ...(found === undefined ? {} : { found }) });
}

/** Whose votes and acknowledgements count now. */
export function voterSets(core: Core): Membership {
  const { membership } = core;
  if (core.options.mutant === "count-learner-in-quorum") {
    return { ...membership, voters: [...membership.voters, ...membership.learners] }; // mutant
  }
  return membership;
}

/** Raises the commit index; the driver is told at the end of the turn. */
export function commitTo(core: Core, index: Index): void {
  if (index <= core.commitIndex) return;
  assert(index <= core.log.lastIndex, `commit of ${index} past the end ${core.log.lastIndex}`);
  core.commitIndex = index;
}
