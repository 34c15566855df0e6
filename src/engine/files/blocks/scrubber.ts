/**
 * Goes round and round all finished replicas of a node and reads what nobody reads: bytes against their checksums, and the two
 * records, of which a damaged one is written again while the other still says what it should. Files that are gone are damage too.
 */
import type { BlockId } from "../namespace/model.ts";
import type { Outcome } from "./block-store.ts";
import { READ_BYTES } from "./block-store.ts";
import { bytesName, closeFiles, openFiles, readVerified, sumsName } from "./replica-files.ts";
import { HEADER_BYTES, readHeader } from "./replica-record.ts";
import type { ReplicaTable } from "./replica-table.ts";
import type { StoredReplica } from "./stored-replica.ts";
import { unusable, writeFailure } from "./stored-replica.ts";

export class Scrubber {
  private readonly table: ReplicaTable;
  private round: { readonly ids: Float64Array; readonly at: number; readonly offset: number };

  /** `start`: in [0, 1), where in the first round to begin; a node that is often restarted would never come to the last. */
  constructor(table: ReplicaTable, start: number) {
    this.table = table;
    const ids = table.replicas.ids();
    this.round = { ids, at: Math.floor(start * ids.length), offset: 0 };
  }

  /** Reads at most `maxBytes` on; gives how many it were. */
  step(maxBytes: number, done: Outcome<number>): void {
    const { round } = this;
    if (round.at >= round.ids.length) {
      this.round = { ids: this.table.replicas.ids(), at: 0, offset: 0 };
      if (this.round.ids.length === 0 || round.ids.length === 0) return done(undefined, 0);
    }
    const { ids, at, offset } = this.round;
    const replica = this.table.replicas.get(ids[at] as BlockId);
    const behind = (): void => {
      this.round = { ids, at: at + 1, offset: 0 };
    };
    if (replica === undefined || replica.state !== "finished" || offset >= replica.record.length) {
      behind();
      return done(undefined, 0);
    }
    // An open descriptor reads on in a file that was removed: who restarts would find nothing.
    if (offset === 0 && this.isRemoved(replica.id)) {
      this.table.damaged(replica, {
        type: "damaged",
        message: "its files were removed from the disk",
        at: 0,
      });
      behind();
      return done(undefined, 0);
    }
    const verify = (): void =>
      this.verifyPiece(replica, offset, Math.min(maxBytes, READ_BYTES), (error, read) => {
        if (error !== undefined || read === undefined) behind();
        else this.round = { ids, at, offset: offset + read };
        done(undefined, read ?? 0);
      });
    if (offset > 0) verify();
    else this.mendRecords(replica, verify);
  }

  private isRemoved(id: BlockId): boolean {
    const { disk } = this.table;
    return disk.size(bytesName(id)) === undefined || disk.size(sumsName(id)) === undefined;
  }

  /** A record that no longer is what it says is written again, while the other one still is. */
  private mendRecords(replica: StoredReplica, done: () => void): void {
    const { id } = replica;
    this.table.open.use(replica, (_, files, free) => {
      if (files === undefined) return done();
      files.sums.read(0, HEADER_BYTES, (error, header) => {
        free();
        const isWhole = header !== undefined && readHeader(header, id).records.length === 2;
        if (error === undefined && isWhole) return done();
        this.table.change<void>(id, done, (current, over) => {
          if (current !== replica) return over(undefined);
          openFiles(this.table.disk, id, (openError, opened) => {
            if (opened === undefined) return over(unusable(id, `${openError?.message}`));
            const end = (failure: Error | undefined): void => {
              closeFiles(opened);
              over(failure && writeFailure(id, failure));
            };
            const again = (failure: Error | undefined): void => {
              if (failure !== undefined) end(failure);
              else this.table.commit(replica, opened, replica.next({}), end);
            };
            this.table.commit(replica, opened, replica.next({}), again);
          });
        });
      });
    });
  }

  /** Verifies a part of a replica; gives how many bytes were read. */
  verifyPiece(replica: StoredReplica, offset: number, maxBytes: number, done: Outcome<number>): void {
    const { record, epoch } = replica;
    const to = Math.min(record.length, offset + maxBytes);
    this.table.open.use(replica, (error, files, free) => {
      if (files === undefined) return done(unusable(replica.id, `${error?.message}`));
      const step = (at: number): void => {
        if (at >= to) {
          free();
          return done(undefined, to - offset);
        }
        readVerified(
          files,
          record,
          at,
          Math.min(READ_BYTES, to - at),
          { reader: this.table.reader, mayLend: true },
          (fault, chunks) => {
            chunks?.giveBack?.();
            if (replica.gone || replica.epoch !== epoch || chunks === undefined) {
              free();
              if (replica.gone || replica.epoch !== epoch)
                return done(unusable(replica.id, "it was changed"));
              return done(this.table.damaged(replica, fault));
            }
            step(chunks.offset + Math.max(chunks.content.length, 1));
          },
        );
      };
      step(offset);
    });
  }
}
