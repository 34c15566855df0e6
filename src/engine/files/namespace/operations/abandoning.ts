/** A writer gives up, and its file is as if it had not come: gone, or as long as it was. */
import type { StoredSegment } from "../inode.ts";
import type { OpenRecord } from "../leases.ts";
import { RECOVERING } from "../leases.ts";
import type { BlockId } from "../model.ts";
import { pathOf } from "../path.ts";
import { Refusal } from "../replies.ts";
import type { NamespaceState } from "../state.ts";
import { beginCut } from "./content.ts";
import type { Operations } from "./operation.ts";
import { heldBy } from "./writing.ts";

export const ABANDON_OPERATIONS: Operations<"abandon"> = {
  abandon(state, command) {
    const record = heldBy(state, command);
    const { length } = command;
    if (length !== undefined && !record.draft) return goBack(state, record, length);
    if (record.draft) {
      state.closeLease(record.id);
      return true;
    }
    state.discard(record.names, state.detach(record.names));
    return true;
  },
};

/** What was appended since the file had this length goes. */
function goBack(state: NamespaceState, record: OpenRecord, length: number): boolean {
  const file = state.openFile(record);
  if (length > file.length) {
    throw new Refusal("ARGUMENT_INVALID", `inode ${record.id} has ${file.length} bytes, not ${length}`);
  }
  const { kept, dropped, last, lastLength } = split(state, file.segments, length);
  const known = last === undefined ? 0 : state.blocks.lengthOf(last);
  const mustCut = last !== undefined && (last === record.block || known > lastLength);
  state.editFile(record, (changed) => {
    changed.segments = kept;
    changed.length = length;
    changed.reserved = 0;
    state.touch(changed);
  });
  const { pipeline, names, id, block, aside } = record;
  if (aside && block !== undefined) state.blocks.letGo(block);
  for (const segment of dropped) if (typeof segment !== "string") state.blocks.letGo(segment);
  state.observer?.pathChanged(pathOf(names));
  if (!mustCut) {
    state.leases.delete(id);
    return true;
  }
  // A snapshot that was taken meanwhile may show what was appended and synced: that stays, and the file gets a copy of its part.
  // Whether one shares the block is known only now that the file has changed.
  const isShown = known > lastLength && state.blocks.of(last).refs > 1;
  const copyTo = isShown ? copyOf(state, record, lastLength) : undefined;
  const nodes = last === block ? pipeline : [];
  if (copyTo !== undefined && last === block) {
    beginToEnd(state, { ...record, names }, copyTo);
    return false;
  }
  beginCut(state, names, { file: id, block: last, length: lastLength, copyTo, pipeline: nodes });
  return false;
}

/** The block, empty yet, that is to hold the part of the last one that is the file's. */
function copyOf(state: NamespaceState, record: OpenRecord, length: number): BlockId {
  const { replication } = state.openFile(record);
  return state.newBlock(record.id, { stamp: state.counters.nextStamp, length, replication, policy: 0 });
}

/** What is copied must be finished: the block is ended first, and `finishRecovery` goes on from there. */
function beginToEnd(state: NamespaceState, record: OpenRecord, copyTo: BlockId): void {
  const stamp = state.counters.nextStamp++;
  const recovery = { stamp, truncateTo: undefined, copyTo, startedMs: state.timeMs };
  state.leases.set({ ...record, holder: RECOVERING, aside: false, recovery }, state.timeMs);
}

/** Segments that begin before `length`, and those behind; `last` is the block in which it is. */
function split(
  state: NamespaceState,
  segments: readonly StoredSegment[],
  length: number,
): {
  readonly kept: readonly StoredSegment[];
  readonly dropped: readonly StoredSegment[];
  readonly last: number | undefined;
  readonly lastLength: number;
} {
  let offset = 0;
  let begins = 0;
  let count = 0;
  for (const segment of segments) {
    if (offset >= length) break;
    begins = offset;
    offset += typeof segment === "string" ? segment.length : state.blocks.lengthOf(segment);
    count++;
  }
  const last = segments[count - 1];
  const kept = segments.slice(0, count);
  if (typeof last === "string") kept[count - 1] = last.slice(0, length - begins);
  return {
    kept,
    dropped: segments.slice(count),
    last: typeof last === "number" ? last : undefined,
    lastLength: length - begins,
  };
}
