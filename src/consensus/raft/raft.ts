/**
 * Raft: a replicated log with a strong leader (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm",
 * 2014; Ongaro's thesis, 2014). `docs/consensus.md` says what is implemented and where it departs from the paper.
 *
 * A step only changes what the node knows. The conclusions (what is committed, who gets which entries, what is written)
 * are drawn once, when the turn is drained: so everything that arrived in one turn shares a write, an append, a barrier.
 */
import { assert } from "../../runtime/errors.ts";
import type {
  Consensus,
  ConsensusOptions,
  ConsensusStatus,
  Input,
  PeerProgress,
  Recovered,
} from "../consensus.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { RaftMessage } from "../message.ts";
import { countOwnVote, suspectLeader, tickElection } from "./election.ts";
import { acknowledge } from "./follower.ts";
import { continueTransfer, resign, startTransfer, tickLeader } from "./leadership.ts";
import { onMessage } from "./receive.ts";
import { forwardReads, leaseHolds, onRead, serveReads, tickForwardedReads } from "./reads.ts";
import { continueChange, isRemoved, onChangeMembership } from "./reconfiguration.ts";
import { recover } from "./recovery.ts";
import { advanceCommit, replicate } from "./replication.ts";
import { onChunkStored, onCompact, onInstalled } from "./snapshots.ts";
import {
  appendEntry,
  awaitCommit,
  idleRole,
  sealWrite,
  send,
  settleFloor,
  tellRole,
  type Raft,
  type RaftEffect,
} from "./state.ts";

export { DEFAULT_CONSENSUS_OPTIONS } from "../defaults.ts";

const NOTHING: readonly RaftEffect[] = [];

/**
 * A Raft node that goes on from what its disk held.
 *
 * @param options all options; `DEFAULT_CONSENSUS_OPTIONS` has those with a default
 * @param recovered what was read from the disk; entries that do not follow the snapshot are ignored
 * @param nowMs the monotonic time
 * @throws QuorateError INVARIANT when the recovered state contradicts itself, or later when an invariant breaks
 */
export function createRaft(
  options: ConsensusOptions,
  recovered: Recovered,
  nowMs: number,
): Consensus<RaftMessage> {
  const raft = recover(options, recovered, nowMs);
  return {
    step: (input, now) => step(raft, input, now),
    drain: () => drain(raft),
    status: (now) => status(raft, now),
    accepts: (bytes) => accepts(raft, bytes),
    leaseHolds: (now) => leaseHolds(raft, now),
    entry: (index) => raft.log.entry(index),
    membershipAt: (index) => raft.history.at(index),
  };
}

function step(raft: Raft, input: Input<RaftMessage>, nowMs: number): void {
  raft.nowMs = Math.max(raft.nowMs, nowMs);
  switch (input.type) {
    case "tick":
      return tick(raft);
    case "message":
      return onMessage(raft, input.from, input.message);
    case "propose":
      return propose(raft, input);
    case "announceCommit":
      if (raft.leadership !== undefined) raft.leadership.announcing = true;
      return;
    case "durable":
      raft.durability.durable(input.writeId, raft.nowMs);
      return countOwnVote(raft, input.writeId);
    case "read":
      return onRead(raft, input.id);
    case "suspect":
      return suspect(raft, input.peer);
    case "arriving":
      return arriving(raft, input.peer);
    case "transfer":
      return transfer(raft, input.to);
    case "found":
      return found(raft);
    case "changeMembership":
      return onChangeMembership(raft, input);
    case "applied":
      assert(input.index <= raft.commitIndex, `applied ${input.index}, committed ${raft.commitIndex}`);
      raft.appliedIndex = Math.max(raft.appliedIndex, input.index);
      return;
    case "compact":
      return onCompact(raft, input.snapshot, input.keepFrom);
    case "chunkStored":
      return onChunkStored(raft, input.snapshotIndex, input.offset, input.valid);
    case "installed":
      return onInstalled(raft, input.snapshot);
  }
}

function tick(raft: Raft): void {
  const late = raft.ticks.tick(raft.nowMs);
  if (raft.leadership !== undefined) tickLeader(raft, raft.leadership, late);
  else {
    tickElection(raft, late);
    tickForwardedReads(raft);
  }
}

