/**
 * What takes back the changes of a script that was stopped at a limit: steps, carried out in reverse.
 *
 * While one is open, the databases record what they replace, and every collection that is changed in place records the
 * inverse of each change itself. So the cost is that of the changes made, never of the size of what is changed. Taking
 * back is itself deterministic, which is all that replicas need: the order of a hash or set may differ from the one before.
 */
import { assert } from "../../runtime/errors.ts";
import type { Collection, UndoRecorder } from "./value.ts";

export class UndoLog implements UndoRecorder {
  private readonly steps: (() => void)[] = [];
  /** Collections changed in place, and how to bring their entry's figures up to date afterwards. */
  private readonly watched = new Map<Collection, () => void>();

  record(step: () => void): void {
    this.steps.push(step);
  }

  /** From now on the collection records its changes here. */
  watch(collection: Collection, recount: () => void): void {
    if (collection.undo === this) return;
    assert(collection.undo === undefined, "one undo log at a time");
    collection.undo = this;
    this.watched.set(collection, recount);
  }

  /** Keeps the changes. */
  commit(): void {
    for (const collection of this.watched.keys()) collection.undo = undefined;
  }

  /** Takes the changes back. */
  rollback(): void {
    this.commit();
    for (let at = this.steps.length - 1; at >= 0; at--) this.steps[at]!();
    for (const recount of this.watched.values()) recount();
  }
}
