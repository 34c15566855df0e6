/** What a message means depends first of all on its term (Raft section 5.1; a Multi-Paxos ballot is a term here). */
import type { NodeId } from "../runtime/world.ts";
import { becomeFollower } from "./roles.ts";
import { send, type Core, type CoreMessage } from "./core.ts";
import { leaderSeemsAlive, onPreVote, onPreVoteReply, onTimeoutNow } from "./election.ts";
import { onCommitNotice, onHeartbeat } from "./follower.ts";
import { startTransfer } from "./leadership.ts";
import type { SharedMessage } from "./message.ts";
import type { Progress } from "./progress.ts";
import { onReadReply, onReadRequest } from "./reads.ts";
import { onHeartbeatReply } from "./replication.ts";
import { onSnapshotChunk, onSnapshotReply } from "./snapshots.ts";

const FROM_LEADER: readonly string[] = ["heartbeat", "commitNotice", "snapshotChunk"];

export function onMessage(core: Core, from: NodeId, message: CoreMessage): void {
  const { policy } = core;
  if (message.term > core.term && raisesTerm(core, message)) becomeFollower(core, message.term, undefined);
  if (message.term < core.term && message.type !== "preVote" && !policy.isQuestion(core, message.type)) {
    // A leader that was overtaken learns it from the answer and steps down; all else that is late is void.
    if (FROM_LEADER.includes(message.type) || policy.isFromLeader(message.type)) {
      send(core, from, {
        type: "heartbeatReply",
        term: core.term,
        round: 0,
        receivedIndex: 0,
        durableIndex: 0,
      });
    }
    return;
  }
  const peer = core.leadership?.peers.get(from);
  peer?.detector.heard(core.nowMs);
  if (isShared(message)) onShared(core, from, peer, message);
  else policy.receive(core, from, message);
}

function isShared(message: CoreMessage): message is SharedMessage {
  return SHARED.has(message.type);
}

const SHARED: ReadonlySet<string> = new Set<SharedMessage["type"]>([
  "preVote",
  "preVoteReply",
  "heartbeat",
  "heartbeatReply",
  "commitNotice",
  "timeoutNow",
  "transferRequest",
  "readRequest",
  "readReply",
  "snapshotChunk",
  "snapshotReply",
]);

function onShared(core: Core, from: NodeId, peer: Progress | undefined, message: SharedMessage): void {
  switch (message.type) {
    case "preVote":
      return onPreVote(core, from, message);
    case "preVoteReply":
      return onPreVoteReply(core, from, message);
    case "heartbeat":
      return onHeartbeat(core, from, message);
    case "heartbeatReply":
      return peer === undefined ? undefined : onHeartbeatReply(core, peer, message);
    case "commitNotice":
      return onCommitNotice(core, from, message);
    case "timeoutNow":
      return onTimeoutNow(core, from, message);
    case "transferRequest":
      return core.leadership === undefined ? undefined : startTransfer(core, core.leadership, message.to);
    case "readRequest":
      return onReadRequest(core, from, message);
    case "readReply":
      return onReadReply(core, message);
    case "snapshotChunk":
      return onSnapshotChunk(core, from, message);
    case "snapshotReply":
      return peer === undefined ? undefined : onSnapshotReply(core, peer, message);
  }
}

/** A later term is followed at once, except where it is only asked about, or where a live leader would be unseated. */
function raisesTerm(core: Core, message: CoreMessage): boolean {
  if (isShared(message)) {
    if (message.type === "preVoteReply") return !message.granted;
    return message.type !== "preVote";
  }
  const candidate = core.policy.isCandidates(core, message);
  return candidate === undefined || candidate.transfer || !leaderSeemsAlive(core);
}
