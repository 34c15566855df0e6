/** Writes a cut of the state machine into a file, slice by slice. */
import type { SnapshotMeta } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { assert } from "../../runtime/errors.ts";
import type { Clock, Disk, DiskFile } from "../../runtime/world.ts";
import {
  CHUNK_MAX_BYTES,
  encodeChunkHeader,
  encodeSnapshotFooter,
  encodeSnapshotHeader,
} from "./snapshot-file.ts";
import type { SnapshotCut } from "./state-machine.ts";
import { CutEnded } from "./state-machine.ts";

const SLICE_MIN_BYTES = 16 << 10;
const SLICE_MAX_MS = 4;
/** A long file is synced as it grows: one sync of everything at the end would hold up the log's syncs for long. */
const SYNC_EVERY_BYTES = 8 << 20;

export interface SnapshotTarget {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly name: string;
  readonly group: number;
  readonly sliceBytes: number;
}

/** `done` gets the size of the synced file. The returned function stops the work; then `done` is not called any more. */
export function writeSnapshot(
  target: SnapshotTarget,
  meta: Omit<SnapshotMeta, "sizeBytes">,
  cut: SnapshotCut,
  done: (error: Error | undefined, sizeBytes: number) => void,
): () => void {
  const { disk, clock, name, group } = target;
  const header = encodeSnapshotHeader(group, meta);
  let { sliceBytes } = target;
  let file: DiskFile | undefined;
  let position = 0;
  let unsynced = 0;
  let { checksum } = header;
  let stopped = false;

  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    cut.close();
    file?.close();
  };
  const finish = (error: Error | undefined): void => {
    stop();
    done(error, position);
  };
  const put = (chunks: readonly Uint8Array[], next: () => void): void => {
    file?.write(position, chunks, "cached", (error) => {
      if (stopped) return;
      if (error !== undefined) return finish(error);
      for (const { length } of chunks) {
        position += length;
        unsynced += length;
      }
      if (unsynced < SYNC_EVERY_BYTES) return next();
      unsynced = 0;
      sync(next);
    });
  };
  const sync = (next: () => void): void =>
    file?.sync((error) => {
      if (stopped) return;
      if (error === undefined) next();
      else finish(error);
    });
  const slice = (): void => {
    if (stopped) return;
    const startMs = clock.monotonicMs();
    let chunk: Bytes | undefined;
    try {
      chunk = cut.next(sliceBytes);
    } catch (error) {
      if (!(error instanceof CutEnded)) throw error;
      return finish(error);
    }
    if (chunk === undefined) {
      const footer = encodeSnapshotFooter(position, checksum);
      return put([footer], () => sync(() => finish(undefined)));
    }
    // A length of zero marks the footer.
    if (chunk.length === 0) return clock.endOfTurn(slice);
    assert(chunk.length <= CHUNK_MAX_BYTES, "a snapshot's chunk is too large to be read back");
    const chunkHeader = encodeChunkHeader(chunk, checksum);
    ({ checksum } = chunkHeader);
    const tookMs = clock.monotonicMs() - startMs;
    if (tookMs > SLICE_MAX_MS)
      sliceBytes = Math.max(Math.min(SLICE_MIN_BYTES, target.sliceBytes), Math.floor(sliceBytes / 2));
    else if (tookMs < SLICE_MAX_MS / 4) sliceBytes = Math.min(target.sliceBytes, sliceBytes * 2);
    put([chunkHeader.bytes, chunk], () => clock.endOfTurn(slice));
  };

  disk.create(name, 0, (error, created) => {
    if (stopped) return created?.close();
    if (created === undefined) return finish(error ?? new Error("no file was created"));
    file = created;
    put([header.bytes], slice);
  });
  return stop;
}
