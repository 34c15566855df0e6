/** The operations that change names and attributes: a table, one entry an operation. */
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import { parseAclSpec } from "../../../wire/webhdfs/acl-text.ts";
import type { Operation, OperationName } from "../../../wire/webhdfs/operations.ts";
import type { Change } from "../../files/file-system.ts";
import { enableErasureCoding, storagePolicy } from "./policies.ts";
import type { AnswerOf, Asked, QuestionName } from "./questions.ts";
import { decodeAttribute } from "./statuses.ts";

export type ChangeName = Exclude<
  OperationName,
  QuestionName | "OPEN" | "CREATE" | "APPEND" | "GETFILECHECKSUM" | "LISTSTATUS"
>;

type Changes = {
  readonly [Name in ChangeName]: (asked: Asked, operation: Operation<Name>) => Promise<AnswerOf<Name>>;
};

const DEFAULT_DIRECTORY_MODE = 0o755;

function unsupported(message: string): () => Promise<never> {
  return () => Promise.reject(new QuorateError("UNSUPPORTED", message));
}

function invalid(message: string): never {
  throw new QuorateError("ARGUMENT_INVALID", message);
}

/**
 * A change that is answered with nothing. None is given the signal of its client: what is in the log is carried out, whoever waits.
 */
async function silently({ files }: Asked, command: Change): Promise<undefined> {
  await files.change(command);
}

function acl(change: "replace" | "modify" | "remove" | "removeDefault" | "removeAll") {
  return (
    asked: Asked,
    operation: { readonly op: string; readonly aclspec?: string },
  ): Promise<undefined> => {
    const entries = parseAclSpec(operation.aclspec ?? "", change !== "remove");
    return silently(asked, { type: "setAcl", path: asked.path, caller: asked.caller, change, entries });
  };
}

function policy(kind: "storage" | "erasureCoding", value: string | undefined) {
  return (asked: Asked): Promise<undefined> =>
    silently(asked, { type: "setPolicy", path: asked.path, caller: asked.caller, policy: kind, value });
}

const NO_TOKENS = "there are no delegation tokens: who asks is believed";
const NO_STORAGE_TYPES = "there is one kind of storage here";

