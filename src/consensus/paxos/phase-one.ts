/**
 * Phase 1, once for a whole leadership: what a candidate learns from the acceptors before it may propose ("Paxos Made Simple",
 * section 3).
 *
 * From the promises it learns what is chosen already, and for every slot behind that what was accepted, in which ballot. It
 * fetches the values that it lacks. It has won once those that promised are a quorum of the membership in which the log, put
 * together so, ends: found memberships may ask for the promises of others, who may know of more.
 */
import type { NodeId } from "../../runtime/world.ts";
import type { Entry, Index, Membership, Term } from "../consensus.ts";
import { commitTo, mayCampaign, noteMembership, openWrite, send, type Core } from "../core.ts";
import { decodeMembership, isMeant, isSuccessor } from "../membership.ts";
import { countVotes } from "../quorum.ts";
import { becomeFollower, extendCandidacy } from "../roles.ts";
import { acceptedRuns } from "./acceptor.ts";
import type { Fetch, Prepare, PromiseMessage, Values } from "./message.ts";
import { highestAccepted, type Accepted } from "./single-decree.ts";

/** A value that was accepted, by who has it. */
type Found = Map<Index, Accepted<NodeId>>;

export interface PhaseOne {
  /** `Prepare.replaces`. */
  readonly replaces: Term;
  /** Who was asked, as which life of its name. */
  readonly asked: Map<NodeId, string | undefined>;
  readonly reports: Map<NodeId, PromiseMessage>;
  /**
   * Fetched values of slots that are not known to be chosen, also of this node's campaigns before: in a slot and a ballot there is
   * never another. So campaigns that are too short to fetch everything add up.
   */
  readonly values: Map<Index, Entry>;
  fetching: { readonly from: NodeId; readonly chosen: boolean } | undefined;
}

/** What phase 1 found, from the first slot that is not known to be chosen on. */
export interface Opening {
  /** One for each slot up to the last in which a value was accepted; undefined where none was. */
  readonly entries: readonly (Entry | undefined)[];
  /** Of those whose promise counts: of other lives of their names nothing is known. */
  readonly reports: ReadonlyMap<NodeId, PromiseMessage>;
}

export function startPhaseOne(core: Core, replaces: Term, values: Map<Index, Entry>): PhaseOne {
  for (const index of values.keys()) if (index <= core.commitIndex) values.delete(index);
  const phase: PhaseOne = { replaces, asked: new Map(), reports: new Map(), values, fetching: undefined };
  ask(core, phase, core.membership);
  ask(core, phase, membershipAtEnd(core, find(core, phase), phase));
  return phase;
}

/** Prepares, once this node's own promise is on its disk. */
function ask(core: Core, phase: PhaseOne, membership: Membership): void {
  const { voters, outgoing, identities } = membership;
  for (const id of [...voters, ...outgoing]) {
    if (id === core.id || phase.asked.has(id)) continue;
    phase.asked.set(id, identities?.[id]);
    prepare(core, phase, id, core.commitIndex + 1);
  }
}

function prepare(core: Core, { replaces }: PhaseOne, to: NodeId, fromIndex: Index): void {
  const { term, commitIndex: chosenIndex } = core;
  const accepted = acceptedRuns(core, chosenIndex + 1).runs;
  const message: Prepare = { type: "prepare", term, fromIndex, replaces, chosenIndex, accepted };
  send(core, to, message, core.durability.after);
}

/** Takes in a promise; a long one comes in several messages and counts with the last. */
export function onPromise(core: Core, phase: PhaseOne, from: NodeId, message: PromiseMessage): void {
  const before = phase.reports.get(from);
  if (before !== undefined && message.fromIndex !== before.throughIndex + 1) return;
  const runs = [...(before?.runs ?? []), ...message.runs];
  phase.reports.set(from, { ...message, runs });
  extendCandidacy(core);
  if (message.throughIndex < message.lastIndex) prepare(core, phase, from, message.throughIndex + 1);
  else core.candidacy!.votes.set(from, true);
}

/** Takes in values that were asked for. False: they are not to be had. */
export function onValues(core: Core, phase: PhaseOne, from: NodeId, { entries }: Values): boolean {
  const { fetching } = phase;
  if (fetching?.from !== from) return true;
  phase.fetching = undefined;
  extendCandidacy(core);
  for (const entry of entries) {
    if (fetching.chosen) learnChosen(core, entry);
    else phase.values.set(entry.index, entry);
  }
  return entries.length > 0;
}

/** What is chosen replaces whatever was accepted, and may be applied. */
function learnChosen(core: Core, entry: Entry): void {
  if (entry.index !== core.commitIndex + 1) return;
  core.log.put(entry);
  openWrite(core);
  core.durability.entriesChanged(entry.index, entry.index);
  commitTo(core, entry.index);
  core.verifiedIndex = entry.index;
  noteMembership(core, entry);
}

