/**
 * The data directory of a node: an identity file beside the log and the snapshots.
 *
 * The identity says whose directory this is, and by its incarnation, which life of that node: a directory that was wiped gets
 * a new one, so a node that lost its disk cannot pass for the one that made promises with it. The identity is written last,
 * when the log exists: an identity without a log means that the log was taken away.
 */
import { bytesFromUtf8 } from "../../runtime/bytes.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { QuorateError } from "../../runtime/errors.ts";
import type { Disk, DiskCallback, NodeId, Random } from "../../runtime/world.ts";
import { crc32 } from "../../wire/crc32.ts";
import { inOrder } from "./write-ahead-log/mend.ts";
import { readPatiently } from "./write-ahead-log/segment-reader.ts";
import type { OpenedLog, WriteAheadLogOptions } from "./write-ahead-log/write-ahead-log.ts";
import { openWriteAheadLog } from "./write-ahead-log/write-ahead-log.ts";

export interface Identity {
  readonly cluster: string;
  readonly node: NodeId;
  readonly algorithm: "raft" | "paxos";
  /** 16 hexadecimal digits, drawn when the directory was first used. */
  readonly incarnation: string;
}

export interface DataDirectoryOptions extends WriteAheadLogOptions {
  readonly cluster: string;
  readonly node: NodeId;
  readonly algorithm: "raft" | "paxos";
}

export interface OpenedDirectory extends OpenedLog {
  readonly identity: Identity;
  /** True when the directory had no identity: this node has never been here, whatever its peers remember. */
  readonly fresh: boolean;
}

const FORMAT = 1;
const NAME = "identity.json";
const STAGED = "identity.part";
const MAX_BYTES = 64 << 10;

/**
 * Opens directory and log together. `done` gets DATA_DIRECTORY_FOREIGN (of another node, cluster or algorithm, naming both),
 * DATA_CORRUPT (the identity is damaged, or there is a log without it or it without a log), or what `openWriteAheadLog`
 * gives. In mode `memory` nothing is read or written, and every start is a new incarnation.
 */
export function openDataDirectory(
  options: DataDirectoryOptions,
  done: (error: Error | undefined, opened?: OpenedDirectory) => void,
): void {
  const { disk, random, clock, durability } = options;
  let found: Identity | undefined;
  try {
    found = durability === "memory" ? undefined : readIdentity(disk);
    if (found !== undefined) refuseForeign(found, options);
    else if (durability !== "memory") refuseSnapshots(disk);
  } catch (error) {
    return clock.endOfTurn(() => done(error as Error));
  }
  const { cluster, node, algorithm } = options;
  const identity = found ?? { cluster, node, algorithm, incarnation: newIncarnation(random) };
  const fresh = found === undefined;
  openWriteAheadLog({ ...options, mustExist: !fresh }, (error, opened) => {
    if (opened === undefined) return done(error);
    if (!fresh || durability === "memory") return done(undefined, { ...opened, identity, fresh });
    if (opened.recovered.size > 0) return opened.log.close(() => done(withoutIdentity("a log")));
    writeIdentity(disk, identity, options.mutant, (failure) => {
      if (failure === undefined) return done(undefined, { ...opened, identity, fresh });
      opened.log.close(() => done(failure));
    });
  });
}

/** Raises DATA_CORRUPT when the file is there and damaged; undefined when it is not there. */
export function readIdentity(disk: Disk): Identity | undefined {
  const size = disk.size(NAME);
  if (size === undefined) return undefined;
  const identity = decodeIdentity(readPatiently(disk, NAME, 0, Math.min(size, MAX_BYTES)));
  if (identity === undefined) {
    throw new QuorateError(
      "DATA_CORRUPT",
      `${NAME} at byte 0: the identity of the data directory is damaged`,
    );
  }
  return identity;
}

/** JSON, for the eye of an operator; the checksum is over the same text without it. */
function encodeIdentity(identity: Identity): Bytes {
  const content = { format: FORMAT, ...identity };
  const checksum = crc32(bytesFromUtf8(JSON.stringify(content)));
  return bytesFromUtf8(`${JSON.stringify({ ...content, checksum }, null, 2)}\n`);
}

function decodeIdentity(bytes: Bytes): Identity | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { format, cluster, node, algorithm, incarnation } = parsed as Record<string, unknown>;
  if (typeof format === "number" && format > FORMAT) {
    throw new QuorateError(
      "UNSUPPORTED",
      `the data directory has format ${format}; this version reads ${FORMAT}`,
    );
  }
  if (typeof cluster !== "string" || typeof node !== "string" || typeof incarnation !== "string")
    return undefined;
  if (algorithm !== "raft" && algorithm !== "paxos") return undefined;
  const identity = { cluster, node, algorithm, incarnation } as const;
  // Whatever is damaged, the text is not the one that this identity is written as.
  return encodeIdentity(identity).equals(bytes) ? identity : undefined;
}

function refuseForeign(found: Identity, expected: Omit<Identity, "incarnation">): void {
  const differs = (["cluster", "node", "algorithm"] as const).filter(
    (each) => found[each] !== expected[each],
  );
  if (differs.length === 0) return;
  const name = ({ cluster, node, algorithm }: Omit<Identity, "incarnation">): string =>
    `node ${node} of cluster ${cluster} (${algorithm})`;
  throw new QuorateError(
    "DATA_DIRECTORY_FOREIGN",
    `the data directory belongs to ${name(found)}, and this is ${name(expected)}`,
  );
}

function refuseSnapshots(disk: Disk): void {
  if (disk.list().some((name) => /^snapshot-.*\.snap$/.test(name))) throw withoutIdentity("snapshots");
}

function withoutIdentity(what: string): QuorateError {
  return new QuorateError(
    "DATA_CORRUPT",
    `${NAME} at byte 0: the data directory holds ${what} and no identity`,
  );
}

function newIncarnation(random: Random): string {
  const half = (): string => random.next32().toString(16).padStart(8, "0");
  return half() + half();
}

function writeIdentity(
  disk: Disk,
  identity: Identity,
  mutant: DataDirectoryOptions["mutant"],
  done: DiskCallback,
): void {
  const removeStaged = (next: DiskCallback): void => {
    if (disk.size(STAGED) === undefined) next(undefined);
    else disk.remove(STAGED, next);
  };
  const stage = (next: DiskCallback): void =>
    disk.create(STAGED, 0, (error, file) => {
      if (file === undefined) return next(error);
      inOrder(
        [(end) => file.write(0, [encodeIdentity(identity)], false, end), (end) => file.sync(end)],
        (failure) => {
          file.close();
          next(failure);
        },
      );
    });
  const syncDirectory = (next: DiskCallback): void => {
    if (mutant === "skip-directory-fsync") next(undefined);
    else disk.syncDirectory(next);
  };
  inOrder([removeStaged, stage, (next) => disk.rename(STAGED, NAME, next), syncDirectory], done);
}
