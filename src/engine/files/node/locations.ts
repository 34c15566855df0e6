/** Where the parts of a file are. */
import type { NodeId } from "../../../runtime/world.ts";
import type { Locations, ReplicaLocation } from "../blocks/locations.ts";
import type { BlockLocation } from "../file-system.ts";
import { shardNumbers } from "../namespace/erasure-policy.ts";
import type { Segment } from "../namespace/model.ts";

/** Nearest first; damaged replicas last. Bytes of the namespace are on all nodes that keep it, of which this is the nearest. */
export function whereBlocksAre(
  segments: readonly Segment[],
  locations: Locations,
  members: readonly NodeId[],
  self: NodeId,
): readonly BlockLocation[] {
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
    const readable = numbers.flatMap((number) => locations.readable(number, stamp, self));
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
