/** Multi-Paxos' row in the table of algorithms. */
import { withChunk } from "../message.ts";
import type { Protocol } from "../protocol.ts";
import { decodeMessage, encodeMessage } from "./message-codec.ts";
import type { PaxosMessage } from "./message.ts";
import { createPaxos } from "./paxos.ts";

export const PAXOS: Protocol<PaxosMessage> = {
  entriesKeepTerm: false,
  create: createPaxos,
  encode: encodeMessage,
  decode: decodeMessage,
  withChunk,
  claim(message) {
    switch (message.type) {
      case "promise":
        return { type: "vote", term: message.term };
      case "accepted":
        return { type: "log", upTo: message.matchIndex };
      case "heartbeatReply":
        return { type: "log", upTo: message.durableIndex };
      default:
        return undefined;
    }
  },
};
