/** Makes a replica of other nodes' replicas, no faster than it is told to. */
import type { QuorateError } from "../../../runtime/errors.ts";
import type { NodeId } from "../../../runtime/world.ts";
import type { BlockId, GenerationStamp } from "../namespace/model.ts";
import type { BlockLink } from "./block-link.ts";
import { readBlock } from "./block-reader.ts";
import type { BlockStore, Outcome, Replica, ReplicaWriter } from "./block-store.ts";
import { ChunkChecksums } from "./chunk-checksums.ts";

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

/** A copy that fails leaves nothing behind. */
export function copyReplica(
  link: BlockLink,
  store: BlockStore,
  options: CopyOptions,
  done: Outcome<Replica>,
): void {
  const { block, stamp, length, finish, bandwidth } = options;
  const from = options.from.filter((node) => node !== link.self);
  store.create(block, stamp, "disk", (error, writer) => {
    if (writer === undefined) return done(error);
    const checksums = new ChunkChecksums(0, 0);
    const beganMs = link.clock.monotonicMs();
    let copied = 0;
    const dueInMs = (): number => beganMs + (copied / bandwidth) * 1000 - link.clock.monotonicMs();
    const whenDue = (run: () => void): void => {
      if (dueInMs() <= 0) run();
      else link.clock.setTimer(dueInMs(), run);
    };
    let isOver = false;
    const fail = (failure: QuorateError | undefined): void => {
      if (isOver) return;
      isOver = true;
      stop();
      store.delete(block, () => done(failure));
    };
    const stop = readBlock(
      link,
      { block, stamp, offset: 0, length, from },
      {
        piece(bytes, more) {
          const sums = checksums.of(bytes);
          checksums.advance(bytes, sums);
          copied += bytes.length;
          options.progress();
          writer.write(bytes, sums, (writeError) => {
            if (writeError === undefined) whenDue(more);
            else fail(writeError);
          });
        },
        damaged: options.damaged,
        end(readError) {
          if (readError !== undefined) return fail(readError);
          isOver = true;
          // Also what came in one window may not have come too fast: the next copy begins when this one ends.
          whenDue(() =>
            end(writer, finish, (endError, replica) => {
              if (endError === undefined) done(undefined, replica ?? store.get(block));
              else store.delete(block, () => done(endError));
            }),
          );
        },
      },
    );
  });
}

function end(writer: ReplicaWriter, finish: boolean, done: Outcome<Replica>): void {
  if (finish) writer.finish(done);
  else writer.sync((error) => done(error));
}
