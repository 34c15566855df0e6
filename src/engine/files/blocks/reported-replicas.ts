/** The replicas that one node says it has, as rows of numbers: 30 bytes each, for there may be millions. */
import type { BlockId } from "../namespace/model.ts";
import { NumberTable } from "../namespace/number-table.ts";
import { NO_ROW } from "../namespace/row-index.ts";
import type { Replica, ReplicaState } from "./block-store.ts";

const STATES: readonly ReplicaState[] = ["writing", "finished", "recovering", "corrupt"];
/** Columns: of numbers, of bytes. */
const [STAMP, LENGTH] = [0, 1] as const;
const STATE = 0;

export class ReportedReplicas {
  private readonly rows = new NumberTable({ numbers: 2, bytes: 1 });

  get size(): number {
    return this.rows.size;
  }

  has(id: BlockId): boolean {
    return this.rows.has(id);
  }

  /** As it was reported last. */
  get(id: BlockId): Replica | undefined {
    const { rows } = this;
    const row = rows.find(id);
    if (row === NO_ROW) return undefined;
    const state = STATES[rows.byte(row, STATE)]!;
    return { id, stamp: rows.number(row, STAMP), length: rows.number(row, LENGTH), state };
  }

  /** In place of what was reported of it before. */
  put({ id, stamp, length, state }: Replica): void {
    const { rows } = this;
    const row = rows.rowFor(id);
    rows.setNumber(row, STAMP, stamp);
    rows.setNumber(row, LENGTH, length);
    rows.setByte(row, STATE, STATES.indexOf(state));
  }

  remove(id: BlockId): void {
    this.rows.remove(id);
  }

  /** May be read on while replicas come and go, as `NumberTable.keys`. */
  ids(): IterableIterator<BlockId> {
    return this.rows.keys();
  }
}
