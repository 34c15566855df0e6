/**
 * consensus: what Raft and Multi-Paxos both are, as pure state machines.
 *
 * A core is stepped with one input at a time and drained of effects; it never waits, reads a clock or draws a random
 * number by itself. The driver (`engine/group`) carries the effects out. The hard rule of every consensus protocol, "a vote
 * or an acknowledgement waits for the disk", is a value here: an effect `send` names the write that must be durable first.
 */
import type { Bytes } from "../runtime/bytes.ts";
import type { NodeId } from "../runtime/world.ts";
import type { ConsensusMutant } from "./mutants.ts";

/** A position in the replicated log; the first entry has index 1. */
export type Index = number;
/** Raft's term; a Multi-Paxos ballot, as one number (`paxos/ballot.ts`). At most one node leads a term. */
export type Term = number;

export interface Entry {
  readonly index: Index;
  readonly term: Term;
  /** `noop` opens a leadership; `membership` holds an encoded Membership; `command` is opaque. */
  readonly kind: "command" | "noop" | "membership";
  /** Owns its memory. */
  readonly payload: Bytes;
}

/** Who takes part. During a joint change both `voters` and `outgoing` must agree (Raft section 6, joint consensus). */
export interface Membership {
  readonly voters: readonly NodeId[];
  /** The old voters while a joint change is under way; otherwise empty. */
  readonly outgoing: readonly NodeId[];
  /** Receive the log, count in no quorum, never campaign. */
  readonly learners: readonly NodeId[];
  /** Where each member's peer port is: "host:port". */
  readonly addresses: Readonly<Record<NodeId, string>>;
  /**
   * Which life of a name is meant, for members that were added or replaced: the identity of the node's data directory. A
   * name without one is its founder. Default: none.
   */
  readonly identities?: Readonly<Record<NodeId, string>>;
  /** Only in Multi-Paxos, and not of founders: see `Seating`. */
  readonly seating?: Seating;
}

/**
 * What makes ballots unique and changes of members follow each other in Multi-Paxos. A ballot is a round and the seat of the
 * node that runs it; a seat is given to one life of one node, and never again.
 */
export interface Seating {
  /** How many changes led to this membership. One that does not follow the membership before it changes nothing. */
  readonly change: number;
  readonly seats: Readonly<Record<NodeId, number>>;
  /** The lowest seat that nobody ever had. */
  readonly nextSeat: number;
}

/** Names a snapshot: the state after applying entries up to `index`. */
export interface SnapshotMeta {
  readonly index: Index;
  readonly term: Term;
  readonly membership: Membership;
  readonly sizeBytes: number;
}

/**
 * How far a log once reached that was damaged since: the last entry that this node may have acknowledged, or anything after
 * it. Compared like the ends of two logs: the later term first, then the index.
 */
export interface Floor {
  readonly term: Term;
  readonly index: Index;
}

/** One durable write: everything in it is on the disk, or none of it counts. */
export interface DurableWrite {
  /** Everything that was stored before is void, except the ballot and the floor. Comes before all else in the write. */
  readonly afresh?: true;
  /** The log is damaged and once reached this far; `reached`: it does so again. */
  readonly floor?: Floor | "reached";
  /** Term and vote, when they changed; in Multi-Paxos the promised ballot, and whose it is. */
  readonly ballot?: { readonly term: Term; readonly votedFor: NodeId | undefined };
  /** Entries to store; whatever was stored at `entries[0].index` and after is replaced (but see `slots`). */
  readonly entries?: readonly Entry[];
  /**
   * The log now starts after this snapshot. Comes before `entries` of the same write. If the stored entry at
   * `snapshot.index` has `snapshot.term`, those behind it stay; otherwise every stored entry is dropped.
   */
  readonly snapshot?: SnapshotMeta;
  /**
   * Multi-Paxos: every entry stands for itself. Each of `entries` replaces only what is in its own slot, there may be gaps, and a
   * snapshot replaces what it covers and nothing behind it. Default: the entries are one log.
   */
  readonly slots?: true;
  /** Everything up to here is chosen, and stored by this write or before. Saves asking the others after a restart. */
  readonly chosen?: Index;
}

export type Role = "follower" | "precandidate" | "candidate" | "leader" | "learner";

