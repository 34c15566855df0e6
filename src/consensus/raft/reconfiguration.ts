/**
 * Membership changes: newcomers learn, then joint consensus, then the new voters alone (Raft section 6, thesis section 4).
 * One step at a time, each committed before the next.
 */
import type { Input, Membership } from "../consensus.ts";
import {
  encodeMembership,
  enterJoint,
  leaveJoint,
  type MembershipGoal,
  refuseGoal,
  sameMembership,
  withLearners,
} from "../membership.ts";
import type { RaftMessage } from "../message.ts";
import { isVoter } from "../quorum.ts";
import { trackMembers } from "./roles.ts";
import { appendEntry, awaitCommit, type Leadership, type MembershipChange, type Raft } from "./state.ts";

/** A newcomer that was silent for the greatest election timeout times this ends the change. */
const SILENCE_LIMIT = 5;

type ChangeInput = Extract<Input<RaftMessage>, { type: "changeMembership" }>;

export function onChangeMembership(raft: Raft, input: ChangeInput): void {
  const { id, voters, learners, addresses, identities = {} } = input;
  const goal = { voters, learners, identities, addresses: { ...raft.membership.addresses, ...addresses } };
  const refused = refuseChange(raft) ?? refuseGoal(goal) ?? refuseReplacement(raft, goal);
  if (refused !== undefined) {
    raft.effects.push({ type: "membershipChange", id, refused });
    return;
  }
  const before = raft.membership;
  raft.leadership!.change = { id, goal, before, step: "learn", refused: undefined, rounds: new Map() };
  const learning = withLearners(before, goal);
  if (!sameMembership(learning, before)) appendMembership(raft, raft.leadership!, learning);
}

function refuseChange(raft: Raft): string | undefined {
  const { leadership } = raft;
  if (leadership === undefined) return "this node is not the leader";
  if (leadership.transfer !== undefined) return "the leadership is being handed over";
  if (raft.commitIndex < leadership.noopIndex) return "the leadership has just begun";
  const busy =
    leadership.change !== undefined ||
    raft.membership.outgoing.length > 0 ||
    raft.history.latest.index > raft.commitIndex;
  return busy ? "another change of members is under way" : undefined;
}

/** One life of a name must have lost its vote before the next may get it. */
function refuseReplacement({ membership }: Raft, { identities }: MembershipGoal): string | undefined {
  const replaced = Object.entries(identities ?? {}).find(
    ([id, identity]) => isVoter(membership, id) && membership.identities?.[id] !== identity,
  );
  return replaced && `${replaced[0]} must become a learner before it is replaced`;
}

function appendMembership(raft: Raft, leadership: Leadership, membership: Membership): void {
  const payload = encodeMembership(membership);
  leadership.uncommittedBytes += payload.length;
  const index = raft.log.lastIndex + 1;
  appendEntry(raft, { index, term: raft.term, kind: "membership", payload });
  trackMembers(raft, leadership, index);
  awaitCommit(leadership, index);
}

/** Takes the next step once the last one is committed. Leaving the joint phase needs no memory: any leader does it. */
export function continueChange(raft: Raft, leadership: Leadership): void {
  const { change } = leadership;
  if (change === undefined && raft.membership.outgoing.length === 0) return;
  if (raft.history.latest.index > raft.commitIndex || raft.commitIndex < leadership.noopIndex) return;
  if (raft.membership.outgoing.length > 0) appendMembership(raft, leadership, leaveJoint(raft.membership));
  else if (change?.step === "learn") learn(raft, leadership, change);
  else if (change !== undefined) {
    leadership.change = undefined;
    raft.effects.push({ type: "membershipChange", id: change.id, refused: change.refused });
  }
}

/** Waits until every newcomer could vote without holding the others up; or undoes the change if one does not answer. */
function learn(raft: Raft, leadership: Leadership, change: MembershipChange): void {
  const newcomers = change.goal.voters.filter((id) => !change.before.voters.includes(id));
  const silent = newcomers.find((id) => isSilent(raft, leadership, id));
  if (silent !== undefined) {
    change.step = "undo";
    change.refused = `${silent} does not answer`;
    if (!sameMembership(raft.membership, change.before)) appendMembership(raft, leadership, change.before);
    return;
  }
  let ready = true;
  for (const id of newcomers) ready = caughtUp(raft, leadership, change, id) && ready;
  if (!ready) return;
  change.step = "switch";
  const joint = enterJoint(raft.membership, change.goal);
  if (!sameMembership(joint, raft.membership)) appendMembership(raft, leadership, joint);
}

function isSilent(raft: Raft, leadership: Leadership, id: string): boolean {
  const peer = leadership.peers.get(id);
  if (peer === undefined) return false;
  return raft.nowMs - peer.detector.heardMs > raft.options.electionTimeoutMaxMs * SILENCE_LIMIT;
}

/**
 * Rounds of catching up: each lasts until the newcomer holds all that the log held when the round began. A round shorter
 * than an election timeout means that it would not hold the others up for longer than a failover does.
 */
function caughtUp(raft: Raft, leadership: Leadership, change: MembershipChange, id: string): boolean {
  const peer = leadership.peers.get(id);
  if (peer === undefined) return id === raft.id;
  const round = change.rounds.get(id);
  if (round !== undefined && peer.matchIndex < round.endIndex) return false;
  const durationMs = round === undefined ? Number.POSITIVE_INFINITY : raft.nowMs - round.startMs;
  if (peer.state === "replicate" && durationMs <= raft.options.electionTimeoutMinMs) return true;
  change.rounds.set(id, { endIndex: raft.log.lastIndex, startMs: raft.nowMs });
  return false;
}

/** Forgets peers that were removed and know it, or do not answer. */
export function dropRemoved(raft: Raft, leadership: Leadership): void {
  for (const peer of leadership.peers.values()) {
    if (raft.commitIndex < peer.removedAt) continue;
    const knows = peer.matchIndex >= peer.removedAt && peer.commitSent >= peer.removedAt;
    const silentMs = raft.nowMs - peer.detector.heardMs;
    if (knows || silentMs > raft.options.electionTimeoutMaxMs) leadership.peers.delete(peer.id);
  }
}

/** True when the last change removed this leader and is committed: it has served its time (Raft section 6). */
export function isRemoved(raft: Raft): boolean {
  return raft.history.latest.index <= raft.commitIndex && !isVoter(raft.membership, raft.id);
}
