/** Becoming a follower, a candidate, a leader: every change of role, and what it takes along and leaves behind. */
import { assert } from "../runtime/errors.ts";
import type { NodeId } from "../runtime/world.ts";
import type { Index, Term } from "./consensus.ts";
import { FailureDetector } from "./failure-detector.ts";
import { Lease } from "./lease.ts";
import { members } from "./membership.ts";
import { Progress } from "./progress.ts";
import { countVotes } from "./quorum.ts";
import { ReadBarrier, type WaitingRead } from "./read-barrier.ts";
import { idleRole, mayCampaign, send, setBallot, tellRole, type Core } from "./core.ts";
import type { Leadership } from "./offices.ts";

/** A candidacy ends and is tried again after the timeout, times this and up to twice this. */
const PRE_VOTE_RETRY = 0.25;
const VOTE_RETRY = 0.5;

/** Follows `leader` (or nobody yet) in `term`. */
export function becomeFollower(core: Core, term: Term, leader: NodeId | undefined): void {
  const newTerm = term > core.term;
  if (newTerm) setBallot(core, term, undefined);
  if (core.leadership !== undefined) leaveLeadership(core, core.leadership);
  if (newTerm || leader !== core.leader) forgetLeader(core);
  const role = idleRole(core);
  const changed = newTerm || role !== core.role || leader !== core.leader;
  core.role = role;
  core.leader = leader;
  core.candidacy = undefined;
  if (changed) tellRole(core);
}

/** What was known of, or asked from, the last leader is void. */
function forgetLeader(core: Core): void {
  // What is committed is in every later leader's log: so far the logs surely agree (Raft section 5.4, Leader Completeness).
  core.verifiedIndex = core.commitIndex;
  core.replyDue = false;
  core.suspectedAtMs = undefined;
  core.jitter = core.options.random() * 0.5;
  core.detector.reset(core.nowMs);
  if (core.receiver?.installing === false) core.receiver = undefined;
  failReads(core);
}

/** This node's reads that wait for a leader's answer get none. */
export function failReads(core: Core): void {
  for (const id of core.unsentReads) core.effects.push({ type: "readFailed", id });
  for (const { ids } of core.forwarded.values()) {
    for (const id of ids) core.effects.push({ type: "readFailed", id });
  }
  core.unsentReads = [];
  core.forwarded.clear();
}

function leaveLeadership(core: Core, leadership: Leadership): void {
  leadership.barrier.abandon((read) => failRead(core, read));
  core.lastRound = leadership.barrier.lastRound;
  const { change } = leadership;
  if (change !== undefined) {
    const refused = change.refused ?? "the leadership ended before the change did: look at the members";
    core.effects.push({ type: "membershipChange", id: change.id, refused });
  }
  core.leadership = undefined;
}

/** Answers a read at the leader with a failure, wherever it came from. */
export function failRead(core: Core, read: WaitingRead): void {
  if (read.origin === undefined) core.effects.push({ type: "readFailed", id: read.id });
  else send(core, read.origin, { type: "readReply", term: core.term, id: read.id, index: undefined });
}

/** Asks who would vote, before any term is raised: a node that cannot win must not disturb (thesis section 9.6). */
export function becomePreCandidate(core: Core): void {
  const { random } = core.options;
  forgetLeader(core);
  core.role = "precandidate";
  core.leader = undefined;
  const deadlineMs = core.nowMs + core.detector.timeoutMs() * PRE_VOTE_RETRY * (1 + random());
  core.candidacy = { votes: new Map([[core.id, true]]), deadlineMs, writeId: 0 };
  tellRole(core);
  if (countVotes(core.policy.electorate(core), core.candidacy.votes) === "won") {
    becomeCandidate(core, false);
    return;
  }
  const question = { type: "preVote", term: core.policy.nextTerm(core), ...core.policy.end(core) } as const;
  for (const id of otherVoters(core)) send(core, id, question);
}

/**
 * Campaigns in a new term (Raft section 5.2; phase 1 of Multi-Paxos). `transfer`: the leader of the present term asked for it.
 */
