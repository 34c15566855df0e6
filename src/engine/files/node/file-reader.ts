/**
 * Reads a range of a file: bytes of the namespace and of blocks, in order. What one node cannot give another one does; when
 * none can, the nodes that hold the block are looked up again, a few times: replicas move, and nodes come back.
 */
import type { Bytes } from "../../../runtime/bytes.ts";
import { bytesFromLatin1 } from "../../../runtime/bytes.ts";
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import type { ReadEvents } from "../blocks/block-reader.ts";
import { readBlock } from "../blocks/block-reader.ts";
import type { Locations } from "../blocks/locations.ts";
import { readGroup } from "../erasure/group-reader.ts";
import { groupSource } from "../erasure/group-source.ts";
import type { FileReader } from "../file-system.ts";
import type { BlockId, FileStatus, GenerationStamp, Segment } from "../namespace/model.ts";
import type { NamespaceQueries } from "../namespace/queries.ts";

export interface ReadingMeans {
  readonly link: BlockLink;
  readonly locations: Locations;
  readonly namespace: Pick<NamespaceQueries, "block">;
  readonly damaged: (block: BlockId, stamp: GenerationStamp, node: NodeId) => void;
}

export interface FileRange {
  readonly status: FileStatus;
  readonly segments: readonly Segment[];
  readonly offset: number;
  readonly length: number;
  readonly exclude: ReadonlySet<NodeId>;
  readonly signal: AbortSignal | undefined;
  readonly mayLend: boolean;
}

type BlockSegment = Extract<Segment, { readonly type: "block" }>;

/** How long after each other the nodes of a block are looked up again when none could give the next byte. */
const RETRY_MS = [20, 200, 500, 1_000, 2_000] as const;

export function fileReader(means: ReadingMeans, range: FileRange): FileReader {
  const { status, length } = range;
  return { status, length, [Symbol.asyncIterator]: () => bytesOf(means, range) };
}

async function* bytesOf(means: ReadingMeans, range: FileRange): AsyncGenerator<Bytes> {
  const end = range.offset + range.length;
  let at = range.offset;
  for (const segment of range.segments) {
    const from = Math.max(at, segment.offset) - segment.offset;
    const until = Math.min(end, segment.offset + segment.length) - segment.offset;
    if (until <= from) continue;
    range.signal?.throwIfAborted();
    if (segment.type === "inline") yield bytesFromLatin1(segment.content.slice(from, until));
    else yield* blockBytes(means, range, segment, from, until);
    at = segment.offset + until;
  }
  if (at >= end) return;
  throw new QuorateError("BLOCK_MISSING", `${range.status.path} ends at byte ${at} and not at ${end}`);
}

async function* blockBytes(
  means: ReadingMeans,
  { exclude, signal, mayLend }: FileRange,
  segment: BlockSegment,
  from: number,
  until: number,
): AsyncGenerator<Bytes> {
  const { link, locations, namespace, damaged } = means;
  let at = from;
  for (let round = 0; at < until; round++) {
    // A later stamp is known when the block was appended to or recovered meanwhile: its first bytes are the same.
    const stamp = Math.max(segment.stamp, namespace.block(segment.id)?.stamp ?? 0);
    const isWanted = (node: NodeId): boolean => round > 0 || !exclude.has(node);
    const range = { stamp, offset: at, length: until - at, mayLend };
    const begin = (events: Omit<ReadEvents, "damaged">): (() => void) => {
      const all = { ...events, damaged: (node: NodeId, block: BlockId) => damaged(block, stamp, node) };
      if (segment.coded !== undefined) {
        const source = groupSource({ id: segment.id, stamp }, segment.coded, locations, link.self, isWanted);
        return readGroup(link, { ...source, ...range }, all);
      }
      const nodes = locations.readable(segment.id, stamp, link.self).map(({ node }) => node);
      return readBlock(link, { ...range, block: segment.id, from: nodes.filter(isWanted) }, all);
    };
    try {
      for await (const bytes of pieces(begin, signal)) {
        at += bytes.length;
        round = 0;
        yield bytes;
      }
    } catch (error) {
      const delayMs = RETRY_MS[round];
      if (delayMs === undefined || !isQuorateError(error) || error.code !== "BLOCK_MISSING") throw error;
      await pause(link, delayMs, signal);
    }
  }
}

/** The pieces of one range, as they come; who stops early stops the node that sends them. */
async function* pieces(
  begin: (events: Omit<ReadEvents, "damaged">) => () => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<Bytes> {
  const waiting: { readonly bytes: Bytes; readonly more: () => void }[] = [];
  let used: (() => void) | undefined;
  let end: { readonly error: Error | undefined } | undefined;
  let wake: () => void = () => undefined;
  const stop = begin({
    piece(bytes, more) {
      waiting.push({ bytes, more });
      wake();
    },
    end(error) {
      end = { error };
      wake();
    },
  });
  const aborted = (): void => wake();
  signal?.addEventListener("abort", aborted, { once: true });
  try {
    for (;;) {
      signal?.throwIfAborted();
      const next = waiting.shift();
      if (next !== undefined) {
        used = next.more;
        yield next.bytes;
        used();
      } else if (end === undefined) {
        await new Promise<void>((resolve) => (wake = resolve));
      } else if (end.error === undefined) {
        return;
      } else {
        throw end.error;
      }
    }
  } finally {
    signal?.removeEventListener("abort", aborted);
    stop();
    used?.();
    for (const { more } of waiting) more();
  }
}

async function pause(link: BlockLink, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = link.clock.setTimer(delayMs, resolve);
    signal?.addEventListener("abort", () => {
      timer.cancel();
      resolve();
    });
  });
  signal?.throwIfAborted();
}
