/**
 * The proposer's part once its phase 1 is over: first it proposes what that found, and no-ops where it found nothing; only
 * then anything new ("Paxos Made Simple", section 3).
 */
import { NO_BYTES } from "../../runtime/bytes.ts";
import type { Entry, Index, Term } from "../consensus.ts";
import { noteMembership, openWrite, type Core } from "../core.ts";
import type { Progress } from "../progress.ts";
import { becomeLeader } from "../roles.ts";
import type { Accept, Gap } from "./message.ts";
import type { Opening } from "./phase-one.ts";

/** Leads with everything in its own ballot that may have been chosen in an earlier one. */
export function lead(core: Core, { entries, reports }: Opening, foundTerm: Term): void {
  const start = core.commitIndex + 1;
  const skipping = core.options.mutant === "skip-noop";
  const hole = skipping ? entries.indexOf(undefined) : -1; // mutant
  if (hole >= 0) core.log.truncateFrom(start + hole); // mutant
  const found = hole >= 0 ? entries.slice(0, hole) : entries;
  found.forEach((value, at) => propose(core, start + at, value));
  const leadership = becomeLeader(core, start - 1 + found.length, start, foundTerm);
  for (const peer of leadership.peers.values()) {
    const report = reports.get(peer.id);
    if (report === undefined) continue;
    // What it accepted in lower ballots it must accept again in this one: only what is chosen stands whatever the ballot.
    peer.startAfter(Math.min(report.chosenIndex, core.commitIndex));
    if (core.options.mutant === "count-stale-accept") peer.startAfter(report.lastIndex); // mutant
  }
}

/** A slot in which nothing was accepted cannot stay empty: nothing behind it could be applied. */
function propose(core: Core, index: Index, value: Entry | undefined): void {
  const { kind, payload } = value ?? { kind: "noop" as const, payload: NO_BYTES };
  const entry: Entry = { index, term: core.term, kind, payload };
  core.log.put(entry);
  openWrite(core);
  core.durability.entriesChanged(index, index);
  noteMembership(core, entry);
}

export function acceptMessage(core: Core, prevIndex: Index, entries: readonly Entry[]): Accept {
  const { term, commitIndex, leadership } = core;
  return { type: "accept", term, prevIndex, openingIndex: leadership!.openingIndex, entries, commitIndex };
}

export function onGap(peer: Progress, { prevIndex, hintIndex, recovering }: Gap): void {
  peer.reject(prevIndex, hintIndex, recovering);
}
