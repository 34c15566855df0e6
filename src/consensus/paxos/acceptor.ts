/**
 * The acceptor's part, and the learner's: promise, accept, report, and learn what is chosen ("Paxos Made Simple", sections 2.2,
 * 2.3). Slots are accepted one by one, in any order; acknowledged, chosen and applied they are from the front.
 */
import type { NodeId } from "../../runtime/world.ts";
import type { Entry, Index } from "../consensus.ts";
import { mayVote, noteMembership, openWrite, send, setBallot, type Core } from "../core.ts";
import { heardFromLeader, isHandover, leaderSeemsAlive } from "../election.ts";
import { learnCommit } from "../follower.ts";
import type { Run } from "../message.ts";
import type {
  Accept,
  AcceptedUpTo,
  Fetch,
  Gap,
  Prepare,
  PromiseMessage,
  Refusal,
  Values,
} from "./message.ts";

/** Runs in one promise: a few, unless leaders followed each other within a few slots. */
const RUNS_MAX = 512;
/** Slots that may be accepted ahead of a gap. Behind it are as many as a leader has on their way, never a whole log. */
export const AHEAD_MAX = 4096;

/** The dispatcher saw to it that `message.term` is not above this node's, unless a live leader forbids the promise. */
export function onPrepare(core: Core, from: NodeId, message: Prepare): void {
  const free = core.votedFor === undefined || core.votedFor === from;
  const granted =
    mayVote(core) &&
    isCovered(core, message.chosenIndex, message.accepted) &&
    message.term === core.term &&
    free &&
    core.leader === undefined &&
    (isHandover(core, message.replaces) || !leaderSeemsAlive(core));
  if (!granted) {
    const refusal: Refusal = { type: "refusal", term: core.term };
    return send(core, from, refusal);
  }
  if (core.votedFor === undefined) setBallot(core, core.term, from);
  core.detector.restartWait(core.nowMs); // It gets the time that a campaign takes.
  const early = core.options.mutant === "promise-before-disk"; // mutant
  send(core, from, report(core, message.fromIndex), early ? 0 : core.durability.after);
}

/**
 * False when this node lost accepted values that a candidate may not know of. A promise says what was accepted, to a proposer that
 * may find it nowhere else: who does not know that any more must promise nobody, but one that accepted every slot in question in a
 * ballot that is no lower, or knows it to be chosen.
 */
export function isCovered({ floor, options }: Core, chosenIndex: Index, accepted: readonly Run[]): boolean {
  if (floor === undefined || options.mutant === "ignore-floor") return true; // mutant
  let covered = chosenIndex;
  for (const { fromIndex, toIndex, ballot } of accepted) {
    if (ballot >= floor.term && fromIndex <= covered + 1) covered = Math.max(covered, toIndex);
  }
  return covered >= floor.index;
}

/** What this node accepted from `fromIndex` on, as far as it fits into one message: up to `throughIndex`. */
export function acceptedRuns({ log }: Core, fromIndex: Index): { runs: Run[]; throughIndex: Index } {
  const runs: Run[] = [];
  let throughIndex = fromIndex - 1;
  for (let index = fromIndex; index <= log.lastIndex; index += 1) {
    const ballot = log.term(index);
    const last = runs[runs.length - 1];
    if (ballot !== undefined && last?.toIndex === index - 1 && last.ballot === ballot) {
      runs[runs.length - 1] = { ...last, toIndex: index };
    } else if (ballot !== undefined) {
      if (runs.length === RUNS_MAX) break;
      runs.push({ fromIndex: index, toIndex: index, ballot });
    }
    throughIndex = index;
  }
  return { runs, throughIndex };
}

function report(core: Core, fromIndex: Index): PromiseMessage {
  const { log, term, commitIndex: chosenIndex } = core;
  const { firstIndex, lastIndex } = log;
  const { runs, throughIndex } = acceptedRuns(core, Math.max(fromIndex, chosenIndex + 1));
  return { type: "promise", term, fromIndex, chosenIndex, firstIndex, runs, throughIndex, lastIndex };
}

/** Only for the candidate that this node promised: then nothing of it can change any more. */
export function onFetch(core: Core, from: NodeId, message: Fetch): void {
  if (message.term !== core.term || core.votedFor !== from) return;
  core.detector.restartWait(core.nowMs); // The campaign gets on.
  const { fromIndex, toIndex } = message;
  const batch = fromIndex < core.log.firstIndex ? [] : core.log.batch(fromIndex, core.options.appendMaxBytes);
  const entries = batch.filter(({ index }) => index <= toIndex);
  const values: Values = { type: "values", term: core.term, fromIndex, entries };
  send(core, from, values);
}

/** Accepts the slots, whatever is in those before them; `openedIndex` learns where the leader's phase 1 ended. */
export function onAccept(core: Core, from: NodeId, message: Accept): void {
  if (message.term < core.term) return acceptBelowPromise(core, from, message);
  heardFromLeader(core, from);
  const { prevIndex, entries, term } = message;
  if (prevIndex - core.verifiedIndex <= AHEAD_MAX)
    for (const entry of entries) acceptValue(core, entry, term);
  verify(core);
  const endIndex = prevIndex + entries.length;
  if (core.options.mutant === "apply-over-hole") core.verifiedIndex = Math.max(core.verifiedIndex, endIndex); // mutant
  if (core.verifiedIndex < prevIndex) {
    const recovering = core.floor !== undefined;
    const gap: Gap = { type: "gap", term, prevIndex, hintIndex: core.verifiedIndex, recovering };
    send(core, from, gap);
  } else core.replyDue = true;
  learnCommit(core, message.commitIndex);
}

/** An acceptor may take part in every ballot from the promised one on: the dispatcher saw to it that this is one of those. */
function acceptValue(core: Core, entry: Entry, term: number): void {
  const { index, kind, payload } = entry;
  if (index <= core.commitIndex || core.log.term(index) === term) return;
  core.log.put(entry.term === term ? entry : { index, term, kind, payload });
  openWrite(core);
  core.durability.entriesChanged(index, index);
}

function acceptBelowPromise(core: Core, from: NodeId, { term, prevIndex, entries }: Accept): void {
  for (const entry of entries) acceptValue(core, entry, term); // mutant: accept-below-promise
  const reply: AcceptedUpTo = { type: "accepted", term, matchIndex: prevIndex + entries.length };
  send(core, from, reply, core.durability.after);
}

/**
 * How far the log agrees with the leader's: what is chosen, and what is accepted in its ballot. There a membership is in
 * force, as it is at the leader since it proposed it.
 */
export function verify(core: Core): void {
  for (let index = core.verifiedIndex + 1; core.log.term(index) === core.term; index += 1) {
    core.verifiedIndex = index;
    noteMembership(core, core.log.entry(index)!);
  }
}
