/** Snapshots and what changed between two of them, in Hadoop's shapes. */
import type {
  SnapshotDiffEntryJson,
  SnapshotStatusJson,
  SnapshottableDirectoryJson,
} from "../../../wire/webhdfs/shapes.ts";
import type { FileSystem } from "../../files/file-system.ts";
import type { SnapshotDifference, SnapshottableDirectory } from "../../files/namespace/model.ts";
import type { Asked } from "./questions.ts";
import { fileStatusJson, nameOf } from "./statuses.ts";

const DIFFERENCES = { created: "CREATE", deleted: "DELETE", modified: "MODIFY", renamed: "RENAME" } as const;

export function differenceJson({ type, path, target }: SnapshotDifference): SnapshotDiffEntryJson {
  return {
    sourcePath: path,
    ...(target === undefined ? {} : { targetPath: target }),
    type: DIFFERENCES[type],
  };
}

export function snapshottableJson({
  status,
  count,
  limit,
}: SnapshottableDirectory): SnapshottableDirectoryJson {
  const at = status.path.lastIndexOf("/");
  return {
    dirStatus: fileStatusJson(status, nameOf(status.path)),
    parentFullPath: status.path.slice(0, at) || "/",
    snapshotNumber: count,
    snapshotQuota: limit,
  };
}

export async function snapshotList({
  files,
  path,
  caller,
  signal,
}: Asked): Promise<readonly SnapshotStatusJson[]> {
  const snapshots = await files.snapshots(path, caller, { signal });
  return Promise.all(
    snapshots.map(
      async ({ name, path: where, id }) =>
        ({
          dirStatus: fileStatusJson(await files.status(where, caller, { signal }), name),
          parentFullPath: path,
          snapshotID: id,
          deletionStatus: "ACTIVE",
        }) as const,
    ),
  );
}

interface ListingEntry {
  readonly dirId: number;
  readonly fileId: number;
  readonly sourcePath: string | null;
  readonly targetPath: string | null;
  /** It was renamed, and is in both lists. */
  readonly isReference: boolean;
}

/**
 * All in one page: `lastIndex` -1 says that nothing is left. The lists are always of what came after the earlier of the two;
 * Hadoop's clients turn them round when `isFromEarlier` is false.
 */
export async function differenceListing(asked: Asked, from: string, to: string): Promise<object> {
  const { files, path, caller, signal } = asked;
  const isFromEarlier = await isEarlier(asked, from, to);
  const [earlier, later] = isFromEarlier ? [from, to] : [to, from];
  const differences = await files.snapshotDifference(path, caller, earlier, later, { signal });
  const moved = new Map<string, string>();
  for (const { path: source, target } of differences) if (target !== undefined) moved.set(source, target);
  const lists = {
    created: [] as ListingEntry[],
    deleted: [] as ListingEntry[],
    modified: [] as ListingEntry[],
  };
  for (const { type, path: source, target } of differences) {
    const [before, after] = [
      below(path, earlier, source),
      below(path, later, target ?? whereNow(source, moved)),
    ];
    const isRenamed = type === "renamed";
    const entry = {
      ...(await identity(files, type === "created" ? after : before, asked)),
      sourcePath: source,
      targetPath: isRenamed ? (target ?? null) : null,
      isReference: isRenamed,
    };
    if (isRenamed) {
      lists.deleted.push(entry);
      lists.created.push({
        ...entry,
        ...(await identity(files, after, asked)),
        sourcePath: target ?? null,
        targetPath: null,
      });
    } else lists[type].push(entry);
  }
  return {
    SnapshotDiffReportListing: {
      createList: lists.created,
      deleteList: lists.deleted,
      modifyList: lists.modified,
      isFromEarlier,
      lastIndex: -1,
      lastPath: "",
    },
  };
}

/** "" and "." are the present. */
async function isEarlier({ files, path, caller, signal }: Asked, from: string, to: string): Promise<boolean> {
  if (isPresent(to)) return true;
  if (isPresent(from)) return false;
  const ids = new Map<string, number>();
  for (const { name, id } of await files.snapshots(path, caller, { signal })) ids.set(name, id);
  return (ids.get(from) ?? 0) <= (ids.get(to) ?? 0);
}

function isPresent(snapshot: string): boolean {
  return snapshot === "" || snapshot === ".";
}

/** Of what was made in a directory, told by where that was: where that directory, or the nearest above it, went. */
function whereNow(path: string, moved: ReadonlyMap<string, string>): string {
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    const target = moved.get(path.slice(0, at));
    if (target !== undefined) return target + path.slice(at);
  }
  return path;
}

function below(root: string, snapshot: string, path: string): string {
  const base = isPresent(snapshot) ? root : `${root === "/" ? "" : root}/.snapshot/${snapshot}`;
  return path === "" ? base : `${base === "/" ? "" : base}/${path}`;
}

async function identity(
  files: FileSystem,
  path: string,
  { caller, signal }: Asked,
): Promise<{ readonly dirId: number; readonly fileId: number }> {
  const parent = path.slice(0, Math.max(1, path.lastIndexOf("/")));
  const [file, directory] = await Promise.all([
    files.status(path, caller, { signal, followLast: false }),
    files.status(parent, caller, { signal }),
  ]);
  return { dirId: directory.id, fileId: file.id };
}
