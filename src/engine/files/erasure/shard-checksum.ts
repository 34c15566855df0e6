/** The MD5 of the checksums of a shard that nobody holds: made out of the others, as the shard itself would be. */
import type { Bytes } from "../../../runtime/bytes.ts";
import { concatBytes } from "../../../runtime/bytes.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import type { Outcome } from "../blocks/block-store.ts";
import { ChunkChecksums } from "../blocks/chunk-checksums.ts";
import { md5OfChecksums } from "../blocks/file-checksum.ts";
import type { BlockId } from "../namespace/model.ts";
import { readShardAnew } from "./group-reader.ts";
import type { GroupSource } from "./stripe-reader.ts";

export function md5OfLostShard(
  link: BlockLink,
  source: GroupSource,
  unit: number,
  damaged: (node: NodeId, block: BlockId) => void,
  done: Outcome<Bytes>,
): void {
  const checksums = new ChunkChecksums(0, 0);
  const sums: Bytes[] = [];
  readShardAnew(link, source, unit, {
    piece(bytes, more) {
      // A cell is whole chunks, but for the last one: no chunk is counted twice.
      const some = checksums.of(bytes);
      checksums.advance(bytes, some);
      sums.push(some);
      more();
    },
    damaged,
    end: (error) => (error === undefined ? done(undefined, md5OfChecksums(concatBytes(sums))) : done(error)),
  });
}
