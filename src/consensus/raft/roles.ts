/** Becoming a follower, a candidate, a leader: every change of role, and what it takes along and leaves behind. */
import { assert } from "../../runtime/errors.ts";
import { NO_BYTES } from "../../runtime/bytes.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Term } from "../consensus.ts";
import { FailureDetector } from "../failure-detector.ts";
import { Lease } from "../lease.ts";
import { members } from "../membership.ts";
import { Progress } from "../progress.ts";
import { countVotes } from "../quorum.ts";
import { ReadBarrier, type WaitingRead } from "../read-barrier.ts";
import {
  appendEntry,
  awaitCommit,
  idleRole,
  mayCampaign,
  send,
  setBallot,
  tellRole,
  voterSets,
  type Leadership,
  type Raft,
} from "./state.ts";

/** A candidacy ends and is tried again after the timeout, times this and up to twice this. */
const PRE_VOTE_RETRY = 0.25;
const VOTE_RETRY = 0.5;

/** Follows `leader` (or nobody yet) in `term`. */
export function becomeFollower(raft: Raft, term: Term, leader: NodeId | undefined): void {
  const newTerm = term > raft.term;
  if (newTerm) setBallot(raft, term, undefined);
  if (raft.leadership !== undefined) leaveLeadership(raft, raft.leadership);
  if (newTerm || leader !== raft.leader) forgetLeader(raft);
  const role = idleRole(raft);
  const changed = newTerm || role !== raft.role || leader !== raft.leader;
  raft.role = role;
  raft.leader = leader;
  raft.candidacy = undefined;
  if (changed) tellRole(raft);
}

/** What was known of, or asked from, the last leader is void. */
function forgetLeader(raft: Raft): void {
  // What is committed is in every later leader's log: so far the logs surely agree (Raft section 5.4, Leader Completeness).
  raft.verifiedIndex = raft.commitIndex;
  raft.replyDue = false;
  raft.suspectedAtMs = undefined;
  raft.jitter = raft.options.random() * 0.5;
  raft.detector.reset(raft.nowMs);
  if (raft.receiver?.installing === false) raft.receiver = undefined;
  failReads(raft);
}

/** This node's reads that wait for a leader's answer get none. */
export function failReads(raft: Raft): void {
  for (const id of raft.unsentReads) raft.effects.push({ type: "readFailed", id });
  for (const { ids } of raft.forwarded.values()) {
    for (const id of ids) raft.effects.push({ type: "readFailed", id });
  }
  raft.unsentReads = [];
  raft.forwarded.clear();
}

function leaveLeadership(raft: Raft, leadership: Leadership): void {
  leadership.barrier.abandon((read) => failRead(raft, read));
  raft.lastRound = leadership.barrier.lastRound;
  const { change } = leadership;
  if (change !== undefined) {
    const refused = change.refused ?? "the leadership ended before the change did: look at the members";
    raft.effects.push({ type: "membershipChange", id: change.id, refused });
  }
  raft.leadership = undefined;
}

/** Answers a read at the leader with a failure, wherever it came from. */
export function failRead(raft: Raft, read: WaitingRead): void {
  if (read.origin === undefined) raft.effects.push({ type: "readFailed", id: read.id });
  else send(raft, read.origin, { type: "readReply", term: raft.term, id: read.id, index: undefined });
}

/** Asks who would vote, before any term is raised: a node that cannot win must not disturb (thesis section 9.6). */
export function becomePreCandidate(raft: Raft): void {
  const { random } = raft.options;
  forgetLeader(raft);
  raft.role = "precandidate";
  raft.leader = undefined;
  const deadlineMs = raft.nowMs + raft.detector.timeoutMs() * PRE_VOTE_RETRY * (1 + random());
  raft.candidacy = { votes: new Map([[raft.id, true]]), deadlineMs, writeId: 0 };
  tellRole(raft);
  if (countVotes(voterSets(raft), raft.candidacy.votes) === "won") {
    becomeCandidate(raft, false);
    return;
  }
  const { lastIndex, lastTerm } = raft.log;
  for (const id of otherVoters(raft)) {
    send(raft, id, { type: "preVote", term: raft.term + 1, lastIndex, lastTerm });
  }
}

