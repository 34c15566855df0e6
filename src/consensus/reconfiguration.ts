/**
 * Membership changes: newcomers learn, then joint consensus, then the new voters alone (Raft section 6, thesis section 4).
 * One step at a time, each committed before the next.
 */
import type { Input, Membership } from "./consensus.ts";
import {
  encodeMembership,
  enterJoint,
  leaveJoint,
  type MembershipGoal,
  refuseGoal,
  sameMembership,
  withLearners,
} from "./membership.ts";
import { isVoter } from "./quorum.ts";
import { trackMembers } from "./roles.ts";
import {
  appendEntry,
  awaitCommit,
  type Leadership,
  type MembershipChange,
  type Core,
  type CoreMessage,
} from "./core.ts";

/** A newcomer that was silent for the greatest election timeout times this ends the change. */
const SILENCE_LIMIT = 5;

type ChangeInput = Extract<Input<CoreMessage>, { type: "changeMembership" }>;

export function onChangeMembership(core: Core, input: ChangeInput): void {
  const { id, voters, learners, addresses, identities = {} } = input;
  const goal = { voters, learners, identities, addresses: { ...core.membership.addresses, ...addresses } };
  const refused = refuseChange(core) ?? refuseGoal(goal) ?? refuseReplacement(core, goal);
  if (refused !== undefined) {
    core.effects.push({ type: "membershipChange", id, refused });
    return;
  }
  const before = core.membership;
  core.leadership!.change = { id, goal, before, step: "learn", refused: undefined, rounds: new Map() };
  const learning = withLearners(before, goal);
  if (!sameMembership(learning, before)) appendMembership(core, core.leadership!, learning);
}

function refuseChange(core: Core): string | undefined {
  const { leadership } = core;
  if (leadership === undefined) return "this node is not the leader";
  if (leadership.transfer !== undefined) return "the leadership is being handed over";
  if (core.commitIndex < leadership.openingIndex) return "the leadership has just begun";
  const busy =
    leadership.change !== undefined ||
    core.membership.outgoing.length > 0 ||
    core.history.latest.index > core.commitIndex;
  return busy ? "another change of members is under way" : undefined;
}

/** One life of a name must have lost its vote before the next may get it. */
function refuseReplacement({ membership }: Core, { identities }: MembershipGoal): string | undefined {
  const replaced = Object.entries(identities ?? {}).find(
    ([id, identity]) => isVoter(membership, id) && membership.identities?.[id] !== identity,
  );
  return replaced && `${replaced[0]} must become a learner before it is replaced`;
}

function appendMembership(core: Core, leadership: Leadership, membership: Membership): void {
  const payload = encodeMembership(membership);
  leadership.uncommittedBytes += payload.length;
  const index = core.log.lastIndex + 1;
  appendEntry(core, { index, term: core.term, kind: "membership", payload });
  trackMembers(core, leadership, index);
  awaitCommit(leadership, index);
}

/** Takes the next step once the last one is committed. Leaving the joint phase needs no memory: any leader does it. */
export function continueChange(core: Core, leadership: Leadership): void {
  const { change } = leadership;
  if (change === undefined && core.membership.outgoing.length === 0) return;
  if (core.history.latest.index > core.commitIndex || core.commitIndex < leadership.openingIndex) return;
  if (core.membership.outgoing.length > 0) appendMembership(core, leadership, leaveJoint(core.membership));
  else if (change?.step === "learn") learn(core, leadership, change);
  else if (change !== undefined) {
    leadership.change = undefined;
    core.effects.push({ type: "membershipChange", id: change.id, refused: change.refused });
  }
}

/** Waits until every newcomer could vote without holding the others up; or undoes the change if one does not answer. */
function learn(core: Core, leadership: Leadership, change: MembershipChange): void {
  const newcomers = change.goal.voters.filter((id) => !change.before.voters.includes(id));
  const silent = newcomers.find((id) => isSilent(core, leadership, id));
  if (silent !== undefined) {
    change.step = "undo";
    change.refused = `${silent} does not answer`;
    if (!sameMembership(core.membership, change.before)) appendMembership(core, leadership, change.before);
    return;
  }
  let ready = true;
  for (const id of newcomers) ready = caughtUp(core, leadership, change, id) && ready;
  if (!ready) return;
  change.step = "switch";
  const joint = enterJoint(core.membership, change.goal);
  if (!sameMembership(joint, core.membership)) appendMembership(core, leadership, joint);
}

function isSilent(core: Core, leadership: Leadership, id: string): boolean {
  const peer = leadership.peers.get(id);
  if (peer === undefined) return false;
  return core.nowMs - peer.detector.heardMs > core.options.electionTimeoutMaxMs * SILENCE_LIMIT;
}

/**
 * Rounds of catching up: each lasts until the newcomer holds all that the log held when the round began. A round shorter
 * than an election timeout means that it would not hold the others up for longer than a failover does.
 */
function caughtUp(core: Core, leadership: Leadership, change: MembershipChange, id: string): boolean {
  const peer = leadership.peers.get(id);
  if (peer === undefined) return id === core.id;
  const round = change.rounds.get(id);
  if (round !== undefined && peer.matchIndex < round.endIndex) return false;
  const durationMs = round === undefined ? Number.POSITIVE_INFINITY : core.nowMs - round.startMs;
  if (peer.state === "replicate" && durationMs <= core.options.electionTimeoutMinMs) return true;
  change.rounds.set(id, { endIndex: core.log.lastIndex, startMs: core.nowMs });
  return false;
}

/** Forgets peers that were removed and know it, or do not answer. */
export function dropRemoved(core: Core, leadership: Leadership): void {
  for (const peer of leadership.peers.values()) {
    if (core.commitIndex < peer.removedAt) continue;
    const knows = peer.matchIndex >= peer.removedAt && peer.commitSent >= peer.removedAt;
    const silentMs = core.nowMs - peer.detector.heardMs;
    if (knows || silentMs > core.options.electionTimeoutMaxMs) leadership.peers.delete(peer.id);
  }
}

/** True when the last change removed this leader and is committed: it has served its time (Raft section 6). */
export function isRemoved(core: Core): boolean {
  return core.history.latest.index <= core.commitIndex && !isVoter(core.membership, core.id);
}
