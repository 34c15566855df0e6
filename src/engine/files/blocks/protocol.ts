/**
 * What nodes say to each other about blocks: the pipeline that writes, reads of replicas, recovery, heartbeats and reports,
 * and what the leader of the namespace tells a node to do.
 *
 * Frames travel over a `Network` of their own (the data plane: sockets beside those of consensus, so that a heartbeat never
 * waits behind a block). A frame may be lost with its link; then the stream it belonged to ends with an error, and whoever
 * began the stream decides what is next. Every stream has a deadline for silence, and a window in bytes.
 *
 * A pipeline: the writer (a node that serves a client, often one of the replicas itself) sends `open` to the first node, which
 * creates its replica and sends `open` to the next, and so on; `opened` comes back when all are ready or names who failed. The first
 * packets of a new block follow behind `open`, and wait on each node for its replica.
 * Packets run down, are checked and written on each node, and `ack` comes back from the last to the first when they are written
 * on it and on all behind it. What a node acknowledges of a packet that asks for it (`sync`, and the last one always) is durable;
 * of others it has been handed to the operating system, is synced in the background every 8 MiB, and nobody outside may be
 * told that it is safe. So a block is durable on all its nodes before its end is acknowledged. On a failure the writer asks the namespace for a new stamp, opens a pipeline without
 * the bad node from what was acknowledged (`goOn`), and tells the namespace (`updatePipeline`).
 */
import type { NodeId } from "../../../runtime/world.ts";
import type { FileErrorCode } from "../../../runtime/errors.ts";
import type { Field, FieldsOf } from "../../../wire/record.ts";
import {
  bytes,
  double,
  flag,
  list,
  optional,
  record,
  text,
  uint32,
  uint53,
  union,
  word,
} from "../../../wire/record.ts";
import type { StripeGeometry } from "../namespace/erasure-policy.ts";
import type { BlockId, FileId, GenerationStamp, NodeStanding } from "../namespace/model.ts";
import type { Replica, ReplicaDurability } from "./block-store.ts";

/** Bytes of one pipeline that may be without an acknowledgement. */
export const PIPELINE_WINDOW_BYTES: number = 8 * 1024 * 1024;
/** Bytes of a new block that its writer may send before all nodes have opened it, and each of them keeps until then. */
export const PIPELINE_EARLY_BYTES: number = 8 * 1024 * 1024;
/** A packet is sent when so many bytes are there, or when the writer asks for it. */
export const PACKET_BYTES: number = 256 * 1024;
/** So many are enough when no other packet is under way: then nothing is won by waiting. */
export const PACKET_MIN_BYTES: number = 64 * 1024;
/** Bytes of one packet, at most. */
export const PACKET_MAX_BYTES: number = 1 << 20;
/** Bytes that a reader may be behind. */
export const READ_WINDOW_BYTES: number = 4 * 1024 * 1024;
/** Bytes of one `piece`, at most. */
export const READ_PIECE_BYTES: number = 1 << 20;
/** The window of a reader at the node itself while it is lent its pieces: their memory is there anyway. */
export const LENT_WINDOW_BYTES: number = 3 * READ_WINDOW_BYTES;
/** A stream on which nothing comes for so long, though something is due, has failed. */
export const STREAM_SILENCE_MS = 5_000;

/** Chosen by whoever begins it; unique for that node. */
export type StreamId = number;

export interface StreamFailure {
  readonly code: FileErrorCode | "DISK_FULL" | "OVERLOADED" | "SHUTTING_DOWN";
  readonly message: string;
  /** Who is to blame: to be left out of the next attempt. */
  readonly node: NodeId;
}

