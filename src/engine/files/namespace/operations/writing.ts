/** A file by the block, in the hands of one writer. */
import type { CommandOf, WrittenBlock } from "../commands.ts";
import { unitsOf } from "../erasure-policy.ts";
import type { FileNode } from "../inode.ts";
import type { OpenRecord } from "../leases.ts";
import { RECOVERING } from "../leases.ts";
import type { BlockId, FileId } from "../model.ts";
import { pathOf, shown } from "../path.ts";
import type { AddedBlock } from "../replies.ts";
import { Refusal } from "../replies.ts";
import { changeable, directoriesOf } from "../resolve.ts";
import type { NamespaceState } from "../state.ts";
import { statusOf } from "../status.ts";
import { beginFile, refuseCoded, writable } from "./content.ts";
import { checkPlace, directoriesAbove, placeOf, takePlace } from "./replacing.ts";
import type { Operations } from "./operation.ts";
import { accessOf } from "./operation.ts";

export const WRITING_OPERATIONS: Operations<
  | "create"
  | "append"
  | "addBlock"
  | "abandonBlock"
  | "nextStamp"
  | "updatePipeline"
  | "sync"
  | "complete"
  | "renewLease"
> = {
  create(state, command) {
    const holder = checkedHolder(command.holder);
    const { file, found, isDraft } = beginFile(state, command);
    state.leases.set(newRecord(file.id, found.names, holder, isDraft, undefined, []), state.timeMs);
    return { status: statusOf(state, file, found.names), block: undefined, inline: undefined };
  },

  append(state, { caller, path, holder, pipeline }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    const file = writable(state, found, access);
    refuseCoded(file, found, "append to");
    checkedHolder(holder);
    const last = file.segments.at(-1);
    const end = typeof last === "number" ? state.blocks.of(last) : undefined;
    const block = end !== undefined && end.length < file.blockSize ? end : undefined;
    const reserved = block === undefined ? 0 : file.blockSize - block.length;
    state.checkQuota(directoriesOf(found), found.names, { space: reserved * file.replication });
    const record = newRecord(file.id, found.names, holder, false, block?.id, pipeline);
    state.leases.set(record, state.timeMs);
    if (reserved > 0) state.editFile(record, (changed) => (changed.reserved = reserved));
    const stamp = state.counters.nextStamp++;
    return {
      status: statusOf(state, state.openFile(record), found.names),
      block: block && { id: block.id, length: block.length, replication: block.replication, stamp },
      inline: typeof last === "string" ? last : undefined,
    };
  },

  addBlock(state, command) {
    const record = heldBy(state, command);
    const file = state.openFile(record);
    const { previous, pipeline } = command;
    checkPipeline(state, file, pipeline);
    if (isRepeated(state, record, file, previous)) return addedBlock(state, record, file);
    checkPrevious(state, record, file, previous);
    const isGrowing = previous !== undefined && record.block !== undefined;
    const growth = isGrowing
      ? growthOf(state, record, file, previous) + parityGrowthOf(state, file, previous)
      : 0;
    const more = growth + file.reserveFor(0) - file.reserved;
    checkSpace(state, record, more * file.replication);
    if (isGrowing) commit(state, record, file, previous);
    const aside = record.block === undefined && typeof file.segments.at(-1) === "string";
    const stamp = state.counters.nextStamp++;
    const policy = file.coding?.id ?? 0;
    const block = state.newBlock(file.id, { stamp, length: 0, replication: file.replication, policy });
    state.editFile(record, (changed) => {
      // `concat` makes room for one more; a spread would for sixteen, a million times.
      if (!aside) changed.segments = changed.segments.concat(block);
      changed.reserved = changed.reserveFor(0);
    });
    const next = { ...record, block, aside, pipeline };
    state.leases.set(next, state.timeMs);
    return addedBlock(state, next, state.openFile(next));
  },

  abandonBlock(state, command) {
    const record = heldBy(state, command);
    if (record.block !== command.block) throw notItsBlock(record, command.block);
    if (state.blocks.lengthOf(command.block) > 0) {
      throw new Refusal("FILE_OPERATION_REFUSED", "a block with acknowledged bytes cannot be abandoned");
    }
    dropBlock(state, record);
    state.leases.set({ ...record, block: undefined, aside: false, pipeline: [] }, state.timeMs);
    return undefined;
  },

  nextStamp(state, command) {
    const record = heldBy(state, command);
    if (record.block !== command.block) throw notItsBlock(record, command.block);
    state.leases.renew(record.holder, state.timeMs);
    return state.counters.nextStamp++;
  },

  updatePipeline(state, command) {
    const record = heldBy(state, command);
    const { block: written, pipeline } = command;
    if (record.block !== written.id) throw notItsBlock(record, written.id);
    const known = state.blocks.of(written.id);
    if (written.stamp <= known.stamp || written.stamp >= state.counters.nextStamp) {
      throw new Refusal("FILE_OPERATION_REFUSED", `block ${written.id} cannot get stamp ${written.stamp}`);
    }
    const file = state.openFile(record);
    // Shards that are not whole are no part of the group; none of them gets another stamp before it is recovered.
    refuseCoded(file, record, "change the pipeline of");
    // Content kept inline stays until the block has all of it.
    const length = record.aside && written.length < inlineEnd(file) ? 0 : written.length;
    checkLength(state, record, file, { ...written, length });
    if (length > 0) commit(state, record, file, { ...written, length });
    state.blocks.change(written.id, { stamp: written.stamp });
    state.leases.set({ ...record, pipeline, aside: record.aside && length === 0 }, state.timeMs);
    return undefined;
  },

  sync(state, command) {
    const record = heldBy(state, command);
    const file = state.openFile(record);
    refuseCoded(file, record, "sync");
    checkPrevious(state, record, file, command.block);
    if (record.draft) checkPlace(state, record);
    if (record.block === command.block.id) commit(state, record, file, command.block);
    if (record.draft) takePlace(state, record);
    const aside = record.aside && command.block.length === 0;
    state.leases.set({ ...record, aside, draft: false }, state.timeMs);
    return undefined;
  },

  complete(state, command) {
    const record = heldBy(state, command);
    const file = state.openFile(record);
    const { last } = command;
    checkPrevious(state, record, file, last);
    if (record.draft) checkPlace(state, record);
    if (record.block !== undefined && last?.length === 0) dropBlock(state, record);
    else if (record.block !== undefined && last !== undefined) commit(state, record, file, last);
    state.editFile(record, (changed) => {
      changed.reserved = 0;
      state.touch(changed);
    });
    if (record.draft) takePlace(state, record);
    state.leases.delete(record.id);
    state.observer?.pathChanged(pathOf(record.names));
    return statusOf(state, state.nodeAt(record.names), record.names);
  },

  renewLease: (state, { holder }) => state.leases.renew(holder, state.timeMs),
};

