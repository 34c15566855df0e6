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

/** Of one segment [from, until), counted from its beginning. */
interface PartOf<Type extends Segment["type"]> {
  readonly segment: Extract<Segment, { readonly type: Type }>;
  readonly from: number;
  readonly until: number;
}

type BlockPart = PartOf<"block">;
type Part = BlockPart | PartOf<"inline">;

/** How long after each other the nodes of a block are looked up again when none could give the next byte. */
const RETRY_MS = [20, 200, 500, 1_000, 2_000] as const;
/** So often more when a node was away that does not count as dead: it may be starting again. */
const AWAY_RETRIES = 5;
const AWAY_RETRY_MS = 2_000;
const ROUNDS_MAX = RETRY_MS.length + AWAY_RETRIES;

export function fileReader(means: ReadingMeans, range: FileRange): FileReader {
  const { status, length } = range;
  return { status, length, [Symbol.asyncIterator]: () => bytesOf(means, range) };
}

async function* bytesOf(means: ReadingMeans, range: FileRange): AsyncGenerator<Bytes> {
  const end = range.offset + range.length;
  const parts = partsOf(range);
  let at = range.offset;
  let ahead: Pieces | undefined;
  try {
    for (const [index, part] of parts.entries()) {
      range.signal?.throwIfAborted();
      if (isOfBlock(part)) {
        const begun = ahead;
        ahead = undefined;
        // The next block is asked for while the last piece of this one is used: its way is not waited for.
        const atLast = (): void => {
          const next = parts[index + 1];
          if (next !== undefined && isOfBlock(next)) ahead = begin(means, range, next, next.from, true);
        };
        yield* blockBytes(means, range, part, { begun, atLast });
      } else {
        yield bytesFromLatin1(part.segment.content.slice(part.from, part.until));
      }
      at = part.segment.offset + part.until;
    }
  } finally {
    ahead?.close();
  }
  if (at >= end) return;
  throw new QuorateError("BLOCK_MISSING", `${range.status.path} ends at byte ${at} and not at ${end}`);
}

/** What is wanted of each segment. */
function partsOf(range: FileRange): Part[] {
  const end = range.offset + range.length;
  const parts: Part[] = [];
  let at = range.offset;
  for (const segment of range.segments) {
    const from = Math.max(at, segment.offset) - segment.offset;
    const until = Math.min(end, segment.offset + segment.length) - segment.offset;
    if (until <= from) continue;
    parts.push({ segment, from, until } as Part);
    at = segment.offset + until;
  }
  return parts;
}

function isOfBlock(part: Part): part is BlockPart {
  return part.segment.type === "block";
}

interface Ahead {
  /** The first attempt, when it was begun already. */
  readonly begun: Pieces | undefined;
  /** Called before the last piece is given. */
  readonly atLast: () => void;
}

async function* blockBytes(
  means: ReadingMeans,
  range: FileRange,
  part: BlockPart,
  { begun, atLast }: Ahead,
): AsyncGenerator<Bytes> {
  let at = part.from;
  let attempt = begun;
  // Also when it is back meanwhile: what it holds is known a little later.
  let isAwaited = false;
  for (let round = 0; at < part.until; round++) {
    attempt ??= begin(means, range, part, at, round === 0);
    try {
      for await (const bytes of attempt.all(range.signal)) {
        at += bytes.length;
        round = 0;
        isAwaited = false;
        if (at >= part.until) atLast();
        yield bytes;
      }
    } catch (error) {
      if (!isQuorateError(error) || error.code !== "BLOCK_MISSING") throw error;
      isAwaited ||= isAnyAway(means);
      const delayMs = RETRY_MS[round] ?? (isAwaited && round < ROUNDS_MAX ? AWAY_RETRY_MS : undefined);
      if (delayMs === undefined) throw error;
      await pause(means.link, delayMs, range.signal);
    }
    attempt = undefined;
  }
}

function isAnyAway({ link, locations }: ReadingMeans): boolean {
  return locations.nodes().some(({ id, live }) => live && link.isAway(id));
}

/** Begins to read what is wanted of a block from `at` on. */
function begin(
  means: ReadingMeans,
  { exclude, mayLend }: FileRange,
  { segment, until }: BlockPart,
  at: number,
  isFirst: boolean,
): Pieces {
  const { link, locations, namespace, damaged } = means;
  // A later stamp is known when the block was appended to or recovered meanwhile: its first bytes are the same.
  const stamp = Math.max(segment.stamp, namespace.block(segment.id)?.stamp ?? 0);
  const isWanted = (node: NodeId): boolean => !isFirst || !exclude.has(node);
  const wanted = { stamp, offset: at, length: until - at, mayLend };
  return new Pieces((events) => {
    const all = { ...events, damaged: (node: NodeId, block: BlockId) => damaged(block, stamp, node) };
    if (segment.coded !== undefined) {
      const source = groupSource({ id: segment.id, stamp }, segment.coded, locations, link.self, isWanted);
      return readGroup(link, { ...source, ...wanted }, all);
    }
    const nodes = locations.readable(segment.id, stamp, link.self).map(({ node }) => node);
    return readBlock(link, { ...wanted, block: segment.id, from: nodes.filter(isWanted) }, all);
  });
}

/** The pieces of one range, as they come; who stops early stops the node that sends them. */
class Pieces {
  private readonly waiting: { readonly bytes: Bytes; readonly more: () => void }[] = [];
  private used: (() => void) | undefined;
  private end: { readonly error: Error | undefined } | undefined;
  private wake: () => void = () => undefined;
  private readonly stop: () => void;

  constructor(start: (events: Omit<ReadEvents, "damaged">) => () => void) {
    this.stop = start({
      piece: (bytes, more) => {
        this.waiting.push({ bytes, more });
        this.wake();
      },
      end: (error) => {
        this.end = { error };
        this.wake();
      },
    });
  }

  /** Taken once. */
  async *all(signal: AbortSignal | undefined): AsyncGenerator<Bytes> {
    const aborted = (): void => this.wake();
    signal?.addEventListener("abort", aborted, { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        const next = this.waiting.shift();
        if (next !== undefined) {
          this.used = next.more;
          yield next.bytes;
          this.used();
        } else if (this.end === undefined) {
          await new Promise<void>((resolve) => (this.wake = resolve));
        } else if (this.end.error === undefined) {
          return;
        } else {
          throw this.end.error;
        }
      }
    } finally {
      signal?.removeEventListener("abort", aborted);
      this.close();
    }
  }

  close(): void {
    this.stop();
    this.used?.();
    for (const { more } of this.waiting.splice(0)) more();
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
