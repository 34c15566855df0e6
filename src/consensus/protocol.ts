/**
 * What a driver needs of one algorithm: how a node begins, and how its messages become bytes. `algorithms.ts` has the row
 * of each.
 */
import type { Bytes } from "../runtime/bytes.ts";
import type { Consensus, ConsensusOptions, Index, Recovered, Term } from "./consensus.ts";

/**
 * A message of some algorithm, as those see it who only pass it on. Rows are used whole: a message goes back only to the row
 * that it came from, so a driver needs no more than this of its type.
 */
export interface ConsensusMessage {
  readonly type: string;
}

/** What a message says to be on its sender's disk. An observer holds the sender to it. */
export type DurableClaim =
  /** A vote, or a promise, given in this term. */
  | { readonly type: "vote"; readonly term: Term }
  /** The log up to here, as the leader of the message's term knows it. */
  | { readonly type: "log"; readonly upTo: Index };

export interface Protocol<Message extends ConsensusMessage = ConsensusMessage> {
  /**
   * Whether an entry keeps the term that it was proposed in for ever, and a leader takes entries for chosen only through one
   * of its own term (Raft section 5.4.2). Otherwise each leader carries entries on under its own term: then their term is
   * that of the last acceptance, and only kind and payload say whether two entries are the same.
   */
  readonly entriesKeepTerm: boolean;
  /**
   * A node that goes on from what its disk held.
   *
   * @param options all options; `DEFAULT_CONSENSUS_OPTIONS` has those with a default
   * @param nowMs the monotonic time
   * @throws QuorateError INVARIANT when the recovered state contradicts itself, or later when an invariant breaks
   */
  create(options: ConsensusOptions, recovered: Recovered, nowMs: number): Consensus<Message>;
  /** The message as the parts of one frame. Large payloads are parts of their own and must not change until sent. */
  encode(message: Message): Uint8Array[];
  /** Payloads are views into `bytes`, which must own its memory. Throws QuorateError PROTOCOL for malformed bytes. */
  decode(bytes: Bytes): Message;
  /** The message of a `sendChunk` effect with its bytes in place. */
  withChunk(message: Message, chunk: Bytes): Message;
  /** What the message says to be durable, if it says so of anything. */
  claim(message: Message): DurableClaim | undefined;
}
