/** Files whole: put in one piece, appended to in one piece, joined, cut. */
import { bytesFromLatin1 } from "../../../../runtime/bytes.ts";
import type { Access } from "../access.ts";
import { READ, WRITE } from "../access.ts";
import type { CommandOf } from "../commands.ts";
import type { ErasurePolicy } from "../erasure-policy.ts";
import { erasurePolicy, groupSpace } from "../erasure-policy.ts";
import type { FileNode, StoredSegment } from "../inode.ts";
import { NO_SEGMENTS } from "../inode.ts";
import { RECOVERING } from "../leases.ts";
import type { BlockId, FileId } from "../model.ts";
import { pathOf, shown } from "../path.ts";
import type { IntendedFile } from "../queries.ts";
import { Refusal } from "../replies.ts";
import { requestOf } from "../request-name.ts";
import type { Resolved } from "../resolve.ts";
import {
  changeable,
  checkCreatable,
  codingPolicyOf,
  directoriesOf,
  existing,
  nodeOf,
  refuseSnapshot,
  resolve,
} from "../resolve.ts";
import type { NamespaceState } from "../state.ts";
import { statusOf } from "../status.ts";
import { checkReplication } from "./attributes.ts";
import { checkRemovable } from "./directories.ts";
import { checkRoom, makeParents, put } from "./making.ts";
import type { Operations } from "./operation.ts";
import { accessOf } from "./operation.ts";

/** Files that one `concat` joins. */
const SOURCES_MAX = 10_000;

export const CONTENT_OPERATIONS: Operations<"put" | "appendInline" | "concat" | "truncate"> = {
  put(state, command) {
    const { content } = command;
    if (content.length > state.settings.inlineMaxBytes) {
      throw new Refusal(
        "FILE_OPERATION_REFUSED",
        `more than ${state.settings.inlineMaxBytes} bytes are not kept inline`,
      );
    }
    const { file, found } = makeFile(state, command, content);
    state.observer?.pathChanged(pathOf(found.names));
    const request = requestOf(command.caller);
    if (request !== undefined) state.observer?.requestDone(request, command.path);
    return statusOf(state, file, found.names);
  },

  appendInline(state, { caller, path, content }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    const file = writable(state, found, access);
    refuseCoded(file, found, "append to");
    const last = file.segments.at(-1) ?? "";
    if (typeof last !== "string" || last.length + content.length > state.settings.inlineMaxBytes) {
      throw new Refusal(
        "FILE_OPERATION_REFUSED",
        "the end of the file is not kept inline, or is too large for it",
      );
    }
    state.checkQuota(directoriesOf(found), found.names, { space: content.length * file.replication });
    const segments = last === "" ? file.segments : file.segments.slice(0, -1);
    editFile(state, found, (changed) => {
      if (content === "") return;
      changed.segments = segments.concat(last + content);
      changed.length += content.length;
      state.touch(changed);
    });
    return statusOf(state, state.nodeAt(found.names), found.names);
  },

  concat(state, { caller, path, sources }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    const target = writable(state, found, access);
    const from = checkSources(state, access, target, sources);
    for (const [at, directory] of directoriesOf(found).entries()) {
      const more = from.map(({ file, found: source }) => {
        const gone = source.nodes[at] === directory ? file.space : 0;
        return (file.length + file.parity) * target.replication - gone;
      });
      const space = more.reduce((sum, each) => sum + each, 0);
      state.checkQuotaOf(directory, found.names.slice(0, at), { space });
    }
    const moved = from.flatMap(({ file }) => file.segments);
    for (const segment of moved) {
      if (typeof segment === "string") continue;
      state.blocks.hold(segment);
      state.blocks.change(segment, { replication: target.replication, file: target.id });
    }
    const length = from.reduce((sum, { file }) => sum + file.length, 0);
    const parity = from.reduce((sum, { file }) => sum + file.parity, 0);
    editFile(state, found, (file) => {
      file.segments = joined(file.segments, moved, state.settings.inlineMaxBytes);
      file.length += length;
      file.parity += parity;
      state.touch(file);
    });
    for (const source of from) state.discard(source.found.names, state.detach(source.found.names));
    return undefined;
  },

  truncate(state, { caller, path, length }) {
    const access = accessOf(state, caller);
    const found = changeable(state.root, path, access);
    const file = writable(state, found, access);
    refuseCoded(file, found, "truncate");
    if (length > file.length) {
      const text = `Cannot truncate to a larger file size. Current size: ${file.length}, truncate size: ${length}`;
      throw new Refusal("ARGUMENT_INVALID", text);
    }
    if (length === file.length) return true;
    return cut(state, found, file, length);
  },
};

/**
 * A new file in the place that a command names, with this content, and what was there is gone. Throws before anything is
 * changed.
 */
function makeFile(
  state: NamespaceState,
  command: CommandOf<"put">,
  content: string,
): { readonly file: FileNode; readonly found: Resolved } {
  const place = placeOfFile(state, command, content.length);
  const { found, replaces } = place;
  if (replaces) state.discard(found.names, state.detach(found.names));
  const file = newFile(state, command, place);
  file.segments = content === "" ? NO_SEGMENTS : [content];
  file.length = content.length;
  file.parity = file.parityOf(content.length);
  put(state, found, file);
  return { file, found };
}

