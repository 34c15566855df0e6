/** Questions to a replica: each a function of the state as it is. Part of `machine.ts`; the contract is `queries.ts`. */
import { EXECUTE, READ, shownAcl } from "./access.ts";
import type { Access } from "./access.ts";
import { entriesOf, chunkOf, placeOf } from "./chunk.ts";
import { erasurePolicyOf } from "./erasure-policy.ts";
import type { Directory, FileNode } from "./inode.ts";
import { checkListable } from "./listable.ts";
import { noTotals, addTotals } from "./inode.ts";
import type {
  AclStatus,
  Caller,
  ContentSummary,
  FileStatus,
  Listing,
  OpenFile,
  Segment,
  SnapshotEntry,
  SnapshottableDirectory,
} from "./model.ts";
import { SNAPSHOT_NAME } from "./model.ts";
import { checkAttributeName, binaryName } from "./operations/attributes.ts";
import { refuseCoded, writable } from "./operations/content.ts";
import { accessOf } from "./operations/operation.ts";
import { recoveryOf } from "./operations/recovering.ts";
import { snapshotsOf } from "./operations/snapshotting.ts";
import { nameOf, pathOf, shown, textOf } from "./path.ts";
import type { FileSegments, StoredBlock } from "./queries.ts";
import { Refusal } from "./replies.ts";
import type { Resolved } from "./resolve.ts";
import { changeable, codingPolicyOf, existing, resolve } from "./resolve.ts";
import { snapshotContent } from "./snapshot-content.ts";
import type { NamespaceState } from "./state.ts";
import { statusOf } from "./status.ts";

/** Entries of one listing. */
const LISTING_MAX = 10_000;
/** Entries of a subtree that is summed up, looked at in one turn. */
const SUMMARY_ENTRIES = 10_000;

export function status(state: NamespaceState, path: string, caller: Caller, followLast: boolean): FileStatus {
  const found = resolve(state.root, path, accessOf(state, caller), followLast);
  return statusOf(state, existing(found), found.names, found.inSnapshot, codingPolicyOf(found.nodes));
}

export function list(
  state: NamespaceState,
  path: string,
  caller: Caller,
  startAfter: string,
  limit: number,
): Listing {
  const access = accessOf(state, caller);
  const found = resolve(state.root, path, access);
  const node = existing(found);
  const { names, inSnapshot } = found;
  if (node.kind !== "directory") {
    return { entries: [statusOf(state, node, names, inSnapshot)], remaining: 0 };
  }
  access.check(node, READ | EXECUTE, names, names.length);
  const after = startAfter === "" ? "" : nameOf(startAfter, startAfter);
  const most = Math.max(1, Math.min(limit, LISTING_MAX));
  if (found.isSnapshotList) return listSnapshots(state, found, node, after, most);
  const entries: FileStatus[] = [];
  const coding = codingPolicyOf(found.nodes);
  for (const [name, child] of entriesOf(node.chunks, after)) {
    if (entries.length === most) break;
    entries.push(statusOf(state, child, [...names, name], inSnapshot, coding));
  }
  return { entries, remaining: node.childCount - passed(node, after) - entries.length };
}

/** Entries up to and including `name`. */
function passed({ chunks }: Directory, name: string): number {
  if (name === "" || chunks.length === 0) return 0;
  const at = chunkOf(chunks, name);
  let count = placeOf(chunks[at]!, name);
  if (chunks[at]!.names[count] === name) count++;
  for (let before = 0; before < at; before++) count += chunks[before]!.names.length;
  return count;
}

function listSnapshots(
  state: NamespaceState,
  found: Resolved,
  directory: Directory,
  after: string,
  limit: number,
): Listing {
  const { names } = found;
  const rest = [...(directory.extras?.snapshots ?? [])]
    .sort((left, right) => (left.name < right.name ? -1 : 1))
    .filter(({ name }) => name > after);
  const coding = codingPolicyOf(found.nodes);
  const entries = rest
    .slice(0, limit)
    .map(({ name, root }) => statusOf(state, root, [...names, name], true, coding));
  return { entries, remaining: rest.length - entries.length };
}

export function checkSummary(
  state: NamespaceState,
  path: string,
  caller: Caller,
  behind: readonly string[],
): readonly string[] | undefined {
  const access = accessOf(state, caller);
  const found = resolve(state.root, path, access);
  const node = existing(found);
  if (node.kind !== "directory") return undefined;
  return checkListable(node, found.names, access, behind, { left: SUMMARY_ENTRIES });
}

export function contentSummary(state: NamespaceState, path: string, caller: Caller): ContentSummary {
  const access = accessOf(state, caller);
  const found = resolve(state.root, path, access);
  const node = existing(found);
  if (node.kind === "directory") access.check(node, READ | EXECUTE, found.names, found.names.length);
  const totals = noTotals();
  addTotals(totals, node, 1);
  const { directories, files, links, length, space } = snapshotContent(state, found);
  return {
    directories: totals.directories,
    files: totals.files + totals.links,
    length: totals.length,
    space: totals.space,
    nameQuota: node.extras?.nameQuota ?? -1,
    spaceQuota: node.extras?.spaceQuota ?? -1,
    erasureCoding: node.extras?.erasureCoding,
    isFile: node.kind === "file",
    snapshots: { directories, files: files + links, length, space },
  };
}

export function segments(
  state: NamespaceState,
  path: string,
  caller: Caller,
  offset: number,
  length: number,
): FileSegments {
  const access = accessOf(state, caller);
  const found = resolve(state.root, path, access);
  const node = existing(found);
  if (node.kind !== "file") {
    throw new Refusal("FILE_OPERATION_REFUSED", `Path is not a file: ${pathOf(found.names)}`);
  }
  access.check(node, READ, found.names, found.names.length);
  return {
    status: statusOf(state, node, found.names, found.inSnapshot),
    segments: segmentsOf(state, node, offset, length, found.inSnapshot),
  };
}

