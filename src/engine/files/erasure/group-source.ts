/** Where the shards of a block group are, for those who read them. */
import type { NodeId } from "../../../runtime/world.ts";
import type { Locations } from "../blocks/locations.ts";
import { isThere } from "../blocks/locations.ts";
import type { ErasurePolicy, StripeGeometry } from "../namespace/erasure-policy.ts";
import { shardNumbers, shardUnits } from "../namespace/erasure-policy.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type { GroupSource } from "./stripe-reader.ts";

/** `isWanted`: nodes that may be read from. */
export function groupSource(
  group: { readonly id: BlockId; readonly stamp: GenerationStamp },
  { policy, groupLength }: { readonly policy: ErasurePolicy; readonly groupLength: number },
  locations: Pick<Locations, "readable">,
  reader: NodeId,
  isWanted: (node: NodeId) => boolean = () => true,
): GroupSource {
  const from = shardNumbers(policy, group.id).map((id) =>
    locations
      .readable(id, group.stamp, reader)
      .map(({ node }) => node)
      .filter(isWanted),
  );
  return { block: group.id, stamp: group.stamp, geometry: policy, groupLength, from };
}

/** As many shards were reported as are needed; of a closed group, whole ones. */
export function isReadable(
  group: {
    readonly id: BlockId;
    readonly stamp: GenerationStamp;
    readonly length: number;
    readonly open: boolean;
  },
  geometry: StripeGeometry,
  locations: Pick<Locations, "readable">,
): boolean {
  const units = shardUnits(geometry, group.length);
  const there = units.filter((unit) => {
    return isThere({ ...group, id: group.id + unit }, locations);
  });
  return there.length >= units.filter((unit) => unit < geometry.dataUnits).length;
}