export const CHANGES: Changes = {
  MKDIRS: async ({ files, path, caller }, { permission = DEFAULT_DIRECTORY_MODE, unmaskedpermission }) => {
    const modes = { mode: permission, unmaskedMode: unmaskedpermission };
    await files.change({ type: "mkdir", path, caller, ...modes, createParents: true });
    return { boolean: true };
  },
  /** Hadoop's own server answers a rename with options with nothing, on which other clients than Java's stumble. */
  async RENAME({ files, path, caller }, { destination, renameoptions }) {
    const names = { caller, from: path, to: destination };
    if (renameoptions.length === 0) return { boolean: await files.change({ type: "rename", ...names }) };
    const overwrite = renameoptions.includes("OVERWRITE");
    await files.change({ type: "renameTo", ...names, overwrite });
    return { boolean: true };
  },
  /** False for whatever is no file, as in HDFS: also for what is not there. */
  async SETREPLICATION({ files, path, caller }, { replication = files.settings().replication }) {
    try {
      return { boolean: await files.change({ type: "setReplication", path, caller, replication }) };
    } catch (error) {
      if (isQuorateError(error) && error.code === "PATH_NOT_FOUND") return { boolean: false };
      throw error;
    }
  },
  CREATESYMLINK: (asked, { destination, createParent }) =>
    silently(asked, {
      type: "symlink",
      path: asked.path,
      caller: asked.caller,
      target: destination,
      createParents: createParent,
    }),
  SETOWNER(asked, { owner, group }) {
    if (owner === undefined && group === undefined) invalid("Both owner and group are empty.");
    return silently(asked, { type: "setOwner", path: asked.path, caller: asked.caller, owner, group });
  },
  SETPERMISSION: (asked, { permission = DEFAULT_DIRECTORY_MODE }) =>
    silently(asked, { type: "setMode", path: asked.path, caller: asked.caller, mode: permission }),
  SETTIMES: (asked, { modificationtime, accesstime }) =>
    silently(asked, {
      type: "setTimes",
      path: asked.path,
      caller: asked.caller,
      modifiedMs: modificationtime === -1 ? undefined : modificationtime,
      accessedMs: accesstime === -1 ? undefined : accesstime,
    }),
  RENEWDELEGATIONTOKEN: unsupported(NO_TOKENS),
  CANCELDELEGATIONTOKEN: unsupported(NO_TOKENS),
  SETACL: acl("replace"),
  MODIFYACLENTRIES: acl("modify"),
  REMOVEACLENTRIES: acl("remove"),
  REMOVEDEFAULTACL: acl("removeDefault"),
  REMOVEACL: acl("removeAll"),
  SETXATTR(asked, { "xattr.name": name, "xattr.value": value = "", flag }) {
    const [creates, replaces] = [flag.includes("CREATE"), flag.includes("REPLACE")];
    const mode = creates === replaces ? "either" : creates ? "create" : "replace";
    const { path, caller } = asked;
    return silently(asked, { type: "setAttribute", path, caller, name, value: decodeAttribute(value), mode });
  },
  REMOVEXATTR: (asked, { "xattr.name": name }) =>
    silently(asked, { type: "removeAttribute", path: asked.path, caller: asked.caller, name }),
  ALLOWSNAPSHOT: (asked) =>
    silently(asked, { type: "allowSnapshots", path: asked.path, caller: asked.caller, allowed: true }),
  DISALLOWSNAPSHOT: (asked) =>
    silently(asked, { type: "allowSnapshots", path: asked.path, caller: asked.caller, allowed: false }),
  CREATESNAPSHOT: async ({ files, path, caller }, { snapshotname }) => ({
    Path: await files.change({ type: "createSnapshot", path, caller, name: snapshotname }),
  }),
  RENAMESNAPSHOT: (asked, { oldsnapshotname: name, snapshotname: to }) =>
    silently(asked, { type: "renameSnapshot", path: asked.path, caller: asked.caller, name, to }),
  SETSTORAGEPOLICY: (asked, { storagepolicy }) => policy("storage", storagePolicy(storagepolicy).name)(asked),
  SATISFYSTORAGEPOLICY: unsupported(NO_STORAGE_TYPES),
  SETECPOLICY: (asked, { ecpolicy }) => policy("erasureCoding", ecpolicy)(asked),
  ENABLEECPOLICY: async (_, { ecpolicy }) => enableErasureCoding(ecpolicy),
  DISABLEECPOLICY: unsupported("every erasure coding policy that is there is enabled"),
  SETQUOTA(asked, { namespacequota: names, storagespacequota: space }) {
    if (names === undefined && space === undefined)
      invalid("neither namespacequota nor storagespacequota is given");
    return silently(asked, { type: "setQuota", path: asked.path, caller: asked.caller, names, space });
  },
  SETQUOTABYSTORAGETYPE: unsupported(NO_STORAGE_TYPES),
  CONCAT: (asked, { sources }) =>
    silently(asked, { type: "concat", path: asked.path, caller: asked.caller, sources }),
  async TRUNCATE({ files, path, caller }, { newlength }) {
    if (newlength === undefined) return invalid('the parameter "newlength" is required');
    return { boolean: await files.change({ type: "truncate", path, caller, length: newlength }) };
  },
  UNSETSTORAGEPOLICY: policy("storage", undefined),
  UNSETECPOLICY: policy("erasureCoding", undefined),
  async DELETE({ files, path, caller }, { recursive }) {
    return { boolean: await files.change({ type: "delete", path, caller, recursive }) };
  },
  DELETESNAPSHOT: (asked, { snapshotname: name }) =>
    silently(asked, { type: "deleteSnapshot", path: asked.path, caller: asked.caller, name }),
};
