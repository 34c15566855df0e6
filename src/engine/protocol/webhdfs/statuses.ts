/** The file system's model as the JSON of WebHDFS: statuses, summaries, lists of access, extended attributes. */
import type { AclTextEntry } from "../../../wire/webhdfs/acl-text.ts";
import { renderAclEntry } from "../../../wire/webhdfs/acl-text.ts";
import type {
  AclStatusJson,
  ContentSummaryJson,
  FileStatusJson,
  QuotaUsageJson,
} from "../../../wire/webhdfs/shapes.ts";
import type { AclStatus, ContentSummary, FileStatus } from "../../files/namespace/model.ts";
import { storagePolicyId } from "./policies.ts";

const TYPES = { file: "FILE", directory: "DIRECTORY", link: "SYMLINK" } as const;

/** `pathSuffix`: the name below the path that was asked for, "" for itself. */
export function fileStatusJson(status: FileStatus, pathSuffix: string): FileStatusJson {
  return {
    accessTime: status.accessedMs,
    blockSize: status.blockSize,
    childrenNum: status.childCount,
    fileId: status.id,
    group: status.group,
    length: status.length,
    modificationTime: status.modifiedMs,
    owner: status.owner,
    pathSuffix,
    permission: (status.mode & 0o1777).toString(8),
    replication: status.replication,
    storagePolicy: storagePolicyId(status.storagePolicy),
    type: TYPES[status.type],
    ...(status.target === undefined ? {} : { symlink: status.target }),
    ...(status.hasAcl ? { aclBit: true } : {}),
    ...(status.erasureCoding === undefined ? {} : { ecBit: true, ecPolicy: status.erasureCoding }),
    ...(status.snapshottable ? { snapshotEnabled: true } : {}),
  };
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** HDFS counts what only snapshots hold too; its client takes it away again for `-x`. */
export function contentSummaryJson(summary: ContentSummary): ContentSummaryJson {
  const { snapshots } = summary;
  return {
    directoryCount: summary.directories + snapshots.directories,
    // HDFS's word for a file that is not coded; its client's `-count -e` fails without one.
    ecPolicy: summary.erasureCoding ?? (summary.isFile ? "Replicated" : ""),
    fileCount: summary.files + snapshots.files,
    length: summary.length + snapshots.length,
    quota: summary.nameQuota,
    snapshotDirectoryCount: snapshots.directories,
    snapshotFileCount: snapshots.files,
    snapshotLength: snapshots.length,
    snapshotSpaceConsumed: snapshots.space,
    spaceConsumed: summary.space + snapshots.space,
    spaceQuota: summary.spaceQuota,
    typeQuota: {},
  };
}

export function quotaUsageJson(summary: ContentSummary): QuotaUsageJson {
  return {
    fileAndDirectoryCount: summary.directories + summary.files,
    quota: summary.nameQuota,
    spaceConsumed: summary.space,
    spaceQuota: summary.spaceQuota,
    typeQuota: {},
  };
}

export function aclStatusJson({ owner, group, mode, entries }: AclStatus): AclStatusJson {
  return {
    entries: entries.map((entry: AclTextEntry) => renderAclEntry(entry)),
    group,
    owner,
    permission: mode.toString(8),
    stickyBit: (mode & 0o1000) !== 0,
  };
}

/** As Hadoop's XAttrCodec; `value` is a binary string. */
export function encodeAttribute(value: string, encoding: "text" | "hex" | "base64" | undefined): string {
  const bytes = Buffer.from(value, "latin1");
  switch (encoding) {
    case "text":
      return `"${bytes.toString("utf8")}"`;
    case "base64":
      return `0s${bytes.toString("base64")}`;
    case "hex":
    case undefined:
      return `0x${bytes.toString("hex")}`;
  }
}

/** A binary string from 0x… in hexadecimal, 0s… in base 64, "…" or a text as it is. */
export function decodeAttribute(text: string): string {
  if (/^0x([\da-f]{2})*$/i.test(text)) return Buffer.from(text.slice(2), "hex").toString("latin1");
  if (/^0s[\w+/=]*$/i.test(text)) return Buffer.from(text.slice(2), "base64").toString("latin1");
  const quoted = /^"(.*)"$/s.exec(text)?.[1];
  return Buffer.from(quoted ?? text, "utf8").toString("latin1");
}
