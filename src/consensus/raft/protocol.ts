/** Raft's row in the table of algorithms. */
import { withChunk } from "../message.ts";
import type { RaftMessage } from "./message.ts";
import type { Protocol } from "../protocol.ts";
import { decodeMessage, encodeMessage } from "./message-codec.ts";
import { createRaft } from "./raft.ts";

export const RAFT: Protocol<RaftMessage> = {
  entriesKeepTerm: true,
  create: createRaft,
  encode: encodeMessage,
  decode: decodeMessage,
  withChunk,
  claim(message) {
    switch (message.type) {
      case "voteReply":
        return message.granted ? { type: "vote", term: message.term } : undefined;
      case "appendReply":
        return { type: "log", upTo: message.matchIndex };
      case "heartbeatReply":
        return { type: "log", upTo: message.durableIndex };
      default:
        return undefined;
    }
  },
};