/** Of a file that the caller may write and nobody writes. */
export function endOf(
  state: NamespaceState,
  path: string,
  caller: Caller,
): { readonly status: FileStatus; readonly last: Segment | undefined } {
  const access = accessOf(state, caller);
  const found = changeable(state.root, path, access);
  const file = writable(state, found, access);
  refuseCoded(file, found, "append to");
  const from = Math.max(0, file.length - 1);
  return {
    status: statusOf(state, file, found.names, false),
    last: segmentsOf(state, file, from, file.length - from, false).at(-1),
  };
}

function segmentsOf(
  state: NamespaceState,
  file: FileNode,
  from: number,
  length: number,
  inSnapshot: boolean,
): Segment[] {
  const result: Segment[] = [];
  const to = Math.min(file.length, from + length);
  const lease = inSnapshot ? undefined : state.leases.get(file.id);
  let offset = 0;
  for (const stored of file.segments) {
    if (offset >= to) break;
    const record = typeof stored === "string" ? undefined : state.blocks.of(stored);
    const whole = typeof stored === "string" ? stored.length : record!.length;
    // A snapshot's last block may have grown since.
    const size = Math.min(whole, file.length - offset);
    if (offset + size > from) {
      if (typeof stored === "string") result.push({ type: "inline", offset, length: size, content: stored });
      else {
        const { id, stamp, replication, policy } = record!;
        const coding = erasurePolicyOf(policy);
        result.push({
          type: "block",
          offset,
          length: size,
          id,
          stamp,
          replication,
          open: lease?.block === id,
          ...(coding === undefined ? {} : { coded: { policy: coding, groupLength: whole } }),
        });
      }
    }
    offset += size;
  }
  return result;
}

export function linkTarget(state: NamespaceState, path: string, caller: Caller): string {
  const found = resolve(state.root, path, accessOf(state, caller), false);
  const node = existing(found);
  if (node.kind === "link") return node.target;
  throw new Refusal("FILE_OPERATION_REFUSED", `Path ${pathOf(found.names)} is not a symbolic link`);
}

export function acl(state: NamespaceState, path: string, caller: Caller): AclStatus {
  const node = existing(resolve(state.root, path, accessOf(state, caller)));
  const { owner, group, mode } = node;
  return { owner, group, mode, entries: shownAcl(node) };
}

export function attributes(
  state: NamespaceState,
  path: string,
  caller: Caller,
  names: readonly string[] | undefined,
): ReadonlyMap<string, string> {
  const access = accessOf(state, caller);
  const found = resolve(state.root, path, access);
  const node = existing(found);
  const all = node.extras?.attributes ?? new Map<string, string>();
  const result = new Map<string, string>();
  if (names === undefined) {
    access.check(node, READ, found.names, found.names.length);
    for (const [name, value] of all) if (isVisible(access, name)) result.set(textOf(name), value);
    return result;
  }
  for (const name of names) {
    checkAttributeName(access, node, found, name, false);
    access.check(node, READ, found.names, found.names.length);
    const value = all.get(binaryName(name));
    if (value === undefined) {
      throw new Refusal(
        "ATTRIBUTE_REFUSED",
        `At least one of the attributes provided was not found: ${shown(name)}`,
      );
    }
    result.set(textOf(binaryName(name)), value);
  }
  return result;
}

function isVisible(access: Access, name: string): boolean {
  return access.superuser || name.slice(0, 5).toLowerCase() === "user.";
}

export function checkAccess(state: NamespaceState, path: string, caller: Caller, permission: number): void {
  const access = accessOf(state, caller);
  const found = resolve(state.root, path, access);
  access.check(existing(found), permission, found.names, found.names.length);
}

export function snapshottable(state: NamespaceState, caller: Caller): SnapshottableDirectory[] {
  const access = accessOf(state, caller);
  const directories: SnapshottableDirectory[] = [];
  for (const names of state.snapshottable.values()) {
    const nodes = names.map((_, depth) => state.nodeAt(names.slice(0, depth)));
    const node = state.nodeAt(names);
    if (!access.superuser && node.owner !== caller.user) continue;
    const count = node.extras?.snapshots?.length ?? 0;
    const status = statusOf(state, node, names, false, codingPolicyOf(nodes));
    directories.push({ status, count, limit: state.settings.maxSnapshots });
  }
  return directories;
}

export function snapshots(state: NamespaceState, path: string, caller: Caller): SnapshotEntry[] {
  const access = accessOf(state, caller);
  const found = resolve(state.root, path, access);
  access.check(existing(found), READ, found.names, found.names.length);
  return snapshotsOf(found).map(({ name, id, createdMs }) => ({
    name: textOf(name),
    path: pathOf([...found.names, SNAPSHOT_NAME, name]),
    id,
    createdMs,
  }));
}

export function* blocks(state: NamespaceState): Generator<StoredBlock> {
  for (const id of state.blocks.ids()) yield state.storedBlock(id)!;
}

export function* openFiles(state: NamespaceState): Generator<OpenFile> {
  for (const record of state.leases.all()) {
    const block = record.block === undefined ? undefined : state.blocks.of(record.block);
    yield {
      id: record.id,
      path: pathOf(record.names),
      holder: record.holder,
      renewedMs: state.leases.renewedMs(record.holder),
      block: block && { id: block.id, stamp: block.stamp, length: block.length },
      pipeline: record.pipeline,
      recovery: recoveryOf(state, record),
    };
  }
}
