/** A follower's part in replication (Raft section 5.3): check, append, acknowledge, learn what is committed. */
import { assert } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Entry } from "../consensus.ts";
import type { Append, CommitNotice, Heartbeat } from "../message.ts";
import { heardFromLeader } from "./election.ts";
import { appendEntry, commitTo, send, truncateLog, type Raft } from "./state.ts";

export function onAppend(raft: Raft, from: NodeId, message: Append): void {
  heardFromLeader(raft, from);
  const { log } = raft;
  const { prevIndex, entries } = message;
  const endIndex = prevIndex + entries.length;
  // What is committed agrees with every leader's log, also where it is compacted here: only what lies above is compared.
  if (prevIndex >= raft.commitIndex && log.term(prevIndex) !== message.prevTerm) {
    const hintIndex = log.agreementLimit(prevIndex, message.prevTerm);
    const hintTerm = log.term(hintIndex) ?? 0;
    const { term } = raft;
    const recovering = raft.floor !== undefined;
    send(raft, from, { type: "appendReject", term, prevIndex, hintIndex, hintTerm, recovering });
    return;
  }
  if (raft.options.mutant === "truncate-without-conflict") {
    const cut = Math.max(prevIndex, raft.commitIndex) + 1;
    if (cut <= log.lastIndex) truncateLog(raft, cut); // mutant
  }
  for (const entry of entries) storeEntry(raft, entry);
  raft.verifiedIndex = Math.max(raft.verifiedIndex, endIndex);
  raft.replyDue = true;
  learnCommit(raft, message.commitIndex);
}

/**
 * Appends one entry of the leader. An append may be old or repeated: what it holds is then in the log already, and the log
 * may go on behind it. Only an entry that differs (same index, other term) shows that the rest is wrong.
 */
function storeEntry(raft: Raft, entry: Entry): void {
  const { log } = raft;
  if (entry.index <= raft.commitIndex) return;
  const term = log.term(entry.index);
  if (term === entry.term) return;
  if (term !== undefined) truncateLog(raft, entry.index);
  appendEntry(raft, entry);
}

/** Committed are, of what the leader has committed, those entries that surely are the leader's. */
export function learnCommit(raft: Raft, leaderCommit: number): void {
  raft.leaderCommit = Math.max(raft.leaderCommit, leaderCommit);
  // While a snapshot is being installed the state machine has no definite position.
  if (raft.receiver?.installing === true) return;
  commitTo(raft, Math.min(raft.leaderCommit, raft.verifiedIndex));
}

export function onHeartbeat(raft: Raft, from: NodeId, message: Heartbeat): void {
  heardFromLeader(raft, from);
  learnCommit(raft, message.commitIndex);
  const receivedIndex = raft.verifiedIndex;
  // Never behind the disk: it says what is on the disk instead of waiting for it.
  send(raft, from, {
    type: "heartbeatReply",
    term: raft.term,
    round: message.round,
    receivedIndex,
    durableIndex: Math.min(receivedIndex, raft.durability.stableIndex),
  });
}

export function onCommitNotice(raft: Raft, from: NodeId, message: CommitNotice): void {
  heardFromLeader(raft, from);
  learnCommit(raft, message.commitIndex);
}

/** One acknowledgement for all appends of the turn, behind the write that holds them. */
export function acknowledge(raft: Raft): void {
  if (!raft.replyDue || raft.leader === undefined) return;
  assert(raft.leader !== raft.id, "a leader acknowledged itself");
  raft.replyDue = false;
  const reply = { type: "appendReply", term: raft.term, matchIndex: raft.verifiedIndex } as const;
  send(raft, raft.leader, reply, raft.durability.after);
}
