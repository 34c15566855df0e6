/**
 * The greeting with which two nodes open a link: who I am, whom I mean, which cluster, and a code over all of it when the
 * cluster has a secret. It is one frame of JSON after the preamble, and its outer form never changes, so that any two
 * versions can tell each other why they do not match.
 *
 * The code (HMAC-SHA-256) proves knowledge of the secret and keeps strangers and misconfigured nodes out. There is no
 * challenge: whoever can read the network can repeat a greeting, so an untrusted network needs a tunnel beneath.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { QuorateError } from "../errors.ts";
import type { NodeId } from "../world.ts";

export const PREAMBLE: Buffer = Buffer.from("QRT\n", "latin1");
export const PEER_PROTOCOL_VERSION = 2;
/** A greeting is small; until it is read, nothing larger is accepted from a stranger. */
export const HELLO_MAX_BYTES = 4096;
const MAC_BYTES = 32;

export interface Hello {
  readonly version: number;
  readonly cluster: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** Differs between two runs of one node. */
  readonly incarnation: number;
  /** Rises with every greeting that this process sends: tells which of two links is the later. */
  readonly greeting: number;
}

/** The answer to a greeting that is not accepted; "duplicate" when two dialled each other at the same moment. */
export interface Refusal {
  readonly refused: "version" | "cluster" | "secret" | "node" | "duplicate";
  readonly detail: string;
}

export function encodeHello(message: Hello | Refusal, secret: string | undefined): Buffer {
  const text = Buffer.from(JSON.stringify(message), "utf8");
  return Buffer.concat([codeOf(text, secret), text]);
}

/** Throws PROTOCOL when it is neither a greeting nor a refusal. `proven` is false when the code does not fit the secret. */
export function decodeHello(
  frame: Buffer,
  secret: string | undefined,
): { message: Hello | Refusal; proven: boolean } {
  if (frame.length < MAC_BYTES) throw new QuorateError("PROTOCOL", "the greeting is too short");
  const text = frame.subarray(MAC_BYTES);
  const proven = timingSafeEqual(frame.subarray(0, MAC_BYTES), codeOf(text, secret));
  let message: unknown;
  try {
    message = JSON.parse(text.toString("utf8"));
  } catch (cause) {
    throw new QuorateError("PROTOCOL", "the greeting is not JSON", { cause });
  }
  if (!isHello(message) && !isRefusal(message)) {
    throw new QuorateError("PROTOCOL", "the greeting lacks fields");
  }
  return { message, proven };
}

/** Why a greeting is not accepted, or undefined. */
export function refusalOf(hello: Hello, proven: boolean, me: Omit<Hello, "to">): Refusal | undefined {
  const refuse = (refused: Refusal["refused"], detail: string): Refusal => ({ refused, detail });
  if (hello.version !== me.version) {
    return refuse(
      "version",
      `peer protocol ${hello.version} met ${me.version}: run one release on all nodes`,
    );
  }
  if (hello.cluster !== me.cluster) {
    return refuse("cluster", `cluster "${hello.cluster}" met cluster "${me.cluster}"`);
  }
  if (!proven) return refuse("secret", "the cluster secret differs");
  if (hello.to !== me.from) return refuse("node", `"${hello.to}" was called, "${me.from}" answers here`);
  if (hello.from === me.from) return refuse("node", `a second node calls itself "${me.from}"`);
  return undefined;
}

function codeOf(text: Buffer, secret: string | undefined): Buffer {
  return secret === undefined ? Buffer.alloc(MAC_BYTES) : createHmac("sha256", secret).update(text).digest();
}

export function isRefusal(message: unknown): message is Refusal {
  return hasFields(message, { refused: "string", detail: "string" });
}

function isHello(message: unknown): message is Hello {
  return hasFields(message, {
    version: "number",
    cluster: "string",
    from: "string",
    to: "string",
    incarnation: "number",
    greeting: "number",
  });
}

function hasFields(value: unknown, fields: Readonly<Record<string, "string" | "number">>): boolean {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Record<string, unknown>;
  return Object.entries(fields).every(([name, type]) => typeof record[name] === type);
}
