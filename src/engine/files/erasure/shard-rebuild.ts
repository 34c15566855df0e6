/** Makes a shard at this node out of those of others, verified and throttled. */
import type { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockLink } from "../blocks/block-link.ts";
import type { BlockStore, Outcome, Replica } from "../blocks/block-store.ts";
import { ChunkChecksums } from "../blocks/chunk-checksums.ts";
import { Throttle } from "../blocks/throttle.ts";
import type { BlockId } from "../namespace/model.ts";
import { readShardAnew } from "./group-reader.ts";
import type { GroupSource } from "./stripe-reader.ts";

export interface RebuildOptions {
  readonly source: GroupSource;
  readonly unit: number;
  /** Bytes a second that are read for it; Infinity: as fast as it goes. */
  readonly bandwidth: number;
  readonly damaged: (node: NodeId, block: BlockId) => void;
}

/** One that fails leaves nothing behind. The returned function makes it fail. */
export function rebuildShard(
  link: BlockLink,
  store: BlockStore,
  { source, unit, bandwidth, damaged }: RebuildOptions,
  done: Outcome<Replica>,
): (failure: QuorateError) => void {
  const block = source.block + unit;
  let early: QuorateError | undefined;
  let fail = (failure: QuorateError): void => void (early = failure);
  store.create(block, source.stamp, "disk", (error, writer) => {
    if (writer === undefined) return done(error);
    const checksums = new ChunkChecksums(0, 0);
    const throttle = new Throttle(link.clock, bandwidth);
    let isOver = false;
    let stop = (): void => undefined;
    fail = (failure) => {
      if (isOver) return;
      isOver = true;
      throttle.close();
      stop();
      store.delete(block, () => done(failure));
    };
    if (early !== undefined) return fail(early);
    stop = readShardAnew(link, source, unit, {
      piece(bytes, more) {
        const sums = checksums.of(bytes);
        checksums.advance(bytes, sums);
        throttle.took(bytes.length * source.geometry.dataUnits);
        writer.write(bytes, sums, (writeError) => {
          if (writeError === undefined) throttle.whenDue(more);
          else fail(writeError);
        });
      },
      damaged,
      end(readError) {
        if (readError !== undefined) return fail(readError);
        if (isOver) return;
        isOver = true;
        writer.finish((endError, replica) => {
          if (endError === undefined) done(undefined, replica);
          else store.delete(block, () => done(endError));
        });
      },
    });
  });
  return (failure) => fail(failure);
}
