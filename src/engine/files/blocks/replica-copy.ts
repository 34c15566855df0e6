/** Makes a replica of other nodes' replicas, no faster than it is told to. */
import type { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type { BlockLink } from "./block-link.ts";
import { readBlock } from "./block-reader.ts";
import type { BlockStore, Outcome, Replica, ReplicaWriter } from "./block-store.ts";
import { ChunkChecksums } from "./chunk-checksums.ts";
import { Throttle } from "./throttle.ts";

export interface CopyOptions {
  readonly block: BlockId;
  /** Of the sources at least, and of the new replica. */
  readonly stamp: GenerationStamp;
  readonly length: number;
  readonly from: readonly NodeId[];
  /** Finished, or left for a pipeline to go on with. */
  readonly finish: boolean;
  /** Bytes a second; Infinity: as fast as it goes. */
  readonly bandwidth: number;
  readonly damaged: (node: NodeId) => void;
  /** Bytes have come. */
  readonly progress: () => void;
}

/** A copy that fails leaves nothing behind. The returned function makes it fail. */
export function copyReplica(
  link: BlockLink,
  store: BlockStore,
  options: CopyOptions,
  done: Outcome<Replica>,
): (failure: QuorateError) => void {
  const { block, stamp, length, finish, bandwidth } = options;
  const from = options.from.filter((node) => node !== link.self);
  let early: QuorateError | undefined;
  let fail = (failure: QuorateError): void => void (early = failure);
  store.create(block, stamp, "disk", (error, writer) => {
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
    stop = readBlock(
      link,
      { block, stamp, offset: 0, length, from },
      {
        piece(bytes, more) {
          const sums = checksums.of(bytes);
          checksums.advance(bytes, sums);
          throttle.took(bytes.length);
          options.progress();
          writer.write(bytes, sums, (writeError) => {
            if (writeError === undefined) throttle.whenDue(more);
            else fail(writeError);
          });
        },
        damaged: options.damaged,
        end(readError) {
          if (readError !== undefined) return fail(readError);
          // Also what came in one window may not have come too fast: the next copy begins when this one ends.
          throttle.whenDue(() => {
            isOver = true;
            end(writer, finish, (endError, replica) => {
              if (endError === undefined) done(undefined, replica ?? store.get(block));
              else store.delete(block, () => done(endError));
            });
          });
        },
      },
    );
  });
  return (failure) => fail(failure);
}

function end(writer: ReplicaWriter, finish: boolean, done: Outcome<Replica>): void {
  if (finish) writer.finish(done);
  else writer.sync((error) => done(error));
}
