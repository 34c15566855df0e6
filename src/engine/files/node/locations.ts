/** Where the parts of a file are. */
import type { NodeId } from "../../../runtime/world.ts";
import type { Locations, ReplicaLocation } from "../blocks/locations.ts";
import { isUnfinished } from "../blocks/locations.ts";
import type { RecentChanges } from "../blocks/recent-changes.ts";
import type { BlockLocation } from "../file-system.ts";
import { shardNumbers } from "../namespace/erasure-policy.ts";
import type { BlockId, Segment } from "../namespace/model.ts";
import type { NamespaceQueries } from "../namespace/queries.ts";

export interface WhereMeans {
  readonly locations: Locations;
  readonly namespace: Pick<NamespaceQueries, "block">;
  readonly recent: Pick<RecentChanges, "settlesInMs">;
  readonly members: readonly NodeId[];
  readonly self: NodeId;
}

/**
 * Nearest first; damaged replicas last. Of a closed block those that are finished, not copies that are being made. Bytes of the
 * namespace are on all nodes that keep it, of which this is the nearest.
 */
export function whereBlocksAre(segments: readonly Segment[], means: WhereMeans): readonly BlockLocation[] {
  const { locations, members, self } = means;
  const keepers = [self, ...members.filter((node) => node !== self)];
  return segments.map((segment) => {
    if (segment.type === "inline") {
      const { length } = segment;
      return {
        segment,
        replicas: keepers.map((node) => ({ node, stamp: 0, length, state: "finished" as const })),
      };
    }
    const { id, stamp, coded } = segment;
    const numbers = coded === undefined ? [id] : shardNumbers(coded.policy, id);
    const readable = numbers.flatMap((number) =>
      replicasToTell(id, locations.readable(number, stamp, self), means),
    );
    const isNamed = (replica: ReplicaLocation): boolean => readable.some(({ node }) => node === replica.node);
    const corrupt = numbers
      .flatMap((number) => locations.all(number))
      .filter((each) => each.state === "corrupt" && !isNamed(each));
    const all = [...readable, ...corrupt];
    // A node may hold several shards of a group.
    const replicas = all.filter(({ node }, at) => all.findIndex((each) => each.node === node) === at);
    return { segment, replicas };
  });
}

/** `block`: the number of a group, for its shards. */
function replicasToTell(
  block: BlockId,
  replicas: readonly ReplicaLocation[],
  { namespace, recent }: WhereMeans,
): readonly ReplicaLocation[] {
  if (namespace.block(block)?.open === true) return replicas;
  const whole = replicas.filter((replica) => !isUnfinished(replica));
  // Where it was just closed, that its replicas are finished may not be reported yet.
  return whole.length === 0 && recent.settlesInMs(block) > 0 ? replicas : whole;
}
