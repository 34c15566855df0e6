/**
 * What recovery does with each record that it finds or misses: a table, so that every case can be read and tested.
 *
 * "Sealed" means proven durable: a later frame (or a seal, which is an empty frame) says that it was written after this one
 * had reached the disk. Only a frame without that proof may be the torn end of a crash, whose writer never got an answer
 * and so never gave one. Everything sealed may have been acknowledged and is never dropped in silence.
 */
import { assert } from "../../../runtime/errors.ts";
import type { RecordType } from "./frame.ts";

export type Decision =
  /** As written. */
  | "keep"
  /** The torn, unacknowledged end: this frame and everything after it never happened. */
  | "cut"
  /** An entry whose name is known and whose value is lost: to be fetched from a peer. */
  | "refetch"
  /** A ballot whose term is known and whose vote is lost: the next term, in which no vote was given, is safe to adopt. */
  | "raise"
  /** A snapshot mark whose index and term are known: membership and size stand in the snapshot's own file. */
  | "look-up"
  /** Something acknowledged is lost and nobody knows its name: the node must not take part with this directory. */
  | "refuse";

/** Where a record's header was found: in its frame, repeated in the next frame, or nowhere. */
export type HeaderSource = "own" | "copy" | "lost";

export interface DecisionRow {
  readonly sealed: boolean;
  readonly header: HeaderSource;
  readonly value: "intact" | "damaged";
  /** Undefined: every type. */
  readonly type?: RecordType;
  readonly decision: Decision;
}

export const DECISIONS: readonly DecisionRow[] = [
  { sealed: true, header: "own", value: "intact", decision: "keep" },
  { sealed: true, header: "copy", value: "intact", decision: "keep" },
  { sealed: false, header: "own", value: "intact", decision: "keep" },
  { sealed: false, header: "copy", value: "intact", decision: "keep" },
  { sealed: false, header: "own", value: "damaged", decision: "cut" },
  { sealed: false, header: "copy", value: "damaged", decision: "cut" },
  { sealed: false, header: "lost", value: "damaged", decision: "cut" },
  { sealed: true, header: "own", value: "damaged", type: "entry", decision: "refetch" },
  { sealed: true, header: "copy", value: "damaged", type: "entry", decision: "refetch" },
  { sealed: true, header: "own", value: "damaged", type: "ballot", decision: "raise" },
  { sealed: true, header: "copy", value: "damaged", type: "ballot", decision: "raise" },
  { sealed: true, header: "own", value: "damaged", type: "snapshot", decision: "look-up" },
  { sealed: true, header: "copy", value: "damaged", type: "snapshot", decision: "look-up" },
  { sealed: true, header: "lost", value: "damaged", decision: "refuse" },
];

/** `type` is undefined when the header is lost. A compaction mark has no value, so it is intact whenever its header is. */
export function decide(
  sealed: boolean,
  header: HeaderSource,
  value: "intact" | "damaged",
  type: RecordType | undefined,
): Decision {
  const row = DECISIONS.find(
    (each) =>
      each.sealed === sealed &&
      each.header === header &&
      each.value === value &&
      (each.type === undefined || each.type === type),
  );
  assert(row !== undefined, `no decision for a ${header} header and ${value} value of ${type}`);
  return row.decision;
}