export function becomeCandidate(core: Core, transfer: boolean): void {
  assert(mayCampaign(core), "a node that is no voter campaigned");
  const replaces = transfer ? core.term : 0;
  forgetLeader(core);
  setBallot(core, core.policy.nextTerm(core), core.id);
  core.role = "candidate";
  core.leader = undefined;
  const deadlineMs = campaignDeadlineMs(core);
  // Its own support counts like any other: once it is on the disk. The requests wait too, because they vouch for a log and a
  // ballot that a crash could still take away, and the answers would then count for a node that knows less than it claimed.
  core.candidacy = { votes: new Map(), deadlineMs, writeId: core.durability.newestId };
  tellRole(core);
  core.policy.solicit(core, replaces);
}

function campaignDeadlineMs(core: Core): number {
  return core.nowMs + core.detector.timeoutMs() * VOTE_RETRY * (1 + core.options.random());
}

/** The campaign gets on: it is given more time. */
export function extendCandidacy(core: Core): void {
  const candidacy = core.candidacy!;
  candidacy.deadlineMs = Math.max(candidacy.deadlineMs, campaignDeadlineMs(core));
}

/** The write `writeId` is on the disk: perhaps this candidate's ballot. */
export function countOwnSupport(core: Core, writeId: number): void {
  if (core.role !== "candidate" || core.candidacy === undefined || writeId < core.candidacy.writeId) return;
  core.policy.supportSelf(core);
}

export function otherVoters(core: Core): NodeId[] {
  const { voters, outgoing } = core.policy.electorate(core);
  return [...voters, ...outgoing.filter((id) => !voters.includes(id))].filter((id) => id !== core.id);
}

/**
 * Leads from now on. `openingIndex`: where the log ends that earlier leaders may have chosen; `nextIndex`: the first entry that
 * peers are expected to lack; `found`: see effect `role`.
 */
export function becomeLeader(core: Core, openingIndex: Index, nextIndex: Index, found?: Term): Leadership {
  assert(core.role === "candidate", `a ${core.role} won an election`);
  const { options, log } = core;
  const leadership: Leadership = {
    peers: new Map(),
    barrier: new ReadBarrier(core.lastRound, options.mutant === "reuse-read-id"),
    lease: new Lease(options.electionTimeoutMinMs, options.clockDriftMax),
    openingIndex,
    uncommittedBytes: 0,
    announcing: false,
    heartbeatSentMs: Number.NEGATIVE_INFINITY,
    transfer: undefined,
    change: undefined,
  };
  for (const { payload } of log.range(core.commitIndex + 1, log.lastIndex)) {
    leadership.uncommittedBytes += payload.length;
  }
  core.role = "leader";
  core.leader = core.id;
  core.ledTerm = core.term;
  core.candidacy = undefined;
  core.leadership = leadership;
  trackMembers(core, leadership, nextIndex);
  tellRole(core, found);
  return leadership;
}

/** Serves the members in force; removed ones are served until they hold the entry that removed them. */
export function trackMembers(core: Core, leadership: Leadership, nextIndex: number): void {
  const { heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs } = core.options;
  const wanted = new Set(members(core.membership));
  const { identities } = core.membership;
  for (const peer of leadership.peers.values()) {
    if (!wanted.has(peer.id)) peer.removedAt = Math.min(peer.removedAt, core.history.latest.index);
    // It was away, or is another than it was: nothing that is known of its log holds any more.
    else if (peer.removedAt !== Number.POSITIVE_INFINITY || isReplaced(core, peer)) {
      leadership.peers.delete(peer.id);
    }
  }
  for (const id of wanted) {
    if (id === core.id || leadership.peers.has(id)) continue;
    const detector = new FailureDetector(
      heartbeatIntervalMs,
      electionTimeoutMinMs,
      electionTimeoutMaxMs,
      core.nowMs,
    );
    leadership.peers.set(id, new Progress(id, nextIndex, detector, identities?.[id]));
  }
}

function isReplaced(core: Core, peer: Progress): boolean {
  if (core.options.mutant === "keep-progress-of-replaced") return false; // mutant
  return peer.identity !== core.membership.identities?.[peer.id];
}
