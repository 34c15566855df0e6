/**
 * What becomes of a read that no node could serve: whether the nodes of the block are looked up again, because replicas move and
 * nodes come back, and what is said when that is over.
 */
import { isQuorateError, QuorateError } from "../../../runtime/errors.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import type { Locations } from "../blocks/locations.ts";
import { shardLength, shardNumbers, unitsOf } from "../namespace/erasure-policy.ts";
import type { BlockId, GenerationStamp, Segment } from "../namespace/model.ts";
import type { NamespaceQueries } from "../namespace/queries.ts";

export interface MissingMeans {
  readonly link: BlockLink;
  readonly locations: Locations;
  readonly namespace: Pick<NamespaceQueries, "block">;
  /** Reports on their way may still name replicas of this block. */
  readonly awaitsReports: (block: BlockId) => boolean;
}

export type BlockSegment = Extract<Segment, { readonly type: "block" }>;

/** How long after each other the nodes of a block are looked up again when none could give the next byte. */
const RETRY_MS = [20, 200, 500, 1_000, 2_000] as const;
/** So often more when a node was away that does not count as dead: it may be starting again. */
const AWAY_RETRIES = 5;
const AWAY_RETRY_MS = 2_000;
const ROUNDS_MAX = RETRY_MS.length + AWAY_RETRIES;
/** A report of a replica that was just made may come behind what the log says of it: so many rounds are waited for that. */
const REPORT_ROUNDS = 2;
/** Without a byte for so long it ends after the round that is under way: nodes that live, and are silent, make rounds long. */
const GIVE_UP_MS = 30_000;

/** A later one than the segment's is known when the block was appended to or recovered meanwhile: its first bytes are the same. */
export function stampOf(
  { namespace }: Pick<MissingMeans, "namespace">,
  { id, stamp }: BlockSegment,
): GenerationStamp {
  return Math.max(stamp, namespace.block(id)?.stamp ?? 0);
}

/** Rounds over the nodes of one block. */
export class Rounds {
  private readonly means: MissingMeans;
  private readonly segment: BlockSegment;
  private round = 0;
  private sinceMs: number;
  /** A node was away. Also when it is back meanwhile: what it holds is known a little later. */
  private isAwaited = false;

  constructor(means: MissingMeans, segment: BlockSegment) {
    this.means = means;
    this.segment = segment;
    this.sinceMs = means.link.clock.monotonicMs();
  }

  get isFirst(): boolean {
    return this.round === 0;
  }

  /** Something came. */
  advanced(): void {
    this.round = 0;
    this.isAwaited = false;
    this.sinceMs = this.means.link.clock.monotonicMs();
  }

  /**
   * Resolves when the next round is to begin. Rejects when there is none: with BLOCK_MISSING, which says `what` and why, or with what
   * else went wrong; and with the signal's reason.
   */
  async failed(error: unknown, what: string, signal: AbortSignal | undefined): Promise<void> {
    if (!isQuorateError(error) || error.code !== "BLOCK_MISSING") throw error;
    const { clock } = this.means.link;
    this.isAwaited ||= this.isAnyAway();
    const delayMs =
      RETRY_MS[this.round] ?? (this.isAwaited && this.round < ROUNDS_MAX ? AWAY_RETRY_MS : undefined);
    const why = this.whyNone();
    const isOver = clock.monotonicMs() - this.sinceMs > GIVE_UP_MS;
    const isSettled = this.round >= REPORT_ROUNDS && !this.means.awaitsReports(this.segment.id);
    if (delayMs === undefined || isOver || (why !== undefined && isSettled))
      throw new QuorateError("BLOCK_MISSING", `${what}: ${why ?? error.message}`, { cause: error });
    this.round++;
    signal?.throwIfAborted();
    await new Promise<void>((resolve) => {
      const end = (): void => {
        timer.cancel();
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = clock.setTimer(delayMs, end);
      signal?.addEventListener("abort", end);
    });
    signal?.throwIfAborted();
  }

  private isAnyAway(): boolean {
    const { link, locations } = this.means;
    return locations.nodes().some(({ id, live }) => live && link.isAway(id));
  }

  /** Undefined: live nodes have told of enough replicas or shards. */
  private whyNone(): string | undefined {
    const { id, coded } = this.segment;
    if (coded === undefined) {
      if (this.isHeld(id)) return undefined;
      return `no live node has a replica of block ${id} (${this.whereIs(id)})`;
    }
    const { policy, groupLength } = coded;
    // Where a shard would be empty there are zeros, which nobody needs to read.
    const lost = shardNumbers(policy, id).filter(
      (number, unit) => shardLength(policy, groupLength, unit) > 0 && !this.isHeld(number),
    );
    const left = unitsOf(policy) - lost.length;
    if (left >= policy.dataUnits) return undefined;
    const where = lost.map((number) => `shard ${number - id}: ${this.whereIs(number)}`).join("; ");
    const text = `live nodes have only ${left} of the ${policy.dataUnits} shards`;
    return `${text} that are needed of block group ${id} (${where})`;
  }

  private isHeld(number: BlockId): boolean {
    const stamp = stampOf(this.means, this.segment);
    return this.means.locations.readable(number, stamp, undefined).length > 0;
  }

  /** What is known of each replica that nobody can read. */
  private whereIs(number: BlockId): string {
    const { locations } = this.means;
    const nodes = locations.nodes();
    const wanted = stampOf(this.means, this.segment);
    const told = locations.all(number).map(({ node, stamp, state }) => {
      const known = nodes.find(({ id }) => id === node);
      if (state === "corrupt") return `that of ${node} is damaged`;
      if (stamp < wanted) return `that of ${node} is stale`;
      if (known === undefined) return `${node} gives no sign of life`;
      return `${node} has been silent for ${Math.round(known.silentMs / 1_000)} s`;
    });
    return told.length === 0 ? "none was reported" : told.join(", ");
  }
}