/** Frames of streams. `stream` is the beginner's number in what it sends and in all answers to it. */
export type StreamFrame =
  | {
      readonly type: "open";
      readonly stream: StreamId;
      readonly block: BlockId;
      readonly stamp: GenerationStamp;
      /** `create` an empty replica, or `goOn` with one that has `length` bytes. */
      readonly mode: "create" | "goOn";
      readonly length: number;
      readonly durability: ReplicaDurability;
      /** The nodes behind this one. */
      readonly rest: readonly NodeId[];
    }
  | { readonly type: "opened"; readonly stream: StreamId; readonly failure: StreamFailure | undefined }
  | {
      readonly type: "packet";
      readonly stream: StreamId;
      /** 1, 2, 3… */
      readonly sequence: number;
      /** Of its first byte, in the block. */
      readonly offset: number;
      /** To be durable before it is acknowledged, with all before it (hsync). */
      readonly sync: boolean;
      /** The block ends behind it: every node finishes its replica before it acknowledges. */
      readonly last: boolean;
      readonly checksums: Uint8Array;
      readonly content: Uint8Array;
    }
  /** All packets up to this one are written from here on down; if it asked for it, durable. */
  | {
      readonly type: "ack";
      readonly stream: StreamId;
      readonly sequence: number;
      readonly failure: StreamFailure | undefined;
    }
  /** From either side: it is over. */
  | {
      readonly type: "close";
      readonly stream: StreamId;
      /** From the one who was asked, to the one who began the stream. */
      readonly answer: boolean;
      readonly failure: StreamFailure | undefined;
    }
  /** Asks for bytes of a replica: for a reader at this node, or to make a replica of it. */
  | {
      readonly type: "read";
      readonly stream: StreamId;
      readonly block: BlockId;
      readonly minStamp: GenerationStamp;
      readonly offset: number;
      readonly length: number;
    }
  /** In order; the reader grants more with `credit`. Ends with `close`. */
  | {
      readonly type: "piece";
      readonly stream: StreamId;
      readonly offset: number;
      readonly checksums: Uint8Array;
      readonly content: Uint8Array;
    }
  | { readonly type: "credit"; readonly stream: StreamId; readonly bytes: number }
  /** For the checksum of a file: answered by one `piece` with MD5 of the block's checksums in `content`. */
  | {
      readonly type: "checksum";
      readonly stream: StreamId;
      readonly block: BlockId;
      readonly minStamp: GenerationStamp;
      readonly length: number;
    }
  /**
   * Makes a replica out of those of others, for a pipeline that goes on with this node: [0, length), not finished. Answered by
   * `held`; a sign of life (`held` without replica and failure) comes now and then before.
   */
  | {
      readonly type: "fetch";
      readonly stream: StreamId;
      readonly block: BlockId;
      /** Of the replicas that are there, and of the new one. */
      readonly stamp: GenerationStamp;
      readonly length: number;
      readonly from: readonly NodeId[];
    }
  /** First step of a recovery: what do you hold? Answered by `held`. */
  | {
      readonly type: "beginRecovery";
      readonly stream: StreamId;
      readonly block: BlockId;
      readonly recoveryStamp: GenerationStamp;
    }
  | {
      readonly type: "held";
      readonly stream: StreamId;
      readonly replica: Replica | undefined;
      readonly failure: StreamFailure | undefined;
    }
  /** Second step: cut to this, under this stamp. Answered by `held`. */
  | {
      readonly type: "finishRecovery";
      readonly stream: StreamId;
      readonly block: BlockId;
      readonly recoveryStamp: GenerationStamp;
      readonly length: number;
      readonly copyTo: BlockId | undefined;
    };

/** From every node that keeps blocks to every node that keeps the namespace, each second. */
export interface Heartbeat {
  readonly type: "heartbeat";
  /** Another one in each life of the process: what was reported in an earlier one counts no more. */
  readonly life: number;
  /** Number of the last report, so that a lost one is noticed also when no other follows. */
  readonly reported: number;
  /** Highest term of a leader that the node has heard: it obeys no older one any more. */
  readonly term: number;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** Replicas being written. */
  readonly writers: number;
  /** Streams being read. */
  readonly readers: number;
  /** Path of the topology, such as "/rack1". */
  readonly rack: string;
  /** What the operator wants of the node. */
  readonly standing: NodeStanding;
}

/**
 * Replicas of a node: all of them in numbered parts (`full`, under the number of the last report that they include), or what
 * changed since the report before. A namespace node that misses a number, or meets a new life, answers `reportWanted`, and gets
 * a full one.
 */
export interface BlockReport {
  readonly type: "report";
  readonly life: number;
  readonly sequence: number;
  readonly full: { readonly part: number; readonly last: boolean } | undefined;
  readonly replicas: readonly Replica[];
  readonly removed: readonly BlockId[];
}

export interface ReportWanted {
  readonly type: "reportWanted";
}

/**
 * From the leader of the namespace to a node. `term` is the leader's: a node that has heard a later one does nothing. What
 * comes of it is seen in the reports; only a replica that is not made is told of (`notMade`). A leader gives `delete` for a block that no file names only after
 * a barrier that began after it heard of the replica: so it has applied whatever could name it.
 */
