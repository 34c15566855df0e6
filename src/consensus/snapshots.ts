/**
 * Snapshots on both sides (Raft section 7): chunks that resume where the receiver is, and a log that waits for it.
 */
import { NO_BYTES } from "../runtime/bytes.ts";
import { assert } from "../runtime/errors.ts";
import type { NodeId } from "../runtime/world.ts";
import type { Index, SnapshotMeta } from "./consensus.ts";
import type { SnapshotChunk, SnapshotReply } from "./message.ts";
import type { Progress } from "./progress.ts";
import { isSameTransfer, receiveSnapshot, type SnapshotReceiver } from "./snapshot-transfer.ts";
import { heardFromLeader } from "./election.ts";
import { learnCommit } from "./follower.ts";
import { commitTo, send, type Core } from "./core.ts";

/** A chunk without an answer is sent again after the least election timeout times this. */
const CHUNK_RETRY = 2;
/** A receiver that was silent for the greatest election timeout times this no longer holds the leader's log back. */
const PIN_LIMIT = 5;

/** Sends the chunk that is due to a peer in state `snapshot`. */
export function sendSnapshot(core: Core, peer: Progress): void {
  const sending = peer.sending!;
  if (sending.sentMs !== undefined) return;
  sending.sentMs = core.nowMs;
  const { snapshot, offset } = sending;
  const length = Math.min(core.options.snapshotChunkBytes, snapshot.sizeBytes - offset);
  const message: SnapshotChunk = {
    type: "snapshotChunk",
    term: core.term,
    snapshot,
    offset,
    chunk: NO_BYTES,
  };
  if (length === 0) send(core, peer.id, message);
  else core.effects.push({ type: "sendChunk", to: peer.id, snapshot, offset, length, message });
}

export function onSnapshotReply(core: Core, peer: Progress, message: SnapshotReply): void {
  const { sending } = peer;
  if (sending === undefined || sending.snapshot.index !== message.snapshotIndex) return;
  if (message.offset > sending.snapshot.sizeBytes) return;
  if (message.offset !== sending.offset) {
    sending.offset = message.offset;
    sending.progressMs = core.nowMs;
    // All of it is there: the peer answers when it is installed, and is asked again only after a while.
    sending.sentMs = message.offset === sending.snapshot.sizeBytes ? core.nowMs : undefined;
  }
}

/** Repeats what was not answered, changes to another snapshot when one goes nowhere, and lets go of pinned entries. */
export function tickSnapshots(core: Core, peers: Iterable<Progress>): void {
  const { electionTimeoutMinMs, electionTimeoutMaxMs } = core.options;
  for (const peer of peers) {
    const { sending } = peer;
    if (sending?.sentMs === undefined) continue;
    if (core.nowMs - sending.sentMs >= electionTimeoutMinMs * CHUNK_RETRY) sending.sentMs = undefined;
    const stuck = core.nowMs - sending.progressMs >= electionTimeoutMaxMs * PIN_LIMIT;
    // Of the same entry, when the one before was damaged.
    const { index, sizeBytes } = sending.snapshot;
    const another = core.snapshot!.index > index || core.snapshot!.sizeBytes !== sizeBytes;
    if (stuck && another) peer.startSnapshot(core.snapshot!, core.nowMs);
  }
  compactLog(core);
}

/** The driver made a local snapshot; the entries before `keepFrom` may go. */
export function onCompact(core: Core, snapshot: SnapshotMeta, keepFrom: Index): void {
  assert(snapshot.index <= core.commitIndex, `a snapshot of ${snapshot.index}, which is not committed`);
  if (core.snapshot !== undefined && snapshot.index < core.snapshot.index) return;
  core.snapshot = snapshot;
  core.compactWanted = Math.max(core.compactWanted, Math.min(keepFrom - 1, snapshot.index));
  compactLog(core);
}

/**
 * Drops what may go. While a peer installs a snapshot the entries after it stay, or a cluster under load would send it
 * one snapshot after the other and never catch up; but not for a peer that fell silent.
 */
