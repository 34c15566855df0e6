/** Raft's log: a follower's equals its leader's wherever the two agree on one entry (Raft section 5.3, Log Matching). */
import { assert } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Entry, Index, Recovered, SnapshotMeta } from "../consensus.ts";
import {
  adoptMembership,
  appendEntry,
  noteMembership,
  openWrite,
  recordSnapshot,
  send,
  type Core,
} from "../core.ts";
import { heardFromLeader } from "../election.ts";
import { learnCommit } from "../follower.ts";
import { Log } from "../log.ts";
import type { Progress } from "../progress.ts";
import type { Append, AppendReject } from "./message.ts";

export function onAppend(core: Core, from: NodeId, message: Append): void {
  heardFromLeader(core, from);
  const { log } = core;
  const { prevIndex, entries } = message;
  const endIndex = prevIndex + entries.length;
  // What is committed agrees with every leader's log, also where it is compacted here: only what lies above is compared.
  if (prevIndex >= core.commitIndex && log.term(prevIndex) !== message.prevTerm) {
    const hintIndex = log.agreementLimit(prevIndex, message.prevTerm);
    const hintTerm = log.term(hintIndex) ?? 0;
    const { term } = core;
    const recovering = core.floor !== undefined;
    const reject: AppendReject = { type: "appendReject", term, prevIndex, hintIndex, hintTerm, recovering };
    return send(core, from, reject);
  }
  if (core.options.mutant === "truncate-without-conflict") {
    const cut = Math.max(prevIndex, core.commitIndex) + 1;
    if (cut <= log.lastIndex) truncateLog(core, cut); // mutant
  }
  for (const entry of entries) storeEntry(core, entry);
  core.verifiedIndex = Math.max(core.verifiedIndex, endIndex);
  core.replyDue = true;
  learnCommit(core, message.commitIndex);
}

/**
 * Appends one entry of the leader. An append may be old or repeated: what it holds is then in the log already, and the log
 * may go on behind it. Only an entry that differs (same index, other term) shows that the rest is wrong.
 */
function storeEntry(core: Core, entry: Entry): void {
  const { log } = core;
  if (entry.index <= core.commitIndex) return;
  const term = log.term(entry.index);
  if (term === entry.term) return;
  if (term !== undefined) truncateLog(core, entry.index);
  appendEntry(core, entry);
}

/** Removes a suffix that a leader contradicted. What is committed never is. */
function truncateLog(core: Core, from: Index): void {
  assert(from > core.commitIndex, `truncation at ${from} would undo the commit of ${core.commitIndex}`);
  core.log.truncateFrom(from);
  core.durability.truncated(from);
  openWrite(core);
  core.durability.entriesChanged(from, from);
  if (core.history.truncateFrom(from)) adoptMembership(core);
}

export function onAppendReject(core: Core, peer: Progress, message: AppendReject): void {
  const { prevIndex, hintIndex, hintTerm, recovering } = message;
  peer.reject(prevIndex, core.log.agreementLimit(hintIndex, hintTerm), recovering);
}

/** The log now goes on after an installed snapshot. */
export function startAfterSnapshot(core: Core, snapshot: SnapshotMeta): void {
  const { log, durability, history } = core;
  if (log.term(snapshot.index) === snapshot.term) {
    // The suffix agrees with the snapshot and may be the only other copy of a committed entry: it stays.
    log.compactTo(snapshot.index);
    history.compactTo(snapshot.index);
  } else {
    log.reset(snapshot.index, snapshot.term);
    durability.truncated(snapshot.index + 1);
    durability.entriesGone();
    history.reset({ index: snapshot.index, term: snapshot.term, membership: snapshot.membership });
    adoptMembership(core);
  }
  durability.stableIndex = Math.max(durability.stableIndex, snapshot.index);
  recordSnapshot(core, snapshot);
}

/** The log after the snapshot, or a longer one that agrees with it. */
export function recoverLog({ snapshot, entries }: Recovered): Log {
  const after = snapshot === undefined ? new Log(0, 0) : new Log(snapshot.index, snapshot.term);
  const first = entries[0];
  if (first === undefined) return after;
  assert(first.index <= after.firstIndex, `the stored log starts at ${first.index}, after a gap`);
  // What came before an older start is not known, so that the first entry serves as the base.
  const log = first.index === after.firstIndex ? after : new Log(first.index, first.term);
  for (const entry of entries) if (entry.index > log.lastIndex) log.append(entry);
  if (snapshot === undefined || log.term(snapshot.index) === snapshot.term) return log;
  // It ends before the snapshot, or contradicts it: the crash came between installing it and resetting the log.
  return new Log(snapshot.index, snapshot.term);
}

/** Every membership of the log is in force in its turn, committed or not. */
export function onRecovered(core: Core, recovered: Recovered): void {
  const { log } = core;
  assert(core.term >= log.lastTerm, `term ${core.term} is behind the log's ${log.lastTerm}`);
  for (const entry of log.range(core.commitIndex + 1, log.lastIndex)) noteMembership(core, entry);
  core.effects.length = 0; // The driver hears of the last one alone.
  const stored = recovered.entries[recovered.entries.length - 1]?.index ?? 0;
  // What the disk holds does not lead to the snapshot: it must not be found in front of what is stored from now on.
  if (recovered.snapshot !== undefined && stored > 0 && log.entry(stored) === undefined) {
    recordSnapshot(core, recovered.snapshot);
  }
}
