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
import { QuorateError } from "../../runtime/errors.ts";
import { ByteReader } from "../../wire/byte-reader.ts";
import { ByteWriter } from "../../wire/byte-writer.ts";

/**
 * `consensus` and `batch` belong to the group; the rest to the cluster. `visitor` is `consensus` of a newcomer, which only
 * those hear whose members mean this life of it. The numbers are part of the protocol: only added to.
 */
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
] as const;
export type PeerFrameKind = (typeof KINDS)[number];

export interface PeerFrame {
  readonly kind: PeerFrameKind;
  readonly directoryTag: number;
  readonly content: Bytes;
}

const HEADER_BYTES = 9;

export function frameHeader(kind: PeerFrameKind, directoryTag: number): Bytes {
  return new ByteWriter(HEADER_BYTES).uint8(KINDS.indexOf(kind)).uint53(directoryTag).take();
}

export function readFrame(frame: Bytes): PeerFrame {
  const reader = new ByteReader(frame);
  const kind = KINDS[reader.uint8()];
  if (kind === undefined)
    throw new QuorateError("PROTOCOL", "unknown kind of frame; is the peer of another version?");
  return { kind, directoryTag: reader.uint53(), content: frame.subarray(HEADER_BYTES) };
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
  const { directory, standing, founders, digests = [] } = greeting;
  const isOdd =
    (directory !== undefined && !(typeof directory === "string" && /^[0-9a-f]{12}/.test(directory))) ||
    (standing !== undefined && !(typeof standing === "object" && isWhole(standing?.term, standing?.index))) ||
    (founders !== undefined && !Array.isArray(founders)) ||
    !(
      Array.isArray(digests) && digests.every((point) => Array.isArray(point) && isWhole(point[0], point[1]))
    );
  if (isOdd) throw new QuorateError("PROTOCOL", "malformed greeting");
  return greeting;
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
