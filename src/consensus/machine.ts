/**
 * The machine around either policy: what each input means, and the conclusions of a turn.
 *
 * A step only changes what the node knows. The conclusions (what is committed, who gets which entries, what is written)
 * are drawn once, when the turn is drained: so everything that arrived in one turn shares a write, an append, a barrier.
 */
import { assert } from "../runtime/errors.ts";
import type {
  Consensus,
  ConsensusOptions,
  ConsensusStatus,
  Effect,
  Input,
  PeerProgress,
  Recovered,
  Standing,
} from "./consensus.ts";
import type { NodeId } from "../runtime/world.ts";
import type { Policy } from "./policy.ts";
import { suspectLeader, tickElection } from "./election.ts";
import { acknowledge } from "./follower.ts";
import { continueTransfer, resign, startTransfer, tickLeader } from "./leadership.ts";
import { onMessage } from "./receive.ts";
import { forwardReads, leaseHolds, onRead, serveReads, tickForwardedReads } from "./reads.ts";
import { continueChange, isRemoved, onChangeMembership } from "./reconfiguration.ts";
import { recover } from "./recovery.ts";
import { advanceCommit, replicate } from "./replication.ts";
import { countOwnSupport } from "./roles.ts";
import { onChunkStored, onCompact, onInstalled } from "./snapshots.ts";
import {
  appendEntry,
  awaitCommit,
  idleRole,
  sealWrite,
  send,
  settleFloor,
  tellRole,
  type Core,
  type CoreEffect,
  type CoreMessage,
} from "./core.ts";

const NOTHING: readonly CoreEffect[] = [];

/** A node of this policy that goes on from what its disk held. `Message`: everything that the policy and this room send. */
export function createMachine<Message extends CoreMessage>(
  policy: Policy,
  options: ConsensusOptions,
  recovered: Recovered,
  nowMs: number,
): Consensus<Message> {
  const core = recover(policy, options, recovered, nowMs);
  return {
    step: (input, now) => step(core, input, now),
    drain: () => drain(core) as readonly Effect<Message>[],
    status: (now) => status(core, now),
    accepts: (bytes) => accepts(core, bytes),
    leaseHolds: (now) => leaseHolds(core, now),
    entry: (index) => core.log.entry(index),
    membershipAt: (index) => core.history.at(index),
  };
}

type CoreInput = Input<CoreMessage>;

function step(core: Core, input: CoreInput, nowMs: number): void {
  core.nowMs = Math.max(core.nowMs, nowMs);
  switch (input.type) {
    case "tick":
      return tick(core);
    case "message":
      return onMessage(core, input.from, input.message);
    case "propose":
      return propose(core, input);
    case "announce":
      if (core.leadership !== undefined) core.leadership.announcing = true;
      return;
    case "durable":
      core.durability.durable(input.writeId, core.nowMs);
      return countOwnSupport(core, input.writeId);
    case "read":
      return onRead(core, input.id);
    case "suspect":
      return suspect(core, input.peer);
    case "arriving":
      return arriving(core, input.peer);
    case "transfer":
      return transfer(core, input.to);
    case "found":
      return found(core);
    case "changeMembership":
      return onChangeMembership(core, input);
    case "applied":
      assert(input.index <= core.commitIndex, `applied ${input.index}, committed ${core.commitIndex}`);
      core.appliedIndex = Math.max(core.appliedIndex, input.index);
      return;
    case "compact":
      return onCompact(core, input.snapshot, input.keepFrom);
    case "chunkStored":
      return onChunkStored(core, input.snapshotIndex, input.offset, input.valid);
    case "installed":
      return onInstalled(core, input.snapshot);
  }
}

function tick(core: Core): void {
  const late = core.ticks.tick(core.nowMs);
  if (core.leadership !== undefined) tickLeader(core, core.leadership, late);
  else {
    tickElection(core, late);
    tickForwardedReads(core);
  }
}