/** A new file that its writer holds: in its place, or, where another is, a draft that takes the place later. */
export function beginFile(
  state: NamespaceState,
  command: CommandOf<"create">,
): { readonly file: FileNode; readonly found: Resolved; readonly isDraft: boolean } {
  const place = placeOfFile(state, command, 0);
  const { found, replaces: isDraft } = place;
  const file = newFile(state, command, place);
  if (isDraft) state.drafts.add(file);
  else put(state, found, file);
  return { file, found, isDraft };
}

function newFile(
  state: NamespaceState,
  command: CommandOf<"put" | "create">,
  { found, replaces, coding, replication, blockSize }: PlaceOfFile,
): FileNode {
  const { caller, mode, unmaskedMode } = command;
  const access = accessOf(state, caller);
  const parent = replaces ? directoriesOf(found).at(-1)! : makeParents(state, found, access);
  const like = state.newInode(parent, access, mode & 0o777, unmaskedMode, false);
  const coded =
    coding === undefined ? like : { ...like, extras: { ...like.extras, erasureCoding: coding.name } };
  return state.newFile(state.counters.nextFileId++, coded, replication, blockSize);
}

interface PlaceOfFile {
  readonly found: Resolved;
  /** Another file is there. */
  readonly replaces: boolean;
  readonly coding: ErasurePolicy | undefined;
  readonly replication: number;
  readonly blockSize: number;
}

/** Where a new file of `content` bytes goes. Throws whatever is against it. */
export function placeOfFile(state: NamespaceState, file: IntendedFile, content: number): PlaceOfFile {
  const { caller, path, createParents, existing: policy } = file;
  const access = accessOf(state, caller);
  const wanted = file.replication ?? state.settings.replication;
  const blockSize = file.blockSize ?? state.settings.blockSize;
  checkReplication(state, wanted);
  const there = resolve(state.root, path, access);
  refuseSnapshot(there);
  const coding = erasurePolicy(codingPolicyOf(there.nodes));
  checkBlockSize(state, blockSize, coding);
  // A coded file is kept once; its parity is what replicas would be.
  const replication = coding === undefined ? wanted : 1;
  const replaced = nodeOf(there);
  // Who may not write in the directory neither replaces what is there nor is told of it.
  const parent = replaced === undefined ? undefined : there.nodes[there.names.length - 1];
  if (parent !== undefined) access.check(parent, WRITE, there.names, there.names.length - 1);
  if (replaced?.kind === "directory") {
    throw new Refusal("PATH_EXISTS", `${shown(path)} already exists as a directory`);
  }
  if (replaced !== undefined && policy === "refuse") {
    throw new Refusal("PATH_EXISTS", `${shown(path)} already exists`);
  }
  const space = coding === undefined ? content * replication : groupSpace(coding, content);
  if (replaced === undefined) {
    checkCreatable(there, access, createParents);
    checkRoom(state, there, { files: 1, length: content, space });
    return { found: there, replaces: false, coding, replication, blockSize };
  }
  access.check(replaced, WRITE, there.names, there.names.length);
  const gone = replaced.kind === "file" ? replaced.space : 0;
  state.checkQuota(directoriesOf(there), there.names, { space: space - gone });
  return { found: there, replaces: true, coding, replication, blockSize };
}

function checkBlockSize(state: NamespaceState, blockSize: number, coding: ErasurePolicy | undefined): void {
  const { minBlockSize } = state.settings;
  if (!Number.isSafeInteger(blockSize) || blockSize < minBlockSize) {
    const text = `Specified block size is less than configured minimum value: ${blockSize} < ${minBlockSize}`;
    throw new Refusal("ARGUMENT_INVALID", text);
  }
  if (blockSize % 512 !== 0) {
    throw new Refusal("ARGUMENT_INVALID", `the block size must be a multiple of 512: ${blockSize}`);
  }
  if (coding === undefined || blockSize >= coding.cellBytes) return;
  const text = `Specified block size (${blockSize}) is less than the cell size (${coding.cellBytes})`;
  throw new Refusal("ARGUMENT_INVALID", `${text} of the erasure coding policy (${coding.name})`);
}

/** What would have to change bytes that parity was made of. HDFS refuses the same. Throws UNSUPPORTED. */
export function refuseCoded(file: FileNode, found: Pick<Resolved, "names">, verb: string): void {
  if (file.coding === undefined) return;
  throw new Refusal("UNSUPPORTED", `Cannot ${verb} an erasure coded file: ${pathOf(found.names)}`);
}

