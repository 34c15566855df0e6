/** A leader's duties over time: heartbeats, its quorum, its disk, and handing over (thesis sections 3.10, 6.2). */
import type { NodeId } from "../runtime/world.ts";
import type { Progress } from "./progress.ts";
import { isQuorum, isVoter } from "./quorum.ts";
import { startRound } from "./reads.ts";
import { dropRemoved } from "./reconfiguration.ts";
import { becomeFollower } from "./roles.ts";
import { tickSnapshots } from "./snapshots.ts";
import { send, type Core } from "./core.ts";
import type { Leadership } from "./offices.ts";

/** A quorum that is silent for this many of its failure detectors' timeouts ends the leadership. */
const QUORUM_PATIENCE = 2;
/** A transfer is given up after the least election timeout times this. */
const TRANSFER_LIMIT = 2;

export function tickLeader(core: Core, leadership: Leadership, late: boolean): void {
  const { options, nowMs, durability } = core;
  if (late) {
    // This node was away: what its peers and its disk answered is unread.
    for (const peer of leadership.peers.values()) peer.detector.restartWait(nowMs);
    if (durability.waitingSinceMs !== undefined) durability.waitingSinceMs = nowMs;
  }
  if (!isQuorum(core.membership, (id) => isHeard(core, leadership, id))) {
    // Cut off: the others may have a leader of a later term already (check-quorum).
    becomeFollower(core, core.term, undefined);
    return;
  }
  if (nowMs - leadership.heartbeatSentMs >= options.heartbeatIntervalMs) {
    leadership.heartbeatSentMs = nowMs;
    startRound(core, leadership, "all");
    leadership.announcing = true;
  }
  const { transfer } = leadership;
  if (transfer !== undefined && nowMs - transfer.startedMs >= options.electionTimeoutMinMs * TRANSFER_LIMIT) {
    leadership.transfer = undefined;
  }
  const stalledMs = nowMs - (durability.waitingSinceMs ?? nowMs);
  if (stalledMs > options.electionTimeoutMaxMs) startTransfer(core, leadership, undefined);
  tickSnapshots(core, leadership.peers.values());
  dropRemoved(core, leadership);
}

function isHeard(core: Core, leadership: Leadership, id: NodeId): boolean {
  if (id === core.id) return true;
  const detector = leadership.peers.get(id)?.detector;
  return detector !== undefined && detector.waitedMs(core.nowMs) < QUORUM_PATIENCE * detector.timeoutMs();
}

/** Hands over to `to`, or to the voter that holds most of the log. Ignored while a transfer is under way. */
export function startTransfer(core: Core, leadership: Leadership, to: NodeId | undefined): void {
  if (leadership.transfer !== undefined) return;
  const target = to === undefined ? mostAdvanced(core, leadership)?.id : to;
  if (target === undefined || target === core.id || !isVoter(core.membership, target)) return;
  leadership.transfer = { to: target, startedMs: core.nowMs, toldToCampaign: false };
}

export function mostAdvanced(core: Core, leadership: Leadership): Progress | undefined {
  let best: Progress | undefined;
  for (const peer of leadership.peers.values()) {
    if (!core.membership.voters.includes(peer.id) || !isHeard(core, leadership, peer.id)) continue;
    if (best === undefined || peer.matchIndex > best.matchIndex) best = peer;
  }
  return best;
}

/** Tells the successor to campaign once it holds the whole log; until then, and after, nothing is appended. */
export function continueTransfer(core: Core, leadership: Leadership): void {
  const { transfer } = leadership;
  if (transfer === undefined || transfer.toldToCampaign) return;
  const peer = leadership.peers.get(transfer.to);
  if (peer === undefined || peer.matchIndex < core.log.lastIndex) return;
  transfer.toldToCampaign = true;
  tellToCampaign(core, leadership, transfer.to);
}

function tellToCampaign(core: Core, leadership: Leadership, to: NodeId): void {
  leadership.lease.revoke();
  send(core, to, { type: "timeoutNow", term: core.term });
}

/** The members no longer need this leader: it names a successor, so that they need not wait for a timeout, and leaves. */
export function resign(core: Core, leadership: Leadership): void {
  const successor = mostAdvanced(core, leadership);
  if (successor !== undefined) tellToCampaign(core, leadership, successor.id);
  becomeFollower(core, core.term, undefined);
}
