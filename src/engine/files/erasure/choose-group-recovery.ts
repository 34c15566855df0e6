/** Where a block group whose writer is gone ends: pure, so that its rules can be tested as a table. */
import type { Replica } from "../blocks/block-store.ts";
import type { ShardPlace } from "../blocks/protocol.ts";
import type { StripeGeometry } from "../namespace/erasure-policy.ts";

export interface HeldShard extends ShardPlace {
  readonly replica: Replica;
}

/**
 * How many whole stripes the group is brought to, and which shards have them.
 *
 * That enough shards have a stripe does not say that it is whole: in the last one of a group, cells that were never filled count
 * as zeros. It is when its last data cell is full, or when anything is there of a stripe behind it.
 */
export function chooseGroupRecovery(
  held: readonly HeldShard[],
  { stamp, geometry }: { readonly stamp: number; readonly geometry: StripeGeometry },
): { readonly stripes: number; readonly shards: readonly ShardPlace[] } {
  const { dataUnits, cellBytes } = geometry;
  const usable = held.filter(({ replica }) => replica.stamp >= stamp && replica.state !== "corrupt");
  const stripesOf = ({ replica }: HeldShard): number => Math.floor(replica.length / cellBytes);
  const best = new Map<number, number>();
  let known = 0;
  for (const shard of usable) {
    best.set(shard.unit, Math.max(best.get(shard.unit) ?? 0, stripesOf(shard)));
    // What an earlier attempt cut it cut behind whole stripes.
    const isCut = shard.replica.stamp > stamp && shard.replica.state === "finished";
    const isLast = shard.unit === dataUnits - 1;
    const proven = isLast || isCut ? stripesOf(shard) : Math.ceil(shard.replica.length / cellBytes) - 1;
    known = Math.max(known, proven);
  }
  const readable = [...best.values()].sort((left, right) => right - left)[dataUnits - 1] ?? 0;
  const stripes = Math.min(readable, known);
  const shards = usable.filter((shard) => stripesOf(shard) >= stripes);
  return { stripes, shards: shards.map(({ unit, node }) => ({ unit, node })) };
}
