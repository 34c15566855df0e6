/** Elections: when to campaign, whom to vote for, who has won (Raft section 5.2, 5.4.1; thesis 4.2.3, 6.4.1, 9.6). */
import { assert } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { PreVote, PreVoteReply, TimeoutNow, Vote, VoteReply } from "../message.ts";
import { countVotes } from "../quorum.ts";
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from "./roles.ts";
import { mayCampaign, mayVote, reaches, send, setBallot, voterSets, type Raft } from "./state.ts";

/** Bounds of the random delay between a broken link to the leader and a campaign. */
const SUSPECT_DELAY_MIN_MS = 1;
const SUSPECT_DELAY_MAX_MS = 20;

/** A message of the leader of this term arrived. */
export function heardFromLeader(raft: Raft, leader: NodeId): void {
  assert(raft.role !== "leader", `two leaders in term ${raft.term}: ${raft.id} and ${leader}`);
  if (raft.leader !== leader || raft.role !== "follower") becomeFollower(raft, raft.term, leader);
  raft.detector.heard(raft.nowMs);
  raft.leaderHeardMs = raft.nowMs;
  raft.suspectedAtMs = undefined;
  raft.waitRestarted = false;
}

/** Campaigns if the leader was silent for too long, or a campaign came to nothing. */
export function tickElection(raft: Raft, late: boolean): void {
  if (!mayCampaign(raft)) return;
  // Its own vote is bound by the same promise as the votes it gives.
  if (raft.options.readMode === "lease" && leaderSeemsAlive(raft)) return;
  if (raft.candidacy !== undefined) {
    if (raft.nowMs >= raft.candidacy.deadlineMs) becomePreCandidate(raft);
    return;
  }
  // The silence was this node's own: the leader's messages may be waiting unread. Once; then they would have been read.
  if (late && !raft.waitRestarted) {
    raft.waitRestarted = true;
    raft.detector.restartWait(raft.nowMs);
    return;
  }
  const limitMs = raft.detector.timeoutMs() * (1 + raft.jitter);
  const suspected = raft.suspectedAtMs !== undefined && raft.nowMs >= raft.suspectedAtMs;
  if (suspected || raft.detector.waitedMs(raft.nowMs) >= limitMs) becomePreCandidate(raft);
}

/** The link to the leader broke, which a killed process cannot hide: campaign soon, if the others see the same. */
export function suspectLeader(raft: Raft): void {
  if (raft.leadership !== undefined || raft.candidacy !== undefined) return;
  const delayMs =
    SUSPECT_DELAY_MIN_MS + raft.options.random() * (SUSPECT_DELAY_MAX_MS - SUSPECT_DELAY_MIN_MS);
  raft.suspectedAtMs = raft.nowMs + delayMs;
  if (raft.options.readMode === "lease") {
    // Its own vote is part of the quorum on which the leader's lease rests.
    const leaseEndMs = raft.leaderHeardMs + raft.options.electionTimeoutMinMs;
    raft.suspectedAtMs = Math.max(raft.suspectedAtMs, leaseEndMs);
  }
}

/**
 * True while this node has reason to believe that its leader lives: then it helps nobody to unseat it (thesis section
 * 4.2.3). A broken link to the leader is a reason to doubt, except where a lease relies on the promise to wait.
 */
export function leaderSeemsAlive(raft: Raft): boolean {
  const { readMode, electionTimeoutMinMs } = raft.options;
  const heardLately = raft.nowMs - raft.leaderHeardMs < electionTimeoutMinMs;
  if (raft.role === "leader") return true;
  if (readMode === "lease") return heardLately || raft.nowMs < raft.votesFromMs;
  return raft.leader !== undefined && heardLately && raft.suspectedAtMs === undefined;
}

/** As far as this node's log, and as far as it was before entries of it were lost (Raft section 5.4.1). */
function isUpToDate(raft: Raft, lastIndex: number, lastTerm: number): boolean {
  const { log, floor } = raft;
  const { mutant } = raft.options;
  if (mutant === "ignore-last-log-term") return lastIndex >= log.lastIndex; // mutant
  if (floor !== undefined && mutant !== "ignore-floor" && !reaches(lastTerm, lastIndex, floor)) return false; // mutant
  return reaches(lastTerm, lastIndex, { term: log.lastTerm, index: log.lastIndex });
}

export function onPreVote(raft: Raft, from: NodeId, message: PreVote): void {
  const granted =
    mayVote(raft) &&
    message.term > raft.term &&
    !leaderSeemsAlive(raft) &&
    isUpToDate(raft, message.lastIndex, message.lastTerm);
  send(raft, from, { type: "preVoteReply", term: granted ? message.term : raft.term, granted });
}

export function onPreVoteReply(raft: Raft, from: NodeId, message: PreVoteReply): void {
  if (raft.role !== "precandidate" || raft.candidacy === undefined) return;
  if (message.granted && message.term !== raft.term + 1) return;
  raft.candidacy.votes.set(from, message.granted);
  const result = countVotes(voterSets(raft), raft.candidacy.votes);
  if (result === "won") becomeCandidate(raft, false);
  // The others see a live leader, or know more: wait as if the leader had just been heard.
  if (result === "lost") becomeFollower(raft, raft.term, undefined);
}

/** The dispatcher saw to it that `message.term` is not above this node's, unless a live leader forbids the vote. */
export function onVote(raft: Raft, from: NodeId, message: Vote): void {
  const free = raft.votedFor === undefined || raft.votedFor === from;
  const granted =
    mayVote(raft) &&
    message.term === raft.term &&
    free &&
    raft.leader === undefined &&
    (message.transfer || !leaderSeemsAlive(raft)) &&
    isUpToDate(raft, message.lastIndex, message.lastTerm);
  if (granted && raft.votedFor === undefined) setBallot(raft, raft.term, from);
  if (granted) raft.detector.restartWait(raft.nowMs); // It gets the time that a campaign takes.
  const early = raft.options.mutant === "vote-before-fsync"; // mutant
  const after = granted && !early ? raft.durability.after : 0;
  send(raft, from, { type: "voteReply", term: raft.term, granted }, after);
}

export function onVoteReply(raft: Raft, from: NodeId, message: VoteReply): void {
  if (raft.role !== "candidate" || raft.candidacy === undefined || message.term !== raft.term) return;
  raft.candidacy.votes.set(from, message.granted);
  concludeElection(raft);
}

/** The write `writeId` is on the disk: perhaps this candidate's vote for itself. */
export function countOwnVote(raft: Raft, writeId: number): void {
  if (raft.role !== "candidate" || raft.candidacy === undefined || writeId < raft.candidacy.writeId) return;
  raft.candidacy.votes.set(raft.id, true);
  concludeElection(raft);
}

function concludeElection(raft: Raft): void {
  const result = countVotes(voterSets(raft), raft.candidacy!.votes);
  if (result === "won") becomeLeader(raft);
  if (result === "lost") becomeFollower(raft, raft.term, undefined);
}

/** The leader hands over to this node: no pre-vote, because the leader itself wants the election. */
export function onTimeoutNow(raft: Raft, from: NodeId, message: TimeoutNow): void {
  if (message.term !== raft.term || raft.leader !== from || !mayCampaign(raft)) return;
  becomeCandidate(raft, true);
}
