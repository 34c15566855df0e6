/**
 * Snapshots on both sides (Raft section 7): chunks that resume where the receiver is, and a log that waits for it.
 */
import { NO_BYTES } from "../../runtime/bytes.ts";
import { assert } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Index, SnapshotMeta } from "../consensus.ts";
import type { SnapshotChunk, SnapshotReply } from "../message.ts";
import type { Progress } from "../progress.ts";
import { isSameTransfer, receiveSnapshot, type SnapshotReceiver } from "../snapshot-transfer.ts";
import { heardFromLeader } from "./election.ts";
import { learnCommit } from "./follower.ts";
import { commitTo, send, startAfterSnapshot, type Raft } from "./state.ts";

/** A chunk without an answer is sent again after the least election timeout times this. */
const CHUNK_RETRY = 2;
/** A receiver that was silent for the greatest election timeout times this no longer holds the leader's log back. */
const PIN_LIMIT = 5;

/** Sends the chunk that is due to a peer in state `snapshot`. */
export function sendSnapshot(raft: Raft, peer: Progress): void {
  const sending = peer.sending!;
  if (sending.sentMs !== undefined) return;
  sending.sentMs = raft.nowMs;
  const { snapshot, offset } = sending;
  const length = Math.min(raft.options.snapshotChunkBytes, snapshot.sizeBytes - offset);
  const message: SnapshotChunk = {
    type: "snapshotChunk",
    term: raft.term,
    snapshot,
    offset,
    chunk: NO_BYTES,
  };
  if (length === 0) send(raft, peer.id, message);
  else raft.effects.push({ type: "sendChunk", to: peer.id, snapshot, offset, length, message });
}

export function onSnapshotReply(raft: Raft, peer: Progress, message: SnapshotReply): void {
  const { sending } = peer;
  if (sending === undefined || sending.snapshot.index !== message.snapshotIndex) return;
  if (message.offset > sending.snapshot.sizeBytes) return;
  if (message.offset !== sending.offset) {
    sending.offset = message.offset;
    sending.progressMs = raft.nowMs;
    // All of it is there: the peer answers when it is installed, and is asked again only after a while.
    sending.sentMs = message.offset === sending.snapshot.sizeBytes ? raft.nowMs : undefined;
  }
}

/** Repeats what was not answered, changes to a newer snapshot when one goes nowhere, and lets go of pinned entries. */
export function tickSnapshots(raft: Raft, peers: Iterable<Progress>): void {
  const { electionTimeoutMinMs, electionTimeoutMaxMs } = raft.options;
  for (const peer of peers) {
    const { sending } = peer;
    if (sending?.sentMs === undefined) continue;
    if (raft.nowMs - sending.sentMs >= electionTimeoutMinMs * CHUNK_RETRY) sending.sentMs = undefined;
    const stuck = raft.nowMs - sending.progressMs >= electionTimeoutMaxMs * PIN_LIMIT;
    const newer = raft.snapshot!.index > sending.snapshot.index;
    if (stuck && newer) peer.startSnapshot(raft.snapshot!, raft.nowMs);
  }
  compactLog(raft);
}

/** The driver made a local snapshot; the entries before `keepFrom` may go. */
export function onCompact(raft: Raft, snapshot: SnapshotMeta, keepFrom: Index): void {
  assert(snapshot.index <= raft.commitIndex, `a snapshot of ${snapshot.index}, which is not committed`);
  if (raft.snapshot !== undefined && snapshot.index < raft.snapshot.index) return;
  raft.snapshot = snapshot;
  raft.compactWanted = Math.max(raft.compactWanted, Math.min(keepFrom - 1, snapshot.index));
  compactLog(raft);
}

/**
 * Drops what may go. While a peer installs a snapshot the entries after it stay, or a cluster under load would send it
 * one snapshot after the other and never catch up; but not for a peer that fell silent.
 */