export type Instruction =
  | {
      readonly type: "replicate";
      readonly term: number;
      readonly block: BlockId;
      readonly stamp: GenerationStamp;
      readonly length: number;
      /** This node reads from any of these, and keeps a replica. */
      readonly from: readonly NodeId[];
      /** Bytes a second, at most. */
      readonly bandwidth: number;
    }
  /** Without blocks it only makes the leader's term known. */
  | { readonly type: "delete"; readonly term: number; readonly blocks: readonly BlockId[] }
  /** This node leads the recovery of the block on these nodes, and reports it to the namespace. */
  | {
      readonly type: "recover";
      readonly term: number;
      readonly file: FileId;
      readonly block: BlockId;
      readonly stamp: GenerationStamp;
      readonly recoveryStamp: GenerationStamp;
      /** What the log knows to be acknowledged: a replica that is shorter is left out. */
      readonly length: number;
      readonly truncateTo: number | undefined;
      readonly copyTo: BlockId | undefined;
      readonly nodes: readonly NodeId[];
    }
  /** This node makes a shard of a block group out of the others, and keeps it. */
  | {
      readonly type: "rebuild";
      readonly term: number;
      /** The group. */
      readonly block: BlockId;
      readonly stamp: GenerationStamp;
      readonly geometry: StripeGeometry;
      readonly groupLength: number;
      /** Which shard. */
      readonly unit: number;
      /** By unit: who holds them. */
      readonly from: readonly (readonly NodeId[])[];
      /** Bytes a second that are read, at most. */
      readonly bandwidth: number;
    }
  /** As `recover`, of a block group: the shards are cut to whole stripes. */
  | {
      readonly type: "recoverGroup";
      readonly term: number;
      readonly file: FileId;
      readonly block: BlockId;
      readonly stamp: GenerationStamp;
      readonly recoveryStamp: GenerationStamp;
      readonly geometry: StripeGeometry;
      readonly shards: readonly ShardPlace[];
    }
  /** Verify this replica now: a reader has met damage in it. */
  | { readonly type: "verify"; readonly term: number; readonly block: BlockId };

/** A shard that may be at a node. */
export interface ShardPlace {
  readonly unit: number;
  readonly node: NodeId;
}

/** From a reader or a node to the leader: a replica that failed its checksums. */
export interface DamageReport {
  readonly type: "damaged";
  readonly block: BlockId;
  readonly stamp: GenerationStamp;
  readonly node: NodeId;
}

/** To the leader that ordered a replica (`replicate`, `rebuild`): this node does not make it. Why is in its own log. */
export interface NotMade {
  readonly type: "notMade";
  /** The leader's. */
  readonly term: number;
  /** The replica's number. */
  readonly block: BlockId;
}

/** From the node that led a recovery to the leader, which puts `finishRecovery` into the log. */
export interface RecoveryReport {
  readonly type: "recovered";
  readonly file: FileId;
  readonly block: BlockId;
  readonly recoveryStamp: GenerationStamp;
  /** Undefined: no node holds a replica. */
  readonly length: number | undefined;
  readonly nodes: readonly NodeId[];
}

/** From any node to the leader: a round of moves towards even use, unless one is under way. Answered by `balanced`. */
export interface BalanceOrder {
  readonly type: "balance";
  readonly stream: StreamId;
  readonly maxBytes: number;
  /** Share of its space by which a node's use may differ from the mean. */
  readonly threshold: number;
}

export interface BalanceAnswer {
  readonly type: "balanced";
  readonly stream: StreamId;
  /** Undefined: this node does not lead. */
  readonly moves: BalanceMoves | undefined;
}

export interface BalanceMoves {
  /** Copies that were ordered for it. */
  readonly ordered: number;
  readonly orderedBytes: number;
  /** Copies that were ordered before, for whatever reason, and are not done: while there are any, none is ordered. */
  readonly pending: number;
  readonly pendingBytes: number;
}

/** Every frame of the data plane. */
export type BlockFrame =
  | StreamFrame
  | Heartbeat
  | BlockReport
  | ReportWanted
  | Instruction
  | DamageReport
  | NotMade
  | RecoveryReport
  | BalanceOrder
  | BalanceAnswer;

type FrameOf<Type extends BlockFrame["type"]> = FieldsOf<Omit<Extract<BlockFrame, { type: Type }>, "type">>;