export function compactLog(core: Core): void {
  let upTo = core.compactWanted;
  if (upTo < core.log.firstIndex) return;
  for (const peer of core.leadership?.peers.values() ?? []) {
    const silentMs = core.nowMs - peer.detector.heardMs;
    const pins = peer.sending !== undefined && silentMs < core.options.electionTimeoutMaxMs * PIN_LIMIT;
    if (pins) upTo = Math.min(upTo, peer.sending!.snapshot.index);
  }
  core.log.compactTo(upTo);
  core.history.compactTo(upTo);
}

export function onSnapshotChunk(core: Core, from: NodeId, message: SnapshotChunk): void {
  heardFromLeader(core, from);
  const { snapshot, offset, chunk } = message;
  if (isOvertaken(core, snapshot)) {
    // Nothing new in it: what is committed here is at least as much, and the leader may go on from there.
    if (core.receiver?.installing !== true) core.receiver = undefined;
    core.replyDue = true;
    return;
  }
  if (core.receiver === undefined || !isSameTransfer(core.receiver, snapshot, from)) {
    // An installation under way is finished first: the state machine is in the middle of it.
    if (core.receiver?.installing === true) return;
    core.receiver = receiveSnapshot(snapshot, from);
  }
  const receiver = core.receiver;
  if (receiver.storingTo !== undefined) return; // Its answer comes when the chunk is stored.
  const end = offset + chunk.length;
  const isNext = offset === receiver.storedBytes && end <= snapshot.sizeBytes && !receiver.installing;
  if (isNext && (chunk.length > 0 || snapshot.sizeBytes === 0)) {
    receiver.storingTo = end;
    core.effects.push({ type: "storeChunk", snapshot, offset, chunk });
  } else replyOffset(core, receiver);
}

/** Replaying what is committed already would take the state machine back in time. */
function isOvertaken(core: Core, snapshot: SnapshotMeta): boolean {
  if (core.options.mutant === "accept-snapshot-behind-commit") return false; // mutant
  return snapshot.index <= core.commitIndex;
}

function replyOffset(core: Core, receiver: SnapshotReceiver): void {
  const { snapshot, storedBytes, from } = receiver;
  if (core.leader !== from) return;
  const { term } = core;
  send(core, from, { type: "snapshotReply", term, snapshotIndex: snapshot.index, offset: storedBytes });
}

/** The driver stored the bytes up to `offset`, or found them damaged. */
export function onChunkStored(core: Core, snapshotIndex: Index, offset: number, valid: boolean): void {
  const { receiver } = core;
  if (receiver === undefined || receiver.snapshot.index !== snapshotIndex) return;
  if (valid && offset !== receiver.storingTo) return; // Of a transfer that was given up.
  receiver.storingTo = undefined;
  receiver.installing = false;
  receiver.storedBytes = valid ? offset : 0;
  if (isOvertaken(core, receiver.snapshot)) {
    // The log brought the same entries while the chunks were under way.
    core.receiver = undefined;
    core.replyDue = core.leader === receiver.from;
    return;
  }
  if (receiver.storedBytes === receiver.snapshot.sizeBytes && valid) {
    receiver.installing = true;
    core.effects.push({ type: "install", snapshot: receiver.snapshot });
  }
  replyOffset(core, receiver);
}

/** The state machine holds the snapshot: the log goes on after it. */
export function onInstalled(core: Core, snapshot: SnapshotMeta): void {
  if (core.receiver?.installing !== true || core.receiver.snapshot.index !== snapshot.index) return;
  core.receiver = undefined;
  core.snapshot = snapshot;
  core.policy.startAfterSnapshot(core, snapshot);
  core.appliedIndex = Math.max(core.appliedIndex, snapshot.index);
  core.verifiedIndex = Math.max(core.verifiedIndex, snapshot.index);
  commitTo(core, snapshot.index);
  learnCommit(core, core.leaderCommit);
  core.replyDue = core.leader !== undefined && core.leader !== core.id;
}
