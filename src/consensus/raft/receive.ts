/** What a message means depends first of all on its term (Raft section 5.1). */
import type { NodeId } from "../../runtime/world.ts";
import type { RaftMessage } from "../message.ts";
import {
  leaderSeemsAlive,
  onPreVote,
  onPreVoteReply,
  onTimeoutNow,
  onVote,
  onVoteReply,
} from "./election.ts";
import { onAppend, onCommitNotice, onHeartbeat } from "./follower.ts";
import { startTransfer } from "./leadership.ts";
import { onReadReply, onReadRequest } from "./reads.ts";
import { onAppendReject, onAppendReply, onHeartbeatReply } from "./replication.ts";
import { becomeFollower } from "./roles.ts";
import { onSnapshotChunk, onSnapshotReply } from "./snapshots.ts";
import { send, type Raft } from "./state.ts";

export function onMessage(raft: Raft, from: NodeId, message: RaftMessage): void {
  if (message.term > raft.term && raisesTerm(raft, message)) becomeFollower(raft, message.term, undefined);
  if (message.term < raft.term && message.type !== "preVote" && message.type !== "vote") {
    // A leader that was overtaken learns it from the answer and steps down; all else that is late is void.
    if (isFromLeader(message)) {
      send(raft, from, {
        type: "heartbeatReply",
        term: raft.term,
        round: 0,
        receivedIndex: 0,
        durableIndex: 0,
      });
    }
    return;
  }
  const peer = raft.leadership?.peers.get(from);
  peer?.detector.heard(raft.nowMs);
  switch (message.type) {
    case "preVote":
      return onPreVote(raft, from, message);
    case "preVoteReply":
      return onPreVoteReply(raft, from, message);
    case "vote":
      return onVote(raft, from, message);
    case "voteReply":
      return onVoteReply(raft, from, message);
    case "append":
      return onAppend(raft, from, message);
    case "appendReply":
      return peer === undefined ? undefined : onAppendReply(peer, message);
    case "appendReject":
      return peer === undefined ? undefined : onAppendReject(raft, peer, message);
    case "heartbeat":
      return onHeartbeat(raft, from, message);
    case "heartbeatReply":
      return peer === undefined ? undefined : onHeartbeatReply(raft, peer, message);
    case "commitNotice":
      return onCommitNotice(raft, from, message);
    case "timeoutNow":
      return onTimeoutNow(raft, from, message);
    case "transferRequest":
      return raft.leadership === undefined ? undefined : startTransfer(raft, raft.leadership, message.to);
    case "readRequest":
      return onReadRequest(raft, from, message);
    case "readReply":
      return onReadReply(raft, message);
    case "snapshotChunk":
      return onSnapshotChunk(raft, from, message);
    case "snapshotReply":
      return peer === undefined ? undefined : onSnapshotReply(raft, peer, message);
  }
}

/** A later term is followed at once, except where it is only asked about, or where a live leader would be unseated. */
function raisesTerm(raft: Raft, message: RaftMessage): boolean {
  switch (message.type) {
    case "preVote":
      return false;
    case "preVoteReply":
      return !message.granted;
    case "vote":
      return message.transfer || !leaderSeemsAlive(raft);
    default:
      return true;
  }
}

function isFromLeader(message: RaftMessage): boolean {
  const { type } = message;
  return type === "append" || type === "heartbeat" || type === "commitNotice" || type === "snapshotChunk";
}