/** Campaigns in a new term (Raft section 5.2). */
export function becomeCandidate(raft: Raft, transfer: boolean): void {
  assert(mayCampaign(raft), "a node that is no voter campaigned");
  forgetLeader(raft);
  setBallot(raft, raft.term + 1, raft.id);
  raft.role = "candidate";
  raft.leader = undefined;
  const deadlineMs = raft.nowMs + raft.detector.timeoutMs() * VOTE_RETRY * (1 + raft.options.random());
  // Its own vote counts like any other: once it is on the disk. The requests wait too, because they vouch for a log that
  // a crash could still shorten, and the answers would then count for a node that knows less than it claimed.
  raft.candidacy = { votes: new Map(), deadlineMs, writeId: raft.durability.newestId };
  tellRole(raft);
  const { lastIndex, lastTerm } = raft.log;
  for (const id of otherVoters(raft)) {
    const message = { type: "vote", term: raft.term, lastIndex, lastTerm, transfer } as const;
    send(raft, id, message, raft.durability.after);
  }
}

function otherVoters(raft: Raft): NodeId[] {
  const { voters, outgoing } = raft.membership;
  return [...voters, ...outgoing.filter((id) => !voters.includes(id))].filter((id) => id !== raft.id);
}

export function becomeLeader(raft: Raft): void {
  assert(raft.role === "candidate", `a ${raft.role} won an election`);
  const { options, log } = raft;
  const noopIndex = log.lastIndex + 1;
  const leadership: Leadership = {
    peers: new Map(),
    barrier: new ReadBarrier(raft.lastRound, options.mutant === "reuse-read-id"),
    lease: new Lease(options.electionTimeoutMinMs, options.clockDriftMax),
    noopIndex,
    uncommittedBytes: 0,
    announcing: false,
    heartbeatSentMs: Number.NEGATIVE_INFINITY,
    transfer: undefined,
    change: undefined,
  };
  for (const entry of log.tail(raft.commitIndex + 1)) leadership.uncommittedBytes += entry.payload.length;
  raft.role = "leader";
  raft.leader = raft.id;
  raft.candidacy = undefined;
  raft.leadership = leadership;
  // Peers are expected to agree with all of this log but the new entry; most do.
  trackMembers(raft, leadership, noopIndex);
  tellRole(raft);
  // Entries of earlier terms commit only under one of the own term (Raft section 5.4.2): so there must be one at once.
  appendEntry(raft, { index: noopIndex, term: raft.term, kind: "noop", payload: NO_BYTES });
  awaitCommit(leadership, noopIndex);
}

/** Serves the members in force; removed ones are served until they hold the entry that removed them. */
export function trackMembers(raft: Raft, leadership: Leadership, nextIndex: number): void {
  const { heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs } = raft.options;
  const wanted = new Set(members(raft.membership));
  const { identities } = raft.membership;
  for (const peer of leadership.peers.values()) {
    if (!wanted.has(peer.id)) peer.removedAt = Math.min(peer.removedAt, raft.history.latest.index);
    // It was away, or is another than it was: nothing that is known of its log holds any more.
    else if (peer.removedAt !== Number.POSITIVE_INFINITY || isReplaced(raft, peer)) {
      leadership.peers.delete(peer.id);
    }
  }
  for (const id of wanted) {
    if (id === raft.id || leadership.peers.has(id)) continue;
    const detector = new FailureDetector(
      heartbeatIntervalMs,
      electionTimeoutMinMs,
      electionTimeoutMaxMs,
      raft.nowMs,
    );
    leadership.peers.set(id, new Progress(id, nextIndex, detector, identities?.[id]));
  }
}

function isReplaced(raft: Raft, peer: Progress): boolean {
  if (raft.options.mutant === "keep-progress-of-replaced") return false; // mutant
  return peer.identity !== raft.membership.identities?.[peer.id];
}
