/**
 * Multi-Paxos: a replicated log as a row of Paxos instances that share their phase 1 (Lamport, "Paxos Made Simple", 2001,
 * section 3; what a system of it needs: Chandra and others, "Paxos Made Live", 2007; van Renesse and Altinbuken, "Paxos Made
 * Moderately Complex", 2015). `docs/consensus.md` sets it beside Raft and says where it departs from the papers.
 *
 * Its idea: any voter may win; the winner learns from a quorum what may have been chosen, and makes it so, before it proposes
 * anything of its own. So what is chosen in a slot never depends on who leads.
 */
import type { NodeId } from "../../runtime/world.ts";
import type { Consensus, ConsensusOptions, Entry, Index, Recovered, Term } from "../consensus.ts";
import { adoptMembership, type Core } from "../core.ts";
import { isHandover } from "../election.ts";
import { createMachine } from "../machine.ts";
import type { Policy } from "../policy.ts";
import { becomeFollower } from "../roles.ts";
import { acceptedRuns, isCovered, onAccept, onFetch, onPrepare, verify } from "./acceptor.ts";
import { ballotAbove } from "./ballot.ts";
import type { PaxosMessage, PaxosOwnMessage } from "./message.ts";
import { conclude, onPromise, onValues, ownElectorate, startPhaseOne, type PhaseOne } from "./phase-one.ts";
import { acceptMessage, lead, onGap } from "./proposer.ts";
import { seated, seatIn } from "./seating.ts";
import { onRecovered, recoverLog, startAfterSnapshot } from "./slots.ts";

/**
 * A Multi-Paxos node that goes on from what its disk held.
 *
 * @param options all options; `DEFAULT_CONSENSUS_OPTIONS` has those with a default
 * @param recovered what was read from the disk; between its entries slots may be empty
 * @param nowMs the monotonic time
 * @throws QuorateError INVARIANT when an invariant breaks, now or later
 */
export function createPaxos(
  options: ConsensusOptions,
  recovered: Recovered,
  nowMs: number,
): Consensus<PaxosMessage> {
  return createMachine<PaxosMessage>(createPolicy(), options, recovered, nowMs);
}

/** What a node knows that only Multi-Paxos needs. */
interface PaxosState {
  /** As a candidate. */
  phase: PhaseOne | undefined;
  /** What candidacies of this node fetched since it last knew a leader. */
  readonly fetched: Map<Index, Entry>;
  /** The latest ballot of a command that this node ever fetched. */
  foundTerm: Term;
  /** Where the leader's phase 1 ended; not known before its first accept. */
  openedIndex: Index;
  /** The chosen index that was written last. */
  chosenWritten: Index;
}

function createPolicy(): Policy {
  const state: PaxosState = {
    phase: undefined,
    fetched: new Map(),
    foundTerm: 0,
    openedIndex: Number.POSITIVE_INFINITY,
    chosenWritten: 0,
  };
  return {
    entriesKeepTerm: false,
    recoverLog,
    recovered: onRecovered,
    receive: (core, from, message) => receive(core, state, from, message as PaxosOwnMessage),
    isQuestion: ({ options: { mutant } }, type) =>
      type === "prepare" || (mutant === "accept-below-promise" && type === "accept"), // mutant
    isFromLeader: (type) => type === "accept",
    isCandidates: (core, message) => {
      const asked = message as PaxosOwnMessage;
      return asked.type === "prepare" ? { transfer: isHandover(core, asked.replaces) } : undefined;
    },
    nextTerm: (core) => ballotAbove(core.term, seatIn(core.history.at(core.commitIndex), core.id)),
    campaigns: ({ history, commitIndex }) => [history.at(commitIndex)],
    electorate: ownElectorate,
    end: (core) => ({
      lastIndex: core.commitIndex,
      lastTerm: 0,
      accepted: acceptedRuns(core, core.commitIndex + 1).runs,
    }),
    // Whatever it lacks it will be told, unless that is compacted here.
    couldWin: (core, { lastIndex, accepted = [] }) =>
      isCovered(core, lastIndex, accepted) && lastIndex >= core.log.firstIndex - 1,
    solicit(core, replaces) {
      state.phase = startPhaseOne(core, replaces, state.fetched);
    },
    supportSelf(core) {
      core.candidacy!.votes.set(core.id, true);
      proceed(core, state);
    },
    enterTerm: (core) => enterBallot(core, state),
    followLeader(core) {
      state.fetched.clear();
      verify(core);
    },
    succeed: seated,
    append: acceptMessage,
    acknowledgement: ({ term, verifiedIndex }) => ({ type: "accepted", term, matchIndex: verifiedIndex }),
    mayCommit: () => true,
    vouchedIndex: (core) => (core.leadership === undefined ? core.verifiedIndex : core.log.lastIndex),
    sealWrite(core) {
      core.write.slots = true;
      if (core.commitIndex === state.chosenWritten) return;
      core.write.chosen = core.commitIndex;
      state.chosenWritten = core.commitIndex;
    },
    startAfterSnapshot,
    hasReachedFloor: (core) => hasReachedFloor(core, state),
  };
}