function newRecord(
  id: FileId,
  names: readonly string[],
  holder: string,
  draft: boolean,
  block: BlockId | undefined,
  pipeline: readonly string[],
): OpenRecord {
  return { id, names, holder, block, aside: false, draft, pipeline, recovery: undefined };
}

function checkedHolder(holder: string): string {
  if (holder !== RECOVERING && holder.length <= 200) return holder;
  throw new Refusal("ARGUMENT_INVALID", "the name of a writer must have from 1 to 200 characters");
}

export function heldBy(
  state: NamespaceState,
  { file, holder }: Pick<CommandOf<"addBlock">, "file" | "holder">,
): OpenRecord {
  const record = state.leases.get(file);
  if (record !== undefined && record.holder === holder && holder !== RECOVERING) return record;
  const why = record === undefined ? "is not open for writing" : "was taken over";
  throw new Refusal(
    "LEASE_LOST",
    `No lease on inode ${file}: File ${why}. Holder ${shown(holder)} does not have it.`,
  );
}

function notItsBlock(record: OpenRecord, block: number): Refusal {
  const text = `block ${block} is not the one that inode ${record.id} is being written to (${record.block ?? "none"})`;
  return new Refusal("FILE_OPERATION_REFUSED", text);
}

/** The same command again: its block is there, and nothing was written to it. */
function isRepeated(
  state: NamespaceState,
  record: OpenRecord,
  file: FileNode,
  previous: WrittenBlock | undefined,
): boolean {
  if (record.block === undefined || state.blocks.lengthOf(record.block) > 0) return false;
  if (previous?.id === record.block) return false;
  const before = record.aside ? undefined : file.segments.at(-2);
  return previous === undefined ? typeof before !== "number" : previous.id === before;
}

