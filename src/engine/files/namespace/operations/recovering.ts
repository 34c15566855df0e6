/** Files whose writers went away are closed, and blocks that are being cut get their length. */
import { WRITE } from "../access.ts";
import type { OpenRecord } from "../leases.ts";
import { RECOVERING } from "../leases.ts";
import type { BlockRecovery } from "../model.ts";
import { pathOf, shown } from "../path.ts";
import type { LeaseRecovery } from "../replies.ts";
import { Refusal } from "../replies.ts";
import { changeable, existing } from "../resolve.ts";
import type { NamespaceState } from "../state.ts";
import type { Operations } from "./operation.ts";
import { accessOf } from "./operation.ts";
import { commit, dropBlock } from "./writing.ts";

/** An attempt of which nothing was heard for so long is made again, under a later stamp. */
export const RECOVERY_RETRY_MS = 25_000;

export const RECOVERY_OPERATIONS: Operations<
  "recoverLease" | "finishRecovery" | "expireLeases" | "endLeases"
> = {
  recoverLease(state, { caller, path, holder, force }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    const node = existing(found);
    access.check(node, WRITE, found.names, found.names.length);
    if (force) access.checkOwner(node, found.names);
    const record = state.leases.get(node.id);
    if (record === undefined) return { file: node.id, closed: true, recovery: undefined };
    const silentMs = state.timeMs - state.leases.renewedMs(record.holder);
    const mayTake = force || holder === record.holder || silentMs >= state.settings.leaseSoftMs;
    if (record.holder !== RECOVERING && !mayTake) {
      const text = `${pathOf(found.names)} is being written by ${shown(record.holder)}`;
      throw new Refusal("BEING_WRITTEN", `${text}, which gave a sign ${silentMs} ms ago`);
    }
    return recover(state, record);
  },

  finishRecovery(state, { file: id, block, stamp, length }) {
    const record = state.leases.get(id);
    if (record?.recovery?.stamp !== stamp || record.block !== block) return false;
    const { truncateTo, copyTo } = record.recovery;
    const file = state.openFile(record);
    const known = state.blocks.of(block);
    if (truncateTo !== undefined) {
      // A cut that came out otherwise than it was ordered is made again.
      if (length !== truncateTo) return false;
      if (copyTo === undefined) state.blocks.change(block, { stamp, length });
      else replaceLast(state, record, copyTo);
    } else if (copyTo !== undefined) {
      // An append was given up of which a snapshot shows more than the file had: the snapshot's block is ended.
      if (length !== undefined && length < known.length) return false;
      if (length !== undefined) {
        state.blocks.change(block, { stamp, length });
        copyLast(state, record, copyTo);
        return true;
      }
      // Every replica is gone: file and snapshot keep the block, and say so when they are read.
      state.blocks.letGo(copyTo);
    } else if (length === undefined || (length === 0 && known.length === 0)) {
      // Of bytes that were acknowledged every replica is gone: the file keeps the block, and says so when it is read.
      if (known.length === 0) dropBlock(state, record);
    } else if (length < known.length || length > file.blockCapacity) {
      return false;
    } else {
      finish(state, record, stamp, length);
    }
    state.editFile(record, (changed) => {
      changed.reserved = 0;
      state.touch(changed);
    });
    state.leases.delete(id);
    state.observer?.pathChanged(pathOf(record.names));
    return true;
  },

  expireLeases(state, { limit }) {
    const due: OpenRecord[] = [];
    for (const record of state.leases.all()) {
      if (due.length >= limit) break;
      if (isDue(state, record, state.timeMs)) due.push(record);
    }
    for (const record of due) recover(state, record);
    return due.length;
  },

  endLeases(state, { holders, silentMs }) {
    const gone = new Set(holders.filter((holder) => holder !== RECOVERING));
    const sinceMs = state.timeMs - silentMs;
    const held = [...state.leases.all()].filter(
      ({ holder }) => gone.has(holder) && state.leases.renewedMs(holder) <= sinceMs,
    );
    for (const record of held) recover(state, record);
    return held.length;
  },
};

/** A writer that was silent for too long, or an attempt that came to nothing. */
export function isDue(state: NamespaceState, record: OpenRecord, nowMs: number): boolean {
  return dueAtMs(state, record) <= nowMs;
}

export function dueAtMs(state: NamespaceState, { holder, recovery }: OpenRecord): number {
  if (recovery !== undefined) return recovery.startedMs + RECOVERY_RETRY_MS;
  return state.leases.renewedMs(holder) + state.settings.leaseHardMs;
}

/** Closes the file when nothing of it is being written; else begins to recover its last block, or lets that go on. */
export function recover(state: NamespaceState, record: OpenRecord): LeaseRecovery {
  const { id, block, recovery, draft } = record;
  if (draft) {
    // Nobody has seen it: what it was to replace stays.
    state.closeLease(id);
    return { file: id, closed: true, recovery: undefined };
  }
  if (block === undefined) {
    state.editFile(record, (file) => (file.reserved = 0));
    state.leases.delete(id);
    state.observer?.pathChanged(pathOf(record.names));
    return { file: id, closed: true, recovery: undefined };
  }
  if (recovery !== undefined && !isDue(state, record, state.timeMs)) {
    return { file: id, closed: false, recovery: recoveryOf(state, record) };
  }
  const next: OpenRecord = {
    ...record,
    holder: RECOVERING,
    recovery: {
      stamp: state.counters.nextStamp++,
      truncateTo: recovery?.truncateTo,
      copyTo: recovery?.copyTo,
      startedMs: state.timeMs,
    },
  };
  if (next.recovery?.copyTo !== undefined)
    state.blocks.change(next.recovery.copyTo, { stamp: next.recovery.stamp });
  state.leases.set(next, state.timeMs);
  return { file: id, closed: false, recovery: recoveryOf(state, next) };
}

export function recoveryOf(
  state: NamespaceState,
  { block, recovery }: OpenRecord,
): BlockRecovery | undefined {
  if (block === undefined || recovery === undefined) return undefined;
  const { id, stamp, length } = state.blocks.of(block);
  return { block: { id, stamp, length }, ...recovery };
}

function finish(state: NamespaceState, record: OpenRecord, stamp: number, length: number): void {
  const file = state.openFile(record);
  const inline = file.segments.at(-1);
  if (record.aside && typeof inline === "string" && length < inline.length) {
    // The block has not all of what the file holds inline, and that stays.
    dropBlock(state, record);
    return;
  }
  commit(state, record, file, { id: record.block!, stamp, length });
  state.blocks.change(record.block!, { stamp });
}

/** The part of the ended block that is the file's goes to the copy. */
function copyLast(state: NamespaceState, record: OpenRecord, copyTo: number): void {
  const stamp = state.counters.nextStamp++;
  state.blocks.change(copyTo, { stamp });
  const truncateTo = state.blocks.lengthOf(copyTo);
  const recovery = { stamp, truncateTo, copyTo, startedMs: state.timeMs };
  state.leases.set({ ...record, recovery }, state.timeMs);
}

/** The copy takes the place of the block that a snapshot keeps. */
function replaceLast(state: NamespaceState, record: OpenRecord, copy: number): void {
  state.editFile(record, (file) => (file.segments = file.segments.slice(0, -1).concat(copy)));
  state.blocks.letGo(record.block!);
}