/** A file that the caller may write and nobody writes now. */
export function writable(state: NamespaceState, found: Resolved, access: Access): FileNode {
  const node = existing(found);
  const path = pathOf(found.names);
  access.check(node, WRITE, found.names, found.names.length);
  if (node.kind !== "file") throw new Refusal("FILE_OPERATION_REFUSED", `Path is not a file: ${path}`);
  const lease = state.leases.get(node.id);
  if (lease === undefined) return node;
  if (lease.holder === RECOVERING) {
    throw new Refusal("LEASE_RECOVERING", `${path} is being closed after its writer went away, or being cut`);
  }
  throw new Refusal("BEING_WRITTEN", `${path} is already being written by ${shown(lease.holder)}`);
}

function editFile(state: NamespaceState, found: Resolved, change: (file: FileNode) => void): void {
  state.tree.edit(found.names, (node) => {
    node.revision = state.counters.revision;
    if (node.kind === "file") change(node);
  });
  state.observer?.pathChanged(pathOf(found.names));
}

interface Source {
  readonly found: Resolved;
  readonly file: FileNode;
}

function checkSources(
  state: NamespaceState,
  access: Access,
  target: FileNode,
  sources: readonly string[],
): readonly Source[] {
  if (sources.length === 0 || sources.length > SOURCES_MAX) {
    throw new Refusal("ARGUMENT_INVALID", `concat takes from 1 to ${SOURCES_MAX} sources`);
  }
  const seen = new Set([target.id]);
  return sources.map((path) => {
    const found = changeable(state.root, path, access);
    const file = writable(state, found, access);
    access.check(file, READ, found.names, found.names.length);
    checkRemovable(state, found, file, access);
    if (seen.has(file.id)) {
      throw new Refusal("ARGUMENT_INVALID", `concat: ${shown(path)} is named twice, or is the target`);
    }
    seen.add(file.id);
    if (file.length === 0)
      throw new Refusal("ARGUMENT_INVALID", `concat: source file ${shown(path)} is empty`);
    if (file.coding !== target.coding) {
      const text = `concat: source file ${shown(path)} and the target have different erasure coding policies`;
      throw new Refusal("ARGUMENT_INVALID", text);
    }
    if (file.replication > target.replication || file.blockSize > target.blockSize) {
      const text = `concat: source file ${shown(path)} has a greater replication or block size than the target`;
      throw new Refusal("ARGUMENT_INVALID", text);
    }
    return { found, file };
  });
}

/** Small pieces that meet become one. */
function joined(
  first: readonly StoredSegment[],
  second: readonly StoredSegment[],
  inlineMaxBytes: number,
): readonly StoredSegment[] {
  const all = [...first];
  for (const segment of second) {
    const last = all.at(-1);
    const meets = typeof segment === "string" && typeof last === "string";
    if (meets && segment.length + last.length <= inlineMaxBytes) all[all.length - 1] = last + segment;
    else all.push(segment);
  }
  return all.slice();
}

/** False when a block must be cut, which takes longer. */
function cut(state: NamespaceState, found: Resolved, file: FileNode, length: number): boolean {
  let offset = 0;
  let count = 0;
  for (const segment of file.segments) {
    const size = typeof segment === "string" ? segment.length : state.blocks.lengthOf(segment);
    if (offset + size > length) break;
    offset += size;
    count++;
  }
  const kept = file.segments.slice(0, count);
  const straddling = length > offset ? file.segments[count] : undefined;
  if (straddling !== undefined) {
    // Taken apart and put together, so that the long text does not stay in memory behind the short one.
    kept.push(typeof straddling === "string" ? ownText(straddling.slice(0, length - offset)) : straddling);
  }
  const dropped = file.segments.slice(straddling === undefined ? count : count + 1);
  editFile(state, found, (changed) => {
    changed.segments = kept;
    changed.length = length;
    state.touch(changed);
  });
  for (const segment of dropped) if (typeof segment !== "string") state.blocks.letGo(segment);
  if (typeof straddling !== "number") return true;
  const block = state.blocks.of(straddling);
  // A snapshot sees the block as it was: the replicas' bytes are copied, not cut.
  const facts = {
    stamp: state.counters.nextStamp,
    length: length - offset,
    replication: file.replication,
    policy: 0,
  };
  const copyTo = block.refs > 1 ? state.newBlock(file.id, facts) : undefined;
  beginCut(state, found.names, { file: file.id, block: straddling, length: length - offset, copyTo });
  return false;
}

/** The replicas of a file's last block are to end at `length`; until they do, nobody writes the file. */
export function beginCut(
  state: NamespaceState,
  names: readonly string[],
  cutting: {
    readonly file: FileId;
    readonly block: BlockId;
    readonly length: number;
    readonly copyTo: BlockId | undefined;
    /** Nodes that were told to write it, besides those that report it. */
    readonly pipeline?: readonly string[];
  },
): void {
  const { file: id, block, length: truncateTo, copyTo, pipeline = [] } = cutting;
  const stamp = state.counters.nextStamp++;
  const recovery = { stamp, truncateTo, copyTo, startedMs: state.timeMs };
  const record = { id, names, holder: RECOVERING, block, aside: false, draft: false, pipeline, recovery };
  state.leases.set(record, state.timeMs);
}

function ownText(text: string): string {
  return bytesFromLatin1(text).toString("latin1");
}