/**
 * What was accepted in a lower ballot says nothing of what its leader has: only what is chosen does. And this node may vouch for
 * that only once the disk knows that it is chosen, not just has it: so nothing counts as stable before this turn's write,
 * which says both.
 */
function enterBallot(core: Core, state: PaxosState): void {
  state.phase = undefined;
  state.openedIndex = Number.POSITIVE_INFINITY;
  core.verifiedIndex = core.commitIndex;
  core.durability.truncated(1);
  if (core.history.truncateFrom(core.commitIndex + 1)) adoptMembership(core);
}

function receive(core: Core, state: PaxosState, from: NodeId, message: PaxosOwnMessage): void {
  const peer = core.leadership?.peers.get(from);
  switch (message.type) {
    case "prepare":
      return onPrepare(core, from, message);
    case "fetch":
      return onFetch(core, from, message);
    case "accept":
      state.openedIndex = message.openingIndex;
      return onAccept(core, from, message);
    case "accepted":
      return peer?.acknowledge(message.matchIndex);
    case "gap":
      return peer === undefined ? undefined : onGap(peer, message);
    case "promise":
    case "values":
    case "refusal":
      if (core.role === "candidate" && state.phase !== undefined)
        onAnswer(core, state, state.phase, from, message);
  }
}

/** An answer to this candidate, in its own ballot: the dispatcher saw to that. */
function onAnswer(
  core: Core,
  state: PaxosState,
  phase: PhaseOne,
  from: NodeId,
  message: Extract<PaxosOwnMessage, { type: "promise" | "values" | "refusal" }>,
): void {
  if (message.type === "promise") onPromise(core, phase, from, message);
  if (message.type === "refusal") core.candidacy!.votes.set(from, false);
  if (message.type === "values") {
    if (!onValues(core, phase, from, message)) return becomeFollower(core, core.term, undefined);
    for (const { kind, term } of message.entries)
      if (kind === "command") state.foundTerm = Math.max(state.foundTerm, term);
  }
  proceed(core, state);
}

function proceed(core: Core, state: PaxosState): void {
  const opening = conclude(core, state.phase!);
  if (opening === undefined) return;
  state.phase = undefined;
  state.fetched.clear();
  lead(core, opening, state.foundTerm);
}

/**
 * All that was accepted and lost is good again once each of those slots was accepted anew, or is known to be chosen. Those behind
 * what a later leader's phase 1 found need not be: nothing was chosen in them in a ballot that this node took part in, for
 * that leader found all that was, without this node's promise or knowing all that this node lost.
 */
function hasReachedFloor({ floor, verifiedIndex, term, leader }: Core, { openedIndex }: PaxosState): boolean {
  if (verifiedIndex >= floor!.index) return true;
  return leader !== undefined && term > floor!.term && verifiedIndex >= openedIndex;
}
