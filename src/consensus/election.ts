/**
 * Elections, as far as both algorithms have them alike: when to campaign, and whether others would stand for it (thesis
 * sections 4.2.3, 6.4.1, 9.6). Whom to support, and who has won, is the policy's.
 */
import { assert } from "../runtime/errors.ts";
import type { NodeId } from "../runtime/world.ts";
import type { Term } from "./consensus.ts";
import type { PreVote, PreVoteReply, TimeoutNow } from "./message.ts";
import { countVotes } from "./quorum.ts";
import { becomeCandidate, becomeFollower, becomePreCandidate } from "./roles.ts";
import { mayCampaign, mayVote, send, type Core } from "./core.ts";

/** Bounds of the random delay between a broken link to the leader and a campaign. */
const SUSPECT_DELAY_MIN_MS = 1;
const SUSPECT_DELAY_MAX_MS = 20;

/** A message of the leader of this term arrived. */
export function heardFromLeader(core: Core, leader: NodeId): void {
  assert(core.role !== "leader", `two leaders in term ${core.term}: ${core.id} and ${leader}`);
  if (core.leader !== leader || core.role !== "follower") {
    becomeFollower(core, core.term, leader);
    core.policy.followLeader(core);
  }
  core.detector.heard(core.nowMs);
  core.leaderHeardMs = core.nowMs;
  core.ledTerm = core.term;
  core.suspectedAtMs = undefined;
  core.waitRestarted = false;
}

/** Campaigns if the leader was silent for too long, or a campaign came to nothing. */
export function tickElection(core: Core, late: boolean): void {
  if (!mayCampaign(core)) return;
  // Its own vote is bound by the same promise as the votes it gives.
  if (core.options.readMode === "lease" && leaderSeemsAlive(core)) return;
  if (core.candidacy !== undefined) {
    if (core.nowMs >= core.candidacy.deadlineMs) becomePreCandidate(core);
    return;
  }
  // The silence was this node's own: the leader's messages may be waiting unread. Once; then they would have been read.
  if (late && !core.waitRestarted) {
    core.waitRestarted = true;
    core.detector.restartWait(core.nowMs);
    return;
  }
  const limitMs = core.detector.timeoutMs() * (1 + core.jitter);
  const suspected = core.suspectedAtMs !== undefined && core.nowMs >= core.suspectedAtMs;
  if (suspected || core.detector.waitedMs(core.nowMs) >= limitMs) becomePreCandidate(core);
}

/** The link to the leader broke, which a killed process cannot hide: campaign soon, if the others see the same. */
export function suspectLeader(core: Core): void {
  if (core.leadership !== undefined || core.candidacy !== undefined) return;
  const delayMs =
    SUSPECT_DELAY_MIN_MS + core.options.random() * (SUSPECT_DELAY_MAX_MS - SUSPECT_DELAY_MIN_MS);
  core.suspectedAtMs = core.nowMs + delayMs;
  if (core.options.readMode === "lease") {
    // Its own vote is part of the quorum on which the leader's lease rests.
    const leaseEndMs = core.leaderHeardMs + core.options.electionTimeoutMinMs;
    core.suspectedAtMs = Math.max(core.suspectedAtMs, leaseEndMs);
  }
}

/**
 * True while this node has reason to believe that its leader lives: then it helps nobody to unseat it (thesis section
 * 4.2.3). A broken link to the leader is a reason to doubt, except where a lease relies on the promise to wait.
 */
export function leaderSeemsAlive(core: Core): boolean {
  const { readMode, electionTimeoutMinMs } = core.options;
  const heardLately = core.nowMs - core.leaderHeardMs < electionTimeoutMinMs;
  if (core.role === "leader") return true;
  if (readMode === "lease") return heardLately || core.nowMs < core.votesFromMs;
  return core.leader !== undefined && heardLately && core.suspectedAtMs === undefined;
}

/**
 * True when the leader that this node would wait for asked for the election itself. `replaces`: the term of the one that asked;
 * 0: none did. A later one did not, and may have a lease; so may one that this node heard before it restarted.
 */
export function isHandover({ ledTerm, nowMs, votesFromMs }: Core, replaces: Term): boolean {
  return replaces > 0 && ledTerm <= replaces && nowMs >= votesFromMs;
}

export function onPreVote(core: Core, from: NodeId, message: PreVote): void {
  const granted =
    mayVote(core) &&
    message.term > core.term &&
    !leaderSeemsAlive(core) &&
    core.policy.couldWin(core, message);
  send(core, from, { type: "preVoteReply", term: granted ? message.term : core.term, granted });
}

export function onPreVoteReply(core: Core, from: NodeId, message: PreVoteReply): void {
  if (core.role !== "precandidate" || core.candidacy === undefined) return;
  if (message.granted && message.term !== core.policy.nextTerm(core)) return;
  core.candidacy.votes.set(from, message.granted);
  const result = electionResult(core);
  if (result === "won") becomeCandidate(core, false);
  // The others see a live leader, or know more: wait as if the leader had just been heard.
  if (result === "lost") becomeFollower(core, core.term, undefined);
}

/** Whether the electorate supports this candidate, or candidate to be. */
export function electionResult(core: Core): "won" | "lost" | "pending" {
  return countVotes(core.policy.electorate(core), core.candidacy!.votes);
}

/** The leader hands over to this node: no pre-vote, because the leader itself wants the election. */
export function onTimeoutNow(core: Core, from: NodeId, message: TimeoutNow): void {
  if (message.term !== core.term || core.leader !== from || !mayCampaign(core)) return;
  becomeCandidate(core, true);
}
