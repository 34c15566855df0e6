/**
 * Frames between the nodes of a cluster: one byte of kind, the sender's directory tag, then the content.
 *
 * The tag stands for the identity of the sender's data directory. A node whose disk was wiped has a new one, and its peers,
 * who know the old one from the log, do not listen to it: it has forgotten its votes and the entries it acknowledged.
 */
import type { Bytes } from "../../runtime/bytes.ts";
import { bytesFromUtf8 } from "../../runtime/bytes.ts";
import type { DigestPoint } from "./state-comparison.ts";
import type { Standing } from "../../consensus/consensus.ts";
import { assert, QuorateError } from "../../runtime/errors.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";
import type { GroupId } from "../group/write-ahead-log/frame.ts";

/**
 * `consensus` and `batch` belong to a group; the rest to the cluster. `visitor` is `consensus` of a newcomer, which only
 * those hear whose members mean this life of it.
 */
export type PeerFrameKind =
  | "consensus"
  | "batch"
  | "greeting"
  | "publish"
  | "published"
  | "refused"
  | "visitor"
  | "order"
  | "outcome";

/** Those that name their group. The keyspace's have no number: they are as they were when there was one group only. */
const NUMBERED = { consensus: "groupConsensus", batch: "groupBatch", visitor: "groupVisitor" } as const;

/** On the wire. The numbers are part of the protocol: only added to. */
const KINDS = [
  "consensus",
  "batch",
  "greeting",
  "publish",
  "published",
  "refused",
  "visitor",
  "order",
  "outcome",
  "groupConsensus",
  "groupBatch",
  "groupVisitor",
] as const;

export interface PeerFrame {
  readonly kind: PeerFrameKind;
  /** Whose it is, where the kind belongs to a group; otherwise 0. */
  readonly group: GroupId;
  readonly directoryTag: number;
  readonly content: Bytes;
}

const HEADER_BYTES = 9;
const GROUP_BYTES = 4;

export function frameHeader(kind: PeerFrameKind, directoryTag: number, group: GroupId = 0): Bytes {
  if (group === 0) {
    return new ByteWriter(HEADER_BYTES).uint8(KINDS.indexOf(kind)).uint53(directoryTag).take();
  }
  assert(isNumbered(kind), `a frame of kind ${kind} has no group`);
  return new ByteWriter(HEADER_BYTES + GROUP_BYTES)
    .uint8(KINDS.indexOf(NUMBERED[kind]))
    .uint53(directoryTag)
    .uint32(group)
    .take();
}

/** Throws QuorateError PROTOCOL when the frame is of no kind that this version knows, or has no whole header. */
export function readFrame(frame: Bytes): PeerFrame {
  const reader = new ByteReader(frame);
  const kind = KINDS[reader.uint8()];
  if (kind === undefined)
    throw new QuorateError("PROTOCOL", "unknown kind of frame; is the peer of another version?");
  const directoryTag = reader.uint53();
  switch (kind) {
    case "groupConsensus":
      return numbered("consensus", directoryTag, reader, frame);
    case "groupBatch":
      return numbered("batch", directoryTag, reader, frame);
    case "groupVisitor":
      return numbered("visitor", directoryTag, reader, frame);
    default:
      return { kind, group: 0, directoryTag, content: frame.subarray(HEADER_BYTES) };
  }
}

function numbered(
  kind: keyof typeof NUMBERED,
  directoryTag: number,
  reader: ByteReader,
  frame: Bytes,
): PeerFrame {
  const group = reader.uint32();
  if (group === 0) throw new QuorateError("PROTOCOL", "a numbered frame of group 0");
  return { kind, group, directoryTag, content: frame.subarray(HEADER_BYTES + GROUP_BYTES) };
}

function isNumbered(kind: PeerFrameKind): kind is keyof typeof NUMBERED {
  return kind in NUMBERED;
}

/** A number that stands for a directory identity (32 hexadecimal digits or more) in every frame. */
export function directoryTagOf(directory: string): number {
  const tag = Number.parseInt(directory.slice(0, 12), 16);
  if (!Number.isSafeInteger(tag))
    throw new QuorateError("INVARIANT", `not a directory identity: ${directory}`);
  return tag;
}

