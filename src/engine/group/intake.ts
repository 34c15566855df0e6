/**
 * At the leader: batches (its own and forwarded ones) that wait to be sealed into the next log entry.
 *
 * A forwarded batch may come twice in one term, because its owner asks again when it hears nothing; the second one is
 * dropped here, so that impatience cannot multiply the load. (Copies from different terms are dropped at apply.)
 */
import type { Bytes } from "../../runtime/bytes.ts";
import type { NodeId } from "../../runtime/world.ts";
import type { Batch } from "./batch.ts";
import { encodeBatch } from "./batch.ts";

const INTAKE_MAX_BYTES = 64 * 1024 * 1024;

export class Intake {
  private queue: { readonly node: NodeId; readonly bytes: Bytes; readonly commandBytes: number }[] = [];
  private queuedBytes = 0;
  private queuedCommandBytes = 0;
  /** Per session, the highest number taken in during this leadership. */
  private taken = new Map<string, number>();
  private readonly applied: (node: NodeId, session: number) => number;

  /** `applied`: the highest number of a session that this replica has applied, 0 when it knows none. */
  constructor(applied: (node: NodeId, session: number) => number) {
    this.applied = applied;
  }

  get empty(): boolean {
    return this.queue.length === 0;
  }

  get bytes(): number {
    return this.queuedBytes;
  }

  /** Without what batches have besides. */
  get commandBytes(): number {
    return this.queuedCommandBytes;
  }

  /** Takes a batch in; false when it is not needed or there is no room (its owner will ask again). */
  add(batch: Batch, encoded: Bytes | undefined): boolean {
    if (batch.kind === "commands") {
      const session = nameOf(batch.node, batch.session);
      const taken = this.taken.get(session) ?? 0;
      // What came between may have been applied from an earlier leader's entries, and is then not sent again.
      const highest = Math.max(taken, this.applied(batch.node, batch.session));
      if (batch.seq <= highest) return false;
      // A gap would only be refused at apply: wait until its owner sends from the missing number on.
      if (taken > 0 && batch.abandonedFrom > highest + 1) return false;
      if (this.queuedBytes > INTAKE_MAX_BYTES) return false;
      this.taken.set(session, batch.seq);
    }
    const bytes = encoded ?? encodeBatch(batch);
    const commandBytes = batch.body.length;
    this.queue.push({ node: batch.node, bytes, commandBytes });
    this.queuedBytes += bytes.length;
    this.queuedCommandBytes += commandBytes;
    return true;
  }

  /** A batch of this session was refused at apply for a gap: its owner sends again, and must be let in. */
  forget(node: NodeId, session: number): void {
    this.taken.delete(nameOf(node, session));
  }

  /** Up to `maxBytes` of batches, at least one if any wait, and the nodes whose clients wait for them. */
  take(maxBytes: number): {
    readonly batches: Bytes[];
    readonly nodes: readonly NodeId[];
    readonly commandBytes: number;
  } {
    const batches: Bytes[] = [];
    const nodes = new Set<NodeId>();
    let taken = 0;
    let takenCommandBytes = 0;
    for (const { node, bytes, commandBytes } of this.queue) {
      if (batches.length > 0 && taken + bytes.length > maxBytes) break;
      taken += bytes.length;
      takenCommandBytes += commandBytes;
      batches.push(bytes);
      nodes.add(node);
    }
    this.queuedBytes -= taken;
    this.queuedCommandBytes -= takenCommandBytes;
    this.queue.splice(0, batches.length);
    return { batches, nodes: [...nodes], commandBytes: takenCommandBytes };
  }

  /** A leadership ended or began: what waits here is sent again by its owners. */
  reset(): void {
    this.queue = [];
    this.queuedBytes = 0;
    this.queuedCommandBytes = 0;
    this.taken = new Map();
  }
}

/** Sessions that were opened in one entry share its index as their id: only with the node's name is it unique. */
function nameOf(node: NodeId, session: number): string {
  return `${session} ${node}`;
}
