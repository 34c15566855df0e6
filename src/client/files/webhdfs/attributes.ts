/** Access lists, extended attributes, quotas and snapshots over WebHDFS. */
import { QuorateError } from "../../../runtime/errors.ts";
import { parseAclSpec, renderAclEntry } from "../../../wire/webhdfs/acl-text.ts";
import type { Operation } from "../../../wire/webhdfs/operations.ts";
import type { FileStatusJson, OperationAnswers } from "../../../wire/webhdfs/shapes.ts";
import type { AclEntry, AttributesDriver, ParsedAclChange } from "../attributes.ts";
import type { CallOptions, FileDescription } from "../driver.ts";
import { joinPath } from "../path.ts";

/** An operation that is answered with JSON. The tables of operations and answers say which is whose. */
export type Ask = <Name extends keyof OperationAnswers>(
  path: string,
  operation: Operation<Name>,
  options: CallOptions,
) => Promise<OperationAnswers[Name]>;

/** One whose answer says nothing. */
export type Silently = (path: string, operation: Operation, options: CallOptions) => Promise<void>;

const DIFFERENCES = { CREATE: "created", DELETE: "deleted", MODIFY: "modified", RENAME: "renamed" } as const;
/** HDFS wants at least one. */
const FLAGS = { create: ["CREATE"], replace: ["REPLACE"], either: ["CREATE", "REPLACE"] } as const;

export function attributesOver(
  ask: Ask,
  silently: Silently,
  describe: (path: string, json: FileStatusJson) => FileDescription,
): AttributesDriver {
  return {
    async acl(path, options) {
      const { AclStatus: json } = await ask(path, { op: "GETACLSTATUS" }, options);
      return {
        owner: json.owner,
        group: json.group,
        mode: Number.parseInt(json.permission, 8) | (json.stickyBit ? 0o1000 : 0),
        entries: parseAclSpec(json.entries.join(","), true),
      };
    },
    changeAcl: (path, change, options) => silently(path, aclOperation(change), options),
    async attributes(path, names = [], options) {
      const operation = { op: "GETXATTRS", "xattr.name": names, encoding: "hex" } as const;
      const { XAttrs: found } = await ask(path, operation, options);
      return new Map(found.map(({ name, value }) => [name, bytesOf(value)]));
    },
    setAttribute(path, name, value, { mode = "either", ...options }) {
      const hexadecimal = `0x${Buffer.from(value).toString("hex")}`;
      const operation = { "xattr.name": name, "xattr.value": hexadecimal, flag: FLAGS[mode] };
      return silently(path, { op: "SETXATTR", ...operation }, options);
    },
    removeAttribute: (path, name, options) =>
      silently(path, { op: "REMOVEXATTR", "xattr.name": name }, options),
    allowSnapshots: (path, allowed, options) =>
      silently(path, { op: allowed ? "ALLOWSNAPSHOT" : "DISALLOWSNAPSHOT" }, options),
    createSnapshot: async (path, snapshotname, options) =>
      (await ask(path, { op: "CREATESNAPSHOT", snapshotname }, options)).Path,
    renameSnapshot: (path, oldsnapshotname, snapshotname, options) =>
      silently(path, { op: "RENAMESNAPSHOT", oldsnapshotname, snapshotname }, options),
    deleteSnapshot: (path, snapshotname, options) =>
      silently(path, { op: "DELETESNAPSHOT", snapshotname }, options),
    async snapshotDifference(path, oldsnapshotname, snapshotname, options) {
      const operation = { op: "GETSNAPSHOTDIFF", oldsnapshotname, snapshotname } as const;
      const { SnapshotDiffReport: report } = await ask(path, operation, options);
      return report.diffList.map(({ type, sourcePath, targetPath }) => ({
        type: DIFFERENCES[type],
        path: sourcePath,
        target: targetPath ?? undefined,
      }));
    },
    async snapshottable(options) {
      const answer = await ask("/", { op: "GETSNAPSHOTTABLEDIRECTORYLIST" }, options);
      const found = answer.SnapshottableDirectoryList ?? [];
      return found.map(({ dirStatus, parentFullPath, snapshotNumber, snapshotQuota }) => {
        const path =
          dirStatus.pathSuffix === "" ? "/" : joinPath(parentFullPath || "/", dirStatus.pathSuffix);
        return { description: describe(path, dirStatus), snapshots: snapshotNumber, limit: snapshotQuota };
      });
    },
    async quotaUsage(path, options) {
      const { QuotaUsage: json } = await ask(path, { op: "GETQUOTAUSAGE" }, options);
      const { fileAndDirectoryCount: names, spaceConsumed: space, quota: nameQuota, spaceQuota } = json;
      return { names, space, nameQuota, spaceQuota, types: json.typeQuota };
    },
    setQuota: (path, { names, space }, options) =>
      silently(path, { op: "SETQUOTA", namespacequota: names, storagespacequota: space }, options),
  };
}

function aclOperation(change: ParsedAclChange): Operation {
  switch (change.type) {
    case "replace":
      return { op: "SETACL", aclspec: specOf(change.entries) };
    case "modify":
      return { op: "MODIFYACLENTRIES", aclspec: specOf(change.entries) };
    case "remove":
      // HDFS wants the colon before the permission that is not there.
      return {
        op: "REMOVEACLENTRIES",
        aclspec: change.entries.map((entry) => renderAclEntry(entry).replace(/[^:]*$/, "")).join(","),
      };
    case "removeDefault":
      return { op: "REMOVEDEFAULTACL" };
    case "removeAll":
      return { op: "REMOVEACL" };
  }
}

function specOf(entries: readonly AclEntry[]): string {
  return entries.map(renderAclEntry).join(",");
}

/** Throws PROTOCOL. */
function bytesOf(value: string | null): Buffer {
  // So HDFS writes an empty one.
  if (value === null) return Buffer.alloc(0);
  if (!/^0x([\da-f]{2})*$/i.test(value))
    throw new QuorateError("PROTOCOL", `not a value in hexadecimal: ${value.slice(0, 100)}`);
  return Buffer.from(value.slice(2), "hex");
}
