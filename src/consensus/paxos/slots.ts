/** The log as slots, each for itself: what is kept over a restart and under a snapshot. */
import type { Recovered, SnapshotMeta } from "../consensus.ts";
import { adoptMembership, isNamed, noteMembership, openWrite, recordSnapshot, type Core } from "../core.ts";
import { Log } from "../log.ts";
import { decodeMembership } from "../membership.ts";
import { verify } from "./acceptor.ts";

/** What was accepted behind the snapshot, with its gaps, and what was kept in front of it without any. */
export function recoverLog({ snapshot, entries }: Recovered): Log {
  const end = snapshot?.index ?? 0;
  let first = end + 1;
  for (const { index } of [...entries].reverse()) if (index === first - 1) first = index;
  const log = new Log(first - 1, first === end + 1 ? (snapshot?.term ?? 0) : 0);
  for (const entry of entries) if (entry.index >= first) log.put(entry);
  return log;
}

/** What was known to be chosen is so still, and the rest is what this acceptor accepted. */
export function onRecovered(core: Core, { chosen = 0 }: Recovered): void {
  const { log } = core;
  const start = core.commitIndex;
  core.commitIndex = Math.max(start, Math.min(chosen, log.unbrokenFrom(start)));
  core.verifiedIndex = core.commitIndex;
  core.leaderCommit = core.commitIndex;
  for (const entry of log.range(start + 1, core.commitIndex)) noteMembership(core, entry);
  core.effects.length = 0; // The driver hears of the last one alone.
  core.named = isNamedByAccepted(core);
  // What was accepted in the ballot that was promised last counts for its leader at once.
  let stable = core.commitIndex;
  while (log.term(stable + 1) === core.term) stable += 1;
  core.durability.stableIndex = stable;
}

/**
 * True when a membership that was accepted names this life of the node, and this node has every slot before it in a ballot
 * that is not lower: then it has everything that was chosen before that was proposed, also what took the vote from its last
 * life.
 */
function isNamedByAccepted(core: Core): boolean {
  const { log, commitIndex } = core;
  let lowest = Number.POSITIVE_INFINITY;
  for (let index = commitIndex + 1; ; index += 1) {
    const entry = log.entry(index);
    if (entry === undefined) return false;
    lowest = Math.min(lowest, entry.term);
    if (entry.kind !== "membership" || lowest < entry.term) continue;
    if (isNamed(core, decodeMembership(entry.payload))) return true;
  }
}

/**
 * What is behind an installed snapshot was accepted for its own slot, and stays: a promise may rest on it. So do the memberships
 * there, which a leader that came meanwhile proposed and this node acknowledged.
 */
export function startAfterSnapshot(core: Core, snapshot: SnapshotMeta): void {
  const { log, durability, history } = core;
  const { index, term, membership } = snapshot;
  log.startAfter(index, term);
  const base = { index, term, membership };
  if (core.options.mutant === "forget-members-behind-snapshot") history.reset(base); // mutant
  else history.startAfter(base);
  adoptMembership(core);
  core.verifiedIndex = Math.max(core.verifiedIndex, index);
  if (core.leader !== undefined) verify(core);
  durability.stableIndex = Math.max(durability.stableIndex, index);
  recordSnapshot(core, snapshot);
  if (core.options.mutant !== "forget-promise-in-snapshot") return;
  core.term = term; // mutant
  core.votedFor = undefined;
  openWrite(core);
  durability.ballotChanged = true;
}
