/**
 * Storage that keeps nothing: what durability `memory` means. A write counts as durable at once, and a snapshot lives in
 * memory, for followers that need one. A process that ends has forgotten everything, its votes included.
 */
import type { SnapshotMeta } from "../../consensus/consensus.ts";
import type { Bytes } from "../../runtime/bytes.ts";
import { concatBytes } from "../../runtime/bytes.ts";
import type { Clock } from "../../runtime/world.ts";
import type { SnapshotCut } from "./state-machine.ts";
import { CutEnded } from "./state-machine.ts";
import type { ReplicaStorage } from "./storage.ts";

const SLICE_BYTES = 256 * 1024;

interface HeldSnapshot {
  readonly meta: SnapshotMeta;
  readonly bytes: Bytes;
}

export function createMemoryStorage(clock: Clock): ReplicaStorage {
  let held: HeldSnapshot | undefined;
  let receiving: { index: number; chunks: Bytes[]; length: number } | undefined;

  const save = (cut: SnapshotCut, chunks: Bytes[], done: (ended?: CutEnded) => void): void => {
    let chunk: Bytes | undefined;
    try {
      chunk = cut.next(SLICE_BYTES);
    } catch (error) {
      if (!(error instanceof CutEnded)) throw error;
      return done(error);
    }
    if (chunk === undefined) return done();
    chunks.push(framed(chunk));
    clock.endOfTurn(() => clock.setTimer(0, () => save(cut, chunks, done)));
  };

  return {
    append: (_write, done) => clock.endOfTurn(done),
    compact: () => undefined,
    saveSnapshot(snapshot, cut, done) {
      const chunks: Bytes[] = [];
      save(cut, chunks, (ended) => {
        cut.close();
        if (ended !== undefined) return done(ended, undefined);
        const bytes = concatBytes(chunks);
        held = { meta: { ...snapshot, sizeBytes: bytes.length }, bytes };
        done(undefined, held.meta);
      });
    },
    readChunk(snapshot, offset, length) {
      if (held?.meta.index !== snapshot.index) return undefined;
      return held.bytes.subarray(offset, offset + length);
    },
    verifySnapshot: (_snapshot, done) => clock.endOfTurn(() => done(true)),
    storeChunk(snapshot, offset, chunk, done) {
      if (offset === 0) receiving = { index: snapshot.index, chunks: [], length: 0 };
      const valid =
        receiving !== undefined && receiving.index === snapshot.index && receiving.length === offset;
      if (valid && receiving !== undefined) {
        receiving.chunks.push(chunk);
        receiving.length += chunk.length;
      }
      clock.endOfTurn(() => done(valid));
    },
    adoptSnapshot(snapshot, done) {
      const received = receiving;
      receiving = undefined;
      if (received?.index !== snapshot.index || received.length !== snapshot.sizeBytes)
        return done(undefined);
      held = { meta: snapshot, bytes: concatBytes(received.chunks) };
      done(unframed(held.bytes));
    },
    refusing: () => undefined,
    stalled: () => undefined,
    diskBytes: () => 0,
    pinnedBytes: () => 0,
  };
}

function framed(chunk: Bytes): Bytes {
  const length = concatBytes([new Uint8Array(4)]);
  length.writeUInt32LE(chunk.length, 0);
  return concatBytes([length, chunk]);
}

function* unframed(bytes: Bytes): Generator<Bytes> {
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at);
    yield bytes.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
}