export function compactLog(raft: Raft): void {
  let upTo = raft.compactWanted;
  if (upTo < raft.log.firstIndex) return;
  for (const peer of raft.leadership?.peers.values() ?? []) {
    const silentMs = raft.nowMs - peer.detector.heardMs;
    const pins = peer.sending !== undefined && silentMs < raft.options.electionTimeoutMaxMs * PIN_LIMIT;
    if (pins) upTo = Math.min(upTo, peer.sending!.snapshot.index);
  }
  raft.log.compactTo(upTo);
  raft.history.compactTo(upTo);
}

export function onSnapshotChunk(raft: Raft, from: NodeId, message: SnapshotChunk): void {
  heardFromLeader(raft, from);
  const { snapshot, offset, chunk } = message;
  if (isOvertaken(raft, snapshot)) {
    // Nothing new in it: what is committed here is at least as much, and the leader may go on from there.
    if (raft.receiver?.installing !== true) raft.receiver = undefined;
    raft.replyDue = true;
    return;
  }
  if (raft.receiver === undefined || !isSameTransfer(raft.receiver, snapshot, from)) {
    // An installation under way is finished first: the state machine is in the middle of it.
    if (raft.receiver?.installing === true) return;
    raft.receiver = receiveSnapshot(snapshot, from);
  }
  const receiver = raft.receiver;
  if (receiver.storingTo !== undefined) return; // Its answer comes when the chunk is stored.
  const end = offset + chunk.length;
  const isNext = offset === receiver.storedBytes && end <= snapshot.sizeBytes && !receiver.installing;
  if (isNext && (chunk.length > 0 || snapshot.sizeBytes === 0)) {
    receiver.storingTo = end;
    raft.effects.push({ type: "storeChunk", snapshot, offset, chunk });
  } else replyOffset(raft, receiver);
}

/** Replaying what is committed already would take the state machine back in time. */
function isOvertaken(raft: Raft, snapshot: SnapshotMeta): boolean {
  if (raft.options.mutant === "accept-snapshot-behind-commit") return false; // mutant
  return snapshot.index <= raft.commitIndex;
}

function replyOffset(raft: Raft, receiver: SnapshotReceiver): void {
  const { snapshot, storedBytes, from } = receiver;
  if (raft.leader !== from) return;
  const { term } = raft;
  send(raft, from, { type: "snapshotReply", term, snapshotIndex: snapshot.index, offset: storedBytes });
}

/** The driver stored the bytes up to `offset`, or found them damaged. */
export function onChunkStored(raft: Raft, snapshotIndex: Index, offset: number, valid: boolean): void {
  const { receiver } = raft;
  if (receiver === undefined || receiver.snapshot.index !== snapshotIndex) return;
  if (valid && offset !== receiver.storingTo) return; // Of a transfer that was given up.
  receiver.storingTo = undefined;
  receiver.installing = false;
  receiver.storedBytes = valid ? offset : 0;
  if (isOvertaken(raft, receiver.snapshot)) {
    // The log brought the same entries while the chunks were under way.
    raft.receiver = undefined;
    raft.replyDue = raft.leader === receiver.from;
    return;
  }
  if (receiver.storedBytes === receiver.snapshot.sizeBytes && valid) {
    receiver.installing = true;
    raft.effects.push({ type: "install", snapshot: receiver.snapshot });
  }
  replyOffset(raft, receiver);
}

/** The state machine holds the snapshot: the log goes on after it. */
export function onInstalled(raft: Raft, snapshot: SnapshotMeta): void {
  if (raft.receiver?.installing !== true || raft.receiver.snapshot.index !== snapshot.index) return;
  raft.receiver = undefined;
  raft.snapshot = snapshot;
  startAfterSnapshot(raft, snapshot);
  raft.appliedIndex = Math.max(raft.appliedIndex, snapshot.index);
  raft.verifiedIndex = Math.max(raft.verifiedIndex, snapshot.index);
  commitTo(raft, snapshot.index);
  learnCommit(raft, raft.leaderCommit);
  raft.replyDue = raft.leader !== undefined && raft.leader !== raft.id;
}