const FAILURE: Field<StreamFailure | undefined> = optional(
  record<StreamFailure>({
    code: text as Field<StreamFailure["code"]>,
    message: text,
    node: text,
  }),
);
const REPLICA: Field<Replica> = record<Replica>({
  id: uint53,
  stamp: uint53,
  length: uint53,
  state: word("writing", "finished", "recovering", "corrupt"),
});
const GEOMETRY: Field<StripeGeometry> = record<StripeGeometry>({
  dataUnits: uint32,
  parityUnits: uint32,
  cellBytes: uint32,
});
const open: FrameOf<"open"> = {
  stream: uint53,
  block: uint53,
  stamp: uint53,
  mode: word("create", "goOn"),
  length: uint53,
  durability: word("disk", "memory"),
  rest: list(text),
};
const heartbeat: FrameOf<"heartbeat"> = {
  life: uint53,
  reported: uint53,
  term: uint53,
  capacityBytes: uint53,
  usedBytes: uint53,
  freeBytes: uint53,
  writers: uint32,
  readers: uint32,
  rack: text,
  standing: word("inService", "decommissioning", "inMaintenance"),
};

/** The codec of all frames. What is read of `checksums` and `content` is a view of the frame. */
export const BLOCK_FRAME: Field<BlockFrame> = union<BlockFrame>({
  open,
  opened: { stream: uint53, failure: FAILURE },
  packet: {
    stream: uint53,
    sequence: uint53,
    offset: uint53,
    sync: flag,
    last: flag,
    checksums: bytes,
    content: bytes,
  },
  ack: { stream: uint53, sequence: uint53, failure: FAILURE },
  close: { stream: uint53, answer: flag, failure: FAILURE },
  read: { stream: uint53, block: uint53, minStamp: uint53, offset: uint53, length: uint53 },
  piece: { stream: uint53, offset: uint53, checksums: bytes, content: bytes },
  credit: { stream: uint53, bytes: uint53 },
  checksum: { stream: uint53, block: uint53, minStamp: uint53, length: uint53 },
  beginRecovery: { stream: uint53, block: uint53, recoveryStamp: uint53 },
  held: { stream: uint53, replica: optional(REPLICA), failure: FAILURE },
  finishRecovery: {
    stream: uint53,
    block: uint53,
    recoveryStamp: uint53,
    length: uint53,
    copyTo: optional(uint53),
  },
  heartbeat,
  report: {
    life: uint53,
    sequence: uint53,
    full: optional(record<{ readonly part: number; readonly last: boolean }>({ part: uint32, last: flag })),
    replicas: list(REPLICA),
    removed: list(uint53),
  },
  reportWanted: {},
  replicate: {
    term: uint53,
    block: uint53,
    stamp: uint53,
    length: uint53,
    from: list(text),
    bandwidth: uint53,
  },
  delete: { term: uint53, blocks: list(uint53) },
  recover: {
    term: uint53,
    file: uint53,
    block: uint53,
    stamp: uint53,
    recoveryStamp: uint53,
    length: uint53,
    truncateTo: optional(uint53),
    copyTo: optional(uint53),
    nodes: list(text),
  },
  verify: { term: uint53, block: uint53 },
  damaged: { block: uint53, stamp: uint53, node: text },
  recovered: {
    file: uint53,
    block: uint53,
    recoveryStamp: uint53,
    length: optional(uint53),
    nodes: list(text),
  },
  fetch: {
    stream: uint53,
    block: uint53,
    stamp: uint53,
    length: uint53,
    from: list(text),
  },
  balance: { stream: uint53, maxBytes: uint53, threshold: double },
  balanced: {
    stream: uint53,
    moves: optional(
      record<BalanceMoves>({ ordered: uint32, orderedBytes: uint53, pending: uint32, pendingBytes: uint53 }),
    ),
  },
  rebuild: {
    term: uint53,
    block: uint53,
    stamp: uint53,
    geometry: GEOMETRY,
    groupLength: uint53,
    unit: uint32,
    from: list(list(text)),
    bandwidth: uint53,
  },
  recoverGroup: {
    term: uint53,
    file: uint53,
    block: uint53,
    stamp: uint53,
    recoveryStamp: uint53,
    geometry: GEOMETRY,
    shards: list(record<ShardPlace>({ unit: uint32, node: text })),
  },
  notMade: { term: uint53, block: uint53 },
});
