/** A leader's part in replication (Raft section 5.3): what each peer needs next, and what is committed. */
import type { NodeId } from "../runtime/world.ts";
import type { Entry, Index } from "./consensus.ts";
import type { HeartbeatReply } from "./message.ts";
import type { Progress } from "./progress.ts";
import { quorumValue } from "./quorum.ts";
import { reserveOf } from "./reserve.ts";
import { sendSnapshot } from "./snapshots.ts";
import { commitTo, send, voterSets, type Core } from "./core.ts";
import type { Leadership } from "./offices.ts";

/** A peer that a quorum does not need gets an append this often at the most, unless somebody there waits for it. */
const RESERVE_INTERVAL_MS = 5;
/** An append that was not even received after this part of the least election timeout is sent again. */
const LOST_AFTER = 0.5;

export function onHeartbeatReply(core: Core, peer: Progress, message: HeartbeatReply): void {
  peer.ackedRound = Math.max(peer.ackedRound, message.round);
  peer.acknowledge(message.durableIndex);
  const limitMs = core.options.electionTimeoutMinMs * LOST_AFTER;
  const { receivedIndex, round } = message;
  if (peer.isInDoubt(receivedIndex)) peer.startProbe();
  else if (peer.state !== "snapshot" && peer.isLost(receivedIndex, round, limitMs, core.nowMs)) {
    peer.startProbe();
  }
}

/** How far each node's disk holds this leader's log. */
function matchOf(core: Core, leadership: Leadership, id: NodeId): Index {
  return id === core.id ? core.durability.stableIndex : (leadership.peers.get(id)?.matchIndex ?? 0);
}

/** Commits what a quorum's disks hold. */
export function advanceCommit(core: Core, leadership: Leadership): void {
  const chosen = Math.min(
    quorumValue(voterSets(core), (id) => matchOf(core, leadership, id)),
    core.log.lastIndex,
  );
  if (chosen <= core.commitIndex) return;
  if (!core.policy.mayCommit(core, chosen)) return;
  for (let index = core.commitIndex + 1; index <= chosen; index += 1) {
    leadership.uncommittedBytes -= core.log.entry(index)!.payload.length;
  }
  commitTo(core, chosen);
}

/** The last batch that was cut: peers at the same place get the very same array, so that it is encoded once. */
interface Batch {
  from: Index;
  entries: readonly Entry[];
}

/** Sends every peer what it may have and does not yet; those in reserve get more at a time, a little later. */
export function replicate(core: Core, leadership: Leadership): void {
  const batch: Batch = { from: 0, entries: [] };
  let reserve: readonly Progress[] | undefined;
  for (const peer of leadership.peers.values()) {
    if (!mayWait(core, leadership, peer) || !(reserve ??= reserveOf(core, leadership, held)).includes(peer)) {
      while (sendAppend(core, leadership, peer, batch)) {
        // As many as the window lets through.
      }
      peer.gathers = peer.nextIndex > core.log.lastIndex;
    }
    if (peer.state === "snapshot") sendSnapshot(core, peer);
    const dueIndex = leadership.announcing ? core.commitIndex : Math.min(peer.awaitedIndex, core.commitIndex);
    if (peer.state === "replicate" && peer.commitSent < dueIndex) {
      send(core, peer.id, { type: "commitNotice", term: core.term, commitIndex: core.commitIndex });
      peer.commitSent = core.commitIndex;
    }
  }
  leadership.announcing = false;
}

/**
 * To gather entries costs a peer less than to take each by itself; one that is behind has gathered enough. Who falls behind, or is
 * silent, soon holds less than one that got its share late, and changes places with it.
 */
function mayWait(core: Core, leadership: Leadership, peer: Progress): boolean {
  if (!peer.gathers || peer.nextIndex > core.log.lastIndex) return false;
  if (leadership.announcing || leadership.transfer !== undefined) return false;
  if (peer.state !== "replicate" || peer.awaitedIndex >= peer.nextIndex) return false;
  return core.nowMs - peer.appendedMs < RESERVE_INTERVAL_MS;
}

function held({ state, matchIndex }: Progress): number {
  return state === "replicate" ? matchIndex : -1;
}

function sendAppend(core: Core, leadership: Leadership, peer: Progress, batch: Batch): boolean {
  if (peer.state === "snapshot" || !peer.hasRoom(core.options.appendWindow)) return false;
  const { log } = core;
  const prevIndex = peer.nextIndex - 1;
  if (prevIndex >= log.lastIndex && peer.state === "replicate") return false;
  if (prevIndex < log.firstIndex - 1) {
    peer.startSnapshot(core.snapshot!, core.nowMs);
    return false;
  }
  if (batch.from !== peer.nextIndex) {
    batch.from = peer.nextIndex;
    batch.entries = log.batch(peer.nextIndex, core.options.appendMaxBytes);
  }
  const { entries } = batch;
  let bytes = 0;
  for (const entry of entries) bytes += entry.payload.length;
  send(core, peer.id, core.policy.append(core, prevIndex, entries));
  peer.sent(prevIndex, prevIndex + entries.length, bytes, leadership.barrier.lastRound, core.nowMs);
  peer.commitSent = core.commitIndex;
  return true;
}
