/**
 * Raft: a replicated log with a strong leader (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm",
 * 2014; Ongaro's thesis, 2014). `docs/consensus.md` says what is implemented and where it departs from the paper.
 *
 * Its idea: a candidate wins only with a log that is at least as up to date as a majority's, so that it has everything that
 * is committed, and the log of every follower becomes a copy of its own.
 */
import type { Consensus, ConsensusOptions, Membership, Recovered } from "../consensus.ts";
import type { Core } from "../core.ts";
import { reaches, voterSets } from "../core.ts";
import { createMachine } from "../machine.ts";
import type { Policy, PolicyMessage } from "../policy.ts";
import { countVote, isUpToDate, onVote, onVoteReply, requestVotes } from "./election.ts";
import { onAppend, onAppendReject, onRecovered, recoverLog, startAfterSnapshot } from "./log-matching.ts";
import type { Append, AppendReply, RaftMessage, RaftOwnMessage } from "./message.ts";

const NOTHING = (): void => undefined;

const RAFT_POLICY: Policy = {
  entriesKeepTerm: true,
  recoverLog,
  recovered: onRecovered,
  receive: (core, from, message) => receive(core, from, message as RaftOwnMessage),
  isQuestion: (_, type) => type === "vote",
  isFromLeader: (type) => type === "append",
  isCandidates: (_, message) => (isVote(message) ? message : undefined),
  nextTerm: (core) => core.term + 1,
  campaigns,
  electorate: voterSets,
  end: ({ log: { lastIndex, lastTerm } }) => ({ lastIndex, lastTerm }),
  couldWin: (core, { lastIndex, lastTerm }) => isUpToDate(core, lastIndex, lastTerm),
  // A term has one winner, so nobody led since: whoever a voter would wait for is the leader that asked.
  solicit: (core, replaces) => requestVotes(core, replaces > 0),
  supportSelf: (core) => countVote(core, core.id, true),
  enterTerm: NOTHING,
  followLeader: NOTHING,
  succeed: (_, next) => next,
  append(core, prevIndex, entries): Append {
    const { term, commitIndex } = core;
    return { type: "append", term, prevIndex, prevTerm: core.log.term(prevIndex)!, entries, commitIndex };
  },
  acknowledgement: ({ term, verifiedIndex }): AppendReply => ({
    type: "appendReply",
    term,
    matchIndex: verifiedIndex,
  }),
  mayCommit,
  vouchedIndex: (core) => core.log.lastIndex,
  sealWrite: NOTHING,
  startAfterSnapshot,
  hasReachedFloor: ({ floor, log }) => reaches(log.lastTerm, log.lastIndex, floor!),
};

/**
 * A Raft node that goes on from what its disk held.
 *
 * @param options all options; `DEFAULT_CONSENSUS_OPTIONS` has those with a default
 * @param recovered what was read from the disk; entries that do not follow the snapshot are ignored
 * @param nowMs the monotonic time
 * @throws QuorateError INVARIANT when the recovered state contradicts itself, or later when an invariant breaks
 */
export function createRaft(
  options: ConsensusOptions,
  recovered: Recovered,
  nowMs: number,
): Consensus<RaftMessage> {
  return createMachine<RaftMessage>(RAFT_POLICY, options, recovered, nowMs);
}

function isVote(message: PolicyMessage): message is Extract<RaftMessage, { type: "vote" }> {
  return message.type === "vote";
}

/**
 * Also a voter that the latest membership removes, as long as that is not known to be committed: its log may be longer than
 * that of the remaining voters, who then could not win without it (thesis section 4.2.2).
 */
function campaigns({ membership, history, commitIndex }: Core): Membership[] {
  const { index } = history.latest;
  return index > commitIndex ? [membership, history.at(index - 1)] : [membership];
}

function receive(core: Core, from: string, message: RaftOwnMessage): void {
  const peer = core.leadership?.peers.get(from);
  switch (message.type) {
    case "vote":
      return onVote(core, from, message);
    case "voteReply":
      return onVoteReply(core, from, message);
    case "append":
      return onAppend(core, from, message);
    case "appendReply":
      return peer?.acknowledge(message.matchIndex);
    case "appendReject":
      return peer === undefined ? undefined : onAppendReject(core, peer, message);
  }
}

/**
 * An entry of an earlier term on a majority may still be replaced by a leader that never saw it; one of this term, which
 * only a log that holds everything before it can hold, cannot (Raft section 5.4.2, figure 8).
 */
function mayCommit(core: Core, index: number): boolean {
  const counting = core.options.mutant === "commit-old-term-by-counting"; // mutant
  return core.log.term(index) === core.term || counting;
}
