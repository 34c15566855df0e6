/** Files over WebHDFS: of Quorate, of HDFS, of HttpFS, by the operations that all of them have. */
import { QuorateError } from "../../../runtime/errors.ts";
import { renderAction } from "../../../wire/webhdfs/acl-text.ts";
import type { Operation } from "../../../wire/webhdfs/operations.ts";
import type { FileStatusJson, OperationAnswers } from "../../../wire/webhdfs/shapes.ts";
import type { CallOptions, Checksum, FileDescription, FilesDriver } from "../driver.ts";
import type { Ask, Silently } from "./attributes.ts";
import { attributesOver } from "./attributes.ts";
import { readJson } from "./connections.ts";
import { Endpoint } from "./endpoint.ts";
import { publish, version } from "./publishing.ts";
import { ask as askFrom, readFrom } from "./reading.ts";
import { SmallFiles } from "./small-files.ts";
import { callOf, write } from "./writing.ts";

const TYPES = { FILE: "file", DIRECTORY: "directory", SYMLINK: "link" } as const;
const HERE = { noredirect: false, excludedatanodes: [], data: false, buffersize: undefined } as const;

/** `authorities`: "host:port" of one or more nodes of the same file system. */
export function webHdfsDriver(authorities: readonly string[], user: string): FilesDriver {
  const endpoint = new Endpoint(authorities, user);
  const smallFiles = new SmallFiles(endpoint);
  const ask: Ask = async <Name extends keyof OperationAnswers>(
    path: string,
    operation: Operation<Name>,
    options: CallOptions,
  ): Promise<OperationAnswers[Name]> => {
    const answer = await endpoint.ask(path, operation as Operation, options);
    if (typeof answer !== "object" || answer === null)
      throw new QuorateError("PROTOCOL", `${String(operation.op)} was answered with nothing`);
    return answer as OperationAnswers[Name];
  };
  const silently: Silently = async (path, operation, options) => {
    await endpoint.ask(path, operation, options);
  };
  const refuse = (what: string): never => {
    throw new QuorateError("FILE_OPERATION_REFUSED", what);
  };
  /** Every server has this one; the newer operation of the same meaning came with Hadoop 3.4. */
  const blocksOf = async (
    path: string,
    options: CallOptions,
  ): Promise<OperationAnswers["GET_BLOCK_LOCATIONS"]["LocatedBlocks"]> =>
    (await ask(path, { op: "GET_BLOCK_LOCATIONS", offset: 0, length: undefined }, options)).LocatedBlocks;
  return {
    url: `webhdfs://${authorities.join(",")}`,
    user,
    async describe(path, { followLast, ...options }) {
      const op = followLast ? "GETFILESTATUS" : "GETFILELINKSTATUS";
      return describe(path, (await ask(path, { op }, options)).FileStatus);
    },
    list: (path, options) => list(ask, path, options),
    read: (path, options) =>
      readFrom(
        endpoint,
        path,
        options,
        async () => (await ask(path, { op: "GETFILESTATUS" }, {})).FileStatus.length,
      ),
    write: (path, chunks, options, again) => write(endpoint, path, chunks, options, again),
    putMaxBytes: (options) => smallFiles.maxBytes(options),
    put: (path, bytes, options) => smallFiles.put(path, bytes, options),
    async append(path, chunks, options) {
      const found = await endpoint.locate(path, { op: "APPEND", ...HERE }, callOf(options));
      if ("answer" in found)
        throw new QuorateError("PROTOCOL", "APPEND was answered without a place for the bytes");
      await endpoint.upload("POST", found.location, chunks, options);
    },
    async makeDirectories(path, { mode, ...options }) {
      const made = await ask(
        path,
        { op: "MKDIRS", permission: mode, unmaskedpermission: undefined },
        options,
      );
      if (!made.boolean) refuse(`${path} could not be made`);
    },
    async remove(path, { recursive, ...options }) {
      const removed = await ask(path, { op: "DELETE", recursive }, options);
      // HDFS says no more of it than of what is not there.
      if (!removed.boolean && path === "/") refuse("the root directory cannot be removed");
      return removed.boolean;
    },
    async rename(from, to, { overwrite, ...options }) {
      const renameoptions = [overwrite ? ("OVERWRITE" as const) : ("NONE" as const)];
      // HDFS answers a rename with options with nothing.
      const answer = await endpoint.ask(from, { op: "RENAME", destination: to, renameoptions }, options);
      if ((answer as { readonly boolean?: boolean } | undefined)?.boolean === false)
        refuse(`${from} cannot be renamed to ${to}`);
    },
    version: (path, options) => version(endpoint, path, options),
    publish: (moves, options) => publish(endpoint, moves, options),
    truncate: async (path, newlength, options) =>
      (await ask(path, { op: "TRUNCATE", newlength }, options)).boolean,
    link: (path, destination, options) =>
      silently(path, { op: "CREATESYMLINK", destination, createParent: true }, options),
    setMode: (path, permission, options) => silently(path, { op: "SETPERMISSION", permission }, options),
    setOwner: (path, owner, group, options) => silently(path, { op: "SETOWNER", owner, group }, options),
    setTimes: (path, accesstime, modificationtime, options) =>
      silently(path, { op: "SETTIMES", accesstime, modificationtime }, options),
    setReplication: async (path, replication, options) =>
      (await ask(path, { op: "SETREPLICATION", replication }, options)).boolean,
    concat: (path, sources, options) => silently(path, { op: "CONCAT", sources }, options),
    isOpen: async (path, options) => (await blocksOf(path, options)).isUnderConstruction,
    async replicaCounts(path, options) {
      const { locatedBlocks } = await blocksOf(path, options);
      return locatedBlocks.map(({ locations }) => locations.length);
    },
    setErasureCoding: (path, policy, options) =>
      policy === undefined
        ? silently(path, { op: "UNSETECPOLICY" }, options)
        : silently(path, { op: "SETECPOLICY", ecpolicy: policy }, options),
    async erasureCodings(options) {
      const { ErasureCodingPolicies } = await ask("/", { op: "GETECPOLICIES" }, options);
      return ErasureCodingPolicies.ErasureCodingPolicyInfo.map(({ state, policy }) => ({
        name: policy.name,
        enabled: state === "ENABLED",
        dataUnits: policy.numDataUnits,
        parityUnits: policy.numParityUnits,
        cellBytes: policy.cellSize,
        codec: policy.codecName,
        id: policy.id,
      }));
    },
    checkAccess: (path, permission, options) =>
      silently(path, { op: "CHECKACCESS", fsaction: renderAction(permission) }, options),
    async summary(path, options) {
      const { ContentSummary: json } = await ask(path, { op: "GETCONTENTSUMMARY" }, options);
      const { directoryCount, fileCount, length, spaceConsumed, quota, spaceQuota, ecPolicy } = json;
      return {
        directories: directoryCount,
        files: fileCount,
        length,
        space: spaceConsumed,
        nameQuota: quota,
        spaceQuota,
        coding: ecPolicy ?? "",
        snapshots: {
          directories: json.snapshotDirectoryCount ?? 0,
          files: json.snapshotFileCount ?? 0,
          length: json.snapshotLength ?? 0,
          space: json.snapshotSpaceConsumed ?? 0,
        },
      };
    },
    space: async (options) => (await ask("/", { op: "GETSTATUS" }, options)).FsStatus,
    checksum: (path, options) => checksum(endpoint, path, options),
    async defaults(options) {
      const { FsServerDefaults: json } = await ask("/", { op: "GETSERVERDEFAULTS" }, options);
      const { blockSize, replication, trashInterval } = json;
      return { blockSize, replication, trashIntervalMs: trashInterval * 60_000 };
    },
    ...attributesOver(ask, silently, describe),
    home: async (options) => (await ask("/", { op: "GETHOMEDIRECTORY" }, options)).Path,
    close: () => endpoint.close(),
  };
}

