/**
 * Which nodes hold which replicas, as one namespace node knows it: soft state, made of heartbeats and reports, kept by every
 * namespace node alike, so that a new leader knows it at once. Nothing of it is in the log, and all of it may be late; what
 * is decided by it is checked again where it is done (a node refuses what does not fit its replica).
 */
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type { BlockReport, Heartbeat } from "./protocol.ts";

/** A node that keeps blocks, by its last heartbeat. */
export interface BlockNode {
  readonly id: NodeId;
  /** Where readers reach it: "host:port" of its HTTP server. */
  readonly http: string | undefined;
  readonly rack: string;
  readonly standing: Heartbeat["standing"];
  /** Silent for less than `DEAD_AFTER_MS`. */
  readonly live: boolean;
  /** Silent for `STALE_AFTER_MS` or longer. */
  readonly stale: boolean;
  /** The link to it broke and is not up again: what is sent to it now is lost. Of a moment, and no state that users are told of. Default false. */
  readonly away?: boolean;
  /** Milliseconds since it was heard. */
  readonly silentMs: number;
  /** It takes no changes, and may answer no questions: its log's disk is full. Its blocks can be read. Default false. */
  readonly refusing?: boolean;
  /** Highest term of a leader that it has heard. */
  readonly term: number;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  readonly writers: number;
  readonly readers: number;
}

/** A node that was silent for so long counts as gone: its replicas are made anew elsewhere. */
export const DEAD_AFTER_MS = 10_000;
/** A node that was silent for so long is not chosen for new blocks, and tried last for reads, as one is to which the link broke. */
export const STALE_AFTER_MS = 3_000;

/** Something may be asked of it now: whoever else is chosen fails, or waits. */
export function isReachable({ live, stale, away }: Pick<BlockNode, "live" | "stale" | "away">): boolean {
  return live && !stale && away !== true;
}

export interface ReplicaLocation {
  readonly node: NodeId;
  readonly stamp: GenerationStamp;
  readonly length: number;
  readonly state: "writing" | "finished" | "recovering" | "corrupt";
}

/** It has not all of its block, or nobody has said so yet: a copy that is being made, and what a writer or a recovery is at. */
export function isUnfinished({ state }: Pick<ReplicaLocation, "state">): boolean {
  return state === "writing" || state === "recovering";
}

export interface Locations {
  /** False: a report is missing, ask for a full one. */
  onHeartbeat(from: NodeId, heartbeat: Heartbeat, nowMs: number): boolean;
  /** False: a report is missing, ask for a full one. */
  onReport(from: NodeId, report: BlockReport, nowMs: number): boolean;
  /** A reader met damage: the replica counts as corrupt, and is verified by its node. */
  onDamage(block: BlockId, node: NodeId, stamp: GenerationStamp): void;
  nodes(): readonly BlockNode[];
  /** Those with the block's stamp or a later one: finished, nearest to `reader` and least busy first; live nodes only. */
  readable(block: BlockId, stamp: GenerationStamp, reader: NodeId | undefined): readonly ReplicaLocation[];
  /** All that were reported, stale and corrupt ones too. */
  all(block: BlockId): readonly ReplicaLocation[];
}

/** A replica was reported; of a closed block, one that is whole. */
export function isThere(
  { id, stamp, open }: { readonly id: BlockId; readonly stamp: GenerationStamp; readonly open: boolean },
  locations: Pick<Locations, "readable">,
): boolean {
  return locations.readable(id, stamp, undefined).some((replica) => open || !isUnfinished(replica));
}
