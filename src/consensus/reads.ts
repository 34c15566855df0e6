/** Linearizable reads at the leader and at followers (thesis section 6.4). */
import type { NodeId } from "../runtime/world.ts";
import type { Index } from "./consensus.ts";
import type { ReadReply, ReadRequest } from "./message.ts";
import { isVoter, quorumValue } from "./quorum.ts";
import type { WaitingRead } from "./read-barrier.ts";
import { reserveOf } from "./reserve.ts";
import { failRead } from "./roles.ts";
import { send, voterSets, type Core } from "./core.ts";
import type { Leadership } from "./offices.ts";
import type { Progress } from "./progress.ts";

/** A forwarded read without an answer fails after the least election timeout times this; the driver asks again. */
const FORWARD_LIMIT = 1;

/** A read of this node. */
export function onRead(core: Core, id: number): void {
  const { leadership } = core;
  if (leadership !== undefined) {
    if (leaseHolds(core, core.nowMs)) {
      core.effects.push({ type: "read", id, index: core.commitIndex, lease: true });
    } else leadership.barrier.add({ origin: undefined, id });
  } else if (core.leader !== undefined) core.unsentReads.push(id);
  else core.effects.push({ type: "readFailed", id });
}

/** Without a committed entry of its own term a leader does not know what earlier leaders committed. */
function ownTermCommitted(core: Core, leadership: Leadership): boolean {
  return core.commitIndex >= leadership.openingIndex;
}

export function leaseHolds(core: Core, nowMs: number): boolean {
  const { leadership, options } = core;
  if (leadership === undefined || options.readMode !== "lease") return false;
  return ownTermCommitted(core, leadership) && leadership.lease.holds(nowMs);
}

/** Starts a round of heartbeats that confirms this leadership, for the reads that wait. */
export function startRound(core: Core, leadership: Leadership, audience: "quorum" | "voters" | "all"): void {
  const index = ownTermCommitted(core, leadership) ? core.commitIndex : undefined;
  const round = leadership.barrier.begin(core.nowMs, index, audience !== "quorum");
  const { term, commitIndex } = core;
  for (const peer of audienceOf(core, leadership, audience)) {
    send(core, peer.id, { type: "heartbeat", term, round, commitIndex });
    peer.commitSent = commitIndex;
  }
}

/** A "quorum" with this leader: those who were the quickest to answer lately. */
function audienceOf(
  core: Core,
  leadership: Leadership,
  audience: "quorum" | "voters" | "all",
): readonly Progress[] {
  const peers = [...leadership.peers.values()];
  if (audience === "all") return peers;
  const leftOut = audience === "quorum" ? reserveOf(core, leadership, ({ ackedRound }) => ackedRound) : [];
  return peers.filter((peer) => isVoter(core.membership, peer.id) && !leftOut.includes(peer));
}

/** Answers the reads that a quorum confirmed, and starts a round for those that came since. */
export function serveReads(core: Core, leadership: Leadership): void {
  const { barrier, lease } = leadership;
  if (barrier.isOverdue(core.nowMs)) startRound(core, leadership, "voters");
  else if (barrier.wantsRound() && ownTermCommitted(core, leadership)) startRound(core, leadership, "quorum");
  const round = quorumValue(voterSets(core), (id) =>
    id === core.id ? barrier.lastRound : (leadership.peers.get(id)?.ackedRound ?? 0),
  );
  const sentMs = barrier.confirm(round, (read, index) => answerRead(core, read, index));
  if (sentMs === undefined) return;
  lease.extend(core.options.mutant === "lease-starts-at-reply" ? core.nowMs : sentMs); // mutant
}

function answerRead(core: Core, read: WaitingRead, index: Index): void {
  if (read.origin === undefined) core.effects.push({ type: "read", id: read.id, index, lease: false });
  else {
    const origin = core.leadership?.peers.get(read.origin);
    if (origin !== undefined) origin.awaitedIndex = Math.max(origin.awaitedIndex, index);
    send(core, read.origin, { type: "readReply", term: core.term, id: read.id, index });
  }
}

/** A follower's read. It gets a full round also under a lease: nobody could check the lease after that read. */
export function onReadRequest(core: Core, from: NodeId, message: ReadRequest): void {
  const read = { origin: from, id: message.id };
  if (core.leadership === undefined) failRead(core, read);
  else core.leadership.barrier.add(read);
}

/** Sends this follower's reads of the turn to the leader, under one id that no other attempt ever had or will have. */
export function forwardReads(core: Core): void {
  if (core.unsentReads.length === 0 || core.leader === undefined) return;
  core.lastAttempt += 1;
  core.forwarded.set(core.lastAttempt, { ids: core.unsentReads, sentMs: core.nowMs });
  core.unsentReads = [];
  send(core, core.leader, { type: "readRequest", term: core.term, id: core.lastAttempt });
}

export function onReadReply(core: Core, message: ReadReply): void {
  const reads = core.forwarded.get(message.id);
  if (reads === undefined) return;
  core.forwarded.delete(message.id);
  const { index } = message;
  for (const id of reads.ids) {
    core.effects.push(
      index === undefined ? { type: "readFailed", id } : { type: "read", id, index, lease: false },
    );
  }
}

/** A request or its answer was lost: the driver asks again. */
export function tickForwardedReads(core: Core): void {
  const limitMs = core.options.electionTimeoutMinMs * FORWARD_LIMIT;
  for (const [attempt, reads] of core.forwarded) {
    if (core.nowMs - reads.sentMs < limitMs) break; // In the order they were sent.
    core.forwarded.delete(attempt);
    for (const id of reads.ids) core.effects.push({ type: "readFailed", id });
  }
}