/** What to do with what is known by now: wait, lead with what was found, or give up. */
export function conclude(core: Core, phase: PhaseOne): Opening | undefined {
  if (waitsForChosen(core, phase)) return undefined;
  const found = find(core, phase);
  if (waitsForValues(core, phase, found)) return undefined;
  const membership = membershipAtEnd(core, found, phase);
  const counted = supporters(core, phase, membership);
  const result = countVotes(membership, counted);
  if (result === "lost") becomeFollower(core, core.term, undefined);
  if (result === "pending") ask(core, phase, membership);
  if (result !== "won") return undefined;
  const entries: (Entry | undefined)[] = [];
  for (let index = core.commitIndex + 1; index <= lastOf(found); index += 1) {
    entries.push(valueAt(core, found, phase, index));
  }
  const reports = new Map([...phase.reports].filter(([id]) => counted.get(id) === true));
  return { entries, reports };
}

/**
 * Whose promise counts in this membership. One that was asked for under another life of its name may come from that life, which
 * has no say here.
 */
function supporters(core: Core, phase: PhaseOne, membership: Membership): Map<NodeId, boolean> {
  const counted = new Map<NodeId, boolean>();
  for (const [id, granted] of core.candidacy!.votes) {
    const isSame =
      id === core.id
        ? isMeant(membership, id, core.options.identity)
        : phase.asked.get(id) === membership.identities?.[id];
    if (isSame || !granted) counted.set(id, granted);
  }
  return counted;
}

/** Others know of more chosen slots than this node: it fetches those first, front to back. */
function waitsForChosen(core: Core, phase: PhaseOne): boolean {
  const next = core.commitIndex + 1;
  const ahead = [...phase.reports].filter(([, { chosenIndex }]) => chosenIndex >= next);
  if (ahead.length === 0) return false;
  const able = ahead
    .filter(([, { firstIndex }]) => firstIndex <= next)
    .sort(([, left], [, right]) => right.chosenIndex - left.chosenIndex)[0];
  // The log that it needs is compacted: it must be given a snapshot, by a leader that has one.
  if (able === undefined || !mayCampaign(core)) becomeFollower(core, core.term, undefined);
  else fetch(core, phase, able[0], next, able[1].chosenIndex, true);
  return true;
}

/** For every slot that is not known to be chosen: the value of the highest ballot, by who has it. */
function find(core: Core, phase: PhaseOne): Found {
  const found: Found = new Map();
  const offer = (index: Index, ballot: number, from: NodeId): void => {
    const best = found.get(index);
    const next = { ballot, value: from };
    if (core.options.mutant === "take-lower-ballot" && best !== undefined && ballot > best.ballot) return; // mutant
    const isLower = core.options.mutant === "take-lower-ballot" && best !== undefined && ballot < best.ballot; // mutant
    found.set(index, isLower ? next : highestAccepted([best, next])!);
  };
  for (const { index, term } of core.log.range(core.commitIndex + 1, core.log.lastIndex)) {
    offer(index, term, core.id);
  }
  for (const [id, { runs }] of phase.reports) {
    for (const { fromIndex, toIndex, ballot } of runs) {
      for (let index = Math.max(fromIndex, core.commitIndex + 1); index <= toIndex; index += 1) {
        offer(index, ballot, id);
      }
    }
  }
  return found;
}

function waitsForValues(core: Core, phase: PhaseOne, found: Found): boolean {
  for (const [index, { ballot, value: holder }] of found) {
    if (holder === core.id || phase.values.get(index)?.term === ballot) continue;
    const run = phase.reports.get(holder)!.runs.find((each) => each.toIndex >= index);
    fetch(core, phase, holder, index, run?.toIndex ?? index, false);
    return true;
  }
  return false;
}

function fetch(
  core: Core,
  phase: PhaseOne,
  from: NodeId,
  fromIndex: Index,
  toIndex: Index,
  chosen: boolean,
): void {
  if (phase.fetching !== undefined) return;
  phase.fetching = { from, chosen };
  const message: Fetch = { type: "fetch", term: core.term, fromIndex, toIndex };
  send(core, from, message);
}

function lastOf(found: Found): Index {
  let last = 0;
  for (const index of found.keys()) last = Math.max(last, index);
  return last;
}

function valueAt(core: Core, found: Found, phase: PhaseOne, index: Index): Entry | undefined {
  const accepted = found.get(index);
  if (accepted === undefined) return undefined;
  return accepted.value === core.id ? core.log.entry(index) : phase.values.get(index);
}

/** The membership in which the log ends that was put together so far. */
function membershipAtEnd(core: Core, found: Found, phase: PhaseOne): Membership {
  let membership = core.history.at(core.commitIndex);
  for (const index of [...found.keys()].sort((left, right) => left - right)) {
    const entry = valueAt(core, found, phase, index);
    if (entry?.kind !== "membership") continue;
    const next = decodeMembership(entry.payload);
    if (isSuccessor(membership, next)) membership = next;
  }
  return membership;
}

/** The membership in which this node's own log ends: whose consent to an election it asks for. */
export function ownElectorate(core: Core): Membership {
  let membership = core.history.at(core.commitIndex);
  for (const { kind, payload } of core.log.range(core.commitIndex + 1, core.log.lastIndex)) {
    if (kind !== "membership") continue;
    const next = decodeMembership(payload);
    if (isSuccessor(membership, next)) membership = next;
  }
  return membership;
}