function propose(raft: Raft, { payload, awaitedBy }: Extract<Input<RaftMessage>, { type: "propose" }>): void {
  const { leadership } = raft;
  if (leadership === undefined || leadership.transfer !== undefined) return;
  leadership.uncommittedBytes += payload.length;
  appendEntry(raft, { index: raft.log.lastIndex + 1, term: raft.term, kind: "command", payload });
  awaitCommit(leadership, raft.log.lastIndex, awaitedBy);
}

function accepts(raft: Raft, bytes: number): boolean {
  const { leadership } = raft;
  if (leadership === undefined || leadership.transfer !== undefined) return false;
  const { uncommittedBytes } = leadership;
  return uncommittedBytes === 0 || uncommittedBytes + bytes <= raft.options.uncommittedMaxBytes;
}

function suspect(raft: Raft, peer: NodeId): void {
  if (raft.leader === peer) suspectLeader(raft);
  const progress = raft.leadership?.peers.get(peer);
  // What was on its way is lost with the link; a snapshot goes on from where the peer is.
  if (progress?.sending !== undefined) progress.sending.sentMs = undefined;
  else progress?.startProbe();
}

/**
 * What is large must not pass for silence: heartbeats wait behind it on the link. It says nothing about terms, so it only makes
 * this node wait longer, as it would for a message, and confirms no read and no lease.
 */
function arriving(raft: Raft, peer: NodeId): void {
  raft.leadership?.peers.get(peer)?.detector.restartWait(raft.nowMs);
  if (raft.leader !== peer || raft.role === "leader") return;
  raft.detector.restartWait(raft.nowMs);
  raft.leaderHeardMs = raft.nowMs;
}

function transfer(raft: Raft, to: NodeId | undefined): void {
  if (raft.leadership !== undefined) startTransfer(raft, raft.leadership, to);
  else if (raft.leader !== undefined) {
    send(raft, raft.leader, { type: "transferRequest", term: raft.term, to: to ?? raft.id });
  }
}

function found(raft: Raft): void {
  if (!raft.newcomer) return;
  raft.newcomer = false;
  raft.role = idleRole(raft);
  raft.detector.reset(raft.nowMs);
  tellRole(raft);
}

function drain(raft: Raft): readonly RaftEffect[] {
  const { leadership } = raft;
  if (leadership !== undefined) {
    advanceCommit(raft, leadership);
    continueChange(raft, leadership);
    serveReads(raft, leadership);
    replicate(raft, leadership);
    continueTransfer(raft, leadership);
    if (isRemoved(raft)) resign(raft, leadership);
  } else {
    acknowledge(raft);
    forwardReads(raft);
  }
  settleFloor(raft);
  sealWrite(raft);
  if (raft.commitTold < raft.commitIndex) {
    raft.commitTold = raft.commitIndex;
    raft.effects.push({ type: "commit", upTo: raft.commitIndex });
  }
  if (raft.effects.length === 0) return NOTHING;
  const { effects } = raft;
  raft.effects = [];
  return effects;
}

function status(raft: Raft, nowMs: number): ConsensusStatus {
  const progress = new Map<NodeId, PeerProgress>();
  const snapshotsInUse = new Set<number>();
  for (const peer of raft.leadership?.peers.values() ?? []) {
    progress.set(peer.id, peer.view(nowMs));
    if (peer.sending !== undefined) snapshotsInUse.add(peer.sending.snapshot.index);
  }
  const { role, term, leader, commitIndex, membership, history, log } = raft;
  const { firstIndex, lastIndex } = log;
  const recovering = raft.floor === undefined ? {} : { recovering: raft.floor };
  return {
    role,
    term,
    leader,
    commitIndex,
    firstIndex,
    lastIndex,
    membership,
    ...recovering,
    ...(raft.newcomer ? { newcomer: true } : {}),
    standing: { term: history.latest.term, index: history.latest.index, named: raft.named },
    progress,
    snapshotsInUse: [...snapshotsInUse],
  };
}
