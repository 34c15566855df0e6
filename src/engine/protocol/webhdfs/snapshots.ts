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

/** All in one page: `lastIndex` -1 says that nothing is left. */
export async function differenceListing(asked: Asked, from: string, to: string): Promise<object> {
  const { files, path, caller, signal } = asked;
  const differences = await files.snapshotDifference(path, caller, from, to, { signal });
  const lists = {
    created: [] as ListingEntry[],
    deleted: [] as ListingEntry[],
    modified: [] as ListingEntry[],
  };
  for (const { type, path: source, target } of differences) {
    const [before, after] = [below(path, from, source), below(path, to, target ?? source)];
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
      isFromEarlier: to === "" || from !== "",
      lastIndex: -1,
      lastPath: "",
    },
  };
}

function below(root: string, snapshot: string, path: string): string {
  const base = snapshot === "" ? root : `${root === "/" ? "" : root}/.snapshot/${snapshot}`;
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
