/**
 * Whose a data directory is: `identity.json` names node, cluster and algorithm, and gives the directory itself a number of
 * its own, by which peers tell a node that kept its disk from one that lost it.
 */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { QuorateError } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";

const FILE = "identity.json";
const FORMAT = 1;

export interface DirectoryOwner {
  readonly node: NodeId;
  readonly cluster: string;
  /** Its name among `ALGORITHMS`; a later version may know others. */
  readonly algorithm: string;
}

export interface DirectoryIdentity {
  /** 32 hexadecimal digits, drawn when the directory was founded. */
  readonly directory: string;
  /** A log was opened here before: from then on a missing log is a loss and no new beginning. */
  readonly founded: boolean;
  /** The node under this name may have had another directory before, and has no say until the members name this one. */
  readonly newcomer: boolean;
}

interface IdentityFile extends DirectoryOwner, DirectoryIdentity {
  readonly format: number;
}

/**
 * Reads the identity, or gives an empty directory one, as a newcomer's or a founder's. Throws DATA_DIRECTORY_FOREIGN when it is somebody else's or holds
 * something else, DATA_DIRECTORY_UNUSABLE when it cannot be read or written, DATA_CORRUPT when the file is damaged,
 * UNSUPPORTED when a newer version wrote it.
 */
export function claimDirectory(
  directory: string,
  owner: DirectoryOwner,
  newcomer = false,
): DirectoryIdentity {
  return attempt(directory, () => {
    const names = fs.readdirSync(directory);
    fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
    if (names.includes(FILE)) return readIdentity(directory, owner);
    // A half-written identity is what a crash at the very first start leaves; anything else is not ours.
    if (names.some((name) => name !== `${FILE}.new`)) {
      throw new QuorateError("DATA_DIRECTORY_FOREIGN", `${directory} is not empty and has no ${FILE}`);
    }
    const identity = { directory: randomBytes(16).toString("hex"), founded: false, newcomer };
    writeIdentity(directory, { format: FORMAT, ...owner, ...identity });
    return identity;
  });
}

/** Notes that the directory now has a log. */
export function markFounded(directory: string, owner: DirectoryOwner, identity: DirectoryIdentity): void {
  if (identity.founded) return;
  const { directory: name, newcomer } = identity;
  attempt(directory, () => {
    writeIdentity(directory, { format: FORMAT, ...owner, directory: name, founded: true, newcomer });
  });
}

/** Notes that the node is no newcomer: all founders are without a past. Throws DATA_DIRECTORY_UNUSABLE. */
export function markFounder(directory: string, owner: DirectoryOwner, identity: DirectoryIdentity): void {
  const { directory: name } = identity;
  attempt(directory, () => {
    writeIdentity(directory, { format: FORMAT, ...owner, directory: name, founded: true, newcomer: false });
  });
}

/** Whose the directory is. Throws DATA_CORRUPT, DATA_DIRECTORY_UNUSABLE. */
export function readOwner(directory: string): DirectoryOwner & Pick<DirectoryIdentity, "directory"> {
  return attempt(directory, () => {
    const path = join(directory, FILE);
    const found = parse(fs.readFileSync(path, "utf8"), path);
    if (!found) throw new QuorateError("DATA_CORRUPT", `${path} is damaged`);
    return found;
  });
}

/**
 * Makes the directory another cluster's, for good: what it holds is taken into that one. There the node is the founder, of
 * groups that are new to it too.
 */
export function transferDirectory(directory: string, owner: DirectoryOwner): void {
  attempt(directory, () => {
    const path = join(directory, FILE);
    const found = parse(fs.readFileSync(path, "utf8"), path);
    if (!found) throw new QuorateError("DATA_CORRUPT", `${path} is damaged`);
    writeIdentity(directory, { ...found, ...owner, newcomer: false });
  });
}

function readIdentity(directory: string, owner: DirectoryOwner): DirectoryIdentity {
  const path = join(directory, FILE);
  const found = parse(fs.readFileSync(path, "utf8"), path);
  if (!found) throw new QuorateError("DATA_CORRUPT", `${path} is damaged`);
  const differs = (["node", "cluster", "algorithm"] as const).find((field) => found[field] !== owner[field]);
  if (differs) {
    const message = `${directory} belongs to another ${differs}: ${found[differs]}, not ${owner[differs]}`;
    throw new QuorateError("DATA_DIRECTORY_FOREIGN", message);
  }
  return { directory: found.directory, founded: found.founded, newcomer: found.newcomer };
}

/** JSON for the eye of an operator; the checksum is over the same text without it. */
function encode({ format, node, cluster, algorithm, directory, founded, newcomer }: IdentityFile): string {
  const content = { format, node, cluster, algorithm, directory, founded, ...(newcomer && { newcomer }) };
  const checksum = crc32(JSON.stringify(content));
  return `${JSON.stringify({ ...content, checksum }, undefined, 2)}\n`;
}

function parse(text: string, path: string): IdentityFile | undefined {
  let value: IdentityFile;
  try {
    value = JSON.parse(text) as IdentityFile;
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { format, directory } = value;
  if (typeof format === "number" && format > FORMAT) {
    throw new QuorateError("UNSUPPORTED", `${path} has format ${format}; this version reads ${FORMAT}`);
  }
  if (!/^[0-9a-f]{32}$/.test(directory)) return undefined;
  // Whatever is damaged, the text is not the one that this identity is written as.
  return encode(value) === text ? { ...value, newcomer: value.newcomer === true } : undefined;
}

/** Durable when it returns, and at no time half there. */
function writeIdentity(directory: string, identity: IdentityFile): void {
  const temporary = join(directory, `${FILE}.new`);
  fs.writeFileSync(temporary, encode(identity), { flush: true });
  fs.renameSync(temporary, join(directory, FILE));
  const descriptor = fs.openSync(directory, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function attempt<T>(directory: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new QuorateError("DATA_DIRECTORY_UNUSABLE", `${directory} cannot be used: ${reason}`, { cause });
  }
}
