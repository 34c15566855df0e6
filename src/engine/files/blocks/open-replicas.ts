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

type Use = (error: Error | undefined, files: ReplicaFiles | undefined, free: () => void) => void;

export class OpenReplicas {
  private readonly disk: Disk;
  /** Who waits for files that are being opened. */
  private readonly opening = new Map<StoredReplica, Use[]>();
  private isClosed = false;
  /** In the order of their last use. */
  private readonly opened = new Map<StoredReplica, Opened>();

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /** Gives the files of a replica; `free` must be called once when they were used. */
  use(replica: StoredReplica, done: Use): void {
    replica.readers++;
    const known = this.opened.get(replica);
    if (known !== undefined) {
      this.opened.delete(replica);
      this.opened.set(replica, known);
      known.users++;
      return this.lend(replica, known, done);
    }
    const others = this.opening.get(replica);
    if (others !== undefined) return void others.push(done);
    const waiting = [done];
    this.opening.set(replica, waiting);
    openFiles(this.disk, replica.id, (error, files) => {
      this.opening.delete(replica);
      if (files === undefined) {
        replica.readers -= waiting.length;
        for (const each of waiting) each(error, undefined, () => undefined);
        return;
      }
      // All are counted before the first gets them, who may be through at once.
      const opened: Opened = { files, users: waiting.length, forgotten: replica.gone || this.isClosed };
      if (!opened.forgotten) this.opened.set(replica, opened);
      for (const each of waiting) this.lend(replica, opened, each);
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

  /** For good: what is being opened is closed after its use. */
  closeAll(): void {
    this.isClosed = true;
    for (const replica of this.opened.keys()) this.forget(replica);
  }

  /** To one who is counted already. */
  private lend(replica: StoredReplica, opened: Opened, done: Use): void {
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
