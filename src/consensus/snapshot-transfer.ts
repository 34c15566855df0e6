/**
 * The receiving side of a snapshot: chunks in order, from one sender, resumable at the offset that is stored.
 * The sending side is in `progress.ts`, because it is one of the three ways to serve a peer.
 */
import type { NodeId } from "../runtime/world.ts";
import type { SnapshotMeta } from "./consensus.ts";

export interface SnapshotReceiver {
  readonly snapshot: SnapshotMeta;
  /** Two nodes may encode the same state differently: bytes of two senders are never mixed. */
  readonly from: NodeId;
  /** The driver stored the bytes up to here. */
  storedBytes: number;
  /** The driver is storing the bytes up to here; undefined: it is idle. */
  storingTo: number | undefined;
  /** All is stored; the driver restores the state machine. */
  installing: boolean;
}

export function receiveSnapshot(snapshot: SnapshotMeta, from: NodeId): SnapshotReceiver {
  return { snapshot, from, storedBytes: 0, storingTo: undefined, installing: false };
}

/** True when the receiver is at this very snapshot of this sender. */
export function isSameTransfer(receiver: SnapshotReceiver, snapshot: SnapshotMeta, from: NodeId): boolean {
  const { index, term, sizeBytes } = receiver.snapshot;
  return (
    receiver.from === from &&
    index === snapshot.index &&
    term === snapshot.term &&
    sizeBytes === snapshot.sizeBytes
  );
}
