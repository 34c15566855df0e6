/**
 * Whose a data directory is: `identity.json` names node, cluster and algorithm, and gives the directory itself a number of
 * its own, by which peers tell a node that kept its disk from one that lost it.
 */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { QuorateError } from "../../runtime/errors.ts";
import type { NodeId } from "../../runtime/world.ts";

const FILE = "identity.json";
const FORMAT = 1;

export interface DirectoryOwner {
  readonly node: NodeId;
  readonly cluster: string;
  readonly algorithm: "raft" | "paxos";
}

export interface DirectoryIdentity {
  /** 32 hexadecimal digits, drawn when the directory was founded. */
  readonly directory: string;
  /** A log was opened here before: from then on a missing log is a loss and no new beginning. */
  readonly founded: boolean;
}

interface IdentityFile extends DirectoryOwner, DirectoryIdentity {
  readonly format: number;
}

/**
 * Reads the identity, or gives an empty directory one. Throws DATA_DIRECTORY_FOREIGN when it is somebody else's or holds
 * something else, DATA_DIRECTORY_UNUSABLE when it cannot be read or written, DATA_CORRUPT when the file is damaged.
 */
export function claimDirectory(directory: string, owner: DirectoryOwner): DirectoryIdentity {
  return attempt(directory, () => {
    const names = fs.readdirSync(directory);
    fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
    if (names.includes(FILE)) return readIdentity(directory, owner);
    // A half-written identity is what a crash at the very first start leaves; anything else is not ours.
    if (names.some((name) => name !== `${FILE}.new`)) {
      throw new QuorateError("DATA_DIRECTORY_FOREIGN", `${directory} is not empty and has no ${FILE}`);
    }
    const identity = { directory: randomBytes(16).toString("hex"), founded: false };
    writeIdentity(directory, { format: FORMAT, ...owner, ...identity });
    return identity;
  });
}

/** Notes that the directory now has a log. */
export function markFounded(directory: string, owner: DirectoryOwner, identity: DirectoryIdentity): void {
  if (identity.founded) return;
  attempt(directory, () => {
    writeIdentity(directory, { format: FORMAT, ...owner, directory: identity.directory, founded: true });
  });
}

function readIdentity(directory: string, owner: DirectoryOwner): DirectoryIdentity {
  const path = join(directory, FILE);
  const found = parse(fs.readFileSync(path, "utf8"));
  if (!found) throw new QuorateError("DATA_CORRUPT", `${path} is damaged or of a newer version`);
  const differs = (["node", "cluster", "algorithm"] as const).find((field) => found[field] !== owner[field]);
  if (differs) {
    const message = `${directory} belongs to another ${differs}: ${found[differs]}, not ${owner[differs]}`;
    throw new QuorateError("DATA_DIRECTORY_FOREIGN", message);
  }
  return { directory: found.directory, founded: found.founded };
}

function parse(text: string): IdentityFile | undefined {
  try {
    const value = JSON.parse(text) as IdentityFile;
    const complete =
      value.format === FORMAT &&
      /^[0-9a-f]{32}$/.test(value.directory) &&
      typeof value.founded === "boolean" &&
      [value.node, value.cluster, value.algorithm].every((field) => typeof field === "string");
    return complete ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Durable when it returns. */
function writeIdentity(directory: string, identity: IdentityFile): void {
  const temporary = join(directory, `${FILE}.new`);
  fs.writeFileSync(temporary, `${JSON.stringify(identity, undefined, 2)}\n`, { flush: true });
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
