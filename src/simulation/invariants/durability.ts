/**
 * What the nodes' disks have called durable: it must be there after any crash, and what a node promises must be among it when
 * the promise leaves.
 */
import type { DurableWrite, Entry, Index, Recovered } from "../../consensus/consensus.ts";
import type { ConsensusMessage, Protocol } from "../../consensus/protocol.ts";
import type { MessageCodec } from "../../engine/group/replica-options.ts";
import type { ReplicaStorage } from "../../engine/group/storage.ts";
import type { NodeId } from "../../runtime/world.ts";
import { Decrees } from "./decrees.ts";
import { applyWrite, compact, emptyView, hasVoted, holds, keeps, viewOf } from "./durable-view.ts";
import type { DurableView } from "./durable-view.ts";

export class Durability {
  private readonly fail: (what: string) => void;
  private readonly protocol: Protocol;
  private readonly views = new Map<NodeId, DurableView>();
  private readonly decrees: Decrees | undefined;

  /** `voters`: undefined when they may change. */
  constructor(fail: (what: string) => void, protocol: Protocol, voters: readonly NodeId[] | undefined) {
    this.fail = fail;
    this.protocol = protocol;
    this.decrees = voters && new Decrees(voters);
  }

  /** A process has read its disk. `decayed`: the disk may have lost what it called durable. */
  recovered(node: NodeId, recovered: Recovered, decayed: boolean): void {
    const lost = decayed ? undefined : this.lost(node, recovered);
    if (lost !== undefined) this.fail(lost);
    this.views.set(node, viewOf(recovered, this.views.get(node)));
  }

  /** The node lost its data directory: its next one never promised anything. */
  forget(node: NodeId): void {
    this.views.delete(node);
  }

  /** Whether the node's disk vouches for the entry. */
  vouches(node: NodeId, { index, term }: Entry): boolean {
    const view = this.views.get(node);
    if (view === undefined) return false;
    if (view.snapshotIndex >= index) return true;
    return this.keeps(view.entries.get(index), term) || this.keeps(view.damaged.get(index), term);
  }

  snapshotIndex(node: NodeId): Index {
    return this.view(node).snapshotIndex;
  }

  observeStorage(node: NodeId, storage: ReplicaStorage): ReplicaStorage {
    const view = (): DurableView => this.view(node);
    return {
      append: (write, done) => {
        const mine = view();
        mine.underWay.add(write);
        storage.append(write, () => {
          mine.underWay.delete(write);
          applyWrite(mine, write);
          this.checkDecrees(node, write);
          done();
        });
      },
      compact: (belowIndex) => {
        compact(view(), belowIndex);
        storage.compact(belowIndex);
      },
      saveSnapshot: (snapshot, cut, done) => {
        const mine = view();
        storage.saveSnapshot(snapshot, cut, (error, saved) => {
          if (saved !== undefined) mine.snapshotIndex = Math.max(mine.snapshotIndex, saved.index);
          done(error, saved);
        });
      },
      readChunk: (snapshot, offset, length) => storage.readChunk(snapshot, offset, length),
      verifySnapshot: (snapshot, done) => storage.verifySnapshot(snapshot, done),
      storeChunk: (snapshot, offset, chunk, done) => storage.storeChunk(snapshot, offset, chunk, done),
      adoptSnapshot: (snapshot, done) => {
        const mine = view();
        storage.adoptSnapshot(snapshot, (content) => {
          // Durable in its own file, before the log's mark says so.
          if (content !== undefined) mine.snapshotIndex = Math.max(mine.snapshotIndex, snapshot.index);
          done(content);
        });
      },
      refusing: () => storage.refusing(),
      stalled: () => storage.stalled(),
      diskBytes: () => storage.diskBytes(),
      pinnedBytes: () => storage.pinnedBytes(),
    };
  }

  /** Watches what leaves a node: its promises must be on its disk by then. */
  observedCodec(node: NodeId): MessageCodec<ConsensusMessage> {
    const { protocol } = this;
    return {
      encode: (message) => {
        const view = this.view(node);
        const claim = protocol.claim(message);
        if (claim?.type === "vote" && !hasVoted(view, claim.term)) {
          this.fail(`${node} grants a vote in term ${claim.term}, which is not on its disk`);
        }
        if (claim?.type === "log" && !holds(view, claim.upTo)) {
          this.fail(`${node} acknowledges entry ${claim.upTo}, which is not on its disk`);
        }
        return protocol.encode(message);
      },
      decode: (bytes) => protocol.decode(bytes),
      withChunk: (message, chunk) => protocol.withChunk(message, chunk),
    };
  }

  /** What a disk had made durable, does not have any more, and does not miss by its floor; for a person. */
  lost(node: NodeId, recovered: Recovered): string | undefined {
    const before = this.views.get(node);
    if (before === undefined) return undefined;
    if (recovered.term < before.term) {
      return `${node} had made term ${before.term} durable and recovered term ${recovered.term}`;
    }
    const sameVote = recovered.votedFor === before.votedFor || before.votedFor === undefined;
    if (recovered.term === before.term && !sameVote) {
      return `${node} had voted for ${before.votedFor} in term ${before.term} and recovered another vote`;
    }
    const floorIndex = recovered.floor?.index ?? 0;
    const snapshotIndex = recovered.snapshot?.index ?? 0;
    const found = new Map(recovered.entries.map((entry) => [entry.index, entry.term]));
    // An older snapshot, or none, stands in for one that rotted as long as the log still has every entry after it.
    for (let index = Math.max(snapshotIndex, floorIndex) + 1; index <= before.snapshotIndex; index++) {
      if (found.has(index)) continue;
      return `${node} had a snapshot at ${before.snapshotIndex}, recovered one at ${snapshotIndex}, and misses entry ${index}`;
    }
    const sureBelow = sureIndex(before.underWay);
    for (const [index, term] of before.entries) {
      if (index >= sureBelow || index <= snapshotIndex || index < before.compactedBelow) continue;
      if (index <= floorIndex || this.keeps(found.get(index), term)) continue;
      return `${node} had made entry ${index} of term ${term} durable and recovered ${found.get(index) ?? "nothing"}`;
    }
    return undefined;
  }

  private keeps(held: number | undefined, term: number): boolean {
    return keeps(held, term, this.protocol.entriesKeepTerm);
  }

  private checkDecrees(node: NodeId, { slots, entries }: DurableWrite): void {
    if (slots !== true || entries === undefined) return;
    const index = this.decrees?.accepted(node, entries);
    if (index !== undefined)
      this.fail(`a second value was chosen in slot ${index}, accepted last by ${node}`);
  }

  private view(node: NodeId): DurableView {
    let view = this.views.get(node);
    if (view === undefined) this.views.set(node, (view = emptyView()));
    return view;
  }
}

/** What the writes that were under way in a crash were about to replace may be gone: what is below this index may not. */
function sureIndex(underWay: Iterable<DurableWrite>): number {
  let below = Infinity;
  for (const write of underWay) {
    // What replaces a slot is of a later ballot; nothing else goes.
    if (write.slots === true) continue;
    below = Math.min(below, write.entries?.[0]?.index ?? Infinity);
    if (write.snapshot !== undefined) below = Math.min(below, write.snapshot.index + 1);
  }
  return below;
}