/** What the writer says of its last block must fit what is known of it. */
function checkPrevious(
  state: NamespaceState,
  record: OpenRecord,
  file: FileNode,
  previous: WrittenBlock | undefined,
): void {
  const last = file.segments.at(-1);
  if (record.block === undefined) {
    if (previous === undefined) return;
    const known = typeof last === "number" ? state.blocks.of(last) : undefined;
    if (known?.id === previous.id && known.length === previous.length) return;
    throw notItsBlock(record, previous.id);
  }
  if (previous?.id !== record.block) throw notItsBlock(record, previous?.id ?? 0);
  if (previous.stamp !== state.blocks.of(previous.id).stamp) {
    throw new Refusal(
      "FILE_OPERATION_REFUSED",
      `block ${previous.id} was written under stamp ${previous.stamp}`,
    );
  }
  checkLength(state, record, file, previous);
}

function checkLength(state: NamespaceState, record: OpenRecord, file: FileNode, written: WrittenBlock): void {
  const least = state.blocks.lengthOf(written.id);
  const needed = record.aside && written.length > 0 ? Math.max(least, inlineEnd(file)) : least;
  const most = file.blockCapacity;
  if (written.length >= needed && written.length <= most) return;
  const text = `block ${written.id} cannot have ${written.length} bytes: at least ${needed}, at most ${most}`;
  throw new Refusal("FILE_OPERATION_REFUSED", text);
}

function inlineEnd(file: FileNode): number {
  const last = file.segments.at(-1);
  return typeof last === "string" ? last.length : 0;
}

/** By how much the file grows when the block is committed. */
function growthOf(state: NamespaceState, record: OpenRecord, file: FileNode, written: WrittenBlock): number {
  if (record.aside) return written.length === 0 ? 0 : written.length - inlineEnd(file);
  return written.length - state.blocks.lengthOf(written.id);
}

/** As `growthOf`, of its parity. */
function parityGrowthOf(state: NamespaceState, file: FileNode, written: WrittenBlock): number {
  return file.parityOf(written.length) - file.parityOf(state.blocks.lengthOf(written.id));
}

/** What was acknowledged of the open block is in the file from now on. */
export function commit(
  state: NamespaceState,
  record: OpenRecord,
  file: FileNode,
  written: WrittenBlock,
): void {
  const growth = growthOf(state, record, file, written);
  const parityGrowth = parityGrowthOf(state, file, written);
  if (written.length !== state.blocks.lengthOf(written.id)) {
    state.blocks.change(written.id, { length: written.length });
  }
  state.editFile(record, (changed) => {
    if (record.aside && written.length > 0)
      changed.segments = changed.segments.slice(0, -1).concat(written.id);
    changed.length += growth;
    changed.parity += parityGrowth;
    changed.reserved = changed.reserveFor(written.length);
  });
}

/** The open block, in which nothing is, goes. */
export function dropBlock(state: NamespaceState, record: OpenRecord): void {
  const { block } = record;
  if (block === undefined) return;
  state.editFile(record, (changed) => {
    if (!record.aside) changed.segments = changed.segments.slice(0, -1);
    changed.reserved = 0;
  });
  state.blocks.letGo(block);
}

/** A block needs a node; a block group so many that it can be read, one for each shard that is written. */
function checkPipeline(state: NamespaceState, { coding }: FileNode, pipeline: readonly string[]): void {
  const least = coding?.dataUnits ?? 1;
  const most = coding === undefined ? state.settings.maxReplication : unitsOf(coding);
  if (pipeline.length >= least && pipeline.length <= most) return;
  const what = coding === undefined ? "a block" : `a block group of ${coding.name}`;
  throw new Refusal("NO_TARGETS", `${what} needs from ${least} to ${most} nodes, not ${pipeline.length}`);
}

function checkSpace(state: NamespaceState, record: OpenRecord, space: number): void {
  // What a draft has is counted nowhere yet, and what it replaces will be gone.
  const replaced = record.draft ? placeOf(state, record.names) : undefined;
  const gone = replaced?.kind === "file" ? replaced.space : 0;
  const has = record.draft ? state.openFile(record).space : 0;
  state.checkQuota(directoriesAbove(state, record.names), record.names, { space: space + has - gone });
}

function addedBlock(state: NamespaceState, record: OpenRecord, file: FileNode): AddedBlock {
  const { id, stamp, length, replication } = state.blocks.of(record.block!);
  const { coding } = file;
  const offset = record.aside ? file.length - inlineEnd(file) : file.length;
  return {
    block: { id, stamp, length },
    offset,
    replication,
    blockSize: file.blockCapacity,
    pipeline: record.pipeline,
    ...(coding === undefined ? {} : { coding }),
  };
}
