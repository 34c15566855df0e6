/** What the servers of `engine/protocol` see of the node they belong to. */
import type { Bytes } from "../../runtime/bytes.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Algorithm } from "../../consensus/algorithms.ts";
import type { ConsensusStatus } from "../../consensus/consensus.ts";
import type { SnapshotStatus } from "../group/snapshots.ts";
import type { GroupId } from "../group/write-ahead-log/frame.ts";
import type { Reply, ReplyError } from "../keyspace/reply.ts";
import type { GroupRow } from "./frames.ts";

/** Replies come from this node's own apply; failures are ReplyErrors with the prefixes of the error table. */
export interface LocalNode<Command, Machine> {
  readonly id: NodeId;
  readonly clusterId: string;
  /** This node's replica of the state machine: may be read once a barrier holds. */
  readonly machine: Machine;
  /** The largest command that the log takes, in its form in the log; `write` answers TOO_LARGE beyond. */
  readonly commandMaxBytes: number;
  /**
   * Puts a command into the log; `encoded` is its form in the log. `done` is called once, at this node's apply, or with
   * an error within the request timeout. Commands of one node are applied in the order of the calls.
   */
  write(command: Command, encoded: Bytes, done: (reply: Reply) => void): void;
  /** Calls back when a read of `machine` is linearizable with respect to this call. All calls of a turn share a round. */
  barrier(done: (error: ReplyError | undefined) => void): void;
  /** With lease reads: false when the lease ended between the barrier and now, and the read must be made again. */
  readStillValid(): boolean;
  /** This node's estimate of the log time, Unix milliseconds: never ahead of the leader's. */
  logTimeMs(): number;
  /** True while too many bytes wait for the log: the server stops reading sockets until `onDrain` calls. */
  congested(): boolean;
  onDrain(callback: () => void): void;
  /** PUBLISH by a client of this node: to the subscribers of every node that answers in time; `done` gets their number. */
  publish(channel: string, message: string, done: (receivers: number) => void): void;
  /** Sets who delivers a message to this node's subscribers and returns how many there were. */
  onPublish(deliver: (channel: string, message: string) => number): void;
  /**
   * Takes a snapshot of this node's replica of the keyspace. `done` comes once, when it is durable, or with the reason why there is
   * none. None may be under way.
   */
  saveSnapshot(done: (error: ReplyError | undefined) => void): void;
  /** Of the keyspace's replica here. */
  snapshotStatus(): SnapshotStatus;
  /** The barriers of the groups beside the keyspace's. Default: there are none. */
  furtherBarriers?(): readonly GroupBarrier[];
  status(): NodeStatus;
  /** All members as this node knows them; addresses of the client ports come from each node's greeting. */
  members(): readonly MemberView[];
  /** Nodes in sight that are no members, and wait to be admitted. Default: none. */
  strangers?(): readonly MemberView[];
}

export interface GroupBarrier {
  /** What people call the group. */
  readonly name: string;
  /** As that of the keyspace; an error says why this node cannot serve the group. */
  barrier(done: (error: Error | undefined) => void): void;
}

export interface MemberView {
  readonly id: NodeId;
  readonly peer: string;
  /** "host:port", or undefined until the member was heard. */
  readonly resp: string | undefined;
  readonly http: string | undefined;
  readonly pid: number | undefined;
  readonly dataDir: string | undefined;
  readonly role: "leader" | "follower" | "learner" | "candidate" | "unreachable";
  readonly appliedIndex: number | undefined;
  readonly commitIndex: number | undefined;
  readonly diskBytes: number | undefined;
  /** Its disk lost entries that it had acknowledged, and it is fetching them from the leader. Default false. */
  readonly recovering?: boolean;
  /** Why it takes no writes for a reason of its own: its disk is full. */
  readonly refusing?: string | undefined;
  /** What it says of states that differ from its own. */
  readonly diverged?: string | undefined;
  /** It counts in majorities. Default true. */
  readonly voter?: boolean;
  /** Its data directory is new, and no member's: it waits to be admitted, or to take the place of its last life. Default false. */
  readonly newcomer?: boolean;
  /** Identity of its data directory, or undefined until it was heard. */
  readonly directory?: string | undefined;
  /** How it is in the groups beside the keyspace. Default: there are none. */
  readonly groups?: readonly GroupRow[] | undefined;
}

/** One group as this node's replica sees it. */
export interface GroupStatus {
  readonly id: GroupId;
  /** What people call it. */
  readonly name: string;
  readonly consensus: ConsensusStatus;
  readonly algorithm: Algorithm;
  readonly appliedIndex: number;
  readonly digest: number;
  /** Whose state differs from this node's, in words; undefined while all agree. */
  readonly diverged?: string | undefined;
  /** The cause, while no more writes can be taken: no quorum, no space. */
  readonly refusing: string | undefined;
}

/** The keyspace's group, and what is the node's. */
export interface NodeStatus extends Omit<GroupStatus, "id" | "name"> {
  readonly durability: "always" | "everysec" | "memory";
  readonly diskBytes: number;
  /** The groups beside the keyspace. Default: none. */
  readonly furtherGroups?: readonly GroupStatus[];
  /** The file system as this node sees it. Default: it serves no files. */
  readonly files?: FilesStatus;
}

export interface FilesStatus {
  readonly files: number;
  readonly directories: number;
  readonly blocks: number;
  /** Bytes of all files, each counted once. */
  readonly length: number;
  /** Files that are being written, and how many of these through this node. */
  readonly openFiles: number;
  readonly writers: number;
  /** Nodes that keep blocks and give signs of life, of those that are known. */
  readonly liveNodes: number;
  readonly nodes: number;
  /** Of these nodes together. */
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** Blocks that this node, if it leads, is about to look at: those of which something changed. */
  readonly waitingBlocks: number;
  /** Why no changes are taken at this node; undefined: it is not in safe mode. */
  readonly safeMode: string | undefined;
}
