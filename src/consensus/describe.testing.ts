/** How the transcripts print what nodes write and say; the words are those of each algorithm's papers. */
import type { Algorithm } from "./algorithms.ts";
import type { DurableWrite, Entry, Membership, Term } from "./consensus.ts";
import { decodeMembership } from "./membership.ts";
import type { SharedMessage } from "./message.ts";
import { roundOf, seatOf } from "./paxos/ballot.ts";
import type { PaxosMessage } from "./paxos/message.ts";
import type { ConsensusMessage } from "./protocol.ts";
import type { RaftMessage } from "./raft/message.ts";

export interface Describer {
  /** What a term is called. */
  readonly word: string;
  term(term: Term): string;
  message(message: ConsensusMessage): string;
}

export const DESCRIBERS: Readonly<Record<Algorithm, Describer>> = {
  raft: {
    word: "term",
    term: String,
    message: (message) => raftMessage(message as RaftMessage),
  },
  paxos: {
    word: "ballot",
    term: ballot,
    message: (message) => paxosMessage(message as PaxosMessage),
  },
};

/** Round and seat. */
function ballot(term: Term): string {
  return term === 0 ? "0" : `${roundOf(term)}.${seatOf(term)}`;
}

/** Members under the names of their lives. */
export function describeMembership({ voters, outgoing, learners, identities = {} }: Membership): string {
  const list = (ids: readonly string[]): string => ids.map((id) => identities[id] ?? id).join(",");
  const joint = outgoing.length > 0 ? ` and ${list(outgoing)}` : "";
  return `${list(voters)}${joint}${learners.length > 0 ? `, learners ${list(learners)}` : ""}`;
}

export function describeEntry({ index, term, kind, payload }: Entry, of: Describer): string {
  const place = `${index}@${of.term(term)}`;
  if (kind === "noop") return `${place}:noop`;
  if (kind === "membership") return `${place}:(${describeMembership(decodeMembership(payload))})`;
  const text = payload.toString("latin1");
  return `${place}:${text.length > 12 ? `${text.length}B` : text}`;
}

function describeEntries(entries: readonly Entry[], of: Describer): string {
  return entries.map((entry) => describeEntry(entry, of)).join(" ");
}

export function describeWrite(write: DurableWrite, of: Describer): string {
  const { ballot: given, entries, snapshot, floor, slots, chosen } = write;
  const parts: string[] = [];
  if (given !== undefined) {
    const who = given.votedFor === undefined ? "" : ` of ${given.votedFor}`;
    parts.push(
      slots === true
        ? `promise ${of.term(given.term)}${who}`
        : `term ${given.term} vote ${given.votedFor ?? "-"}`,
    );
  }
  if (snapshot !== undefined) parts.push(`snapshot ${snapshot.index}@${of.term(snapshot.term)}`);
  if (entries !== undefined && entries.length > 0) parts.push(describeEntries(entries, of));
  if (chosen !== undefined) parts.push(`chosen ${chosen}`);
  if (floor === "reached") parts.push("floor reached");
  return parts.join(", ");
}

function raftMessage(message: RaftMessage): string {
  const { type, term } = message;
  switch (message.type) {
    case "preVote":
    case "vote":
      return `${type} term=${term} last=${message.lastIndex}@${message.lastTerm}${"transfer" in message && message.transfer ? " transfer" : ""}`;
    case "voteReply":
      return `${type} term=${term} ${message.granted ? "granted" : "refused"}`;
    case "append": {
      const entries = describeEntries(message.entries, DESCRIBERS.raft);
      return `append term=${term} after=${message.prevIndex}@${message.prevTerm} [${entries}] commit=${message.commitIndex}`;
    }
    case "appendReply":
      return `appendReply term=${term} match=${message.matchIndex}`;
    case "appendReject":
      return `appendReject term=${term} prev=${message.prevIndex} hint=${message.hintIndex}@${message.hintTerm}${message.recovering ? " recovering" : ""}`;
    default:
      return sharedMessage(message, `term=${term}`);
  }
}

function paxosMessage(message: PaxosMessage): string {
  const of = DESCRIBERS.paxos;
  const { type } = message;
  const start = `${type} ballot=${ballot(message.term)}`;
  switch (message.type) {
    case "preVote":
      return `${start} chosen=${message.lastIndex}`;
    case "prepare":
      return `${start} from=${message.fromIndex}${message.replaces > 0 ? ` replaces=${ballot(message.replaces)}` : ""}`;
    case "promise": {
      const runs = message.runs.map((run) => `${run.fromIndex}..${run.toIndex}@${ballot(run.ballot)}`);
      return `${start} chosen=${message.chosenIndex} accepted=[${runs.join(" ")}]`;
    }
    case "refusal":
      return start;
    case "fetch":
      return `${start} slots=${message.fromIndex}..${message.toIndex}`;
    case "values":
      return `${start} [${describeEntries(message.entries, of)}]`;
    case "accept":
      return `${start} after=${message.prevIndex} [${describeEntries(message.entries, of)}] chosen=${message.commitIndex}`;
    case "accepted":
      return `${start} upTo=${message.matchIndex}`;
    case "gap":
      return `${start} prev=${message.prevIndex} whole=${message.hintIndex}${message.recovering ? " recovering" : ""}`;
    default:
      return sharedMessage(message, `ballot=${ballot(message.term)}`);
  }
}

/** `when`: the term, as the algorithm writes it. */
function sharedMessage(message: Exclude<SharedMessage, { type: "preVote" }>, when: string): string {
  switch (message.type) {
    case "preVoteReply":
      return `preVoteReply ${when} ${message.granted ? "granted" : "refused"}`;
    case "heartbeat":
      return `heartbeat ${when} round=${message.round} commit=${message.commitIndex}`;
    case "heartbeatReply":
      return `heartbeatReply ${when} round=${message.round} received=${message.receivedIndex} durable=${message.durableIndex}`;
    case "commitNotice":
      return `commitNotice ${when} commit=${message.commitIndex}`;
    case "timeoutNow":
      return `timeoutNow ${when}`;
    case "transferRequest":
      return `transferRequest ${when} to=${message.to}`;
    case "readRequest":
      return `readRequest ${when} id=${attempt(message.id)}`;
    case "readReply":
      return `readReply ${when} id=${attempt(message.id)} ${message.index === undefined ? "refused" : `index=${message.index}`}`;
    case "snapshotChunk": {
      const { offset, chunk, snapshot } = message;
      return `snapshotChunk ${when} index=${snapshot.index} bytes=${offset}..${offset + chunk.length}/${snapshot.sizeBytes}`;
    }
    case "snapshotReply":
      return `snapshotReply ${when} index=${message.snapshotIndex} offset=${message.offset}`;
  }
}

/** Attempts count from a random base; with the transcripts' chance of one half it is this. */
function attempt(id: number): string {
  return `#${id - 2 ** 47}`;
}
