/** Commands as bytes of the log. Rows may be added at the end, never removed or moved: logs and peers hold them. */
import type { Bytes } from "../../../runtime/bytes.ts";
import type { Field, FieldsOf } from "../../../wire/record.ts";
import {
  binary,
  decode,
  double,
  encode,
  flag,
  list,
  optional,
  record,
  text,
  uint32,
  uint53,
  union,
  word,
} from "../../../wire/record.ts";
import type { Expectation, Move, NamespaceCommand, WrittenBlock } from "./commands.ts";
import type { AclEntry, Caller, NamespaceSettings } from "./model.ts";

const caller: Field<Caller> = record<Caller>({ user: text, groups: list(text) });
const onPath = { caller, path: text } as const;
const onOpenFile = { file: uint53, holder: text } as const;
const written: Field<WrittenBlock> = record<WrittenBlock>({ id: uint53, stamp: uint53, length: uint53 });
const newFile = {
  mode: uint32,
  unmaskedMode: optional(uint32),
  replication: optional(uint32),
  blockSize: optional(uint53),
  createParents: flag,
  existing: word("refuse", "replace"),
} as const;
const aclEntry: Field<AclEntry> = record<AclEntry>({
  isDefault: flag,
  type: word("user", "group", "mask", "other"),
  name: text,
  permission: uint32,
});
const settings: FieldsOf<
  Required<{ [Name in keyof NamespaceSettings]: NamespaceSettings[Name] | undefined }>
> = {
  superuser: optional(text),
  supergroup: optional(text),
  permissions: optional(flag),
  safeMode: optional(flag),
  replication: optional(double),
  maxReplication: optional(double),
  blockSize: optional(double),
  minBlockSize: optional(double),
  inlineMaxBytes: optional(double),
  leaseSoftMs: optional(double),
  leaseHardMs: optional(double),
  trashIntervalMs: optional(double),
  maxDirectoryEntries: optional(double),
  maxSnapshots: optional(double),
  maxAttributes: optional(double),
  maxAttributeBytes: optional(double),
  decommissioning: optional(list(text)),
  inMaintenance: optional(list(text)),
};

/** Of settings, some or all; what is absent is undefined when it is read. */
export const SETTINGS: Field<Partial<NamespaceSettings>> = record(settings) as Field<
  Partial<NamespaceSettings>
>;

const COMMAND: Field<NamespaceCommand> = union<NamespaceCommand>({
  mkdir: { ...onPath, mode: uint32, unmaskedMode: optional(uint32), createParents: flag },
  symlink: { ...onPath, target: text, createParents: flag },
  rename: { caller, from: text, to: text },
  renameTo: { caller, from: text, to: text, overwrite: flag },
  publish: {
    caller,
    expected: list(record<Expectation>({ path: text, id: optional(uint53), revision: optional(uint53) })),
    moves: list(record<Move>({ from: text, to: text })),
    overwrite: flag,
    createParents: flag,
  },
  delete: { ...onPath, recursive: flag },
  trash: onPath,
  expunge: { caller, olderThanMs: double },
  setMode: { ...onPath, mode: uint32 },
  setOwner: { ...onPath, owner: optional(text), group: optional(text) },
  setTimes: { ...onPath, modifiedMs: optional(double), accessedMs: optional(double) },
  setReplication: { ...onPath, replication: double },
  setQuota: { ...onPath, names: optional(double), space: optional(double) },
  setAcl: {
    ...onPath,
    change: word("replace", "modify", "remove", "removeDefault", "removeAll"),
    entries: list(aclEntry),
  },
  setAttribute: { ...onPath, name: text, value: binary, mode: word("create", "replace", "either") },
  removeAttribute: { ...onPath, name: text },
  setPolicy: { ...onPath, policy: word("storage", "erasureCoding"), value: optional(text) },
  put: { ...onPath, ...newFile, content: binary },
  appendInline: { ...onPath, content: binary },
  concat: { ...onPath, sources: list(text) },
  truncate: { ...onPath, length: uint53 },
  create: { ...onPath, ...newFile, holder: text },
  append: { ...onPath, holder: text, pipeline: list(text) },
  addBlock: { ...onOpenFile, previous: optional(written), pipeline: list(text) },
  abandonBlock: { ...onOpenFile, block: uint53 },
  nextStamp: { ...onOpenFile, block: uint53 },
  updatePipeline: { ...onOpenFile, block: written, pipeline: list(text) },
  sync: { ...onOpenFile, block: written },
  complete: { ...onOpenFile, last: optional(written) },
  renewLease: { holder: text },
  recoverLease: { ...onPath, holder: optional(text), force: flag },
  finishRecovery: { file: uint53, block: uint53, stamp: uint53, length: optional(uint53) },
  allowSnapshots: { ...onPath, allowed: flag },
  createSnapshot: { ...onPath, name: optional(text) },
  renameSnapshot: { ...onPath, name: text, to: text },
  deleteSnapshot: { ...onPath, name: text },
  configure: { caller, settings: SETTINGS },
  expireLeases: { limit: uint32 },
  reclaim: { limit: uint32 },
  emptyTrash: {},
  abandon: { ...onOpenFile, length: optional(uint53) },
  found: { key: text, settings: SETTINGS },
  setStanding: { caller, node: text, standing: word("inService", "decommissioning", "inMaintenance") },
  endLeases: { holders: list(text), silentMs: double },
});

export function encodeCommand(command: NamespaceCommand): Bytes {
  return encode(COMMAND, command);
}

/** Throws QuorateError PROTOCOL. */
export function decodeCommand(bytes: Bytes): NamespaceCommand {
  return decode(COMMAND, bytes);
}
