/** Files that are kept open for readers: opening costs more than reading a piece, and a reader reads many. */
import type { Disk } from "../../../runtime/world.ts";
import type { ReplicaFiles } from "./replica-files.ts";
import { closeFiles, openFiles } from "./replica-files.ts";
import type { StoredReplica } from "./stored-replica.ts";

/** Pairs of files that stay open though nobody reads them. */
const IDLE_MAX = 64;

interface Opened {
  readonly files: ReplicaFiles;
  users: number;
  forgotten: boolean;
}

export class OpenReplicas {
  private readonly disk: Disk;
  /** In the order of their last use. */
  private readonly opened = new Map<StoredReplica, Opened>();

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** Gives the files of a replica; `free` must be called once when they were used. */
  use(
    replica: StoredReplica,
    done: (error: Error | undefined, files: ReplicaFiles | undefined, free: () => void) => void,
  ): void {
    replica.readers++;
    const known = this.opened.get(replica);
    if (known !== undefined) {
      this.opened.delete(replica);
      this.opened.set(replica, known);
      return this.lend(replica, known, done);
    }
    openFiles(this.disk, replica.id, (error, files) => {
      if (files === undefined) {
        replica.readers--;
        return done(error, undefined, () => undefined);
      }
      const opened: Opened = { files, users: 0, forgotten: replica.gone || this.opened.has(replica) };
      if (!opened.forgotten) this.opened.set(replica, opened);
      this.lend(replica, opened, done);
      this.closeIdle();
    });
  }

  /** Whether its files are open, or stay so for the next reader. */
  has(replica: StoredReplica): boolean {
    return this.opened.has(replica);
  }

  /** Closes them when the last reader is through. */
  forget(replica: StoredReplica): void {
    const opened = this.opened.get(replica);
    if (opened === undefined) return;
    this.opened.delete(replica);
    opened.forgotten = true;
    if (opened.users === 0) closeFiles(opened.files);
  }

  closeAll(): void {
    for (const replica of this.opened.keys()) this.forget(replica);
  }

  private lend(
    replica: StoredReplica,
    opened: Opened,
    done: (error: Error | undefined, files: ReplicaFiles | undefined, free: () => void) => void,
  ): void {
    opened.users++;
    done(undefined, opened.files, () => {
      opened.users--;
      replica.readers--;
      if (opened.forgotten && opened.users === 0) closeFiles(opened.files);
    });
  }

  private closeIdle(): void {
    for (const [replica, { users }] of this.opened) {
      if (this.opened.size <= IDLE_MAX) return;
      if (users === 0) this.forget(replica);
    }
  }
}