/** What a node tells its peers about itself, on every new link and twice a second. */
export interface Greeting {
  readonly resp: string | undefined;
  readonly http: string | undefined;
  readonly pid: number | undefined;
  readonly dataDir: string | undefined;
  readonly role: "leader" | "follower" | "learner" | "candidate";
  readonly appliedIndex: number;
  readonly commitIndex: number;
  readonly diskBytes: number;
  /** It lost entries that it had acknowledged, and is fetching them. */
  readonly recovering: boolean;
  /** Why it takes no writes for a reason of its own: its disk is full. */
  readonly refusing?: string | undefined;
  /** Digests of its state: those of the last seconds, and the present one. */
  readonly digests?: readonly DigestPoint[];
  /** Whose state differs from its own, in words. */
  readonly diverged?: string | undefined;
  /** Identity of its data directory. */
  readonly directory?: string;
  /** Where its peer port is, "host:port". */
  readonly peer?: string | undefined;
  /** It may have had an earlier life under its name, and has no say. */
  readonly newcomer?: boolean;
  /** A newcomer that is a founder if the others are newcomers too. */
  readonly blank?: boolean;
  /** The directories of those that were blank together when this node found that it is a founder. */
  readonly founders?: readonly string[];
  /** Where its membership stands in its log, and whether its log names it. */
  readonly standing?: Standing | undefined;
  /** One for each group that it hosts beside the keyspace. Default: none. */
  readonly groups?: readonly GroupRow[];
}

/** What a greeting tells of a further group: what its other fields tell of the keyspace. */
export interface GroupRow {
  readonly id: GroupId;
  readonly role: Greeting["role"];
  readonly term: number;
  readonly appliedIndex: number;
  readonly commitIndex: number;
  /** Of the machine's state: equal wherever the same entries were applied. */
  readonly digest: number;
  readonly recovering: boolean;
  readonly standing?: Standing | undefined;
  /** As in a greeting: of this group. */
  readonly refusing?: string | undefined;
  readonly digests?: readonly DigestPoint[];
  readonly diverged?: string | undefined;
}

/** How a node's membership of one group stands in its log, if its greeting says so. */
export function standingIn(greeting: Greeting, group: GroupId): Standing | undefined {
  return group === 0 ? greeting.standing : greeting.groups?.find(({ id }) => id === group)?.standing;
}

/** Why a node is not listened to, and how much the one that says so knows of the members. */
export interface Refused {
  readonly reason: string;
  readonly standing: Standing;
}

export function encodeGreeting(greeting: Greeting): Bytes {
  return bytesFromUtf8(JSON.stringify(greeting));
}

export function decodeGreeting(content: Bytes): Greeting {
  const greeting = decodeJson(content) as Greeting;
  const { directory, standing, founders, digests, groups } = greeting;
  const isOdd =
    (directory !== undefined && !(typeof directory === "string" && /^[0-9a-f]{12}/.test(directory))) ||
    !isStanding(standing) ||
    (founders !== undefined && !Array.isArray(founders)) ||
    !arePoints(digests) ||
    (groups !== undefined && !(Array.isArray(groups) && groups.every(isRow)));
  if (isOdd) throw new QuorateError("PROTOCOL", "malformed greeting");
  return greeting;
}

function isStanding(standing: Standing | undefined): boolean {
  return standing === undefined || (typeof standing === "object" && isWhole(standing?.term, standing?.index));
}

function isRow(row: GroupRow | null): boolean {
  if (typeof row !== "object" || row === null) return false;
  return (
    isWhole(row.id, row.term, row.appliedIndex, row.commitIndex) &&
    isStanding(row.standing) &&
    arePoints(row.digests)
  );
}

function arePoints(points: readonly DigestPoint[] | undefined): boolean {
  if (points === undefined) return true;
  return Array.isArray(points) && points.every((each) => Array.isArray(each) && isWhole(each[0], each[1]));
}

function isWhole(...values: readonly unknown[]): boolean {
  return values.every((value) => Number.isSafeInteger(value));
}

export function encodeJson(content: object): Bytes {
  return bytesFromUtf8(JSON.stringify(content));
}

/** Throws QuorateError PROTOCOL when it is no JSON object. What is in it is the word of a peer of the same cluster. */
export function decodeJson(content: Bytes): object {
  try {
    const value: unknown = JSON.parse(content.toString("utf8"));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Falls through: whatever it is, it is not what a peer sends.
  }
  throw new QuorateError("PROTOCOL", "a frame that is no JSON object");
}
