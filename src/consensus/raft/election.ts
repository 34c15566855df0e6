/** Raft's elections: whom to vote for, and who has won (Raft section 5.2, 5.4.1). */
import { NO_BYTES } from "../../runtime/bytes.ts";
import type { NodeId } from "../../runtime/world.ts";
import { appendEntry, awaitCommit, mayVote, reaches, send, setBallot, type Core } from "../core.ts";
import { electionResult, leaderSeemsAlive } from "../election.ts";
import { becomeFollower, becomeLeader, otherVoters } from "../roles.ts";
import type { Vote, VoteReply } from "./message.ts";

/** As far as this node's log, and as far as it was before entries of it were lost (Raft section 5.4.1). */
export function isUpToDate(core: Core, lastIndex: number, lastTerm: number): boolean {
  const { log, floor } = core;
  const { mutant } = core.options;
  if (mutant === "ignore-last-log-term") return lastIndex >= log.lastIndex; // mutant
  if (floor !== undefined && mutant !== "ignore-floor" && !reaches(lastTerm, lastIndex, floor)) return false; // mutant
  return reaches(lastTerm, lastIndex, { term: log.lastTerm, index: log.lastIndex });
}

/** Asks for votes, once this node's own is on its disk. */
export function requestVotes(core: Core, transfer: boolean): void {
  const { lastIndex, lastTerm } = core.log;
  for (const id of otherVoters(core)) {
    const message: Vote = { type: "vote", term: core.term, lastIndex, lastTerm, transfer };
    send(core, id, message, core.durability.after);
  }
}

/** The dispatcher saw to it that `message.term` is not above this node's, unless a live leader forbids the vote. */
export function onVote(core: Core, from: NodeId, message: Vote): void {
  const free = core.votedFor === undefined || core.votedFor === from;
  const granted =
    mayVote(core) &&
    message.term === core.term &&
    free &&
    core.leader === undefined &&
    (message.transfer || !leaderSeemsAlive(core)) &&
    isUpToDate(core, message.lastIndex, message.lastTerm);
  if (granted && core.votedFor === undefined) setBallot(core, core.term, from);
  if (granted) core.detector.restartWait(core.nowMs); // It gets the time that a campaign takes.
  const early = core.options.mutant === "vote-before-fsync"; // mutant
  const after = granted && !early ? core.durability.after : 0;
  const reply: VoteReply = { type: "voteReply", term: core.term, granted };
  send(core, from, reply, after);
}

export function onVoteReply(core: Core, from: NodeId, message: VoteReply): void {
  if (core.role !== "candidate" || core.candidacy === undefined || message.term !== core.term) return;
  countVote(core, from, message.granted);
}

export function countVote(core: Core, from: NodeId, granted: boolean): void {
  core.candidacy!.votes.set(from, granted);
  const result = electionResult(core);
  if (result === "won") lead(core);
  if (result === "lost") becomeFollower(core, core.term, undefined);
}

/** The winner has everything that is committed; it opens its term with an entry of its own. */
function lead(core: Core): void {
  const noopIndex = core.log.lastIndex + 1;
  // Peers are expected to agree with all of this log but the new entry; most do.
  const leadership = becomeLeader(core, noopIndex, noopIndex);
  // Entries of earlier terms commit only under one of the own term (Raft section 5.4.2): so there must be one at once.
  appendEntry(core, { index: noopIndex, term: core.term, kind: "noop", payload: NO_BYTES });
  awaitCommit(leadership, noopIndex);
}