function propose(core: Core, { payload, awaitedBy }: Extract<CoreInput, { type: "propose" }>): void {
  const { leadership } = core;
  if (leadership === undefined || leadership.transfer !== undefined) return;
  leadership.uncommittedBytes += payload.length;
  appendEntry(core, { index: core.log.lastIndex + 1, term: core.term, kind: "command", payload });
  awaitCommit(leadership, core.log.lastIndex, awaitedBy);
}

function accepts(core: Core, bytes: number): boolean {
  const { leadership } = core;
  if (leadership === undefined || leadership.transfer !== undefined) return false;
  const { uncommittedBytes } = leadership;
  return uncommittedBytes === 0 || uncommittedBytes + bytes <= core.options.uncommittedMaxBytes;
}

function suspect(core: Core, peer: NodeId): void {
  if (core.leader === peer) suspectLeader(core);
  const progress = core.leadership?.peers.get(peer);
  // What was on its way is lost with the link; a snapshot goes on from where the peer is.
  if (progress?.sending !== undefined) progress.sending.sentMs = undefined;
  else progress?.startProbe();
}

/**
 * What is large must not pass for silence: heartbeats wait behind it on the link. It says nothing about terms, so it only makes
 * this node wait longer, as it would for a message, and confirms no read and no lease.
 */
function arriving(core: Core, peer: NodeId): void {
  core.leadership?.peers.get(peer)?.detector.restartWait(core.nowMs);
  if (core.leader !== peer || core.role === "leader") return;
  core.detector.restartWait(core.nowMs);
  core.leaderHeardMs = core.nowMs;
}

function transfer(core: Core, to: NodeId | undefined): void {
  if (core.leadership !== undefined) startTransfer(core, core.leadership, to);
  else if (core.leader !== undefined) {
    send(core, core.leader, { type: "transferRequest", term: core.term, to: to ?? core.id });
  }
}

function found(core: Core): void {
  if (!core.newcomer) return;
  core.newcomer = false;
  core.role = idleRole(core);
  core.detector.reset(core.nowMs);
  tellRole(core);
}

function drain(core: Core): readonly CoreEffect[] {
  const { leadership } = core;
  if (leadership !== undefined) {
    advanceCommit(core, leadership);
    continueChange(core, leadership);
    serveReads(core, leadership);
    replicate(core, leadership);
    continueTransfer(core, leadership);
    if (isRemoved(core)) resign(core, leadership);
  } else {
    acknowledge(core);
    forwardReads(core);
  }
  settleFloor(core);
  sealWrite(core);
  if (core.commitTold < core.commitIndex) {
    core.commitTold = core.commitIndex;
    core.effects.push({ type: "commit", upTo: core.commitIndex });
  }
  if (core.effects.length === 0) return NOTHING;
  const { effects } = core;
  core.effects = [];
  return effects;
}

/** Where entries do not keep their term, the places of memberships compare by their index alone. */
function standing({ policy, history, named }: Core): Standing {
  const { term, index } = history.latest;
  return { term: policy.entriesKeepTerm ? term : 0, index, named };
}

function status(core: Core, nowMs: number): ConsensusStatus {
  const progress = new Map<NodeId, PeerProgress>();
  const snapshotsInUse = new Set<number>();
  for (const peer of core.leadership?.peers.values() ?? []) {
    progress.set(peer.id, peer.view(nowMs));
    if (peer.sending !== undefined) snapshotsInUse.add(peer.sending.snapshot.index);
  }
  const { role, term, leader, commitIndex, membership, log } = core;
  const { firstIndex, lastIndex } = log;
  const recovering = core.floor === undefined ? {} : { recovering: core.floor };
  return {
    role,
    term,
    leader,
    commitIndex,
    firstIndex,
    lastIndex,
    membership,
    ...recovering,
    ...(core.newcomer ? { newcomer: true } : {}),
    standing: standing(core),
    progress,
    snapshotsInUse: [...snapshotsInUse],
  };
}
