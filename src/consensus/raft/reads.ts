/** Linearizable reads at the leader and at followers (thesis section 6.4). */
import type { NodeId } from "../../runtime/world.ts";
import type { Index } from "../consensus.ts";
import type { ReadReply, ReadRequest } from "../message.ts";
import { isVoter, quorumValue } from "../quorum.ts";
import type { WaitingRead } from "../read-barrier.ts";
import { failRead } from "./roles.ts";
import { send, voterSets, type Leadership, type Raft } from "./state.ts";

/** A forwarded read without an answer fails after the least election timeout times this; the driver asks again. */
const FORWARD_LIMIT = 1;

/** A read of this node. */
export function onRead(raft: Raft, id: number): void {
  const { leadership } = raft;
  if (leadership !== undefined) {
    if (leaseHolds(raft, raft.nowMs)) {
      raft.effects.push({ type: "read", id, index: raft.commitIndex, lease: true });
    } else leadership.barrier.add({ origin: undefined, id });
  } else if (raft.leader !== undefined) raft.unsentReads.push(id);
  else raft.effects.push({ type: "readFailed", id });
}

/** Without a committed entry of its own term a leader does not know what earlier leaders committed. */
function ownTermCommitted(raft: Raft, leadership: Leadership): boolean {
  return raft.commitIndex >= leadership.noopIndex;
}

export function leaseHolds(raft: Raft, nowMs: number): boolean {
  const { leadership, options } = raft;
  if (leadership === undefined || options.readMode !== "lease") return false;
  return ownTermCommitted(raft, leadership) && leadership.lease.holds(nowMs);
}

/** Starts a round of heartbeats that confirms this leadership, for the reads that wait; also to learners if `all`. */
export function startRound(raft: Raft, leadership: Leadership, all: boolean): void {
  const index = ownTermCommitted(raft, leadership) ? raft.commitIndex : undefined;
  const round = leadership.barrier.begin(raft.nowMs, index);
  const { term, commitIndex } = raft;
  for (const peer of leadership.peers.values()) {
    if (!all && !isVoter(raft.membership, peer.id)) continue;
    send(raft, peer.id, { type: "heartbeat", term, round, commitIndex });
    peer.commitSent = commitIndex;
  }
}

/** Answers the reads that a quorum confirmed, and starts a round for those that came since. */
export function serveReads(raft: Raft, leadership: Leadership): void {
  const { barrier, lease } = leadership;
  if (barrier.wantsRound() && ownTermCommitted(raft, leadership)) startRound(raft, leadership, false);
  const round = quorumValue(voterSets(raft), (id) =>
    id === raft.id ? barrier.lastRound : (leadership.peers.get(id)?.ackedRound ?? 0),
  );
  const sentMs = barrier.confirm(round, (read, index) => answerRead(raft, read, index));
  if (sentMs === undefined) return;
  lease.extend(raft.options.mutant === "lease-starts-at-reply" ? raft.nowMs : sentMs); // mutant
}

function answerRead(raft: Raft, read: WaitingRead, index: Index): void {
  if (read.origin === undefined) raft.effects.push({ type: "read", id: read.id, index, lease: false });
  else {
    const origin = raft.leadership?.peers.get(read.origin);
    if (origin !== undefined) origin.awaitedIndex = Math.max(origin.awaitedIndex, index);
    send(raft, read.origin, { type: "readReply", term: raft.term, id: read.id, index });
  }
}

/** A follower's read. It gets a full round also under a lease: nobody could check the lease after that read. */
export function onReadRequest(raft: Raft, from: NodeId, message: ReadRequest): void {
  const read = { origin: from, id: message.id };
  if (raft.leadership === undefined) failRead(raft, read);
  else raft.leadership.barrier.add(read);
}

/** Sends this follower's reads of the turn to the leader, under one id that no other attempt ever had or will have. */
export function forwardReads(raft: Raft): void {
  if (raft.unsentReads.length === 0 || raft.leader === undefined) return;
  raft.lastAttempt += 1;
  raft.forwarded.set(raft.lastAttempt, { ids: raft.unsentReads, sentMs: raft.nowMs });
  raft.unsentReads = [];
  send(raft, raft.leader, { type: "readRequest", term: raft.term, id: raft.lastAttempt });
}

export function onReadReply(raft: Raft, message: ReadReply): void {
  const reads = raft.forwarded.get(message.id);
  if (reads === undefined) return;
  raft.forwarded.delete(message.id);
  const { index } = message;
  for (const id of reads.ids) {
    raft.effects.push(
      index === undefined ? { type: "readFailed", id } : { type: "read", id, index, lease: false },
    );
  }
}

/** A request or its answer was lost: the driver asks again. */
export function tickForwardedReads(raft: Raft): void {
  const limitMs = raft.options.electionTimeoutMinMs * FORWARD_LIMIT;
  for (const [attempt, reads] of raft.forwarded) {
    if (raft.nowMs - reads.sentMs < limitMs) break; // In the order they were sent.
    raft.forwarded.delete(attempt);
    for (const id of reads.ids) raft.effects.push({ type: "readFailed", id });
  }
}
