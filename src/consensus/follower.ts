/** A follower's part in replication: learn what is committed, acknowledge what is stored. */
import { assert } from "../runtime/errors.ts";
import type { NodeId } from "../runtime/world.ts";
import type { CommitNotice, Heartbeat } from "./message.ts";
import { heardFromLeader } from "./election.ts";
import { commitTo, send, type Core } from "./core.ts";

/** Committed are, of what the leader has committed, those entries that surely are the leader's. */
export function learnCommit(core: Core, leaderCommit: number): void {
  core.leaderCommit = Math.max(core.leaderCommit, leaderCommit);
  // While a snapshot is being installed the state machine has no definite position.
  if (core.receiver?.installing === true) return;
  commitTo(core, Math.min(core.leaderCommit, core.verifiedIndex));
}

export function onHeartbeat(core: Core, from: NodeId, message: Heartbeat): void {
  heardFromLeader(core, from);
  learnCommit(core, message.commitIndex);
  const receivedIndex = core.verifiedIndex;
  // Never behind the disk: it says what is on the disk instead of waiting for it.
  send(core, from, {
    type: "heartbeatReply",
    term: core.term,
    round: message.round,
    receivedIndex,
    durableIndex: Math.min(receivedIndex, core.durability.stableIndex),
  });
}

export function onCommitNotice(core: Core, from: NodeId, message: CommitNotice): void {
  heardFromLeader(core, from);
  learnCommit(core, message.commitIndex);
}

/** One acknowledgement for all appends of the turn, behind the write that holds them. */
export function acknowledge(core: Core): void {
  if (!core.replyDue || core.leader === undefined) return;
  assert(core.leader !== core.id, "a leader acknowledged itself");
  core.replyDue = false;
  send(core, core.leader, core.policy.acknowledgement(core), core.durability.after);
}