async function* list(
  ask: Ask,
  path: string,
  options: CallOptions,
): AsyncGenerator<readonly FileDescription[]> {
  for (let startAfter: string | undefined; ;) {
    const { DirectoryListing } = await ask(path, { op: "LISTSTATUS_BATCH", startAfter }, options);
    const { FileStatus: entries } = DirectoryListing.partialListing.FileStatuses;
    if (entries.some(({ pathSuffix }) => pathSuffix === ""))
      throw new QuorateError("PARENT_NOT_DIRECTORY", `${path} is not a directory`);
    const base = path === "/" ? "" : path;
    if (entries.length > 0) yield entries.map((entry) => describe(`${base}/${entry.pathSuffix}`, entry));
    startAfter = entries.at(-1)?.pathSuffix;
    if (DirectoryListing.remainingEntries === 0 || startAfter === undefined) return;
  }
}

function describe(path: string, json: FileStatusJson): FileDescription {
  return {
    type: TYPES[json.type],
    path,
    length: json.length,
    owner: json.owner,
    group: json.group,
    mode: Number.parseInt(json.permission, 8),
    modifiedMs: json.modificationTime,
    accessedMs: json.accessTime,
    replication: json.replication,
    blockSize: json.blockSize,
    childCount: json.childrenNum,
    target: json.symlink,
    hasAcl: json.aclBit === true,
    erasureCoding: json.ecPolicy,
  };
}

async function checksum(endpoint: Endpoint, path: string, options: CallOptions): Promise<Checksum> {
  const { answer } = await askFrom(
    endpoint,
    path,
    {
      what: `${path} has no checksum`,
      locateMs: options.timeoutMs,
      excluded: [],
      operation: (excludedatanodes) => ({ op: "GETFILECHECKSUM", noredirect: false, excludedatanodes }),
    },
    options,
  );
  const { FileChecksum } = (await readJson(answer)) as OperationAnswers["GETFILECHECKSUM"];
  // HDFS writes out a buffer that is longer than what is in it.
  const { algorithm, bytes, length } = FileChecksum;
  return { algorithm, bytes: bytes.slice(0, length * 2) };
}