/** Driver to core. Every step also carries the monotonic time. */
export type Input<Message> =
  /** At least every `heartbeatIntervalMs / 2`. */
  | { readonly type: "tick" }
  | { readonly type: "message"; readonly from: NodeId; readonly message: Message }
  /** Appends one command entry, if this node leads (otherwise it is ignored; ask `accepts` first). */
  /**
   * Peers in `awaitedBy` (default: all) get it, and are told of its commit, at once. The others hear of the commit with the next
   * entry, the next heartbeat or `announce`, whichever comes first: a notice of its own costs as much as an entry. Those that a
   * quorum does not need get the entry itself then, or 5 ms after the last one.
   */
  | { readonly type: "propose"; readonly payload: Bytes; readonly awaitedBy?: readonly NodeId[] }
  /** Sends every peer all that it lacks now: entries, and the newest commit. Due some ms after a `propose`. */
  | { readonly type: "announce" }
  /** The write with this id, and all before it, are on the disk. */
  | { readonly type: "durable"; readonly writeId: number }
  /** Asks for a read barrier; answered by effect `read` or `readFailed` with the same id. Ids are never used twice. */
  | { readonly type: "read"; readonly id: number }
  /** The link to a peer broke: it may be dead. A hint to campaign early (pre-vote protects a live leader). */
  | { readonly type: "suspect"; readonly peer: NodeId }
  /** A part of a message came from a peer: it lives, although the message may take long to be whole. */
  | { readonly type: "arriving"; readonly peer: NodeId }
  /** Hands leadership to `to`, or to the most advanced voter. */
  | { readonly type: "transfer"; readonly to?: NodeId }
  /** This node is no newcomer: all founders, it among them, have no past. */
  | { readonly type: "found" }
  /** Moves to these voters: newcomers learn first, then joint consensus. Answered by `membershipChange` with this id. */
  | {
      readonly type: "changeMembership";
      readonly id: number;
      readonly voters: readonly NodeId[];
      readonly learners: readonly NodeId[];
      readonly addresses: Readonly<Record<NodeId, string>>;
      /** Of members that are new, or are a new life of their name. */
      readonly identities?: Readonly<Record<NodeId, string>>;
    }
  /** The state machine has applied entries up to here. */
  | { readonly type: "applied"; readonly index: Index }
  /** A local snapshot is durable: entries up to `keepFrom - 1` may go, unless a follower still needs them. */
  | { readonly type: "compact"; readonly snapshot: SnapshotMeta; readonly keepFrom: Index }
  /** The driver stored the received bytes of a snapshot up to `offset`; `valid` false: the checksum failed, start again. */
  | {
      readonly type: "chunkStored";
      readonly snapshotIndex: Index;
      readonly offset: number;
      readonly valid: boolean;
    }
  /** The state machine now holds the received snapshot, and it is durable. */
  | { readonly type: "installed"; readonly snapshot: SnapshotMeta };

/** Core to driver, in order. */
export type Effect<Message> =
  | { readonly type: "write"; readonly id: number; readonly write: DurableWrite }
  /** `after`: the id of the write that must be durable before this leaves; 0 = now. */
  | { readonly type: "send"; readonly to: NodeId; readonly message: Message; readonly after: number }
  /** Entries up to here are chosen for ever and may be applied. Only rises. */
  | { readonly type: "commit"; readonly upTo: Index }
  /** The barrier holds: once `index` is applied, a local read is linearizable. With `lease`, only while `leaseHolds`. */
  | { readonly type: "read"; readonly id: number; readonly index: Index; readonly lease: boolean }
  /** The barrier cannot be had now (no leader, or it changed): ask again with a new id. */
  | { readonly type: "readFailed"; readonly id: number }
  /**
   * `found`, of a new leader, only in Multi-Paxos: the latest ballot of a command that it has from other acceptors, and may never
   * have heard from the leader of that ballot. Default: none.
   */
  | {
      readonly type: "role";
      readonly role: Role;
      readonly term: Term;
      readonly leader: NodeId | undefined;
      readonly found?: Term;
    }
  /** In force from now on (Raft: when appended). */
  | { readonly type: "membership"; readonly membership: Membership }
  | { readonly type: "membershipChange"; readonly id: number; readonly refused: string | undefined }
  /** Read `[offset, offset + length)` of the local snapshot and send it to `to` inside `message` (see `withChunk`). */
  | {
      readonly type: "sendChunk";
      readonly to: NodeId;
      readonly snapshot: SnapshotMeta;
      readonly offset: number;
      readonly length: number;
      readonly message: Message;
    }
  /** Store these bytes of a snapshot that is being received, then step `chunkStored`. `offset` 0 starts it afresh. */
  | {
      readonly type: "storeChunk";
      readonly snapshot: SnapshotMeta;
      readonly offset: number;
      readonly chunk: Bytes;
    }
  /** All chunks are stored: verify, make durable, restore the state machine, then step `installed`. */
  | { readonly type: "install"; readonly snapshot: SnapshotMeta };

