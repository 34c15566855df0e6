/** Where the parts of a file are. */
import type { NodeId } from "../../../runtime/world.ts";
import type { Locations, ReplicaLocation } from "../blocks/locations.ts";
import type { BlockLocation } from "../file-system.ts";
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
    const readable = locations.readable(segment.id, segment.stamp, self);
    const isNamed = (replica: ReplicaLocation): boolean => readable.some(({ node }) => node === replica.node);
    const corrupt = locations.all(segment.id).filter((each) => each.state === "corrupt" && !isNamed(each));
    return { segment, replicas: [...readable, ...corrupt] };
  });
}
