/**
 * Which data directory each peer had when this node first heard it: trust on first use.
 *
 * The log says whose directory is whose, but only to a node that has applied it. A node that has just started, or was away,
 * would listen to a peer that lost its disk meanwhile, and count the vote of somebody who has forgotten other votes. What is
 * noted here holds until the log says otherwise.
 */
import fs from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { QuorateError } from "../../runtime/errors.ts";
import type { Logger, NodeId } from "../../runtime/world.ts";

const FILE = "peers.json";
const FORMAT = 1;

export interface PeerDirectories {
  /** The tag of the peer's directory (`directoryTagOf`); undefined for a peer that was never heard. */
  tagOf(peer: NodeId): number | undefined;
  /** Durable when it returns. Throws DATA_DIRECTORY_UNUSABLE when it cannot be. */
  remember(peer: NodeId, tag: number): void;
}

/** For a node that keeps nothing. */
export function forgetfulPeerDirectories(): PeerDirectories {
  const tags = new Map<NodeId, number>();
  return { tagOf: (peer) => tags.get(peer), remember: (peer, tag) => void tags.set(peer, tag) };
}

/** A damaged file is reported and begun anew: the log knows the same, if later. */
export function openPeerDirectories(directory: string, logger: Logger): PeerDirectories {
  const path = join(directory, FILE);
  const tags = read(path, logger);
  return {
    tagOf: (peer) => tags.get(peer),
    remember(peer, tag) {
      if (tags.get(peer) === tag) return;
      tags.set(peer, tag);
      write(directory, path, tags);
    },
  };
}

function read(path: string, logger: Logger): Map<NodeId, number> {
  let text: string;
  try {
    text = fs.readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Map();
    throw unusable(path, error);
  }
  const tags = parse(text);
  if (tags === undefined) logger.log("warn", "peer directories are damaged and noted anew", { path });
  return tags ?? new Map<NodeId, number>();
}

function parse(text: string): Map<NodeId, number> | undefined {
  try {
    const { peers } = JSON.parse(text) as { readonly peers: Record<NodeId, number> };
    const tags = new Map(Object.entries(peers));
    return encode(tags) === text ? tags : undefined;
  } catch {
    return undefined;
  }
}

function encode(tags: ReadonlyMap<NodeId, number>): string {
  const content = { format: FORMAT, peers: Object.fromEntries(tags) };
  return `${JSON.stringify({ ...content, checksum: crc32(JSON.stringify(content)) }, undefined, 2)}\n`;
}

function write(directory: string, path: string, tags: ReadonlyMap<NodeId, number>): void {
  try {
    fs.writeFileSync(`${path}.new`, encode(tags), { flush: true });
    fs.renameSync(`${path}.new`, path);
    const descriptor = fs.openSync(directory, "r");
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, cause: unknown): QuorateError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new QuorateError("DATA_DIRECTORY_UNUSABLE", `${path} cannot be used: ${reason}`, { cause });
}