export interface PeerProgress {
  readonly matchIndex: Index;
  readonly nextIndex: Index;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly inflightBytes: number;
  /** Milliseconds since this peer was last heard. */
  readonly silentMs: number;
}

export interface Standing {
  readonly term: Term;
  readonly index: Index;
  readonly named: boolean;
}

export interface ConsensusStatus {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | undefined;
  readonly commitIndex: Index;
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly membership: Membership;
  /** While entries that were acknowledged and lost are fetched from the leader: how far the log must reach again. */
  readonly recovering?: Floor;
  /** True until a membership names this life of the node. Default false. */
  readonly newcomer?: boolean;
  /**
   * Where the membership in force stands in the log, and whether the log names this life of the node: then it may be listened
   * to under its name, also by nodes that know only an earlier life.
   */
  readonly standing?: Standing;
  /** Only at the leader. */
  readonly progress: ReadonlyMap<NodeId, PeerProgress>;
  /** Local snapshots (by index) that are being sent, perhaps not the newest: their files must stay. */
  readonly snapshotsInUse: readonly Index[];
}

export interface Consensus<Message> {
  step(input: Input<Message>, nowMs: number): void;
  /** All effects since the last drain, in order. */
  drain(): readonly Effect<Message>[];
  status(nowMs: number): ConsensusStatus;
  /** True while this node leads and may append `bytes` more (bound on uncommitted bytes; false during a transfer). */
  accepts(bytes: number): boolean;
  /** True while a leader lease holds at `nowMs`: checked again after a lease read was executed. */
  leaseHolds(nowMs: number): boolean;
  /** A chosen or stored entry, for applying; entries below `firstIndex` are gone. */
  entry(index: Index): Entry | undefined;
  /** The membership in force at `index` (at or above the newest snapshot): what a snapshot of that index names. */
  membershipAt(index: Index): Membership;
}

/** What the driver read from the disk at start. */
export interface Recovered {
  readonly term: Term;
  readonly votedFor: NodeId | undefined;
  /** The newest durable snapshot; the state machine holds it already. */
  readonly snapshot: SnapshotMeta | undefined;
  /** The stored log after the snapshot (or from an earlier index that was kept for slow followers). */
  readonly entries: readonly Entry[];
  /**
   * Set when acknowledged entries are lost. Until its log has reached the floor again, this node never campaigns, and votes
   * only for candidates that are at least as up to date: in elections it counts as holding what it acknowledged. In Multi-Paxos it
   * promises only candidates that cover what it lost.
   */
  readonly floor?: Floor | undefined;
  /** Entries up to here are known to be chosen. Only in Multi-Paxos. */
  readonly chosen?: Index | undefined;
}

export interface ConsensusOptions {
  readonly id: NodeId;
  /** The founding membership: used only when neither log nor snapshot names one. */
  readonly membership: Membership;
  /** What this node's data directory (or this process, without one) is called in memberships. Default: none. */
  readonly identity?: string;
  /**
   * This node may have had an earlier life under its name, of which it knows nothing: votes it gave, entries it acknowledged.
   * Until its log holds a membership that names its identity it never campaigns and never votes. Default false.
   */
  readonly newcomer?: boolean;
  /** Chance for election jitter: a uniform number in [0, 1). */
  readonly random: () => number;
  /** Default 50. */
  readonly heartbeatIntervalMs: number;
  /** Bounds of the adaptive failure detector (about three times the usual gap between messages). Default 250 to 2000. */
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
  /** Append messages in flight per follower, 2 to 4. Default 3. */
  readonly appendWindow: number;
  /** Bytes of entries in one append message. Default 1 MiB. */
  readonly appendMaxBytes: number;
  /** Bytes appended but not committed before `accepts` says no. Default 64 MiB. */
  readonly uncommittedMaxBytes: number;
  /** Bytes in one snapshot chunk. Default 1 MiB. */
  readonly snapshotChunkBytes: number;
  /** `lease` answers barriers without a round while the leader's lease holds. Default "barrier". */
  readonly readMode: "barrier" | "lease";
  /** Upper bound on the drift between two machines' monotonic clocks, as a fraction. Default 0.01. */
  readonly clockDriftMax: number;
  /** A deliberate bug, set only by the simulator to prove that it would be found. */
  readonly mutant?: ConsensusMutant;
}
