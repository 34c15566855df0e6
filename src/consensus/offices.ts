/** What a node has besides its log while it leads, campaigns or follows; each is new with the office. */
import type { NodeId } from "../runtime/world.ts";
import type { Index, Membership } from "./consensus.ts";
import type { Lease } from "./lease.ts";
import type { MembershipGoal } from "./membership.ts";
import type { Progress } from "./progress.ts";
import type { ReadBarrier } from "./read-barrier.ts";

/** What only a leader has; a new one for each leadership. */
export interface Leadership {
  /** Everyone who is served: members, and removed ones until they know. */
  readonly peers: Map<NodeId, Progress>;
  readonly barrier: ReadBarrier;
  readonly lease: Lease;
  /** Up to here the log holds what earlier leaders may have chosen: nothing is certain before it is committed. */
  readonly openingIndex: Index;
  uncommittedBytes: number;
  /** All peers are to get every entry, and to hear of the newest commit, with this drain. */
  announcing: boolean;
  heartbeatSentMs: number;
  transfer: Transfer | undefined;
  change: MembershipChange | undefined;
}

export interface Transfer {
  readonly to: NodeId;
  readonly startedMs: number;
  toldToCampaign: boolean;
}

export interface MembershipChange {
  readonly id: number;
  readonly goal: MembershipGoal;
  readonly before: Membership;
  step: "learn" | "switch" | "undo";
  refused: string | undefined;
  /** For each newcomer: the round of catching up that it is in (thesis section 4.2.1). */
  readonly rounds: Map<NodeId, { readonly endIndex: Index; readonly startMs: number }>;
}

export interface Candidacy {
  /** Who supports it, and who refused. */
  readonly votes: Map<NodeId, boolean>;
  /** When to try again. */
  deadlineMs: number;
  /** The write that holds the term and the vote for itself. */
  readonly writeId: number;
}

/** Reads of this node that wait at the leader, under one attempt id. */
export interface ForwardedReads {
  readonly ids: readonly number[];
  readonly sentMs: number;
}
