/** A leader's part in replication (Raft section 5.3, 5.4.2): what each peer needs next, and what is committed. */
import type { NodeId } from "../../runtime/world.ts";
import type { Entry, Index } from "../consensus.ts";
import type { AppendReject, AppendReply, HeartbeatReply } from "../message.ts";
import type { Progress } from "../progress.ts";
import { quorumValue } from "../quorum.ts";
import { sendSnapshot } from "./snapshots.ts";
import { commitTo, send, voterSets, type Leadership, type Raft } from "./state.ts";

/** An append that was not even received after this part of the least election timeout is sent again. */
const LOST_AFTER = 0.5;

export function onAppendReply(peer: Progress, message: AppendReply): void {
  peer.acknowledge(message.matchIndex);
}

export function onAppendReject(raft: Raft, peer: Progress, message: AppendReject): void {
  const { prevIndex, hintIndex, hintTerm, recovering } = message;
  peer.reject(prevIndex, raft.log.agreementLimit(hintIndex, hintTerm), recovering);
}

export function onHeartbeatReply(raft: Raft, peer: Progress, message: HeartbeatReply): void {
  peer.ackedRound = Math.max(peer.ackedRound, message.round);
  peer.acknowledge(message.durableIndex);
  const limitMs = raft.options.electionTimeoutMinMs * LOST_AFTER;
  if (peer.state !== "snapshot" && peer.isLost(message.receivedIndex, message.round, limitMs, raft.nowMs)) {
    peer.startProbe();
  }
}

/** How far each node's disk holds this leader's log. */
function matchOf(raft: Raft, leadership: Leadership, id: NodeId): Index {
  return id === raft.id ? raft.durability.stableIndex : (leadership.peers.get(id)?.matchIndex ?? 0);
}

/** Commits what a quorum's disks hold. */
export function advanceCommit(raft: Raft, leadership: Leadership): void {
  const chosen = Math.min(
    quorumValue(voterSets(raft), (id) => matchOf(raft, leadership, id)),
    raft.log.lastIndex,
  );
  if (chosen <= raft.commitIndex) return;
  // An entry of an earlier term on a majority may still be replaced by a leader that never saw it; one of this term, which
  // only a log that holds everything before it can hold, cannot (Raft section 5.4.2, figure 8).
  const counting = raft.options.mutant === "commit-old-term-by-counting"; // mutant
  if (raft.log.term(chosen) !== raft.term && !counting) return;
  for (let index = raft.commitIndex + 1; index <= chosen; index += 1) {
    leadership.uncommittedBytes -= raft.log.entry(index)!.payload.length;
  }
  commitTo(raft, chosen);
}

/** The last batch that was cut: peers at the same place get the very same array, so that it is encoded once. */
interface Batch {
  from: Index;
  entries: readonly Entry[];
}

/** Sends every peer what it may have and does not yet. */
export function replicate(raft: Raft, leadership: Leadership): void {
  const batch: Batch = { from: 0, entries: [] };
  for (const peer of leadership.peers.values()) {
    while (sendAppend(raft, leadership, peer, batch)) {
      // As many as the window lets through.
    }
    if (peer.state === "snapshot") sendSnapshot(raft, peer);
    const dueIndex = leadership.announcing ? raft.commitIndex : Math.min(peer.awaitedIndex, raft.commitIndex);
    if (peer.state === "replicate" && peer.commitSent < dueIndex) {
      send(raft, peer.id, { type: "commitNotice", term: raft.term, commitIndex: raft.commitIndex });
      peer.commitSent = raft.commitIndex;
    }
  }
  leadership.announcing = false;
}

function sendAppend(raft: Raft, leadership: Leadership, peer: Progress, batch: Batch): boolean {
  if (peer.state === "snapshot" || !peer.hasRoom(raft.options.appendWindow)) return false;
  const { log } = raft;
  const prevIndex = peer.nextIndex - 1;
  if (prevIndex >= log.lastIndex && peer.state === "replicate") return false;
  const prevTerm = log.term(prevIndex);
  if (prevTerm === undefined) {
    peer.startSnapshot(raft.snapshot!, raft.nowMs);
    return false;
  }
  if (batch.from !== peer.nextIndex) {
    batch.from = peer.nextIndex;
    batch.entries = log.batch(peer.nextIndex, raft.options.appendMaxBytes);
  }
  const { entries } = batch;
  let bytes = 0;
  for (const entry of entries) bytes += entry.payload.length;
  const { term, commitIndex } = raft;
  send(raft, peer.id, { type: "append", term, prevIndex, prevTerm, entries, commitIndex });
  peer.sent(prevIndex, prevIndex + entries.length, bytes, leadership.barrier.lastRound, raft.nowMs);
  peer.commitSent = commitIndex;
  return true;
}
